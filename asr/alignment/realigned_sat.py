"""The SAT system beside a realignment: which transforms of speakers are known, and OUT/sat for the next training.

reads   ALI/sat or ALI: trans.N of the SAT system that the network was trained with; MODEL/adapt
writes  OUT/sat: final.mdl final.mat splice_opts [final.alimdl] of MODEL/adapt, tree phones.txt phones/silence.csl
        features.json trans.N, but no alignments

    transforms = known_transforms(Path("exp/ali"), Path("exp/net"))                  # {speaker: matrix}
    write_sat(Path("exp/realigned/sat"), Path("exp/ali"), Path("exp/net"), silence, jobs)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from asr.acoustic.adaptation import FOLDER, SYSTEM_FILES, is_system_of, sat_in
from asr.alignment.gmm.rung_folder import write_silence
from asr.console import warn
from asr.features.adaptation.affine import TRANSFORMS, read_transforms, transform_archives, write_transforms
from asr.features.adaptation.speaker import SILENCE_FILE
from asr.features.reader import DESCRIPTION
from asr.files import read_json, write_json
from asr.kaldi.stream import Floats
from asr.kaldi.system import copy_system


def transform_files(ali: Path, model: Path) -> list[Path]:
    """Return the files that decide the transforms of the network's speakers."""
    sat = sat_in(ali)
    known = [] if sat is None else [sat / "final.mdl", *transform_archives(sat)]
    return [*sorted((model / FOLDER).glob("*")), *known]


def known_transforms(ali: Path, model: Path) -> dict[str, Floats]:
    """Return {speaker: transform} of ALI's SAT system; {}, with a warning, if the network adapts with another."""
    sat = sat_in(ali)
    if sat is not None and is_system_of(sat, model):
        return read_transforms(sat)
    if sat is not None:
        warn(f"{sat} is not the system that {model} adapts with: the transforms of all speakers are estimated anew")
    return {}


def write_sat(
    sat: Path, ali: Path, model: Path, silence: Collection[int], jobs: Sequence[Mapping[str, Floats]]
) -> list[Path]:
    """Write the network's SAT system with the transforms of each job's speakers; return the files."""
    names = [name for name in SYSTEM_FILES if (model / FOLDER / name).is_file()]
    copies = [*copy_system(model / FOLDER, sat, names), *copy_system(ali, sat, ("tree", "phones.txt"))]
    write_silence(sat, silence)
    write_json(sat / DESCRIPTION, read_json(model / "config.json")["features"], indent=2)
    count = write_transforms(sat, jobs)
    transforms = [sat / f"{TRANSFORMS}{job}" for job in range(1, count + 1)]
    return [*copies, sat / SILENCE_FILE, sat / DESCRIPTION, *transforms]
