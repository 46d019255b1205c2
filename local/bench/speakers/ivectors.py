"""Make i-vectors of train and dev; variants.py trains a network that hears them beside its other columns.

Mixture and extractor hear the columns of LDA and MLLT: with the speaker's mean removed where posteriors are computed,
with it where sums are made, as in Kaldi's nnet3 recipes. Silence does not count. In training the i-vector belongs to
two utterances of a speaker (Kaldi's fake speakers), of a held-out speaker to all. `--per` changes that.

Reads   EXP/MODEL/adapt, EXP/data, EXP/ali
Writes  EXP/speakers/NAME.npz, {utterance: float32 (size)}

    python local/bench/speakers/ivectors.py --exp exp/common_voice --size 50 --name ivector-50
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from total_variability import Sums, train_extractor, train_mixture

from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.reader import AdaptedReader
from asr.features.reader import FeatureReader
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.transition_model import read_transition_model
from asr.lang.phone_classes import class_ids
from asr.tables import read_symbols

#: of a frame's neighbours, of which one in so many counts as all
STEP = 3
SAMPLE_FRAMES = 100_000


def projected(exp: Path, model: str, name: str, silent: np.ndarray) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield (utterance, speaker, columns without the speaker's mean, with it) of one in STEP frames of speech."""
    plain = FeatureReader(exp / "data" / name)
    reader = AdaptedReader(plain, AdaptedColumns.read(exp / model / "adapt", plain.description))
    columns = reader.columns
    offsets: dict[str, np.ndarray] = {}
    centre: np.ndarray | None = None
    wanted = {key: value for key, value in read_int_vectors(exp / "ali/pdf.ark") if key in plain}
    for key in sorted(wanted, key=str.encode):
        features, mean = plain.with_mean(key)
        centre = mean if centre is None else centre  # any constant: the extractor removes the mean of all
        speaker = plain.speaker(key)
        if speaker not in offsets:
            offsets[speaker] = columns.projected(mean[None], np.zeros_like(mean))[0]
        rows = np.flatnonzero(~silent[wanted[key]])[::STEP]
        without = columns.projected(features, mean)[rows]
        yield key, speaker, torch.from_numpy(without), torch.from_numpy(without + offsets[speaker])


def pieces_of(speaker: Mapping[str, str], per: str) -> dict[str, str]:
    """Return {utterance: the piece of speech that it belongs to}; per: utterance, pair or speaker."""
    if per == "speaker":
        return dict(speaker)
    if per == "utterance":
        return {key: key for key in speaker}
    count: dict[str, int] = {}
    found = {}
    for key in sorted(speaker, key=str.encode):
        owner = speaker[key]
        count[owner] = count.get(owner, -1) + 1
        found[key] = f"{owner} {count[owner] // 2}"
    return found


def vectors(given: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return {utterance: i-vector, float32 (size)} of train and dev, scaled to a variance of 1 on train."""
    exp = given.exp
    phones = class_ids(exp / "lang", "silence", read_symbols(exp / "lang/phones.txt"))
    silent = read_transition_model(exp / "ali/final.mdl").pdfs_of(phones)
    sums: dict[str, dict[str, Sums]] = {"train": {}, "dev": {}}
    speakers: dict[str, dict[str, str]] = {"train": {}, "dev": {}}
    generator = torch.Generator().manual_seed(1)
    some = [
        without[torch.randperm(len(without), generator=generator)[:40]]
        for number, (_, _, without, _) in enumerate(projected(exp, given.model, "train", silent))
        if number % 2 == 0
    ]
    sample = torch.cat(some)[:SAMPLE_FRAMES]
    mixture = train_mixture(sample, given.gaussians, seed=1)
    for name in sums:
        for key, speaker, without, columns in projected(exp, given.model, name, silent):
            found = mixture.sums(without, columns)
            sums[name][key] = Sums(STEP * found.n, STEP * found.f)
            speakers[name][key] = speaker
    extractor = train_extractor(mixture, Sums.stacked(list(sums["train"].values())), given.size, seed=1)
    result: dict[str, np.ndarray] = {}
    scale: np.ndarray | None = None
    for name, per in (("train", given.per), ("dev", given.dev_per)):
        pieces = pieces_of(speakers[name], per)
        together: dict[str, Sums] = {}
        for key, piece in pieces.items():
            together[piece] = together[piece] + sums[name][key] if piece in together else sums[name][key]
        found = extractor(Sums.stacked(list(together.values()))).numpy()
        scale = found.std(0) if scale is None else scale
        print(f"{name}: {len(found)} i-vectors, mean square {float(np.square(found / scale).mean()):.2f}")
        rows = dict(zip(together, found / scale, strict=True))
        result |= {key: rows[piece] for key, piece in pieces.items()}
    return result


def main() -> None:
    """Make the i-vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--model", default="net-1")
    parser.add_argument("--gaussians", type=int, default=256)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--per", default="pair", choices=("utterance", "pair", "speaker"))
    parser.add_argument("--dev-per", default="speaker", choices=("utterance", "pair", "speaker"))
    parser.add_argument("--name", default="ivector")
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    added = vectors(given)
    (given.exp / "speakers").mkdir(exist_ok=True)
    np.savez(given.exp / "speakers" / f"{given.name}.npz", **added)
    print(f"i-vectors: {time.process_time() - started:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
