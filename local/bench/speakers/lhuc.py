"""Fit hidden unit scales to each speaker's first pass, and measure what the network then makes of the speech.

Reads   EXP/speakers/MODEL.SET/heard.npz of first_pass.py
Prints  a row for each choice: cross-entropy and accuracy against the reference's own pdf-ids, over all frames of
        speech, before and after; with --decode also the character error rate and its difference from the row "first"

    python local/bench/speakers/lhuc.py --exp exp/common_voice --kinds lhuc norm --rates 0.01 0.03 --epochs 1 3
    python local/bench/speakers/lhuc.py --exp exp/common_voice --rates 0.03 --targets best confident soft --decode
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from first_pass import Heard, Place, read_heard, search_words, write_row
from scales import KINDS, Fitting, Numbers, ScaledNetwork, SoftTargets, Targets

from asr.acoustic.model import AcousticModel
from asr.decoding.arrays import Floats
from asr.tables import read_table

TARGETS = ("best", "confident", "weighted", "soft", "reference")
#: with "confident", a frame counts if the best path's pdf has this posterior in the lattice
CONFIDENT = 0.7


@dataclass(frozen=True)
class Speech:
    """A speaker's utterances: names, lengths, z of the first layer, and what was heard."""

    names: list[str]
    first: torch.Tensor
    heard: list[Heard]

    @property
    def lengths(self) -> list[int]:
        """Return the frames of each utterance."""
        return [len(item.path) for item in self.heard]

    def targets(self, kind: str, most: int, used: Sequence[bool]) -> tuple[torch.Tensor, Targets]:
        """Return (rows of the frames that count, their targets).

        most: frames of speech at most, 0 for all; used: which utterances are fitted on.
        """
        path = np.concatenate([item.path for item in self.heard])
        reference = np.concatenate([item.reference for item in self.heard])
        counts = np.concatenate([item.spoken if kind == "reference" else item.speech for item in self.heard])
        counts = counts & np.repeat(np.asarray(used), self.lengths)
        confidence = self._confidence(path)
        if kind == "confident":
            counts = counts & (confidence >= CONFIDENT)
        rows = np.flatnonzero(counts)[: most or None]
        if kind == "soft":
            return torch.from_numpy(rows), self._soft(rows)
        pdfs = torch.from_numpy((reference if kind == "reference" else path)[rows].astype(np.int64))
        weights = torch.from_numpy(confidence[rows]) if kind == "weighted" else None
        return torch.from_numpy(rows), Targets(pdfs, weights)

    def _posteriors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        starts = np.cumsum([0, *self.lengths])
        frames = np.concatenate([item.frames + start for item, start in zip(self.heard, starts, strict=False)])
        return frames, *(np.concatenate([getattr(item, name) for item in self.heard]) for name in ("pdfs", "shares"))

    def _confidence(self, path: np.ndarray) -> np.ndarray:
        frames, pdfs, shares = self._posteriors()
        found = np.zeros(len(path), dtype=np.float32)
        same = path[frames] == pdfs
        found[frames[same]] = shares[same]
        return found

    def _soft(self, rows: np.ndarray) -> SoftTargets:
        frames, pdfs, shares = self._posteriors()
        place = np.full(sum(self.lengths), -1)
        place[rows] = np.arange(len(rows))
        used = place[frames] >= 0
        return SoftTargets(place[frames[used]], pdfs[used], shares[used], len(rows))


def speakers(place: Place, network: ScaledNetwork, every: int, least: int) -> dict[str, Speech]:
    """Return the speech of every so manieth speaker, of those with at least so many frames of speech."""
    heard, owner = read_heard(place), read_table(place.data / "utt2spk")
    found = {}
    for speaker in sorted(set(owner.values()), key=str.encode)[::every]:
        names = sorted((name for name in heard if owner[name] == speaker), key=str.encode)
        if sum(int(heard[name].speech.sum()) for name in names) < least:
            continue
        first = torch.cat([network.first(torch.from_numpy(heard[name].inputs)) for name in names])
        found[speaker] = Speech(names, first, [heard[name] for name in names])
    return found


@dataclass
class Figures:
    """Sums over frames of speech."""

    loss: float = 0.0
    right: int = 0
    frames: int = 0

    def add(self, logs: torch.Tensor, heard: list[Heard]) -> None:
        """Count the frames of a speaker whose reference is speech."""
        rows = torch.from_numpy(np.flatnonzero(np.concatenate([item.spoken for item in heard])))
        pdfs = torch.from_numpy(np.concatenate([item.reference for item in heard]).astype(np.int64))[rows]
        self.loss -= float(logs[rows].gather(1, pdfs.unsqueeze(1)).sum())
        self.right += int((logs[rows].argmax(1) == pdfs).sum())
        self.frames += len(rows)

    def __str__(self) -> str:
        return f"cross-entropy {self.loss / self.frames:.4f}, accuracy {100 * self.right / self.frames:.2f} %"


def fitted_numbers(
    network: ScaledNetwork, item: Speech, how: Fitting, kind: str, most: int, folds: int
) -> list[Numbers]:
    """Return the numbers for each utterance of a speaker; with folds, fitted on the utterances of other folds."""
    count = len(item.names)
    each: list[Numbers] = []
    for fold in range(folds):
        rows, targets = item.targets(kind, most, [folds == 1 or place % folds != fold for place in range(count)])
        each.append(network.fit(item.first[rows], targets, how))
    return [each[place % folds] for place in range(count)]


def measured(
    network: ScaledNetwork, speech: dict[str, Speech], how: Fitting, kind: str, most: int, folds: int
) -> tuple[Figures, dict[str, Numbers]]:
    """Return the figures of a choice, and the numbers for each utterance."""
    figures, fitted = Figures(), {}
    for item in speech.values():
        numbers = fitted_numbers(network, item, how, kind, most, folds)
        for name, first, heard, mine in zip(
            item.names, item.first.split(item.lengths), item.heard, numbers, strict=True
        ):
            figures.add(network.log_posteriors(first, mine), [heard])
            fitted[name] = mine
    return figures, fitted


def choices(given: argparse.Namespace) -> Iterator[tuple[str, int, int, Fitting]]:
    """Yield every combination of the options: targets, frames at most, folds, fitting."""
    axes = (given.targets, given.most, given.folds, given.kinds, given.epochs, given.rates, given.weights)
    for targets, most, folds, kind, epochs, rate, weight in itertools.product(*axes):
        yield targets, most, folds, Fitting(kind, epochs, rate, given.batch, weight, tuple(given.layers))


def decoded(
    place: Place,
    model: AcousticModel,
    network: ScaledNetwork,
    speech: dict[str, Speech],
    fitted: dict[str, Numbers],
    name: str,
) -> str:
    """Search every utterance with its speaker's numbers; return the row."""
    prior = place.weights.prior_scale * model.log_prior
    parts: dict[str, torch.Tensor] = {}
    for item in speech.values():
        parts |= zip(item.names, item.first.split(item.lengths), strict=True)

    def loglikes_of(utterance: str) -> Floats:
        return (network.log_posteriors(parts[utterance], fitted[utterance]) - prior).numpy()

    with place.pool() as pool:
        words, _ = search_words(place, pool, loglikes_of, sorted(parts, key=str.encode), name)
    return write_row(place, name, words, "first")


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    Place.options(parser)
    parser.add_argument("--kinds", nargs="+", default=["lhuc"], choices=KINDS)
    parser.add_argument("--targets", nargs="+", default=["best"], choices=TARGETS)
    parser.add_argument("--epochs", nargs="+", type=int, default=[3])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.01])
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0])
    parser.add_argument("--most", nargs="+", type=int, default=[0], help="frames of speech a speaker; 0: all")
    parser.add_argument("--folds", nargs="+", type=int, default=[1], help="score with what others were fitted on")
    parser.add_argument("--layers", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--every", type=int, default=1, help="measure every so manieth speaker")
    parser.add_argument("--least", type=int, default=0, help="measure speakers with so many frames of speech")
    parser.add_argument("--decode", action="store_true")
    given = parser.parse_args()
    place = Place.of(given)
    torch.set_num_threads(1)
    model = AcousticModel.load(place.network)
    network = ScaledNetwork(model.network)
    speech = speakers(place, network, given.every, given.least)
    figures = Figures()
    for item in speech.values():
        figures.add(network.log_posteriors(item.first, Numbers.zero(network.layers, network.width)), item.heard)
    print(f"{len(speech)} speakers, not fitted: {figures}", flush=True)
    for targets, most, folds, how in choices(given):
        started = time.process_time()
        figures, fitted = measured(network, speech, how, targets, most, folds)
        layers = "".join(map(str, how.layers))
        name = f"{how.kind}-{targets}-{how.epochs}x{how.rate:g}-w{how.weight:g}-l{layers}"
        name += f"-{most}" * bool(most) + f"-folds{folds}" * (folds > 1)
        print(f"{name}: {figures}; {time.process_time() - started:.0f} CPU s", flush=True)
        if given.decode:
            print(decoded(place, model, network, speech, fitted, name), flush=True)


if __name__ == "__main__":
    main()
