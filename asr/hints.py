"""Messages that name an option, when run.sh started the verb: how to say it to run.sh.

run.sh exports its options as YIBIAN_RUN_OPTIONS. An option that it lacks is given as `--set VERB.OPTION=VALUE`.
"""

from __future__ import annotations

import os
import re

from asr.errors import InputError
from asr.stages import with_maker

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
CALLER = "YIBIAN_RUN_OPTIONS"


def for_caller(error: InputError, verb: str, arguments: list[str]) -> str:
    """Return the line of an error, with the stage that makes a missing file and the options as run.sh takes them."""
    line = with_maker(error)
    known = os.environ.get(CALLER, "").split()
    if not known:
        return line
    passed = {item.partition("=")[0] for item in arguments}
    named = dict.fromkeys(OPTION.findall(error.message))
    missing = [name for name in named if name not in known and name not in passed]
    if not missing or "see python -m asr" in error.message:
        return line
    return f"{line} (run.sh: {', '.join(f'--set {verb}.{name[2:]}=VALUE' for name in missing)})"
