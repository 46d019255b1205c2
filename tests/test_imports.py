"""The imports of asr/ point one way, down to the ground floor, and never in a circle. Each class has its own name."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

from repository import ROOT

#: the ground floor: it knows nothing about speech models, and only command/ knows the command line
GROUND = {
    "command",
    "console",
    "declared_paths",
    "errors",
    "files",
    "kaldi",
    "locks",
    "parallel",
    "settings",
    "sound",
}
GROUND |= {"stamp", "tables", "version"}
#: a room imports the ground floor, itself and the rooms before it
ROOMS = ["corpus", "features", "lang", "acoustic", "alignment", "training", "graph", "decoding", "recognition"]
ROOMS += ["scoring", "report"]
#: the command line: it imports what it runs by name, when it runs it
DOORS = {"__init__", "__main__", "cli"}
#: the report sees results, not the code that made them; these two read result files
READ_BY_REPORT = {"asr.scoring", "asr.corpus.transcript"}


def modules() -> dict[str, Path]:
    """Return every module of asr/ by its name."""
    found = {}
    for path in sorted((ROOT / "asr").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Yield what a file imports, also within functions: modules of asr/, and the names of foreign packages."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            while name.startswith("asr.") and name not in MODULES:
                name = name.rpartition(".")[0]
            yield name


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_module_has_a_place():
    assert {room_of(name) for name in MODULES} == GROUND | set(ROOMS) | DOORS


def test_imports_point_down():
    wrong = []
    for module, path in MODULES.items():
        room = room_of(module)
        below = GROUND if room in {"command", *ROOMS} else GROUND - {"command"}
        below |= set(ROOMS[: ROOMS.index(room) + 1]) if room in ROOMS else set()
        for name in imported(path):
            if name.split(".")[0] in ("recipes", "local", "tests") or (
                name.startswith("asr.") and room not in DOORS and room_of(name) not in below
            ):
                wrong.append(f"{module}: {name}")
    assert wrong == []


def test_no_two_files_import_each_other():
    graph = {module: {name for name in imported(path) if name in MODULES} for module, path in MODULES.items()}
    for module, names in graph.items():
        names -= {module, "asr"}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_report_sees_results_only():
    for module, path in MODULES.items():
        for name in imported(path):
            if room_of(module) == "report" and name.startswith("asr.") and room_of(name) in ROOMS:
                assert room_of(name) == "report" or name.startswith(tuple(READ_BY_REPORT)), f"{module}: {name}"


def test_kaldi_io_has_one_user():
    users = [module for module, path in MODULES.items() if any(n.startswith("kaldi_io") for n in imported(path))]
    assert users == ["asr.kaldi.archives"]


def test_asr_names_no_corpus():
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8").lower()
        assert "aishell" not in text and "thchs" not in text, module


def test_each_class_has_its_own_name():
    """Settings is the exception: every verb has one."""
    paths: dict[str, list[str]] = {}
    for path in sorted([*MODULES.values(), *(ROOT / "recipes").rglob("*.py")]):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name != "Settings":
                paths.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in paths.items() if len(found) > 1} == {}
