"""Written to spoken form: numbers, dates, times, units and money in Han characters.

    speak("3月15日")        ->  "三月十五日"

`rules` says in which order the rules run, `table` reads the user's own pairs. asr.corpus.transcript calls this
package, and normalises what is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr.corpus.spoken.table import SpokenTable


def speak(text: str, yao: str = "telephone", table: SpokenTable | None = None) -> str:
    """Return `text` with what is not letters said in Han characters; see asr.corpus.spoken.rules.speak."""
    from asr.corpus.spoken import rules  # many patterns: 0.15 s

    return rules.speak(text, yao, table)
