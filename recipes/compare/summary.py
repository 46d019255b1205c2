"""What a comparison says: one sentence, and the gap between one pass and many as hours grow.

The strongest system with many passes is the one with the fewest errors on dev; differences are of test.

    main = measured(results, cells("main", size))
    sentence(main, "8.81 h of common_voice")      # None before one pass and a rival are measured
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rows import Measured
from systems import LINEAR, MANY, NEWBOB, ONE, SYSTEMS

MANY_PASSES = (NEWBOB.name, MANY.name, LINEAR.name)
GAP_HEADS = ("hours", "one pass, test CER", "strongest with many passes", "its test CER", "difference, 95 %")
GAP_HEADS += ("ratio of CPU s",)


def strongest(found: Mapping[str, Measured]) -> Measured | None:
    """Return the system with many passes that has the fewest errors on dev, None if none is measured."""
    rivals = [found[name] for name in MANY_PASSES if name in found]
    return min(rivals, key=lambda one: one.errors("dev").rate, default=None)


@dataclass(frozen=True)
class Gap:
    """One pass beside the strongest system with many passes; points, interval: of CER on test, one minus many."""

    one: Measured
    many: Measured
    points: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, found: Mapping[str, Measured]) -> Gap | None:
        """Return the gap; None if one of the two sides is not measured, or on other speakers."""
        one, many = found.get(ONE.name), strongest(found)
        if one is None or many is None or (difference := one.difference(many)) is None:
            return None
        return cls(one, many, *difference)


def sentence(found: Mapping[str, Measured], speech: str) -> str | None:
    """Return the result in one sentence; None if one of the two sides is not measured."""
    if (gap := Gap.of(found)) is None:
        return None
    low, high = gap.interval
    return (
        f"On {speech}, one pass gives {gap.one.errors('test').rate:.2f} % character errors on test, and the "
        f"strongest system with many passes ({SYSTEMS[gap.many.system].title}) {gap.many.errors('test').rate:.2f} %: "
        f"a difference of {gap.points:+.2f} points ({low:+.2f} to {high:+.2f}), "
        f"in {gap.one.steps_cpu_s / gap.many.steps_cpu_s:.2f} of its CPU seconds."
    )


def gap_row(hours: str, found: Mapping[str, Measured]) -> list[str] | None:
    """Return the row of one number of hours, None if one of the two sides is not measured."""
    if (gap := Gap.of(found)) is None:
        return None
    low, high = gap.interval
    return [
        hours,
        f"{gap.one.errors('test').rate:.2f}",
        SYSTEMS[gap.many.system].title,
        f"{gap.many.errors('test').rate:.2f}",
        f"{gap.points:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{gap.many.steps_cpu_s / gap.one.steps_cpu_s:.1f}",
    ]
