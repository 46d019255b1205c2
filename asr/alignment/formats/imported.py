"""Phone times of other tools made into a Kaldi alignment directory of a monophone system.

Reads   CTM, a folder of TextGrids, or HTK labels
Writes  final.mdl tree phones.txt num_jobs ali.N.gz

    import_intervals(Path("phones.ctm"), "ctm", Path("exp/ali"), phones=read_symbols("phones.txt"), num_frames=frames)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.alignment.formats.ctm import read_ctm
from asr.alignment.formats.htk import read_htk
from asr.alignment.formats.intervals import Framed, Row, to_frames
from asr.alignment.formats.phone_labels import PhoneLabels, survey
from asr.alignment.formats.textgrid import read_textgrids
from asr.alignment.monophone import make_topology, monophone_tree, write_monophone_alignments
from asr.errors import InputError
from asr.kaldi.transition_model import TransitionModel, from_tree

INTERVAL_KINDS = ("ctm", "textgrid", "htk")
JOB_UTTERANCES = 5000


@dataclass
class Outcome:
    """How a source covers the utterances of a set.

    lengths: {utterance: frames} of what can be used; faults: {utterance of the set: why its labels cannot be};
    strangers: utterances that the set does not have; unlabelled: utterances of the set that the source does not have.
    """

    lengths: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def finish(self, source: Path, wanted: Collection[str]) -> None:
        """Find what is unlabelled. Raises InputError where nothing can be used."""
        self.unlabelled = [key for key in wanted if key not in self.lengths and key not in self.faults]
        if self.faults and not self.lengths:
            key, reason = next(iter(self.faults.items()))
            number = len(self.faults)
            raise InputError(f"none of its {number} utterances can be used; the first: {key}: {reason}", file=source)
        if not self.lengths:
            theirs, ours = next(iter(self.strangers), "none"), next(iter(wanted), "none")
            message = f"has no utterance of the data set: it has such as {theirs}, the data set such as {ours}"
            raise InputError(message, file=source)

    def lines(self) -> list[str]:
        """What the user is told of utterances left out."""
        lines = []
        for names, what in (
            (list(self.faults), "cannot be used"),
            (self.strangers, "are not in the data set"),
            (self.unlabelled, "of the data set have no labels"),
        ):
            if names:
                why = f": {self.faults[names[0]]}" if names[0] in self.faults else ""
                lines.append(f"{len(names)} utterances {what}, such as {names[0]}{why}")
        return lines


@dataclass
class Imported(Outcome):
    """An alignment directory that was made; widened and closed: see intervals.Framed, of all utterances."""

    model: TransitionModel | None = None
    phones: tuple[str, ...] = ()
    num_phones: int = 0
    widened: int = 0
    closed: int = 0

    def lines(self) -> list[str]:
        """What the user is told."""
        return [
            f"{len(self.lengths)} utterances, {sum(self.lengths.values())} frames, {self.num_phones} phones; "
            f"{self.widened} phones widened to the fewest frames they can take, {self.closed} gaps or silences "
            "shorter than a silence phone closed",
            *super().lines(),
        ]


def import_intervals(
    source: Path,
    kind: str,
    out_dir: Path,
    *,
    phones: Mapping[str, int] | None,
    num_frames: Mapping[str, int],
    silence_phones: Sequence[str] = ("SIL", "SPN"),
    optional_silence: str | None = None,
    phones_file: Path | None = None,
    tier: str | None = None,
    frame_shift_ms: float = 10.0,
    frame_length_ms: float = 25.0,
    tolerance: int = 3,
) -> Imported:
    """Make an alignment directory of the phone times in `source`, of the utterances that `num_frames` names.

    `kind`: one of INTERVAL_KINDS. `phones`: phones.txt, whose ids 1, 2, ... are kept; None: SIL, SPN (both silence
    phones) and the labels that occur, sorted. Unlabelled time, and labels such as sil, sp and pau, become
    `optional_silence` (default: SIL, else the first of `silence_phones`). Times become frames as intervals.to_frames
    says. The source is read twice, and `out_dir` changed only after that: an alignment that it held is replaced.

    Raises InputError: what the readers refuse; a label that is no phone; ids with gaps; not one usable utterance.
    Utterances that cannot be used singly are in the result's `faults`; bounding them is the caller's.
    """
    labels: PhoneLabels | None = None
    if phones is not None:
        labels = PhoneLabels.given(phones, silence_phones, optional_silence, file=phones_file, ids=kind == "ctm")
    used = survey(_rows(source, kind, tier, labels), num_frames)
    if labels is None:
        labels, known = PhoneLabels.found(used), None
    else:
        labels.check(used)
        known = labels
    ids = {name: number for number, name in enumerate(labels.names, 1)}
    topology = make_topology(len(ids), [ids[name] for name in labels.silences])
    model = from_tree(monophone_tree(topology), topology)
    silence, least = labels.silence, {name: model.min_frames(number) for name, number in ids.items()}
    labels_silence = any(labels.of(label) == silence for label in used)

    def frame(row: Row) -> Framed:
        return to_frames(
            labels.of_row(row),
            num_frames[row.utterance],
            silence=silence,
            min_frames=least.__getitem__,
            frame_shift_ms=frame_shift_ms,
            frame_length_ms=frame_length_ms,
            tolerance=tolerance,
            labels_silence=labels_silence,
        )

    result = Imported(model=model, phones=labels.names)
    made = _framed(_rows(source, kind, tier, known), num_frames, frame, ids, result)
    result.finish(source, num_frames)
    rows = {key: row.tolist() for key, row in made.items()}
    write_monophone_alignments(out_dir, labels.names, labels.silences, rows, JOB_UTTERANCES)
    return result


def _rows(source: Path, kind: str, tier: str | None, labels: PhoneLabels | None) -> Iterator[Row]:
    if kind == "ctm":
        return read_ctm(source)
    if kind == "textgrid":
        return read_textgrids(source, tier, None if labels is None else lambda label: labels.of(label) is not None)
    if kind == "htk":
        return read_htk(source, () if labels is None else labels.names)
    raise ValueError(f"{kind} is none of {', '.join(INTERVAL_KINDS)}")


def _framed(
    rows: Iterable[Row],
    num_frames: Mapping[str, int],
    frame: Callable[[Row], Framed],
    ids: Mapping[str, int],
    result: Imported,
) -> dict[str, np.ndarray]:
    """{utterance: (phone-id, frames), int32 (phones, 2)}; what cannot be used is noted in `result`."""
    made: dict[str, np.ndarray] = {}
    for row in rows:
        if row.utterance not in num_frames:
            result.strangers.append(row.utterance)
            continue
        try:
            framed = frame(row)
        except InputError as error:
            line = "" if error.line is None else f":{error.line}"
            result.faults[row.utterance] = f"{row.file.name}{line}: {error.message}"
            continue
        made[row.utterance] = np.array([(ids[name], frames) for name, frames in framed.phones], dtype=np.int32)
        result.lengths[row.utterance] = num_frames[row.utterance]
        result.num_phones += len(framed.phones)
        result.widened += framed.widened
        result.closed += framed.closed
    return made
