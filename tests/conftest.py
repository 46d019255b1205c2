"""What every test may use: the real data of ../shared, and the command line, run in this process.

Only this file skips tests because ../shared is absent. A test that takes a fixture of REAL_DATA has the mark
`needs_shared`. The last line of a run counts these tests, and this command lists them:

    python -m pytest --collect-only -q -m needs_shared
"""

from __future__ import annotations

import gzip
import signal
from pathlib import Path

import pytest
import torch
from kaldi_speakers import KaldiSpeakers
from repository import SHARED
from training_problem import make_problem

from asr.alignment.monophone import write_monophone_dir
from asr.cli import main

torch.set_num_threads(1)  # what tests compute is small: a second thread would cost more than it brings
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that starts the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
pytest_plugins = ["toy_graph"]
PHONES = ["SIL", "SPN", "a1", "b", "zh"]
#: the fixtures that skip a test
REAL_DATA = {"shared", "kaldi_sample", "kaldi_speakers", "aishell_sample", "cmn_words"}


@pytest.hookimpl(tryfirst=True)  # before -m selects tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if REAL_DATA.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("needs_shared")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests used ../shared, and how many were skipped without it."""
    reports = terminalreporter.stats
    counts = {
        outcome: sum("needs_shared" in getattr(report, "keywords", ()) for report in reports.get(outcome, ()))
        for outcome in ("passed", "failed", "error", "skipped")
    }
    skipped = counts.pop("skipped")
    if skipped:
        terminalreporter.write_line(f"{skipped} tests need ../shared and were skipped")
    elif used := sum(counts.values()):
        terminalreporter.write_line(f"{used} tests used ../shared")


def _real_data(name: str) -> Path:
    """Return a folder of ../shared/data. Skips the test where it is absent."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return ../shared/data, the folder with real Mandarin speech and real Kaldi output."""
    _real_data("kaldi_aishell_sample")
    return _real_data("")


@pytest.fixture(scope="session")
def kaldi_sample() -> Path:
    """Return the folder of what Kaldi itself made of the AISHELL sample."""
    return _real_data("kaldi_aishell_sample")


@pytest.fixture(scope="session")
def kaldi_speakers() -> KaldiSpeakers:
    """Return the speech of six speakers, with what Kaldi itself estimated on it: LDA, MLLT and fMLLR."""
    return KaldiSpeakers(_real_data("kaldi_common_voice"))


@pytest.fixture(scope="session")
def aishell_sample() -> Path:
    """Return the folder of sentences of two AISHELL speakers: flac files and their transcripts."""
    return _real_data("aishell_sample")


@pytest.fixture(scope="session")
def cmn_words() -> Path:
    """Return the folder of single words as mp3 files."""
    return _real_data("cmn_words")


@pytest.fixture
def refused(capsys):
    """Return a function of argv: the one line on stderr of a command that must end with status 2."""

    def run(argv: list[str]) -> str:
        capsys.readouterr()
        status = main([str(item) for item in argv])
        error = capsys.readouterr().err
        assert status == 2, error
        lines = [line for line in error.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1, error
        return lines[0]

    return run


@pytest.fixture
def problem(tmp_path):
    """Return (folder, argv of the train verb) of a training problem that takes seconds."""
    return make_problem(tmp_path)


@pytest.fixture(scope="session")
def kaldi_graph(kaldi_sample, tmp_path_factory) -> Path:
    """Return a folder with Kaldi's tri1_graph, unpacked."""
    folder = tmp_path_factory.mktemp("tri1_graph")
    for path in (kaldi_sample / "tri1_graph").iterdir():
        data = path.read_bytes()
        (folder / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
    return folder


@pytest.fixture(params=["mono_ali", "tri1_ali"])
def kaldi_ali(request, kaldi_sample) -> Path:
    """Return an alignment folder that Kaldi made: of monophones, and of triphones."""
    return kaldi_sample / request.param


@pytest.fixture
def small(tmp_path):
    """Return (folder, transition model) of five phones: two silences of five states, three phones of three."""
    folder = tmp_path / "small"
    return folder, write_monophone_dir(folder, PHONES, ["SIL", "SPN"])
