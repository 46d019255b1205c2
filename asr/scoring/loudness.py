"""The signal-to-noise ratio of utterances, estimated from their filter banks.

The level of a frame is the sum of the energies in its mel filters, in dB. The estimate is the level that 5 % of the
frames exceed (speech) minus the level that 10 % of the frames stay below (the noise between words), similar to NIST's
stnr. It needs neither sound nor alignment. The filter banks are those of feats.scp, before any normalisation, of
pre-emphasised sound, so hum counts less than hiss. An utterance without a pause has a ratio that is too small, and
digital silence makes one that is very large.

    ratios = signal_to_noise(Path("exp/mini/data/dev"), ["u1", "u2"])      # {"u1": 31.4, ...} in dB
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.features.reader import describe
from asr.kaldi.archives import MatrixReader

#: percentiles of the levels of an utterance
SPEECH, NOISE = 95, 10
DB = 10 / np.log(10)


def signal_to_noise(data: Path, utterances: Iterable[str]) -> dict[str, float] | None:
    """Return the ratio in dB of each utterance with features; None if the features are not filter banks.

    Reads features.json and feats.scp. Raises InputError if they are missing or contradict each other.
    """
    description = describe(data, "kind")
    if description["kind"] != "fbank":
        return None
    bins, matrices = description.get("mel_bins"), MatrixReader(data / "feats.scp")
    if not isinstance(bins, int) or not 0 < bins <= description["dim"]:
        raise InputError("does not say how many filters there are", file=data / "features.json", key="mel_bins")
    found: dict[str, float] = {}
    for utterance in utterances:
        if utterance in matrices and len(matrix := matrices[utterance]):
            found[utterance] = round(ratio_of(matrix[:, :bins]), 2)
    return found


def ratio_of(log_energies: np.ndarray) -> float:
    """Return the ratio in dB of log filter banks (frames, filters), natural logarithms, at least one frame."""
    banks = log_energies.astype(np.float64)
    highest = banks.max(axis=1, keepdims=True)
    levels = DB * (highest[:, 0] + np.log(np.exp(banks - highest).sum(axis=1)))
    return float(np.percentile(levels, SPEECH) - np.percentile(levels, NOISE))
