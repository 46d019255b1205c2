"""Kaldi tables: text tables, scp files, archives of matrices and integer vectors. Strict, UTF-8, no shell.

table = read_table("data/train/text")                       # {utterance: rest of line}
for key, matrix in read_matrices("feats.1.ark"): ...        # float32, (frames, dimension)
reader = MatrixReader("data/train/feats.scp"); reader["utt"]
"""

from asr.tables.archives import (
    MatrixReader,
    open_strict,
    read_int_vectors,
    read_matrices,
    write_int_vectors,
    write_matrices,
)
from asr.tables.text import (
    decode_or_refuse,
    is_count,
    is_decimal,
    read_bytes,
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
from asr.tables.writing import atomic, atomic_packed, copy_whole, folder_beside, naming, sync_directory

__all__ = [
    "MatrixReader",
    "atomic",
    "atomic_packed",
    "copy_whole",
    "decode_or_refuse",
    "folder_beside",
    "is_count",
    "is_decimal",
    "naming",
    "open_strict",
    "read_bytes",
    "read_counts_of",
    "read_int_vectors",
    "read_lines",
    "read_matrices",
    "read_parsed",
    "read_scp",
    "read_seconds",
    "read_symbols",
    "read_table",
    "seconds",
    "sync_directory",
    "write_int_vectors",
    "write_matrices",
    "write_table",
]
