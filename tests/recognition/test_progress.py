"""Progress in seconds of sound: the printed lines, with a simulated clock."""

import time

import pytest

from asr.recognition.progress import SoundProgress


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one element is the time."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_files_and_seconds_that_are_done_and_the_time_left(clock, capsys):
    """30 s of 120 s in 15 s: 45 s are left; no line within ten seconds of the last one, none at the end."""
    with SoundProgress(120.0, 3, shown=True) as progress:
        clock[0] += 9.0
        progress.reached(18.0)
        clock[0] += 6.0
        progress.done(30.0)
        clock[0] += 5.0
        progress.reached(10.0)
        clock[0] += 20.0
        progress.reached(50.0)
        clock[0] += 40.0
        progress.done(60.0)
        clock[0] += 40.0
        progress.done(30.0)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "transcribe: 1/3 files, 30 of 120 s of sound, 45 s left",
        "transcribe: 1/3 files, 80 of 120 s of sound, 20 s left",
        "transcribe: 2/3 files, 90 of 120 s of sound, 27 s left",
    ]


def test_the_clock_of_a_single_file_starts_at_its_first_piece(clock, capsys):
    """20 s for the features; then 40 s of sound in 20 s, 50 s of sound are left."""
    with SoundProgress(100.0, 1, shown=False) as progress:
        clock[0] += 20.0
        progress.reached(10.0)
        clock[0] += 20.0
        progress.reached(50.0)
    assert capsys.readouterr().err == "transcribe: 50 of 100 s of sound, 25 s left\n"
