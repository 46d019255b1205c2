"""The scores of one set as files: Kaldi's cer, wer, per_utt, per_spk, ops; aligned.txt; and scores.json.

by_character = score_texts(references, hypotheses, characters, seed=1)
paths = write_results(out, {"set": "test"}, by_character, by_word, speakers, missing=[])
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.files import atomic
from asr.scoring import details
from asr.scoring.bootstrap import SpeakerErrors, rate_interval
from asr.scoring.counts import Counts, Pair, align, count, interval, total
from asr.scoring.scores_file import figures_of
from asr.scoring.sounds import SoundErrors

#: the files that write_results writes
FILES = ("cer", "wer", "per_utt", "per_spk", "ops", "aligned.txt", "scores.json")
#: from so many speakers with reference units on, intervals are over speakers, else over utterances
LEAST_SPEAKERS = 10


@dataclass(frozen=True)
class UnitScores:
    """The scores of a set in one unit, characters or words.

    alignments, counts: by utterance; interval: of the error rate, in percent; drawn: the number of speakers whom it
    was drawn over, 0 if it was drawn over utterances.
    """

    alignments: dict[str, list[Pair]]
    counts: dict[str, Counts]
    interval: tuple[float, float] | None
    drawn: int = 0

    @property
    def total(self) -> Counts:
        """Return the counts of the whole set."""
        return total(self.counts.values())


def score_texts(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    split: Callable[[str], list[str]],
    seed: int,
    speakers: Mapping[str, str] | None = None,
) -> UnitScores:
    """Align and count normalised texts in the units that `split` returns.

    A key without a hypothesis counts as deletions. seed: of the bootstrap. speakers: {utterance: speaker}, if known;
    from LEAST_SPEAKERS on the interval is that of `asr compare`, over speakers: utterances of one speaker are not
    independent.
    """
    units = {key: (split(text), split(hypotheses.get(key, ""))) for key, text in references.items()}
    alignments = {key: align(*pair) for key, pair in units.items()}
    counts = {key: count(pairs) for key, pairs in alignments.items()}
    people = {speakers[key] for key in counts if counts[key].length} if speakers else set()
    if speakers and LEAST_SPEAKERS <= len(people) < len(counts):
        table = SpeakerErrors.of_counts((speakers[key], item) for key, item in counts.items())
        return UnitScores(alignments, counts, rate_interval(table, seed=seed), len(people))
    return UnitScores(alignments, counts, interval(list(units.values()), seed=seed))


def sound_errors(characters: UnitScores) -> SoundErrors:
    """Return the errors of a set by sound."""
    return SoundErrors.of(
        ([left for left, _ in pairs if left is not None], [right for _, right in pairs if right is not None])
        for pairs in characters.alignments.values()
    )


def result_lines(name: str, characters: UnitScores, words: UnitScores, word_unit: str, speakers: int) -> list[str]:
    """Return the lines that the user sees: the unit of the WER, two intervals, and at the end Kaldi's two lines."""
    alone = speakers == 1 and characters.interval is not None
    return [
        f"{name} WER counts {word_unit}",
        *([f"{name} has one speaker: the intervals say nothing about other speakers"] if alone else ()),
        f"{name} CER {_interval_text(characters)}",
        f"{name} WER {_interval_text(words)}",
        f"{name} {characters.total.line('CER')}",
        f"{name} {words.total.line('WER')}",
    ]


def _interval_text(scored: UnitScores) -> str:
    if scored.interval is None:
        return "95% interval not known: too few utterances with reference units"
    over = f" over {scored.drawn} speakers" if scored.drawn else ""
    return "95% interval [{:.2f}, {:.2f}]".format(*scored.interval) + over


def write_results(
    out: Path,
    head: Mapping[str, Any],
    characters: UnitScores,
    words: UnitScores,
    speakers: Mapping[str, str],
    missing: Sequence[str],
) -> list[Path]:
    """Write every file of a set into `out`, each whole or not at all, and return their paths.

    head: the first items of scores.json; speakers: {utterance: speaker}; missing: utterances without a hypothesis.
    """
    by_speaker = _by_speaker(characters, speakers)
    confusions = details.confusions(characters.alignments)
    scored = [(key, pairs, characters.counts[key]) for key, pairs in characters.alignments.items()]
    contents = {
        "cer": _kaldi_lines("CER", characters, missing),
        "wer": _kaldi_lines("WER", words, missing),
        "per_utt": [line for item in scored for line in details.per_utterance_lines(*item)],
        "per_spk": details.per_speaker_lines(by_speaker),
        "ops": details.ops_lines(confusions),
        "aligned.txt": [
            line for key, pairs, counts in scored for line in details.aligned_lines(key, speakers[key], pairs, counts)
        ],
    }
    for name, lines in contents.items():
        with atomic(out / name) as handle:
            handle.writelines(line + "\n" for line in lines)
    record = {
        **head,
        "utterances": len(scored),
        "missing": list(missing),
        "cer": _total_figures(characters),
        "wer": _total_figures(words),
        "speakers": {
            name: {"utterances": len(items), **figures_of(total(items))} for name, items in by_speaker.items()
        },
        "confusions": [
            {"kind": kind, "ref": pair[0], "hyp": pair[1], "count": number, "example": example}
            for kind, pair, number, example in confusions
            if kind != "correct"
        ],
        "per_utterance": [{"key": key, "speaker": speakers[key], "pairs": pairs} for key, pairs, _ in scored],
    }
    with atomic(out / "scores.json") as handle:
        json.dump(record, handle, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        handle.write("\n")
    return [out / name for name in FILES]


def _by_speaker(characters: UnitScores, speakers: Mapping[str, str]) -> dict[str, list[Counts]]:
    """Return {speaker: counts of each utterance} in C order."""
    found: dict[str, list[Counts]] = {}
    for key, counts in characters.counts.items():
        found.setdefault(speakers[key], []).append(counts)
    return dict(sorted(found.items(), key=lambda item: item[0].encode()))


def _kaldi_lines(name: str, scored: UnitScores, missing: Sequence[str]) -> list[str]:
    """Return the lines of compute-wer (%WER, %SER, Scored), and the interval."""
    sentences = len(scored.counts)
    wrong = sum(1 for counts in scored.counts.values() if counts.errors)
    return [
        scored.total.line(name),
        f"%SER {100.0 * wrong / sentences:.2f} [ {wrong} / {sentences} ]",
        f"Scored {sentences} sentences, {len(missing)} not present in hyp.",
        _interval_text(scored),
    ]


def _total_figures(scored: UnitScores) -> dict[str, Any]:
    return {
        **figures_of(scored.total),
        "sentences_wrong": sum(1 for item in scored.counts.values() if item.errors),
        "interval": scored.interval,
        "interval_speakers": scored.drawn,
    }
