"""Warp the frequencies of each speaker: vocal tract length normalisation, and what it adds to fMLLR.

L. Lee, R. Rose, "A frequency warping approach to speaker normalization", 1998. The factor of a speaker is the one of
0.88 to 1.12 whose features are most likely under the SAT system's unadapted Gaussians, each frame under its own pdf.
The logarithm of the Jacobian counts: 1/2 log |covariance| of the features after the warp, minus that before.
Log mel energies are warped by interpolation between their bins: bin m becomes the energy at Kaldi's warped
frequency of its centre (--vtln-low 100, --vtln-high -500). So no sound is read.

Reads   EXP/MODEL/adapt, EXP/data, EXP/ali, and of first_pass.py EXP/speakers/MODEL.dev/heard.npz, dev's pdfs
Writes  EXP/speakers/vtln.SET.npz: of each speaker, the factor, and mean and deviation of the warped columns
Prints  how often each factor is chosen; with --gain, log-likelihoods a frame of dev's speakers after fMLLR, with and
        without the warp

    python local/bench/speakers/vtln.py --exp exp/common_voice --gain
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping

import numpy as np
from first_pass import Place, read_heard
from variants import part_of_train

from asr.decoding.two_pass import silence_of
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.speaker import SpeakerModel
from asr.features.reader import FeatureReader
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.counts import read_counts
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import read_transition_model

FACTORS = np.round(np.arange(0.88, 1.121, 0.02), 2)
#: frames of speech that the factor of a speaker is chosen on, and frames of the utterances that they are taken from
CHOOSING_FRAMES, CHOOSING_FROM = 800, 2400


def warp_matrix(bins: int, factor: float, rate_hz: float = 16000, low_hz: float = 20) -> np.ndarray:
    """Return the matrix, float32 (bins, bins), that warps log mel energies."""
    import torch

    from asr.sound.torchaudio_pure import torchaudio

    kaldi = torchaudio.compliance.kaldi
    high_hz = rate_hz / 2
    low, high = (kaldi.mel_scale_scalar(edge) for edge in (low_hz, high_hz))
    step = (high - low) / (bins + 1)
    centres = low + step * np.arange(1, bins + 1)
    tensor = torch.from_numpy(centres)[None]
    warped = kaldi.vtln_warp_mel_freq(100.0, high_hz - 500, low_hz, high_hz, factor, tensor)[0].numpy()
    place = np.clip((warped - centres[0]) / step, 0, bins - 1)
    below = np.minimum(place.astype(int), bins - 2)
    matrix = np.zeros((bins, bins), dtype=np.float32)
    matrix[np.arange(bins), below] = 1 - (place - below)
    matrix[np.arange(bins), below + 1] = place - below
    return matrix


def warped(features: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return features (frames, columns) whose first columns, the mel energies, are warped."""
    bins = len(matrix)
    return np.concatenate([features[:, :bins] @ matrix.T, features[:, bins:]], axis=1)


def log_likelihood(mixtures: Mixtures, features: np.ndarray, pdfs: np.ndarray) -> float:
    """Return the mean log-likelihood of frames, float32 (frames, dim), each under its pdf."""
    total = sum(float(mixtures.log_likelihoods(features[pdfs == pdf], [pdf]).sum()) for pdf in np.unique(pdfs))
    return total / len(pdfs)


def spread(features: np.ndarray) -> float:
    """Return half the log-determinant of the covariance of features."""
    return 0.5 * float(np.linalg.slogdet(np.cov(features.T.astype(np.float64)))[1])


class Speaker:
    """A speaker's utterances, with the pdf of each frame; silence does not count."""

    def __init__(
        self, reader: FeatureReader, columns: AdaptedColumns, names: list[str], pdfs: Mapping[str, np.ndarray]
    ) -> None:
        self.columns = columns
        self.raw = [reader.with_mean(name)[0] for name in names]
        self.mean = np.concatenate(self.raw).mean(0)
        self.pdfs = [pdfs[name] for name in names]

    def projected(self, matrix: np.ndarray, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (warped columns of LDA and MLLT, pdfs) of the frames of speech."""
        return self._projected(matrix, silent, len(self.raw))

    def some_projected(self, matrix: np.ndarray, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same of CHOOSING_FRAMES at most, evenly spread over the first utterances."""
        ends = np.cumsum([len(raw) for raw in self.raw])
        wide, pdfs = self._projected(matrix, silent, int(np.searchsorted(ends, CHOOSING_FROM)) + 1)
        rows = np.linspace(0, len(pdfs) - 1, min(CHOOSING_FRAMES, len(pdfs))).astype(int)
        return wide[rows], pdfs[rows]

    def _projected(self, matrix: np.ndarray, silent: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        mean = warped(self.mean[None], matrix)[0]
        wide = np.concatenate([self.columns.projected(warped(raw, matrix), mean) for raw in self.raw[:count]])
        pdfs = np.concatenate(self.pdfs[:count])
        return wide[~silent[pdfs]], pdfs[~silent[pdfs]]

    def statistics(self, matrix: np.ndarray) -> np.ndarray:
        """Return mean and deviation of the warped columns, (2, columns)."""
        every = warped(np.concatenate(self.raw), matrix)
        return np.stack([every.mean(0), every.std(0)])


def main() -> None:
    """Choose and print the factors."""
    parser = argparse.ArgumentParser(description=__doc__)
    Place.options(parser)
    parser.add_argument("--gain", action="store_true")
    parser.add_argument("--sets", nargs="+", default=["train", "dev"], choices=("train", "dev"))
    given = parser.parse_args()
    place = Place.of(given)
    exp = place.exp
    model = SpeakerModel.read(place.network / "adapt", read_counts(place.network / "ali_train_pdf.counts"))
    silent = read_transition_model(exp / "ali/final.mdl").pdfs_of(silence_of(place.graph_dir))
    gains: list[tuple[float, float, float, float]] = []
    for name in given.sets:
        reader = FeatureReader(part_of_train(exp) if name == "train" else exp / "data/dev")
        columns = AdaptedColumns.read(place.network / "adapt", reader.description)
        matrices = {factor: warp_matrix(int(reader.description["mel_bins"]), factor) for factor in FACTORS}
        if name == "dev":
            pdfs = {key: item.path for key, item in read_heard(place).items()}
        else:
            pdfs = {key: value for key, value in read_int_vectors(exp / "ali/pdf.ark") if key in reader}
        names: dict[str, list[str]] = {}
        for key in sorted(pdfs, key=str.encode):
            names.setdefault(reader.speaker(key), []).append(key)
        kept: dict[str, np.ndarray] = {}
        chosen: Counter[float] = Counter()
        for speaker, keys in names.items():
            person = Speaker(reader, columns, keys, pdfs)
            found = {}
            for factor, matrix in matrices.items():
                features, labels = person.some_projected(matrix, silent)
                found[factor] = log_likelihood(model.unadapted, features, labels) + spread(features)
            factor = max(found, key=lambda each: found[each])
            chosen[factor] += 1
            found_row = person.statistics(matrices[factor])
            kept[speaker] = np.concatenate([np.full((1, found_row.shape[1]), factor), found_row])
            if name == "dev" and given.gain:
                gains.append((found[factor] - found[1.0], *_after_fmllr(person, model, silent, matrices, factor)))
        print(f"{name}: " + ", ".join(f"{factor:g}: {chosen[factor]}" for factor in sorted(chosen)), flush=True)
        np.savez(exp / f"speakers/vtln.{name}.npz", **kept)
    if gains:
        table = np.array(gains)
        warp, plain, both, frames = (table[:, column] for column in range(4))
        mean = [float(np.average(values, weights=frames)) for values in (warp, plain, both, both - plain)]
        print(
            "dev, log-likelihood a frame: {:+.3f} by the warp; by fMLLR {:+.3f}, by both {:+.3f} ({:+.3f})".format(
                *mean
            )
        )


def _after_fmllr(
    person: Speaker, model: SpeakerModel, silent: np.ndarray, matrices: Mapping[float, np.ndarray], factor: float
) -> tuple[float, float, float]:
    """Return the gains a frame over the unadapted Gaussians by fMLLR and by warp and fMLLR, and the frames."""
    result: list[float] = []
    before, labels = person.projected(matrices[1.0], silent)
    start = log_likelihood(model.unadapted, before, labels) + spread(before)
    for each in (1.0, factor):
        features, labels = person.projected(matrices[each], silent)
        matrix = model.estimate(features, labels).matrix
        adapted = transformed(features, matrix)
        result.append(log_likelihood(model.target, adapted, labels) + spread(adapted) - start)
    return result[0], result[1], len(labels)


if __name__ == "__main__":
    main()
