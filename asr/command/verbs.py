"""The verbs of `python -m asr`, their modules, and the classes of their settings.

    settings_class("train").__name__    # "Settings"

A verb is a module with a docstring (its usage), a dataclass `Settings` and a function `run(settings)`. A module with
`settings_of(arguments)` resolves its settings itself: those of prepare are declared by a recipe's script. This module
imports a verb only when it is asked for, so the help and the checks of settings load no more than they need.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

VERBS = {
    "prepare": "asr.corpus.prepare",
    "validate": "asr.corpus.validate",
    "repair": "asr.corpus.repair",
    "split": "asr.corpus.split",
    "subset": "asr.corpus.subset",
    "combine": "asr.corpus.combine",
    "perturb": "asr.corpus.perturb",
    "lhotse-in": "asr.corpus.lhotse_in",
    "lhotse-out": "asr.corpus.lhotse_out",
    "kaldi-out": "asr.lang.kaldi_out",
    "features": "asr.features.extract",
    "lang": "asr.lang.make",
    "align": "asr.alignment.align",
    "train": "asr.training.run",
    "realign": "asr.alignment.realign",
    "export": "asr.alignment.formats.export",
    "graph": "asr.graph.make",
    "decode": "asr.decoding.decode",
    "rescore": "asr.decoding.rescore",
    "score": "asr.scoring.score",
    "compare": "asr.scoring.compare",
    "explain": "asr.scoring.explain",
    "report": "asr.report.make",
    "package": "asr.recognition.package",
    "transcribe": "asr.recognition.transcribe",
    "settings": "asr.command.settings_check",
}


def module_of(verb: str) -> ModuleType:
    """Import the module of a verb. Raises KeyError if there is no such verb."""
    return importlib.import_module(VERBS[verb])


def settings_class(verb: str, script: Path | None = None) -> type:
    """Return the dataclass of a verb's settings. A recipe's `script` declares those of prepare."""
    module = module_of(verb)
    found: type = module.Settings if hasattr(module, "Settings") else module.settings_class(script)
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the name of `known` that is most similar to `name`, or an empty string."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""
