"""The figures of decoding: the trials of LM weights and insertion penalties, and the speed, from decode.json.

tuning = tuning_of("dev", record)      # None if the set was decoded with given weights
tuning.rates[tuning.chosen]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr.report.recorded import number, numbers, objects, whole

#: the weights in words, by their names in decode.json
WEIGHTS = {"lm_weight": "LM weight", "penalty": "insertion penalty", "prior_scale": "prior scale"}


@dataclass(frozen=True)
class Tuning:
    """The trials on one set, usually dev: {(LM weight, insertion penalty): character error rate in percent}.

    They are those with the prior scale that was chosen. utterances, characters: of the part of the set that they are
    counted on, None if decode.json lacks it; own_graph: the set was decoded over the graph of --tune-graph.
    widened: the values that were added to grids since the best value lay at their ends; at_end: the weights whose
    chosen value still lies at the end of what was tried.
    """

    name: str
    rates: dict[tuple[float, float], float]
    chosen: tuple[float, float] | None
    prior_scale: float | None
    utterances: int | None
    characters: int | None
    own_graph: bool
    widened: dict[str, list[float]]
    at_end: list[str]

    @property
    def weights(self) -> list[float]:
        """Return the LM weights that were tried, sorted."""
        return sorted({weight for weight, _ in self.rates})

    @property
    def penalties(self) -> list[float]:
        """Return the insertion penalties that were tried, sorted."""
        return sorted({penalty for _, penalty in self.rates})

    @property
    def chosen_rate(self) -> float | None:
        """Return the rate of the chosen pair, None if it was not tried."""
        return None if self.chosen is None else self.rates.get(self.chosen)

    def goodness(self, rate: float) -> float:
        """Return where a rate lies between the worst (0) and the best (1)."""
        low, high = min(self.rates.values()), max(self.rates.values())
        return (high - rate) / (high - low) if high > low else 0.0


def tuning_of(name: str, record: Mapping[str, Any]) -> Tuning | None:
    """Return the trials that a set's decode.json holds, None if there are none."""
    rates: dict[tuple[float, float], float] = {}
    scale = number(record.get("prior_scale"))
    for trial in objects(record.get("tuning")):
        weight, penalty, cer = (number(trial.get(field)) for field in ("lm_weight", "penalty", "cer"))
        same_scale = number(trial.get("prior_scale")) == scale
        if same_scale and weight is not None and penalty is not None and cer is not None:
            rates[weight, penalty] = cer
    if not rates:
        return None
    weight, penalty = number(record.get("lm_weight")), number(record.get("penalty"))
    return Tuning(
        name,
        rates,
        chosen=None if weight is None or penalty is None else (weight, penalty),
        prior_scale=scale,
        utterances=whole(record.get("tuning_utterances")),
        characters=whole(record.get("tuning_units")),
        own_graph=record.get("tuning_graph_only") is True,
        widened=_added(record.get("tuning_widened")),
        at_end=[WEIGHTS[name] for name in WEIGHTS if name in _list(record.get("tuning_at_end"))],
    )


def _added(values: Any) -> dict[str, list[float]]:
    """Return the values that were added to each grid, by the weight's name in words."""
    added = values if isinstance(values, dict) else {}
    found = {text: [v for v in numbers(added.get(name)) if v is not None] for name, text in WEIGHTS.items()}
    return {text: items for text, items in found.items() if items}


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


@dataclass(frozen=True)
class DecodingSpeed:
    """How fast a set was decoded. empty: utterances with an empty hypothesis; failed: utterances without a result."""

    name: str
    speech_s: float
    real_time_factor: float
    processes: float
    empty: int | None
    failed: int | None


def speed_of(name: str, record: Mapping[str, Any]) -> DecodingSpeed | None:
    """Return the speed that a set's decode.json holds, None if there is none."""
    speech, factor = number(record.get("speech_s")), number(record.get("rtf_wall"))
    if speech is None or factor is None:
        return None
    empty, failed = (
        len(record[key]) if isinstance(record.get(key), (list, dict)) else None for key in ("empty", "faults")
    )
    return DecodingSpeed(name, speech, factor, number(record.get("processes")) or 1, empty, failed)
