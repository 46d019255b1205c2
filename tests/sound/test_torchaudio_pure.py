from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from asr.sound.torchaudio_pure import torchaudio


def test_imports_in_a_fresh_process_without_a_warning() -> None:
    code = (
        "import torch; from asr.sound.torchaudio_pure import torchaudio; x = torch.ones(1, 1600);"
        "kaldi = torchaudio.compliance.kaldi;"
        "print(*kaldi.fbank(x, num_mel_bins=40).shape, *kaldi.mfcc(x).shape,"
        " *torchaudio.functional.resample(x, 2, 1).shape, *torchaudio.functional.speed(x, 16000, 0.8)[0].shape)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["8", "40", "8", "13", "1", "800", "1", "2000"], "")


def test_what_is_left_out_says_so() -> None:
    with pytest.raises(RuntimeError, match="left out"):
        torchaudio.functional.forced_align(torch.zeros(1, 2, 3), torch.zeros(1, 1))
