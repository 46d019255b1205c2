"""Sound files that Kaldi's own reader accepts, and commands that make such files."""

from __future__ import annotations

import numpy as np
import soundfile

from asr.corpus.kaldi_sound import pipe, reads_directly, write_wav
from asr.sound.source import located


def test_files_that_kaldis_wave_reader_accepts(tmp_path):
    samples = np.array([0, 1, -32768, 40000.0, 2.4])
    write_wav(tmp_path / "a.wav", samples, 16000)
    found, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert found.tolist() == [0, 1, -32768, 32767, 2] and rate == 16000
    good = (tmp_path / "a.wav").read_bytes()
    assert reads_directly(tmp_path / "a.wav", 16000) and not reads_directly(tmp_path / "a.wav", 8000)
    junk = b"JUNK" + (4).to_bytes(4, "little") + b"abcd"
    listed = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    for name, content, taken in (
        ("junk", good[:12] + junk + good[12:], True),
        ("list behind fmt", good[:36] + listed + good[36:], True),
        ("list before fmt", good[:12] + listed + good[12:], False),
        ("cut", good[:-2], False),
        ("no samples", good[:40] + bytes(4), False),
        ("float", good[:20] + b"\3\0" + good[22:], False),
        ("stereo", good[:22] + b"\2\0" + good[24:], False),
        ("empty", b"", False),
        ("text", b"RIFF", False),
    ):
        (tmp_path / "x.wav").write_bytes(content)
        assert reads_directly(tmp_path / "x.wav", 16000) is taken, name
    assert not reads_directly(tmp_path / "none.wav", 16000)
    (tmp_path / "x.ark").write_bytes(b"a " + good + b"b " + good[:22] + b"\2\0" + good[24:])
    assert reads_directly(f"{tmp_path / 'x.ark'}:2", 16000)
    assert not reads_directly(f"{tmp_path / 'x.ark'}:{len(good) + 4}", 16000)
    assert located("/x.ark:17") == ("/x.ark", 17) and located("/x.ark:a")[1] is None
    (tmp_path / "odd:17").write_bytes(good)
    assert reads_directly(tmp_path / "odd:17", 16000) and located(str(tmp_path / "odd:17"))[1] is None
    assert pipe(["flac", "a b", "it's"]) == "flac 'a b' 'it'\"'\"'s' |"
