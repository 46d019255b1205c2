"""What every test may use: the shared real data, and the command line run in this process."""

from __future__ import annotations

import gzip
import signal
from pathlib import Path

import pytest
import torch
from training_problem import make_problem

from asr.alignment.monophone import write_monophone_dir
from asr.cli import main

torch.set_num_threads(1)  # what tests compute is small: a second thread would cost more than it brings
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that starts the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
pytest_plugins = ["toy_graph"]
PHONES = ["SIL", "SPN", "a1", "b", "zh"]
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real Mandarin speech and real Kaldi output."""
    if not (SHARED / "kaldi_aishell_sample").is_dir():
        pytest.skip(f"the real data is not there: {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def kaldi_sample(shared) -> Path:
    """What Kaldi itself made of the AISHELL sample."""
    return shared / "kaldi_aishell_sample"


@pytest.fixture(scope="session")
def aishell_sample(shared) -> Path:
    """Sentences of two speakers of AISHELL, as flac, with their transcripts."""
    return shared / "aishell_sample"


@pytest.fixture
def refused(capsys):
    """refused(argv) -> the one line on stderr of a command that must end with status 2."""

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
    """(folder, argv of the train verb) of a training problem that takes seconds."""
    return make_problem(tmp_path)


@pytest.fixture(scope="session")
def kaldi_graph(kaldi_sample, tmp_path_factory) -> Path:
    """Kaldi's tri1_graph, unpacked."""
    folder = tmp_path_factory.mktemp("tri1_graph")
    for path in (kaldi_sample / "tri1_graph").iterdir():
        data = path.read_bytes()
        (folder / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
    return folder


@pytest.fixture(params=["mono_ali", "tri1_ali"])
def kaldi_ali(request, kaldi_sample) -> Path:
    return kaldi_sample / request.param


@pytest.fixture
def small(tmp_path):
    """(folder, transition model) of five phones: two silences of five states, three phones of three."""
    folder = tmp_path / "small"
    return folder, write_monophone_dir(folder, PHONES, ["SIL", "SPN"])
