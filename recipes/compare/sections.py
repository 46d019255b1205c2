"""The sections of a comparison's page and of its RESULTS.md: a group's tables and charts.

for section in sections(results, size, groups): print("\n".join(section.markdown()))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cells import ALL, Cell, Results
from curves import charts_of, staleness_charts
from groups import Size, cells
from rows import HEADS, TUNED_HEADS, markdown, measured, table, tuned
from summary import GAP_HEADS, gap_row, sentence
from systems import NEWBOB

from asr.report.charts import Chart


@dataclass(frozen=True)
class CaptionedTable:
    """caption: what it is of; empty if the section's title says so."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Return the heads as the page's macro takes them: with no class."""
        return [(head, "") for head in self.heads]


@dataclass(frozen=True)
class PageSection:
    """title: the group's; charts: for the page alone."""

    title: str
    tables: Sequence[CaptionedTable]
    charts: Sequence[Chart]

    def markdown(self) -> list[str]:
        """Return the lines of the title and the tables."""
        lines = [f"## {self.title}", ""]
        for one in self.tables:
            lines += [*([one.caption, ""] if one.caption else []), *markdown(one.heads, one.rows), ""]
        return lines


def sections(results: Results, size: Size, groups: Sequence[str]) -> list[PageSection]:
    """Return the sections of the groups that have a result, and that of what was tuned."""
    made = [_section(results, group, cells(group, size)) for group in groups]
    return [section for section in (*made, _tuning(results, size, groups)) if section.tables]


def headline(results: Results, size: Size, corpus: str) -> str | None:
    """Return the result of the main group in one sentence, None before it is measured."""
    wanted = cells("main", size)
    hours = results.hours() if size.main == ALL else size.main
    return sentence(measured(results, wanted), f"{hours} h of {corpus}")


def _section(results: Results, group: str, wanted: Sequence[Cell]) -> PageSection:
    tables, charts = [], []
    gaps: dict[str, list[str]] = {}
    for network, hours in dict.fromkeys((cell.network, cell.hours) for cell in wanted):
        some = [cell for cell in wanted if (cell.network, cell.hours) == (network, hours)]
        if not (found := measured(results, some)):
            continue
        where = f"{network} network, {'all hours' if hours == ALL else f'{hours} h'}"
        tables.append(CaptionedTable(where, HEADS, table(found, NEWBOB.name)))
        charts += (
            staleness_charts(found) if group == "staleness" else charts_of(found, where, f"{group}-{len(charts)}")
        )
        if (row := gap_row(hours, found)) is not None:
            gaps[hours] = row
    if len(gaps) > 1:
        tables.insert(0, CaptionedTable("The gap as hours grow", GAP_HEADS, list(gaps.values())))
    return PageSection(group, tables, charts)


def _tuning(results: Results, size: Size, groups: Sequence[str]) -> PageSection:
    pairs = dict.fromkeys((cell.network, cell.system) for group in groups for cell in cells(group, size))
    rows = [row for network, system in pairs for row in tuned(results, [system], network)]
    return PageSection("tuning", [CaptionedTable("", TUNED_HEADS, rows)] if rows else [], [])
