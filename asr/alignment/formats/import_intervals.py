"""Convert phone times of other tools to a Kaldi alignment directory of a monophone system.

Reads   a CTM, a folder of TextGrids, or HTK labels
Writes  final.mdl tree phones.txt num_jobs ali.N.gz

    labels = PhoneLabels.given(read_symbols("phones.txt"), ["SIL", "SPN"], ids=True)
    import_intervals(Path("phones.ctm"), "ctm", Path("exp/ali"), labels=labels, num_frames=frames)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.alignment.formats.ctm import read_ctm
from asr.alignment.formats.htk import read_htk
from asr.alignment.formats.intervals import FramedUtterance, LabelledUtterance, to_frames
from asr.alignment.formats.phone_labels import PhoneLabels, used_labels
from asr.alignment.formats.textgrid import read_textgrids
from asr.alignment.monophone import make_topology, monophone_tree, write_monophone_alignments
from asr.errors import InputError
from asr.kaldi.transition_model import Ints, from_tree

INTERVAL_KINDS = ("ctm", "textgrid", "htk")
JOB_UTTERANCES = 5000


@dataclass
class ImportSummary:
    """The outcome of an import.

    lengths: {utterance: frames} of the utterances that can be used; faults: {utterance: reason why it cannot be
    used}; unknown: utterances that are not in the data set; unlabelled: utterances of the data set that the source
    does not have; phones: the phone set; num_phones, widened, closed: phones of all utterances, and the sums of
    FramedUtterance.widened and closed.
    """

    lengths: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    phones: tuple[str, ...] = ()
    num_phones: int = 0
    widened: int = 0
    closed: int = 0

    def require_one(self, source: Path, data_set: Iterable[str]) -> None:
        """Raise InputError if no utterance of the data set can be used."""
        if self.lengths:
            return
        if self.faults:
            key, reason = next(iter(self.faults.items()))
            number = len(self.faults)
            raise InputError(f"none of its {number} utterances can be used; the first: {key}: {reason}", file=source)
        theirs, ours = next(iter(self.unknown), "none"), next(iter(data_set), "none")
        message = f"has no utterance of the data set: its first one is {theirs}, the data set's is {ours}"
        raise InputError(message, file=source)

    def lines(self) -> list[str]:
        """Return the report for the user."""
        lines = [
            f"{len(self.lengths)} utterances, {sum(self.lengths.values())} frames, {self.num_phones} phones; "
            f"{self.widened} phones widened to their fewest frames, {self.closed} gaps or silences shorter than a "
            "silence phone closed"
        ]
        if self.faults:
            key, reason = next(iter(self.faults.items()))
            lines.append(f"{len(self.faults)} utterances cannot be used, such as {key}: {reason}")
        if self.unknown:
            lines.append(f"{len(self.unknown)} utterances are not in the data set, such as {self.unknown[0]}")
        if self.unlabelled:
            lines.append(f"{len(self.unlabelled)} utterances have no labels, such as {self.unlabelled[0]}")
        return lines


def import_intervals(
    source: Path,
    kind: str,
    out_dir: Path,
    *,
    labels: PhoneLabels | None,
    num_frames: Mapping[str, int],
    tier: str | None = None,
    tolerance: int = 3,
) -> ImportSummary:
    """Replace the alignment directory `out_dir` by the phone times in `source` of the utterances in `num_frames`.

    kind: one of INTERVAL_KINDS. labels: the phone set; None: SIL, SPN and the labels that occur. intervals.to_frames
    converts times to frames. The source is read twice, and `out_dir` changes only after that.

    Raises InputError if a reader refuses the source, a label is not a phone, or no utterance can be used. Single
    utterances that cannot be used are in the summary's `faults`; the caller bounds their number.
    """
    used = used_labels(_read(source, kind, tier, labels), num_frames)
    phones = PhoneLabels.found(used) if labels is None else labels
    phones.check(used)
    least = _least_frames(phones)
    labels_silence = any(phones.of(label) == phones.silence for label in used)

    def frame(labelled: LabelledUtterance) -> FramedUtterance:
        return to_frames(
            phones.relabelled(labelled),
            num_frames[labelled.utterance],
            silence=phones.silence,
            min_frames=least.__getitem__,
            tolerance=tolerance,
            labels_silence=labels_silence,
        )

    summary = ImportSummary(phones=phones.names)
    made = _framed(_read(source, kind, tier, labels), num_frames, frame, phones.ids, summary)
    summary.require_one(source, num_frames)
    summary.unlabelled = [key for key in num_frames if key not in summary.lengths and key not in summary.faults]
    rows = {key: row.tolist() for key, row in made.items()}
    write_monophone_alignments(out_dir, phones.names, phones.silences, rows, JOB_UTTERANCES)
    return summary


def _least_frames(phones: PhoneLabels) -> dict[str, int]:
    """Return the fewest frames of each phone in the topology of a monophone system."""
    topology = make_topology(len(phones.names), [phones.ids[name] for name in phones.silences])
    paths = from_tree(monophone_tree(topology), topology).paths
    return {name: paths.min_frames(number) for name, number in phones.ids.items()}


def _read(source: Path, kind: str, tier: str | None, labels: PhoneLabels | None) -> Iterator[LabelledUtterance]:
    if kind == "ctm":
        return read_ctm(source)
    if kind == "textgrid":
        return read_textgrids(source, tier, None if labels is None else lambda label: labels.of(label) is not None)
    if kind == "htk":
        return read_htk(source, () if labels is None else labels.names)
    raise ValueError(f"{kind} is none of {', '.join(INTERVAL_KINDS)}")


def _framed(
    utterances: Iterable[LabelledUtterance],
    num_frames: Mapping[str, int],
    frame: Callable[[LabelledUtterance], FramedUtterance],
    ids: Mapping[str, int],
    summary: ImportSummary,
) -> dict[str, Ints]:
    """Return {utterance: (phone-id, frames), int32 (phones, 2)} and fill `summary`."""
    made: dict[str, Ints] = {}
    for labelled in utterances:
        key = labelled.utterance
        if key not in num_frames:
            summary.unknown.append(key)
            continue
        try:
            framed = frame(labelled)
        except InputError as error:
            line = "" if error.line is None else f":{error.line}"
            summary.faults[key] = f"{labelled.file.name}{line}: {error.message}"
            continue
        made[key] = np.array([(ids[name], frames) for name, frames in framed.phones], dtype=np.int32)
        summary.lengths[key] = num_frames[key]
        summary.num_phones += len(framed.phones)
        summary.widened += framed.widened
        summary.closed += framed.closed
    return made
