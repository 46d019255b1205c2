"""Read and write text tables, scp files and symbol tables. The readers name file, line and key of an error.

table = read_table("data/train/text")                       # {utterance: rest of line}
"""

from asr.tables.text import decode_or_refuse as decode_or_refuse
from asr.tables.text import is_count as is_count
from asr.tables.text import is_decimal as is_decimal
from asr.tables.text import read_frame_counts as read_frame_counts
from asr.tables.text import read_lines as read_lines
from asr.tables.text import read_parsed as read_parsed
from asr.tables.text import read_scp as read_scp
from asr.tables.text import read_symbols as read_symbols
from asr.tables.text import read_table as read_table
from asr.tables.text import seconds as seconds
from asr.tables.text import write_table as write_table
