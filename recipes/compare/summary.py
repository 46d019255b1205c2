"""What a comparison says: one sentence, and the gap between one pass and many as hours grow.

The strongest system with many passes is the one with the fewest errors on dev; differences are of test.

    main = measured(results, cells("main", size))
    sentence(main, "8.81 h of common_voice")      # None before one pass and a rival are measured
"""

from __future__ import annotations

from collections.abc import Mapping

from rows import Measured
from systems import LINEAR, MANY, NEWBOB, ONE, SYSTEMS

MANY_PASSES = (NEWBOB.name, MANY.name, LINEAR.name)
GAP_HEADS = ("hours", "one pass, test CER", "strongest with many passes", "its test CER", "difference, 95 %")
GAP_HEADS += ("ratio of CPU s",)


def strongest(found: Mapping[str, Measured]) -> Measured | None:
    """Return the system with many passes that has the fewest errors on dev, None if none is measured."""
    rivals = [found[name] for name in MANY_PASSES if name in found]
    return min(rivals, key=lambda one: one.errors("dev").rate, default=None)


def sentence(found: Mapping[str, Measured], speech: str) -> str | None:
    """Return the result in one sentence; None if one of the two sides is not measured."""
    one, rival = found.get(ONE.name), strongest(found)
    if one is None or rival is None or (difference := one.difference(rival)) is None:
        return None
    points, (low, high) = difference
    return (
        f"On {speech}, one pass gives {one.errors('test').rate:.2f} % character errors on test, and the strongest "
        f"system with many passes ({SYSTEMS[rival.system].title}) {rival.errors('test').rate:.2f} %: a difference of "
        f"{points:+.2f} points ({low:+.2f} to {high:+.2f}), in {one.steps_cpu_s / rival.steps_cpu_s:.2f} of its CPU "
        "seconds."
    )


def gap_row(hours: str, found: Mapping[str, Measured]) -> list[str] | None:
    """Return the row of one number of hours, None if one of the two sides is not measured."""
    one, rival = found.get(ONE.name), strongest(found)
    if one is None or rival is None or (difference := one.difference(rival)) is None:
        return None
    points, (low, high) = difference
    return [
        hours,
        f"{one.errors('test').rate:.2f}",
        SYSTEMS[rival.system].title,
        f"{rival.errors('test').rate:.2f}",
        f"{points:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{rival.steps_cpu_s / one.steps_cpu_s:.1f}",
    ]
