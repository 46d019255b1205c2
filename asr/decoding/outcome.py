"""What became of the utterances of a decoding: one by one, and in figures and words for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import duration, say, warn
from asr.decoding.lattices.hypothesis import Hypothesis
from asr.decoding.lattices.lattice import Lattice
from asr.errors import InputError

NAMED = 5  # how many utterances a line names


@dataclass(frozen=True)
class Outcome:
    """What became of one utterance: what was read from its lattice, or the lattice itself, as it was asked for.

    `fault` says why there is neither; `cpu_s`: CPU seconds of the search.
    """

    hypothesis: Hypothesis | None = None
    lattice: Lattice | None = None
    frames: int = 0
    reached_final: bool = False
    cpu_s: float = 0.0
    fault: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the hypothesis; () without one."""
        return tuple(word.text for word in self.hypothesis.words) if self.hypothesis is not None else ()


def check_faults(outcomes: Mapping[str, Outcome], max_missing: float, data: Path) -> None:
    """Raise InputError when more than this share of the utterances could not be decoded."""
    faults = [(key, outcome.fault) for key, outcome in outcomes.items() if outcome.fault is not None]
    if len(faults) > max_missing * len(outcomes):
        raise InputError(
            f"{len(faults)} of {len(outcomes)} utterances could not be decoded, above --max-missing "
            f"{max_missing:g}; the first: {faults[0][0]}: {faults[0][1]}",
            file=data,
        )


def figures(
    outcomes: Mapping[str, Outcome], frame_shift_ms: float, wall_s: float, cpu_s: float, processes: int
) -> dict[str, Any]:
    """What decode.json says of a decoding. `rtf_*`: seconds per second of speech, by the clock and of CPU."""
    frames = sum(outcome.frames for outcome in outcomes.values())
    speech_s = frames * frame_shift_ms / 1000
    found = {key: outcome for key, outcome in outcomes.items() if outcome.fault is None}
    found_frames = sum(outcome.frames for outcome in found.values())
    return {
        "utterances": len(outcomes),
        "faults": {key: outcome.fault for key, outcome in outcomes.items() if outcome.fault is not None},
        "not_final": [key for key, outcome in found.items() if not outcome.reached_final],
        "empty": [key for key, outcome in outcomes.items() if not outcome.words],
        "frames": frames,
        "frame_shift_ms": frame_shift_ms,
        "loglike_per_frame": -sum(o.hypothesis.cost for o in found.values() if o.hypothesis) / found_frames
        if found_frames
        else None,
        "speech_s": round(speech_s, 3),
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "processes": processes,
        "rtf_wall": round(wall_s / speech_s, 5) if speech_s else None,
        "rtf_cpu": round(cpu_s / speech_s, 5) if speech_s else None,
    }


def say_figures(record: Mapping[str, Any], name: str, verb: str = "decode") -> None:
    """One line about a decoding, and a warning each for what could not be decoded and what ended early."""
    speed = ""
    if record["rtf_wall"] is not None:
        speed = f"; real-time factor {record['rtf_wall']:.3f} (processes: {record['processes']}; "
        speed += f"CPU: {record['rtf_cpu']:.3f})"
    say(
        f"{verb}: {name}: {record['utterances']} utterances, {duration(record['speech_s'])} of speech; "
        f"LM weight {record['lm_weight']:g}, insertion penalty {record['penalty']:g}, "
        f"prior scale {record['prior_scale']:g}{speed}"
    )
    for named, told in (
        (list(record["faults"]), "could not be decoded and have an empty hypothesis"),
        (record["not_final"], "ended in no final state; their best unfinished path is taken"),
    ):
        if named:
            warn(
                f"{name}: {len(named)} utterances {told}: {', '.join(named[:NAMED])}{', ...' * (len(named) > NAMED)}"
            )
