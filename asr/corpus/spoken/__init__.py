"""Convert written to spoken form: numbers, dates, times, units and money in Han characters.

    speak("3月15日")        # "三月十五日"

`rules` states the order of the rules, `table` reads the user's own pairs. asr.corpus.transcript calls this package
and normalises the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr.corpus.spoken.table import SpokenTable


def speak(text: str, yao: str = "telephone", table: SpokenTable | None = None) -> str:
    """Return `text` in spoken form; see asr.corpus.spoken.rules.speak."""
    from asr.corpus.spoken import rules  # compiling its patterns takes 0.15 s

    return rules.speak(text, yao, table)
