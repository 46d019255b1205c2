"""Transforms of speakers are plausible, those of noise are not, and silence adapts nobody."""

import numpy as np
import pytest

from asr.features.adaptation.fmllr import Fmllr, accumulate, estimate
from asr.features.adaptation.plausible import doubts, implausible
from asr.kaldi.mixtures import read_mixtures

#: frames of speech and the rise of a frame's log-likelihood by Kaldi's own transforms, from its logs
KALDIS = {"CV0001": (1625, 4.36031), "CV0006": (3493, 2.57687), "CV0008": (637, 5.82451), "CV0238": (6336, 2.49606)}


def transform(rise: float, frames: float = 100.0) -> Fmllr:
    return Fmllr(np.eye(4, 5, dtype=np.float32), rise * frames, frames)


def test_kaldis_transforms_are_plausible(kaldi_speakers):
    found = {name: Fmllr(kaldi_speakers.transforms[name], rise * n, n) for name, (n, rise) in KALDIS.items()}
    assert doubts(found, {name: 2 * n for name, (n, _) in KALDIS.items()}) == []


def test_a_transform_of_noise_is_not(kaldi_speakers):
    model, rng = read_mixtures(kaldi_speakers.folder / "tri2_ali/final.mdl"), np.random.default_rng(1)
    pdfs, _ = kaldi_speakers.aligned("tri2_ali")
    noise = rng.normal(0, 3, (5000, 40)).astype(np.float32)
    assert implausible(estimate(accumulate(model, noise, pdfs[:5000])))


@pytest.mark.parametrize(("rise", "wanted"), [(0.0, False), (5.9, False), (6.1, True)])
def test_bounds_by_hand(rise, wanted):
    """Four columns: at most 6 a frame."""
    assert implausible(transform(rise)) is wanted
    assert implausible(transform(rise, 0.0)) is False


def test_the_lines_name_the_first_speaker_and_the_numbers():
    found = {"ann": transform(1), "bob": transform(7), "eve": transform(9), "ian": transform(0.1, 49.0)}
    wild, quiet = doubts(found, {"ann": 200, "bob": 200, "eve": 2000, "ian": 1000})
    assert wild.startswith("2 of 4 speakers have transforms that are far from plausible, the first: bob, ")
    assert "log-likelihood +7.0 a frame of speech" in wild
    assert quiet.endswith("of 1 of 4 speakers, the first: ian, 49 of 1,000 frames; they are hardly adapted to")
    assert doubts({"ian": transform(0.1, 50.0)}, {"ian": 1000}) == []
