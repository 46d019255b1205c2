"""One set's scores as files: Kaldi's cer, wer, per_utt, per_spk, ops; aligned.txt; and scores.json for the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.files import atomic
from asr.scoring import details
from asr.scoring.counts import Counts, Pair, align, count, interval, total

#: what write_results leaves in its folder
FILES = ("cer", "wer", "per_utt", "per_spk", "ops", "aligned.txt", "scores.json")


@dataclass(frozen=True)
class Scored:
    """One unit's result over a set: alignments and counts by utterance, and the interval in percent."""

    alignments: dict[str, list[Pair]]
    counts: dict[str, Counts]
    interval: tuple[float, float] | None

    @property
    def total(self) -> Counts:
        return total(self.counts.values())


def score_texts(
    references: Mapping[str, str], hypotheses: Mapping[str, str], split: Callable[[str], list[str]], seed: int
) -> Scored:
    """Align and count normalised texts in the units `split` gives; a key without hypothesis is all deletions."""
    units = {key: (split(text), split(hypotheses.get(key, ""))) for key, text in references.items()}
    alignments = {key: align(*pair) for key, pair in units.items()}
    return Scored(
        alignments,
        {key: count(pairs) for key, pairs in alignments.items()},
        interval(list(units.values()), seed=seed),
    )


def result_lines(name: str, characters: Scored, words: Scored, word_unit: str, speakers: int) -> list[str]:
    """Return what the user sees of a set: the unit of the WER, two intervals, and at the end Kaldi's two lines."""
    alone = speakers == 1 and characters.interval is not None
    return [
        f"{name} WER counts {word_unit}",
        *([f"{name} has one speaker: the intervals say nothing about other speakers"] if alone else ()),
        f"{name} CER {_interval_text(characters)}",
        f"{name} WER {_interval_text(words)}",
        f"{name} {characters.total.line('CER')}",
        f"{name} {words.total.line('WER')}",
    ]


def _interval_text(scored: Scored) -> str:
    if scored.interval is None:
        return "95% interval not known: too few utterances with reference units"
    return "95% interval [{:.2f}, {:.2f}]".format(*scored.interval)


def write_results(
    out: Path,
    head: Mapping[str, Any],
    characters: Scored,
    words: Scored,
    speakers: Mapping[str, str],
    missing: Sequence[str],
) -> list[Path]:
    """Write every file of a set into `out`, each whole or not at all; returns their paths. `head` opens scores.json.

    `speakers` is {utterance: speaker}, `missing` the utterances that had no hypothesis.
    """
    by_speaker: dict[str, list[Counts]] = {}
    for key, counts in characters.counts.items():
        by_speaker.setdefault(speakers[key], []).append(counts)
    both = [(key, pairs, characters.counts[key]) for key, pairs in characters.alignments.items()]
    found = details.confusions(characters.alignments)
    contents = {
        "cer": _kaldi_lines("CER", characters, missing),
        "wer": _kaldi_lines("WER", words, missing),
        "per_utt": [line for item in both for line in details.per_utterance_lines(*item)],
        "per_spk": details.per_speaker_lines(by_speaker),
        "ops": details.ops_lines(found),
        "aligned.txt": [
            line for key, pairs, counts in both for line in details.aligned_lines(key, speakers[key], pairs, counts)
        ],
    }
    for name, lines in contents.items():
        with atomic(out / name) as handle:
            handle.writelines(line + "\n" for line in lines)
    record = {
        **head,
        "utterances": len(both),
        "missing": list(missing),
        "cer": _figures(characters),
        "wer": _figures(words),
        "speakers": {
            speaker: {"utterances": len(items), **_count_figures(total(items))}
            for speaker, items in sorted(by_speaker.items(), key=lambda item: item[0].encode())
        },
        "confusions": [
            {"kind": kind, "ref": pair[0], "hyp": pair[1], "count": number, "example": example}
            for kind, pair, number, example in found
            if kind != "correct"
        ],
        "per_utterance": [{"key": key, "speaker": speakers[key], "pairs": pairs} for key, pairs, _ in both],
    }
    with atomic(out / "scores.json") as handle:
        json.dump(record, handle, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        handle.write("\n")
    return [out / name for name in (*contents, "scores.json")]


def _kaldi_lines(name: str, scored: Scored, missing: Sequence[str]) -> list[str]:
    """What compute-wer prints (%WER, %SER, Scored), and the interval."""
    sentences = len(scored.counts)
    wrong = sum(1 for counts in scored.counts.values() if counts.errors)
    return [
        scored.total.line(name),
        f"%SER {100.0 * wrong / sentences:.2f} [ {wrong} / {sentences} ]",
        f"Scored {sentences} sentences, {len(missing)} not present in hyp.",
        _interval_text(scored),
    ]


def _figures(scored: Scored) -> dict[str, Any]:
    counts = scored.total
    return {
        **_count_figures(counts),
        "sentences_wrong": sum(1 for item in scored.counts.values() if item.errors),
        "interval": scored.interval,
    }


def _count_figures(counts: Counts) -> dict[str, Any]:
    return {
        "rate": counts.rate,
        "errors": counts.errors,
        "length": counts.length,
        "correct": counts.correct,
        "ins": counts.insertions,
        "del": counts.deletions,
        "sub": counts.substitutions,
    }
