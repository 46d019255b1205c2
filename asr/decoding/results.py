"""The results of a decoding: of each utterance, the figures of all of them, and the files.

OUT/hyp.txt       utterance and words; every utterance once, without words if none were found
    ctm           utterance 1 start duration word confidence (seconds); no line for a word whose time is unknown
    phones.ctm    utterance 1 start duration phone
    nbest         utterance-rank, graph cost, acoustic cost (unscaled), words
    lat.1.gz      compact lattices, as Kaldi's
    num_jobs      1, the number of lattice archives, which Kaldi's steps/get_ctm.sh and score.sh read; with lat.1.gz
    decode.json   weights, figures and settings; written last
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import duration, say, warn
from asr.decoding.arrays import Ints
from asr.decoding.lattices.files import write_lattices
from asr.decoding.lattices.hypothesis import Hypothesis
from asr.decoding.lattices.lattice import Lattice
from asr.errors import InputError, named_first
from asr.files import atomic
from asr.tables import write_table

FILES = ("hyp.txt", "ctm", "phones.ctm", "nbest", "lat.1.gz", "num_jobs")


@dataclass(frozen=True)
class SearchResult:
    """The result of one utterance's search: its hypothesis, its lattice or its path, or the reason for none of them.

    cpu_s: CPU seconds of the search; fault: the reason; path: transition-ids of the best path.
    """

    hypothesis: Hypothesis | None = None
    lattice: Lattice | None = None
    frames: int = 0
    reached_final: bool = False
    cpu_s: float = 0.0
    fault: str | None = None
    path: Ints | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words of the hypothesis; () if there is none."""
        return tuple(word.text for word in self.hypothesis.words) if self.hypothesis is not None else ()


def faults_of(results: Mapping[str, SearchResult]) -> dict[str, str]:
    """Return {utterance: fault} of the utterances that could not be decoded."""
    return {key: result.fault for key, result in results.items() if result.fault is not None}


def check_faults(results: Mapping[str, SearchResult], max_missing: float, data: Path) -> None:
    """Raise InputError if more than this share of the utterances could not be decoded."""
    faults = faults_of(results)
    if len(faults) > max_missing * len(results):
        first, fault = next(iter(faults.items()))
        raise InputError(
            f"{len(faults)} of {len(results)} utterances could not be decoded, above --max-missing "
            f"{max_missing:g}; the first: {first}: {fault}",
            file=data,
        )


def figures(
    results: Mapping[str, SearchResult], frame_shift_ms: float, wall_s: float, cpu_s: float, processes: int
) -> dict[str, Any]:
    """Return the figures in decode.json. `rtf_*`: seconds per second of speech, by the clock and of CPU."""
    frames = sum(result.frames for result in results.values())
    speech_s = frames * frame_shift_ms / 1000
    found = {key: result for key, result in results.items() if result.fault is None}
    found_frames = sum(result.frames for result in found.values())
    cost = sum(result.hypothesis.cost for result in found.values() if result.hypothesis)
    return {
        "utterances": len(results),
        "faults": faults_of(results),
        "not_final": [key for key, result in found.items() if not result.reached_final],
        "empty": [key for key, result in results.items() if not result.words],
        "frames": frames,
        "frame_shift_ms": frame_shift_ms,
        "loglike_per_frame": -cost / found_frames if found_frames else None,
        "speech_s": round(speech_s, 3),
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "processes": processes,
        "rtf_wall": round(wall_s / speech_s, 5) if speech_s else None,
        "rtf_cpu": round(cpu_s / speech_s, 5) if speech_s else None,
    }


def say_figures(record: Mapping[str, Any], name: str, verb: str = "decode") -> None:
    """Print one line about a decoding, and one warning each for faults and for paths that are not final."""
    speed = ""
    if record["rtf_wall"] is not None:
        speed = f"; real-time factor {record['rtf_wall']:.3f} (processes: {record['processes']}; "
        speed += f"CPU: {record['rtf_cpu']:.3f})"
    say(
        f"{verb}: {name}: {record['utterances']} utterances, {duration(record['speech_s'])} of speech; "
        f"LM weight {record['lm_weight']:g}, insertion penalty {record['penalty']:g}, "
        f"prior scale {record['prior_scale']:g}{speed}"
    )
    for keys, what in (
        (list(record["faults"]), "could not be decoded and have an empty hypothesis"),
        (record["not_final"], "ended in no final state; their best unfinished path is used"),
    ):
        if keys:
            warn(f"{name}: {len(keys)} utterances {what}: {named_first(keys)}")


def write_results(out: Path, results: Mapping[str, SearchResult], frame_shift_ms: float, *, lattices: bool) -> None:
    """Write FILES. lattices: with lat.1.gz; otherwise an older one is removed."""
    write_table(out / "hyp.txt", {key: " ".join(result.words) for key, result in results.items()})
    found = {key: result.hypothesis for key, result in results.items() if result.hypothesis is not None}
    shift_s = frame_shift_ms / 1000
    with atomic(out / "ctm") as words, atomic(out / "phones.ctm") as phones, atomic(out / "nbest") as best:
        for key, hypothesis in found.items():
            words.writelines(word.ctm_line(key) for word in hypothesis.words if word.duration_s)
            phones.writelines(
                f"{key} 1 {first * shift_s:.3f} {frames * shift_s:.3f} {phone}\n"
                for phone, first, frames in hypothesis.phones
            )
            best.writelines(
                f"{key}-{rank} {entry.cost_graph:.4f} {entry.cost_acoustic:.4f} {' '.join(entry.words)}".rstrip()
                + "\n"
                for rank, entry in enumerate(hypothesis.n_best, 1)
            )
    (out / "num_jobs").unlink(missing_ok=True)
    if lattices:
        write_lattices(out / "lat.1.gz", ((key, hypothesis.compact) for key, hypothesis in found.items()))
        with atomic(out / "num_jobs") as handle:
            handle.write("1\n")
    else:
        (out / "lat.1.gz").unlink(missing_ok=True)


def written_files(out: Path) -> list[Path]:
    """Return decode.json and those of FILES that are in `out`."""
    return [out / "decode.json", *(out / name for name in FILES if (out / name).is_file())]
