"""Run a recipe's prepare script, then validate each set that it made.

Reads a recipe's script (recipes/NAME/prepare.py) and what that reads; writes OUT/{train,dev,test}, each a Kaldi data
directory with normalised transcripts and, where something was left out, left_out.tsv; and OUT/prepared.json, the
figures of the sets. All options but --script are the script's own: `--script FILE --help`
lists them. Runs again only when the settings, the script, another *.py or *.txt of its folder, or its inputs
have changed.

    python -m asr prepare --script recipes/kaldi/prepare.py --train-dir a/train --test-dir a/test --out exp/kaldi/data

A script is a module with `Settings` (at least `out: Path`, `seed: int` and `nj: int`; of its other settings
`rate_hz`, `resample` and `allow_pipes` also guide the validation), `run(settings)`, and `inputs(settings)`, the
files and folders it depends on. It may have `depends_on(settings)`, other things that it depends on, such as the
names of sounds, as JSON; `obtain(settings)`, which fetches what is to be read; `outputs(settings)`, the files that it
makes besides the sets; and `SOUNDS_OPENED = True` where it has opened every sound, so that none is opened again.
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
from asr.corpus import left_out, prepared
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.gather import CorpusSettings
from asr.corpus.spoken.table import SpokenTable
from asr.corpus.validate import conclude, find_problems
from asr.errors import InputError
from asr.stamp import Stamp

SETS = ("train", "dev", "test")
COMMON = """The options below are common to the recipes that read a corpus; each recipe adds its own:

    python -m asr prepare --script recipes/folder/prepare.py --help"""

#: raised whenever the same inputs give other results: what was made before is then made again
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
    """Return the settings of a recipe's script, or those that are common to recipes."""
    return CorpusSettings if script is None else load(script).Settings


def run(script: ModuleType, settings: Any) -> None:
    """Run `script` unless its stamp is fresh, and check what it made."""
    if hasattr(script, "obtain"):
        script.obtain(settings)
    home = Path(script.__file__ or "").resolve().parent
    sources = sorted(path for kind in ("*.py", "*.txt") for path in home.glob(kind))
    if (table := getattr(settings, "spoken_table", None)) is not None:
        SpokenTable.read(table)  # a faulty one is refused before any work
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
    figures = settings.out / prepared.NAME
    for path in (figures, *(settings.out / name / left_out.NAME for name in SETS)):  # not every script writes them
        path.unlink(missing_ok=True)
    script.run(settings)
    opened = getattr(script, "SOUNDS_OPENED", False)
    seconds: dict[str, float | None] = {}
    sets = {name: _validated(settings.out / name, settings, not opened, seconds) for name in SETS}
    _check_apart(settings.out, sets)
    if not figures.exists():
        prepared.record(sets, seconds, settings)
    files = [settings.out / name / file for name in SETS for file in (*FILES, left_out.NAME)]
    made = [figures, *(path for path in files if path.exists())]
    stamp.record([*made, *(script.outputs(settings) if hasattr(script, "outputs") else ())])


#: the files of recipes as this process has loaded them
_sources: dict[Path, bytes] = {}


def load(path: Path) -> ModuleType:
    """Load the script at `path` as a module under its own file's name, its folder first on the path of modules.

    So a script may import its neighbours, and the processes that it spawns find them too. Modules of the same names
    that another recipe left behind in this process, or whose files have changed, are forgotten first.
    """
    if not path.is_file():
        raise InputError("no such script", file=path)
    for neighbour in path.resolve().parent.glob("*.py"):
        if neighbour.stem in sys.stdlib_module_names:
            raise InputError("hides a module of Python's own; give it another name", file=neighbour)
        source, loaded = neighbour.read_bytes(), getattr(sys.modules.get(neighbour.stem), "__file__", None)
        if loaded != str(neighbour) or _sources.get(neighbour, source) != source:
            sys.modules.pop(neighbour.stem, None)
        _sources[neighbour] = source
    name, home = path.stem, str(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError("is no Python file", file=path)
    if sys.path[0] != home:
        sys.path.insert(0, home)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    for needed in ("Settings", "run", "inputs"):
        if not hasattr(module, needed):
            raise InputError(f"is no prepare script: it has no {needed}", file=path)
    return module


def _validated(path: Path, settings: Any, sounds: bool, seconds: dict[str, float | None]) -> DataDir:
    """Read a set, with its sounds where the script has not opened them. `seconds` gets how long they last."""
    durations: dict[str, float] = {}
    data, problems = find_problems(
        path,
        rate_hz=getattr(settings, "rate_hz", 16000),
        resample=getattr(settings, "resample", False),
        allow_pipes=getattr(settings, "allow_pipes", False),
        sounds=sounds,
        nj=settings.nj,
        durations=durations,
    )
    conclude(path, data, problems)
    if not sounds and data.utt2dur is not None:
        durations = {key: float(data.utt2dur[key]) for key in data.utt2spk}
    seconds[path.name] = sum(durations.values()) if durations else None
    return data


def _check_apart(out: Path, sets: dict[str, DataDir]) -> None:
    """No utterance may be in two sets; common sentences and speakers are said."""
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        common = sets[first].utt2spk.keys() & sets[second].utt2spk.keys()
        if common:
            raise InputError(f"this utterance is in {out / first} too", file=out / second, key=min(common))
        speakers = len(sets[first].spk2utt.keys() & sets[second].spk2utt.keys())
        sentences = len(set(sets[first].text.values()) & set(sets[second].text.values()))
        say(f"{first} and {second}: {speakers} speakers and {sentences} sentences in common")
