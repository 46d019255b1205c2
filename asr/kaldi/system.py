"""The files of a Kaldi system: final.mdl, tree and phones.txt in one folder.

system = read_system(Path("exp/tri1_ali")); system.model.num_pdfs, system.tree.N
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.files import atomic, copy_whole
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import TransitionModel, read_transition_model, tuples_of
from asr.kaldi.tree import ContextTree, read_tree

SYSTEM_FILES = ("final.mdl", "tree", "phones.txt")


@dataclass(frozen=True)
class KaldiSystem:
    """A transition model and the tree that belongs to it."""

    model: TransitionModel
    tree: ContextTree


def read_system(folder: Path) -> KaldiSystem:
    """Read final.mdl (without its acoustic model) and tree. Raises InputError if they do not belong together."""
    model, tree = read_transition_model(folder / "final.mdl"), read_tree(folder / "tree")
    try:
        belongs = tuples_of(tree, model.topology) == model.tuples
    except ValueError:
        belongs = False
    if not belongs:
        raise InputError("does not belong to the final.mdl beside it: other phones or pdfs", file=folder / "tree")
    return KaldiSystem(model, tree)


def write_system(folder: Path, model: TransitionModel, mixtures: Mixtures, tree: ContextTree, phones: str) -> None:
    """Write final.mdl, tree and phones.txt, whose text is `phones`."""
    with atomic(folder / "final.mdl", "wb") as handle:
        handle.write(b"\0B" + model.to_bytes() + mixtures.to_bytes())
    with atomic(folder / "tree", "wb") as handle:
        handle.write(tree.raw)
    with atomic(folder / "phones.txt") as handle:
        handle.write(phones)


def copy_system(source: Path, target: Path, names: Iterable[str] = SYSTEM_FILES) -> list[Path]:
    """Copy files of a system from folder `source` to folder `target`; return the copies."""
    copies = []
    for name in names:
        copy_whole(source / name, target / name)
        copies.append(target / name)
    return copies
