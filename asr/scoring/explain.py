"""What a scored decoding's errors are due to: what a perfect acoustic model would leave, and the noise of utterances.

The transcripts are aligned with the model, and the graph is searched again with log-likelihoods that favour the pdfs
of the alignment. The errors that remain are those of language model and lexicon; the others are the acoustic model's.
A seeded part of the set is enough (--minutes). The signal-to-noise ratio of each utterance is estimated from its
filter banks (asr/scoring/loudness.py). `report` shows both, beside the errors by sound, speaker and length.

reads   DECODED/decode.json scores.json, and the data, model and graph that decode.json names; LANG/words.txt L.fst
writes  DECODED/explained.json

    python -m asr explain --decoded exp/mini/asgd/decode_dev --lang exp/mini/lang
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.alignment.load import num_frames
from asr.console import say
from asr.corpus.transcript import characters, normalise
from asr.decoding.acoustic import TwoPassSource
from asr.decoding.beam.search import Beams
from asr.decoding.sources import source_files, source_of
from asr.decoding.weights import Weights
from asr.errors import InputError, named_first
from asr.files import read_bytes, read_json, write_json
from asr.scoring import scores_file
from asr.scoring.counts import Pair, align, count, total
from asr.scoring.loudness import signal_to_noise
from asr.scoring.perfect import DecodedWith, search_perfectly
from asr.scoring.scores_file import figures_of
from asr.scoring.sounds import SoundErrors
from asr.settings import option
from asr.stamp import Stamp

RESULT = "explained.json"

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    decoded: Path = option(help="folder of a scored decoding, as MODEL/decode_dev", updates=True, makes=(RESULT,))
    lang: Path = option(help="lang directory that the graph was made of")
    minutes: float = option(30.0, help="most speech to search with the reference's own phones; 0: none", least=0)
    seed: int = option(0, help="selects the part of the set", least=0)


def run(settings: Settings) -> None:
    """Write explained.json. Raises InputError."""
    decoded = _Scored.read(settings.decoded, settings.lang)
    used = decoded.used
    inputs = [settings.decoded / "decode.json", settings.decoded / "scores.json", used.data / "feats.scp"]
    inputs += [path for path in (used.data / ".done.features.json",) if path.is_file()]
    if settings.minutes:
        _check_same_words(settings.lang, used.graph)
        inputs += [*source_files(used.model, decoded.weights), used.model / "tree", used.data / "text"]
        inputs += [used.graph / "HCLG.fst", used.graph / "words.txt", settings.lang / "words.txt"]
        inputs += [path for path in (settings.lang / "L.fst", settings.lang / "oov.txt") if path.is_file()]
    stamp = Stamp(settings.decoded / ".done.explain.json", "explain", settings, inputs, revision=REVISION)
    path = settings.decoded / RESULT
    if stamp.fresh():
        for line in _lines(decoded.name, read_json(path)):
            say(line)
        return
    ratios = signal_to_noise(used.data, decoded.pairs)
    record = {"set": decoded.name, "signal_to_noise_db": ratios, "perfect": _perfect(settings, decoded)}
    write_json(path, record)
    stamp.record([path])
    for line in _lines(decoded.name, record):
        say(line)


def _check_same_words(lang: Path, graph: Path) -> None:
    """Raise InputError if the graph was made of another lang directory: word-ids would mean other words."""
    if read_bytes(lang / "words.txt") != read_bytes(graph / "words.txt"):
        message = f"is not that of the graph in {graph}, which was made of another lang directory"
        raise InputError(message, file=lang / "words.txt")


@dataclass(frozen=True)
class _Scored:
    """A scored decoding. pairs: the alignment of each utterance; weights: final or raw."""

    name: str
    scores: dict[str, Any]
    pairs: dict[str, list[Pair]]
    used: DecodedWith
    weights: str

    @classmethod
    def read(cls, folder: Path, lang: Path) -> _Scored:
        """Read decode.json and scores.json. Raises InputError."""
        decoding, path = read_json(folder / "decode.json"), folder / "decode.json"
        if "arpa" in decoding:
            raise InputError("is of `asr rescore`: explain the decoding that was rescored", file=path)
        scores = read_json(folder / "scores.json")
        if (what := scores_file.problem(scores)) is not None:
            raise InputError(f"is not what `asr score` writes: {what}", file=folder / "scores.json")
        try:
            chosen, graph = decoding["settings"], Path(decoding["graph"])
            data, model, weights = Path(chosen["data"]), Path(chosen["model"]), str(chosen["weights"])
            used = DecodedWith(data, model, graph, lang, Beams.of(chosen), Weights.of(decoding, path))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("does not name the data, model, graph and beams", file=path) from error
        pairs = {entry["key"]: [(left, right) for left, right in entry["pairs"]] for entry in scores["per_utterance"]}
        return cls(str(scores.get("set", folder.name)), scores, pairs, used, weights)

    def units(self, words: Sequence[str]) -> list[str]:
        """Return the units of a hypothesis, as they were counted."""
        latin = "letter" if self.scores.get("latin") == "letter" else "word"
        text = normalise(" ".join(words), spoken=self.scores.get("spoken") is not False)
        return characters(text, latin=latin)


def _perfect(settings: Settings, decoded: _Scored) -> dict[str, Any] | None:
    """Return the errors with the reference's own pdfs, and those of the decoding, on the same utterances.

    None if --minutes is 0 or no utterance can be searched.
    """
    if not settings.minutes:
        return None
    used = decoded.used
    source = source_of(used.model, used.data, decoded.weights)
    if isinstance(source, TwoPassSource):
        source = source.first  # it aligns the references well enough
    most_frames = settings.minutes * 60_000 / source.frame_shift_ms
    part = _part(decoded.pairs, num_frames(used.data), most_frames, settings.seed)
    results = search_perfectly(used, part, source)
    texts = {
        utterance: (_reference(decoded.pairs[utterance]), decoded.units(result.words))
        for utterance, result in results.items()
        if result.fault is None
    }
    faults = {utterance: result.fault for utterance, result in results.items() if result.fault is not None}
    if not texts:
        say(f"explain: {decoded.name}: no utterance could be searched; the first: {next(iter(faults.items()), '')}")
        return None
    return {
        "utterances": len(texts),
        "cer": figures_of(total(count(align(*sides)) for sides in texts.values())),
        "decoded": figures_of(total(count(decoded.pairs[utterance]) for utterance in texts)),
        "kinds": SoundErrors.of(texts.values()).record()["kinds"],
        "faults": faults,
    }


def _reference(pairs: Sequence[Pair]) -> list[str]:
    return [left for left, _ in pairs if left is not None]


def _part(pairs: Mapping[str, Sequence[Pair]], frames: Mapping[str, int], most_frames: float, seed: int) -> list[str]:
    """Return utterances with a reference and features, in seeded random order until they have `most_frames`."""
    order = sorted((key for key in pairs if key in frames and _reference(pairs[key])), key=str.encode)
    random.Random(seed).shuffle(order)
    part, reached = [], 0
    for utterance in order:
        if reached >= most_frames:
            break
        part.append(utterance)
        reached += frames[utterance]
    return sorted(part, key=str.encode)


def _lines(name: str, record: Mapping[str, Any]) -> list[str]:
    """Return the lines that the user sees."""
    perfect = record["perfect"]
    if perfect is None:
        return []
    left, with_model = perfect["cer"], perfect["decoded"]
    faults = perfect["faults"]
    lost = f"; {len(faults)} utterances were left out ({named_first(faults)})" if faults else ""
    return [
        f"{name} with a perfect acoustic model {left['rate']:.2f} % wrong [ {left['errors']} / {left['length']} ], "
        f"with the model {with_model['rate']:.2f} %{lost}"
    ]
