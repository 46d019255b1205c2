"""The few pieces of HTML that the report is made of; every text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, *parts: str) -> str:
    """A headed part of the page."""
    name = "".join(item if item.isalnum() else "-" for item in title.lower())
    body = "\n".join(part for part in parts if part)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n{body}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """`kind` is a class of the style sheet: `note`, `warning`, or `absent` for what a run did not leave behind."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] = (), *, style: str = ""
) -> str:
    """A table that scrolls by itself on a narrow screen. Cells are HTML; `kinds` are the columns' classes.

    The first cell of a row is its heading.
    """
    kinds = [*kinds, *[""] * (len(heads) - len(kinds))]
    marks = [f' class="{kind}"' if kind else "" for kind in kinds]
    head = "".join(
        f'<th scope="col"{mark}>{escape(name)}</th>' if name else f"<td{mark}></td>"  # a heading is never empty
        for name, mark in zip(heads, marks, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{mark}>{cell}</th>' if place == 0 else f"<td{mark}>{cell}</td>"
            for place, (cell, mark) in enumerate(zip(row, marks, strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="{style}">'
        f"<caption><span>{escape(caption)}</span></caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def figures(charts: Iterable[str]) -> str:
    """Charts side by side where there is room."""
    found = [f"<figure>{chart}</figure>" for chart in charts]
    return f'<div class="charts">{"".join(found)}</div>' if found else ""


def bar(share: float) -> str:
    """A bar of `share` (0 to 1) of its cell; the figure itself stands in another cell."""
    return f'<span style="width:{100 * min(max(share, 0.0), 1.0):.1f}%" aria-hidden="true"></span>'


def han(text: str) -> str:
    """Transcript text, marked as Chinese for fonts and for screen readers."""
    return f'<span lang="zh">{escape(text)}</span>'


def particulars(items: Iterable[tuple[str, str]]) -> str:
    """Return named texts below each other; the texts are HTML."""
    found = [f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in items]
    return f'<dl class="particulars">{"".join(found)}</dl>' if found else ""


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Named figures side by side."""
    found = [f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items]
    return f'<dl class="facts">{"".join(found)}</dl>' if found else ""
