"""The weights of a decoding: LM weight, word insertion penalty and prior scale.

weights = weights_from(Path("exp/mini/asgd/decode_dev/decode.json"))
weights.lm_weight, weights.penalty, weights.prior_scale
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.files import read_json


@dataclass(frozen=True)
class Weights:
    """LM weight (its inverse scales the acoustic costs), cost of a word, and factor of the log priors."""

    lm_weight: float
    penalty: float = 0.0
    prior_scale: float = 1.0

    def __str__(self) -> str:
        return f"LM weight {self.lm_weight:g}, insertion penalty {self.penalty:g}, prior scale {self.prior_scale:g}"

    @classmethod
    def of(cls, record: Mapping[str, Any], path: Path) -> Weights:
        """Return the weights of a JSON object of file `path`. Raises InputError."""
        try:
            values = (record["lm_weight"], record["penalty"], record.get("prior_scale", 1.0))
            found = cls(*(float(value) for value in values))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("has no LM weight and penalty", file=path) from error
        if not (math.isfinite(sum(asdict(found).values())) and found.lm_weight > 0 and found.prior_scale >= 0):
            raise InputError(f"has impossible weights: {found}", file=path)
        return found


def weights_from(path: Path) -> Weights:
    """Read the weights of a decode.json. Raises InputError."""
    return Weights.of(read_json(path), path)
