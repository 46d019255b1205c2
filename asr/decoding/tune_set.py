"""The part of a set that the decoding weights are chosen on: its log-likelihoods, kept on disk, and its transcripts.

tune_set = TuneSet.make(data, utterances, loglikes_of, folder, most_frames=60_000, seed=0, latin="word")
best, trials = tune_set.choose(pool, lm_weights=(8, 10, 12), penalties=(0, 0.5, 1))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.console import progress, say
from asr.decoding.pool import SearchPool
from asr.decoding.tuning import Trial, choose
from asr.errors import InputError
from asr.tables import read_table

STORE_PREFIX = ".loglikes-"


class LoglikeStore(Mapping[str, np.ndarray]):
    """Matrices of one width in one file, mapped into memory on demand: a set's may be larger than the memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.width = path, 0
        self.where: dict[str, tuple[int, int]] = {}
        self.frames = 0

    def append(self, utterance: str, matrix: np.ndarray) -> None:
        """Add float32 (frames, width)."""
        matrix = np.ascontiguousarray(matrix, np.float32)
        if self.where and matrix.shape[1] != self.width:
            raise ValueError(f"{utterance}: {matrix.shape[1]} columns after {self.width}")
        self.width = matrix.shape[1]
        with open(self.path, "ab") as handle:
            handle.write(matrix.tobytes())
        self.where[utterance] = (self.frames, len(matrix))
        self.frames += len(matrix)

    def __getitem__(self, utterance: str) -> np.ndarray:
        first, frames = self.where[utterance]
        shape = (frames, self.width)
        if not frames:
            return np.zeros(shape, np.float32)
        return np.asarray(np.memmap(self.path, np.float32, "r", offset=4 * first * self.width, shape=shape))

    def __iter__(self) -> Iterator[str]:
        return iter(self.where)

    def __len__(self) -> int:
        return len(self.where)


@dataclass
class TuneSet:
    """`references`: the units of each utterance's transcript, in the order of decoding; `store` has the same keys."""

    references: dict[str, list[str]]
    store: LoglikeStore
    latin: str

    @classmethod
    def make(
        cls,
        data: Path,
        utterances: Sequence[str],
        loglikes_of: Callable[[str], np.ndarray],
        folder: Path,
        most_frames: float,
        seed: int,
        latin: str,
    ) -> TuneSet:
        """Compute the log-likelihoods of utterances in seeded random order, until `most_frames` are reached.

        Utterances without log-likelihoods (an InputError) or transcript are passed over. Raises InputError when
        nothing is left to count errors on.
        """
        from asr.corpus.transcript import characters, normalise

        texts = read_table(data / "text", allow_empty=True)
        order = [utterance for utterance in utterances if texts.get(utterance)]
        random.Random(seed).shuffle(order)
        store, references = LoglikeStore(folder / "loglikes"), {}
        refusal = ""
        for utterance in progress(order, len(order), f"log-likelihoods: {data.name}"):
            try:
                store.append(utterance, loglikes_of(utterance))
            except InputError as error:
                refusal = refusal or f"; the first: {error}"
                continue
            references[utterance] = characters(normalise(texts[utterance]), latin=latin)
            if store.frames >= most_frames:
                break
        if not any(references.values()):
            raise InputError(
                f"no utterance has both a transcript and features to tune on{refusal}", file=data / "text"
            )
        return cls(references, store, latin)

    def choose(
        self, pool: SearchPool, lm_weights: Iterable[float], penalties: Iterable[float]
    ) -> tuple[Trial, list[Trial]]:
        """The weights with the fewest errors (see asr.decoding.tuning), and everything that was tried."""
        best, trials = choose(lambda weight, penalty: self.errors(pool, weight, penalty), lm_weights, penalties)
        say(f"tune: best LM weight {best.lm_weight:g}, insertion penalty {best.penalty:g} of {len(trials)} tried")
        return best, trials

    def errors(self, pool: SearchPool, lm_weight: float, penalty: float) -> tuple[int, int]:
        """(errors, units of reference) of one decoding; an utterance without a result has its units deleted."""
        from kaldialign import edit_distance

        from asr.corpus.transcript import characters

        what = f"tune: LM weight {lm_weight:g}, penalty {penalty:g}"
        outcomes = pool.decode(
            list(self.references), self.store.__getitem__, lm_weight=lm_weight, penalty=penalty, what=what
        )
        errors = sum(
            edit_distance(reference, characters(" ".join(outcomes[utterance].words), latin=self.latin))["total"]
            for utterance, reference in self.references.items()
        )
        length = sum(len(reference) for reference in self.references.values())
        say(f"{what}: %CER {100 * errors / length:.2f} [ {errors} / {length} ]")
        return errors, length
