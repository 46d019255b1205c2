"""Train networks on every sixth utterance of train, each with other inputs, and compare them on all of dev's speech.

base        the features by speaker, 40 adapted columns beside them, as `asr train` makes them
ivector     an i-vector beside them (ivectors.py); at each spliced frame, divided by the root of their number
utterance   the features' own columns normalised by utterance, mean and variance
window      mean over the 300 frames around each frame removed (apply-cmvn-sliding --center=true)
vtln        the features' own filter banks warped by speaker (vtln.py)

All have the sizes and the seed of base, and one worker: the same bits again. Cross-entropies are those of the
reference's pdf-ids, with the transforms of dev's own first pass (first_pass.py), over all frames of speech.

    python local/bench/speakers/variants.py --exp exp/common_voice base ivector --vectors ivector-50
    python local/bench/speakers/variants.py --exp exp/common_voice base ivector utterance window --measure
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from first_pass import Place, read_heard
from scales import Numbers, ScaledNetwork

from asr.acoustic.model import AcousticModel
from asr.features import normalise
from asr.features.adaptation.reader import AdaptedReader
from asr.features.reader import FeatureReader
from asr.files import copy_whole
from asr.scoring.bootstrap import SpeakerErrors, difference_interval
from asr.tables import read_table, write_table
from asr.training.adapted import AdaptedData, prepare

VARIANTS = ("base", "ivector", "utterance", "window", "vtln")
SIZES = {"layers": 4, "width": 384, "minibatch": 128, "eta0": 0.28, "seed": 1, "workers": 1}
FEW_FIGURES = {"evaluations": 3, "heldout-frames": 2048}
CONTEXT = 5
WINDOW_FRAMES = 300
EVERY = 6

Alter = Callable[[str, np.ndarray], np.ndarray]


def sliding(features: np.ndarray, frames: int = WINDOW_FRAMES) -> np.ndarray:
    """Return features (frames, dim) minus the mean of the window around each frame.

    A window that would begin before the utterance or end after it is shifted, as apply-cmvn-sliding does.
    """
    count = len(features)
    begin = np.clip(np.arange(count) - frames // 2, 0, max(0, count - frames))
    end = np.minimum(begin + frames, count)
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0, dtype=np.float64)])
    mean = (sums[end] - sums[begin]) / (end - begin)[:, None]
    return np.asarray(features - mean, dtype=np.float32)


def alteration(variant: str, exp: Path, own: int, vectors: str) -> tuple[Alter, int]:
    """Return what a variant does to an utterance's inputs (frames, columns), and how many columns it adds.

    own: the number of the features' own columns, which come first.
    """

    def own_columns(change: Callable[[np.ndarray], np.ndarray]) -> Alter:
        return lambda _, inputs: np.concatenate([change(inputs[:, :own]), inputs[:, own:]], axis=1)

    if variant == "utterance":
        return own_columns(lambda features: normalise.apply(features, normalise.statistics(features))), 0
    if variant == "window":
        return own_columns(sliding), 0
    if variant == "ivector":
        with np.load(exp / "speakers" / f"{vectors}.npz") as arrays:
            added = {name: arrays[name] * np.float32((2 * CONTEXT + 1) ** -0.5) for name in arrays.files}

        def appended(utterance: str, inputs: np.ndarray) -> np.ndarray:
            row = added[utterance]
            return np.concatenate([inputs, np.broadcast_to(row, (len(inputs), len(row)))], axis=1)

        return appended, len(next(iter(added.values())))
    if variant == "vtln":
        from vtln import warp_matrix, warped

        readers = [FeatureReader(exp / "data" / name) for name in ("train", "dev")]
        people = {}
        for name in ("train", "dev"):
            with np.load(exp / f"speakers/vtln.{name}.npz") as arrays:
                people |= {speaker: arrays[speaker] for speaker in arrays.files}

        def with_warp(utterance: str, inputs: np.ndarray) -> np.ndarray:
            reader = next(reader for reader in readers if utterance in reader)
            factors, mean, deviation = people[reader.speaker(utterance)]
            matrix = warp_matrix(int(reader.description["mel_bins"]), float(factors[0]))
            found = (warped(reader.with_mean(utterance)[0], matrix) - mean) / deviation
            return np.concatenate([found.astype(np.float32), inputs[:, own:]], axis=1)

        return with_warp, 0
    return lambda _, inputs: inputs, 0


class AlteredReader(Mapping[str, np.ndarray]):
    """Mapping from utterance to inputs, altered."""

    def __init__(self, reader: AdaptedReader, alter: Alter) -> None:
        self.reader, self.alter = reader, alter

    def __getitem__(self, utterance: str) -> np.ndarray:
        return np.ascontiguousarray(self.alter(utterance, self.reader[utterance]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def __contains__(self, utterance: object) -> bool:
        return utterance in self.reader

    def __iter__(self) -> Iterator[str]:
        return iter(self.reader)

    def __len__(self) -> int:
        return len(self.reader)


@dataclass(frozen=True)
class AlteredData(AdaptedData):
    """How a run reads altered features."""

    alter: Alter = lambda _, inputs: inputs

    def reader(self, features: FeatureReader, *, forget: bool) -> Any:
        """Return the reader of a data directory."""
        return AlteredReader(super().reader(features, forget=forget), self.alter)


def part_of_train(exp: Path) -> Path:
    """Return a data directory with every sixth utterance of train, of every speaker."""
    source, out = exp / "data/train", exp / "speakers/data/train.sixth"
    if not (out / "utt2spk").is_file():
        out.mkdir(parents=True, exist_ok=True)
        for name in ("cmvn.scp", "features.json"):
            copy_whole(source / name, out / name)
        for name in ("feats.scp", "utt2num_frames", "text", "utt2spk"):
            table = read_table(source / name)
            write_table(out / name, {key: table[key] for key in sorted(table, key=str.encode)[::EVERY]})
    return out


def train(exp: Path, variant: str, vectors: str) -> None:
    """Train a network with `asr train`, whose readers are replaced by those above."""
    from asr.cli import main as asr_main
    from asr.training import materials

    def prepared(settings: Any, targets: Any) -> Any:
        made = prepare(settings, targets)
        assert made is not None
        own = FeatureReader(settings.train_data).description["dim"]
        alter, more = alteration(variant, exp, own, vectors)
        return AlteredData(made.model, made.columns + more, made.transforms, made.forgetting, alter)

    materials.prepare = prepared
    options = ["--train-data", part_of_train(exp), "--dev-data", exp / "data/dev", "--ali", exp / "ali"]
    options += ["--out", exp / "speakers" / f"{variant}-sixth"]
    options += [f"--{name}={value}" for name, value in (SIZES | FEW_FIGURES).items()]
    if status := asr_main(["train", "--config", "recipes/kaldi/recipe.cfg", *map(str, options)]):
        raise SystemExit(status)


def losses(place: Place, variant: str, vectors: str) -> SpeakerErrors:
    """Return the cross-entropy of a variant's network on dev by speaker: "errors" are sums in hundredths of nats."""
    model = AcousticModel.load(place.exp / "speakers" / f"{variant}-sixth")
    network = ScaledNetwork(model.network)
    alter, _ = alteration(variant, place.exp, int(model.config["features"]["dim"]), vectors)
    owner = read_table(place.data / "utt2spk")
    numbers = Numbers.zero(network.layers, network.width)
    sums: dict[str, np.ndarray] = {}
    for name, item in read_heard(place).items():
        first = network.first(torch.from_numpy(np.ascontiguousarray(alter(name, item.inputs))))
        rows = torch.from_numpy(np.flatnonzero(item.spoken))
        pdfs = torch.from_numpy(item.reference.astype(np.int64))[rows]
        logs = network.log_posteriors(first[rows], numbers)
        loss = -float(logs.gather(1, pdfs.unsqueeze(1)).sum())
        right = int((logs.argmax(1) == pdfs).sum())
        sums[owner[name]] = sums.get(owner[name], np.zeros(3)) + np.array([loss, right, len(rows)])
    table = np.array([sums[name] for name in sorted(sums)])
    total = table.sum(axis=0)
    loss, accuracy = total[0] / total[2], 100 * total[1] / total[2]
    print(f"{variant}: cross-entropy {loss:.4f}, accuracy {accuracy:.2f} %", flush=True)
    return SpeakerErrors(tuple(sorted(sums)), table[:, 0] / 100, table[:, 2])


def main() -> None:
    """Train, or print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    Place.options(parser)
    parser.add_argument("variants", nargs="+", choices=VARIANTS)
    parser.add_argument("--vectors", default="ivector-50")
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    place = Place.of(given)
    if not given.measure:
        for variant in given.variants:
            train(place.exp, variant, given.vectors)
        return
    torch.set_num_threads(1)
    found = {variant: losses(place, variant, given.vectors) for variant in given.variants}
    base, *others = found
    for variant in others:
        low, high = difference_interval(found[base], found[variant], seed=1)
        change = found[variant].rate - found[base].rate
        print(f"{variant} - {base}: {change:+.4f} ({low:+.4f} to {high:+.4f}) nats, by speaker")


if __name__ == "__main__":
    main()
