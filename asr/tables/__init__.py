"""Read and write text tables, scp files and symbol tables. The readers name file, line and key of an error.

table = read_table("data/train/text")                       # {utterance: rest of line}
"""

from asr.tables.text import (
    decode_or_refuse,
    is_count,
    is_decimal,
    read_frame_counts,
    read_lines,
    read_parsed,
    read_scp,
    read_symbols,
    read_table,
    seconds,
    write_table,
)

__all__ = [
    "decode_or_refuse",
    "is_count",
    "is_decimal",
    "read_frame_counts",
    "read_lines",
    "read_parsed",
    "read_scp",
    "read_symbols",
    "read_table",
    "seconds",
    "write_table",
]
