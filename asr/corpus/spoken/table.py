"""Read the user's table of spoken forms: a TSV of `written<TAB>spoken` lines, applied before every rule.

    24/7	二十四小时全天
    T3	T三航站楼

    table = SpokenTable.read(Path("spoken.tsv"))
    table.apply("在T3等")       # "在T三航站楼等"

An entry matches whole words and numbers: 3 matches in T3, not in 13. The longest entry wins. Case and full or half
width make no difference. Empty lines, and lines that begin with `#` and a space, are comments.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from asr.corpus.spoken.plain_text import cleaned, with_roman
from asr.errors import InputError
from asr.tables import read_lines

_WORD = re.compile("[A-Za-z\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_LETTER = re.compile("[A-Za-z]")


@dataclass(frozen=True)
class SpokenTable:
    """Pairs of written and spoken form; hashable, so that results can be cached."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> SpokenTable:
        """Read a table. Raises InputError with file and line for a line that is no pair, or is not in spoken form."""
        pairs: dict[str, str] = {}
        lines: dict[str, int] = {}
        for number, line in read_lines(path):
            if not line.strip() or line.startswith("# "):
                continue
            fields = line.split("\t")
            written = " ".join(cleaned(with_roman(fields[0])).split()).casefold()
            if len(fields) != 2 or not written or not fields[1].strip():
                raise InputError("is not `written<TAB>spoken`", file=path, line=number)
            spoken = cleaned(fields[1]).strip()
            if re.search("[0-9]", spoken):
                raise InputError(
                    f"'{fields[1].strip()}' holds digits: write them as they are spoken", file=path, line=number
                )
            if not _WORD.search(spoken):
                raise InputError(
                    f"'{fields[1].strip()}' holds no word: the written form would be lost", file=path, line=number
                )
            if pairs.get(written, spoken) != spoken:
                raise InputError(
                    f"has another spoken form in line {lines[written]}", file=path, line=number, key=written
                )
            pairs[written], lines[written] = spoken, number
        if not pairs:
            raise InputError("has no pair", file=path)
        table = cls(tuple(pairs.items()))
        for written, spoken in pairs.items():
            if table.apply(spoken) != spoken:
                message = f"'{spoken}' holds an entry of this table, and would be replaced again"
                raise InputError(message, file=path, line=lines[written], key=written)
        return table

    def apply(self, text: str) -> str:
        """Return a cleaned text with every entry replaced by its spoken form."""
        table = dict(self.pairs)
        return _pattern(self.pairs).sub(lambda match: table[" ".join(match[0].split()).casefold()], text)


#: applied before any rule, after the user's table
USUAL = SpokenTable(
    (
        ("n95", "N九五"),
        ("kn95", "KN九五"),
        ("7-11便利店", "七一一便利店"),
        ("163邮箱", "一六三邮箱"),
        ("126邮箱", "一二六邮箱"),
        ("360安全", "三六零安全"),
        ("360杀毒", "三六零杀毒"),
        ("360浏览器", "三六零浏览器"),
        ("985/211", "九八五二一一"),
        ("985、211", "九八五、二一一"),
        ("985和211", "九八五和二一一"),
        ("211、985", "二一一、九八五"),
        ("h.264", "H点二六四"),
        ("h.265", "H点二六五"),
        ("24/7", "二十四七"),
        ("802.11", "八零二点一一"),
        ("c++", "C加加"),
    )
)


@functools.lru_cache(maxsize=8)
def _pattern(pairs: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """Return a pattern of all written forms, the longest first, each between its boundaries."""
    longest_first = sorted((written for written, _ in pairs), key=lambda written: (-len(written), written))
    return re.compile("|".join(_bounded(written) for written in longest_first), re.IGNORECASE)


def _bounded(written: str) -> str:
    before = "(?<![A-Za-z])" if _LETTER.match(written[0]) else r"(?<!\d)(?<!\d[.,:])" if written[0].isdigit() else ""
    after = "(?![A-Za-z])" if _LETTER.match(written[-1]) else r"(?!\d)(?![.,:]\d)" if written[-1].isdigit() else ""
    return before + re.escape(written).replace(r"\ ", " +") + after
