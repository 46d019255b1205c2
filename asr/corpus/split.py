"""Cut a part, such as a development set, out of a data directory by speaker and text.

Reads a Kaldi data directory and writes two: `--part`, and `--rest` for training. With ten speakers or more the part
consists of whole speakers, unless they share so many sentences with the others that more than --max-missing of the
utterances would be left out. Else it takes utterances of every speaker in proportion. No sentence is in both parts;
sentences are compared as normalised characters. The parts depend on the seed, not on the order of the input.

    python -m asr split --data data/all --rest data/train --part data/dev --fraction 0.1
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.corpus.data_tables import c_sorted
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.prepared import write_left_out
from asr.corpus.problems import Problem
from asr.corpus.transcript import characters, normalise
from asr.errors import InputError, named_first
from asr.settings import option

ENOUGH_SPEAKERS = 10


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    rest: Path = option(help="data directory to write: what is not in the part", writes="folder", makes=FILES)
    part: Path = option(help="data directory to write: the part", writes="folder", makes=FILES)
    fraction: float = option(0.1, help="share of the utterances that the part gets", above=0, below=1)
    count: int | None = option(None, help="utterances that the part gets, instead of --fraction", least=1)
    max_missing: float = option(
        0.05, help="largest share of the utterances left out to keep whole speakers", least=0, most=1
    )
    seed: int = option(1, help="which speakers or sentences", least=0)
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write both directories. Raises InputError as `split` does."""
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    lost: list[Problem] = []
    rest, part = split(
        data,
        fraction=settings.fraction,
        count=settings.count,
        max_missing=settings.max_missing,
        seed=settings.seed,
        name=settings.data,
        lost=lost,
    )
    for path, piece in ((settings.rest, rest), (settings.part, part)):
        piece.write(path)
        say(f"{path}: {piece.size}")
    write_left_out(settings.rest, lost)


def split(
    data: DataDir,
    *,
    fraction: float = 0.1,
    count: int | None = None,
    max_missing: float = 0.05,
    seed: int = 1,
    name: Path | str = "data",
    lost: list[Problem] | None = None,
) -> tuple[DataDir, DataDir]:
    """Return (rest, part). The part has about `count` utterances, or `fraction` of all, and at least one.

    name: the directory that errors name. lost: receives a problem for each utterance that is in neither. Raises
    InputError if there is nothing to divide, or no part without a sentence of the rest.
    """
    total = len(data.utt2spk)
    target = max(int(fraction > 0), round(fraction * total)) if count is None else count
    if not 0 < target < total:
        raise InputError(f"cannot cut {target} of {total} utterances out; both parts need some", file=name)
    sentences = {key: "".join(characters(normalise(data.text[key], spoken=False))) for key in data.keys}
    cut = None
    if len(data.spk2utt) >= ENOUGH_SPEAKERS:
        cut = _whole_speakers(data, sentences, target, max_missing, random.Random(f"speakers {seed}"))
    chosen, left_out = cut or (_by_sentence(data, sentences, target, random.Random(f"sentences {seed}")), set())
    if not chosen:
        raise InputError("cannot cut a part out without a sentence in both parts", file=name)
    if left_out:
        first = named_first(c_sorted(left_out))
        say(f"{name}: {len(left_out)} utterances left out: their sentences are in both parts: {first}")
    if lost is not None:
        reason = "its sentence is in two sets"
        lost += [Problem("sentence in two sets", reason, name, None, key) for key in c_sorted(left_out)]
    rest = data.restricted(key for key in data.utt2spk if key not in chosen and key not in left_out)
    return rest, data.restricted(chosen)


def _whole_speakers(
    data: DataDir, sentences: dict[str, str], target: int, max_missing: float, rng: random.Random
) -> tuple[set[str], set[str]] | None:
    """Return (the part, what is in neither), None if whole speakers would leave too much out."""
    speakers = list(data.spk2utt.items())
    rng.shuffle(speakers)
    taken: set[str] = set()
    for _, keys in speakers[:-1]:
        if len(taken) >= target:
            break
        if not taken or len(taken) + len(keys) <= 1.5 * target:  # skips a speaker with too many utterances
            taken.update(keys)
    others = {sentence for key, sentence in sentences.items() if key not in taken}
    left_out = {key for key in taken if sentences[key] in others}
    fits = 0.5 * target <= len(taken) - len(left_out) <= 2 * target
    return (taken - left_out, left_out) if fits and len(left_out) <= max_missing * len(sentences) else None


def _by_sentence(data: DataDir, sentences: dict[str, str], target: int, rng: random.Random) -> set[str]:
    """Return utterances by sentence, each with all its speakers, until every speaker has about its share."""
    groups: dict[str, list[str]] = {}
    for key in data.keys:
        groups.setdefault(sentences[key], []).append(key)
    order = list(groups.values())
    rng.shuffle(order)
    ratio = target / len(sentences)
    share = {speaker: math.ceil(ratio * len(keys)) for speaker, keys in data.spk2utt.items()}
    given: Counter[str] = Counter()
    taken: set[str] = set()
    for keys in order:
        wanted = Counter(data.utt2spk[key] for key in keys)
        if len(taken) + len(keys) <= target and all(given[who] + n <= share[who] for who, n in wanted.items()):
            taken.update(keys)
            given.update(wanted)
    return taken
