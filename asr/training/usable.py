"""Which aligned utterances can be used: those whose features can be read and are as long as the alignment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asr.acoustic.examples import Targets
from asr.console import progress, warn
from asr.errors import InputError, named_first
from asr.training.adapted import Features

#: utterances that a line names
NAMED = 5


def usable(
    targets: Targets,
    features: Features,
    max_missing: float,
    use: Callable[[str, np.ndarray], None] = lambda name, matrix: None,
) -> Targets:
    """Return the aligned utterances whose features can be used. All are read once, in the order of their names.

    `use` gets each of them. Raises InputError if more than the share `max_missing` cannot be used.
    """
    faults: dict[str, str] = {}
    total, label = len(targets.lengths), f"train: {features.data.name}, check"
    for name in progress(sorted(targets.lengths, key=lambda name: name.encode()), total, label):
        try:
            matrix = features[name]
        except InputError as error:
            faults[name] = str(InputError(error.message, file=error.file))  # the line below names the utterance
            continue
        if len(matrix) == (wanted := targets.lengths[name]):
            use(name, matrix)
        else:
            faults[name] = f"has {len(matrix)} frames of features, but {wanted} of alignment"
    if not faults:
        return targets
    first = next(iter(faults))
    if len(faults) > max_missing * total or len(faults) == total:
        raise InputError(
            f"the features of {len(faults)} of {total} aligned utterances cannot be used ({named_first(faults)}), "
            f"above --max-missing {max_missing:g}; the first: {faults[first]}",
            file=features.data,
            key=first,
        )
    for name, reason in list(faults.items())[:NAMED]:
        warn(f"{name}: {reason}; the utterance is left out")
    warn(f"{features.data}: {len(faults)} of {total} aligned utterances are left out: {named_first(faults)}")
    return targets.only(name for name in targets.lengths if name not in faults)
