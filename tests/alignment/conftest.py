"""The real Kaldi output that these tests read, and a small system of our own."""

from pathlib import Path

import pytest

from asr.alignment.monophone import write_monophone_dir

PHONES = ["SIL", "SPN", "a1", "b", "zh"]


@pytest.fixture(params=["mono_ali", "tri1_ali"])
def kaldi_ali(request, kaldi_sample) -> Path:
    return kaldi_sample / request.param


@pytest.fixture
def small(tmp_path):
    """(folder, transition model) of five phones: two silences of five states, three phones of three."""
    folder = tmp_path / "small"
    return folder, write_monophone_dir(folder, PHONES, ["SIL", "SPN"])
