"""Run a recipe's prepare script, then validate each set that it made.

Reads a recipe's script (recipes/NAME/prepare.py) and the script's inputs. Writes OUT/{train,dev,test}, each a Kaldi
data directory with normalised transcripts, and left_out.tsv if utterances were left out; and OUT/prepared.json, the
figures of the sets. All options except --script are the script's: `--script FILE --help` lists them. Runs again only
if the settings, the script, another *.py or *.txt of its folder, or its inputs have changed.

    python -m asr prepare --script recipes/kaldi/prepare.py --train-dir a/train --test-dir a/test --out exp/kaldi/data

A script is a module with

    Settings                 at least out: Path, seed: int, nj: int; validation uses rate_hz, resample, allow_pipes
    run(settings)            writes the sets
    inputs(settings)         returns the files and folders that it depends on
    depends_on(settings)     optional: returns what else it depends on, such as names of sounds, as JSON
    obtain(settings)         optional: fetches what is to be read
    outputs(settings)        optional: returns the files that it writes besides the sets
    SOUNDS_OPENED = True     optional: it has opened every sound, so that validation does not
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from asr.command.resolve import resolve
from asr.command.shared_options import taken
from asr.console import say
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.gather import SETS, CorpusSettings
from asr.corpus.prepared import LEFT_OUT, PREPARED, record
from asr.corpus.soundcheck import SoundChecks
from asr.corpus.spoken.table import SpokenTable
from asr.corpus.validate import conclude, find_problems
from asr.errors import InputError
from asr.stamp import Stamp

COMMON = """The options below are common to the recipes that read a corpus; each recipe adds its own:

    python -m asr prepare --script recipes/folder/prepare.py --help"""

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2


def settings_of(arguments: list[str]) -> tuple[Any, Callable[[Any], None]]:
    """Take --script out of `arguments` and resolve the rest. Returns the script's settings and its run."""
    rest = list(arguments)
    path = taken(rest, "--script", "prepare: ")
    if path is None:
        if {"--help", "-h"} & set(rest):
            resolve(CorpusSettings, "prepare", ["--help"], f"{__doc__}\n{COMMON}")
        raise InputError("prepare: --script is required; see python -m asr prepare --help")
    script = load(Path(path))
    settings = resolve(script.Settings, "prepare", rest, script.__doc__ or "", script=Path(path))
    return settings, partial(run, script)


def settings_class(script: Path | None) -> type:
    """Return the Settings of a recipe's script, or those that are common to recipes."""
    chosen: type = CorpusSettings if script is None else load(script).Settings
    return chosen


def run(script: ModuleType, settings: Any) -> None:
    """Run `script` unless its stamp is fresh, and validate what it made."""
    if hasattr(script, "obtain"):
        script.obtain(settings)
    home = Path(script.__file__ or "").resolve().parent
    sources = sorted(path for kind in ("*.py", "*.txt") for path in home.glob(kind))
    if (table := getattr(settings, "spoken_table", None)) is not None:
        SpokenTable.read(table)  # raises InputError for a faulty one, before any work
        sources.append(table)
    stamp = Stamp(
        settings.out / ".done.prepare.json",
        "prepare",
        settings,
        inputs=[*sources, *script.inputs(settings)],
        extra=[
            home.name,
            Path(script.__file__ or "").name,
            [path.name for path in sources],
            *([script.depends_on(settings)] if hasattr(script, "depends_on") else ()),
        ],
        revision=REVISION,
    )
    if stamp.fresh():
        return
    figures = settings.out / PREPARED
    for path in (figures, *(settings.out / name / LEFT_OUT for name in SETS)):  # some scripts do not write them
        path.unlink(missing_ok=True)
    script.run(settings)
    opened = getattr(script, "SOUNDS_OPENED", False)
    seconds: dict[str, float | None] = {}
    sets = {name: _validated(settings.out / name, settings, not opened, seconds) for name in SETS}
    _check_disjoint(settings.out, sets)
    if not figures.exists():
        record(sets, seconds, settings)
    files = [settings.out / name / file for name in SETS for file in (*FILES, LEFT_OUT)]
    made = [figures, *(path for path in files if path.exists())]
    stamp.record([*made, *(script.outputs(settings) if hasattr(script, "outputs") else ())])


#: the content of the recipes' files when this process loaded them
_sources: dict[Path, bytes] = {}


def load(path: Path) -> ModuleType:
    """Load the script at `path` as a module of its own name, with its folder first on sys.path.

    So a script, and the processes that it spawns, can import its neighbours. Modules of the same names are dropped
    first if they are another recipe's or their files have changed. Raises InputError if `path` is no prepare script.
    """
    if not path.is_file():
        raise InputError("no such script", file=path)
    for neighbour in path.resolve().parent.glob("*.py"):
        if neighbour.stem in sys.stdlib_module_names:
            raise InputError("hides a module of Python's standard library; rename it", file=neighbour)
        source, loaded = neighbour.read_bytes(), getattr(sys.modules.get(neighbour.stem), "__file__", None)
        if loaded != str(neighbour) or _sources.get(neighbour, source) != source:
            sys.modules.pop(neighbour.stem, None)
        _sources[neighbour] = source
    name, home = path.stem, str(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError("is not a Python file", file=path)
    if sys.path[0] != home:
        sys.path.insert(0, home)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for needed in ("Settings", "run", "inputs"):
        if not hasattr(module, needed):
            raise InputError(f"is not a prepare script: it has no {needed}", file=path)
    return module


def _validated(path: Path, settings: Any, sounds: bool, seconds: dict[str, float | None]) -> DataDir:
    """Return a set after validation. sounds: open them. seconds: receives how long they last in all."""
    durations: dict[str, float] = {}
    data, problems = find_problems(path, SoundChecks.of(settings), sounds=sounds, durations=durations)
    conclude(path, data, problems)
    if not sounds and data.utt2dur is not None:
        durations = {key: float(data.utt2dur[key]) for key in data.utt2spk}
    seconds[path.name] = sum(durations.values()) if durations else None
    return data


def _check_disjoint(out: Path, sets: dict[str, DataDir]) -> None:
    """Print how many speakers and sentences two sets share. Raises InputError if they share an utterance."""
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        common = sets[first].utt2spk.keys() & sets[second].utt2spk.keys()
        if common:
            raise InputError(f"this utterance is in {out / first} too", file=out / second, key=min(common))
        speakers = len(sets[first].spk2utt.keys() & sets[second].spk2utt.keys())
        sentences = len(set(sets[first].text.values()) & set(sets[second].text.values()))
        say(f"{first} and {second}: {speakers} speakers and {sentences} sentences in common")
