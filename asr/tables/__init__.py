"""Text tables, scp files and symbol tables. The readers are strict: they name file, line and key.

table = read_table("data/train/text")                       # {utterance: rest of line}
"""

from asr.tables.text import (
    decode_or_refuse,
    is_count,
    is_decimal,
    read_counts_of,
    read_lines,
    read_parsed,
    read_scp,
    read_seconds,
    read_symbols,
    read_table,
    seconds,
    write_table,
)

__all__ = [
    "decode_or_refuse",
    "is_count",
    "is_decimal",
    "read_counts_of",
    "read_lines",
    "read_parsed",
    "read_scp",
    "read_seconds",
    "read_symbols",
    "read_table",
    "seconds",
    "write_table",
]
