"""`python -m asr VERB [options]`: one verb per stage and tool. `python -m asr` alone lists them.

A verb is a module with a docstring (its usage: what it reads, what it writes, an example), a dataclass
`Settings` and a function `run(settings)`. Nothing heavy is imported before the verb is known.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

from asr import console
from asr.errors import InputError
from asr.settings import resolve

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
    "features": "asr.features.extract",
    "lang": "asr.lang.make",
    "align": "asr.alignment.align",
    "train": "asr.training.run",
    "realign": "asr.training.realign",
    "export": "asr.alignment.formats.export",
    "graph": "asr.decoding.graph",
    "decode": "asr.decoding.decode",
    "rescore": "asr.decoding.rescore",
    "score": "asr.scoring.score",
    "report": "asr.scoring.report",
    "package": "asr.recognition.package",
    "transcribe": "asr.recognition.transcribe",
}


def main(argv: list[str] | None = None) -> int:
    """Run a verb; returns the exit status: 0, 2 for wrong input, 130 when interrupted, 1 for a fault of ours.

    A verb that ends with another status returns it from its `run`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    verb = arguments.pop(0)
    status = 0
    try:
        if verb not in VERBS:
            raise InputError(f"no verb '{verb}'; there are: {', '.join(VERBS)}")
        if "--log" in arguments:  # for run.sh: keep this verb's lines in a file as well
            place = arguments.index("--log")
            if place + 1 >= len(arguments):
                raise InputError("--log: names a file")
            console.open_log(Path(arguments[place + 1]))
            del arguments[place : place + 2]
        module = importlib.import_module(VERBS[verb])
        if hasattr(module, "main"):  # a verb that hands its options on, as prepare does
            module.main(arguments)
        else:
            status = module.run(resolve(module.Settings, verb, arguments, module.__doc__ or "")) or 0
        sys.stdout.flush()
    except InputError as error:
        console.wipe()
        print(error, file=sys.stderr)
        console.log_only(str(error))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output left, as `| head` does
        return 1
    except KeyboardInterrupt:
        console.wipe()
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except Exception:
        console.wipe()
        traceback.print_exc()
        console.log_only(traceback.format_exc())
        return 1
    return status


def _overview() -> str:
    lines = ["usage: python -m asr VERB [options]; python -m asr VERB --help", ""]
    for verb, name in VERBS.items():
        doc = Path(__file__).parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
        first = doc.read_text(encoding="utf-8").split('"""')[1].strip().splitlines()[0]
        lines.append(f"  {verb:<11}{first}")
    return "\n".join(lines)
