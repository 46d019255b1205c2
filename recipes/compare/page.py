"""Writes what a comparison found: RESULTS.md, and index.html, which needs no other file.

lines = publish(Results(Path("recipes/compare/results/common_voice")), SIZES["full"], ["main", "methods"])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cells import Results
from groups import Size
from sections import headline, sections

from asr.files import atomic
from asr.report.page import fill

#: what both say below the tables
PROTOCOL = (
    "Rates are means over seeds, intervals 95 % bootstrap over speakers, differences paired and against newbob. "
    "Options were tuned on a slice of train by held-out cross-entropy. Seconds are those of asr train; those of the "
    "steps leave out reading the data, the search for eta0, held-out figures and the choice of the averaging window."
)


def publish(results: Results, size: Size, groups: Sequence[str]) -> list[str]:
    """Write both files of the groups that have results; return the lines of RESULTS.md."""
    corpus = results.folder.resolve().name
    found, head = sections(results, size, groups), headline(results, size, corpus)
    lines = [f"# One pass against many: {corpus}", "", *([head, ""] if head else [])]
    lines += [line for section in found for line in section.markdown()] + [PROTOCOL]
    html = fill(
        "comparison.html", Path(__file__).parent, corpus=corpus, headline=head, sections=found, protocol=PROTOCOL
    )
    results.folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("RESULTS.md", "\n".join(lines) + "\n"), ("index.html", html)):
        with atomic(results.folder / name) as handle:
            handle.write(text)
    return lines
