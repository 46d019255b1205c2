"""Damaged files of foreign alignments: each reader returns a result or raises an InputError."""

import gzip

import pytest
from damaged_files import damaged, fuzzing, read_or_none
from hypothesis import given
from test_ctm import TEXT as CTM
from test_detect import FILES
from test_htk import HVITE, MASTER, PHONES, STATES
from test_textgrid import LONG, SHORT

from asr.alignment.formats.ctm import read_ctm
from asr.alignment.formats.detect import KINDS, detect
from asr.alignment.formats.htk import read_htk
from asr.alignment.formats.textgrid import read_textgrids


@pytest.mark.parametrize(
    ("name", "read", "data"),
    [
        ("x.ctm", read_ctm, CTM),
        ("x.ctm.gz", read_ctm, gzip.compress(CTM, mtime=0)),
        *(("u1.lab", read_htk, text.encode()) for text in (PHONES, STATES, HVITE, MASTER)),
        ("u1.TextGrid", read_textgrids, LONG.encode()),
        ("u1.TextGrid", read_textgrids, SHORT.encode("utf-16")),
        *(("x", detect, FILES[name][1]) for name in ("x.txt", "pdf.txt", "all.mlf", "u1.TextGrid")),
    ],
)
def test_damage_is_named(tmp_path, name, read, data):
    @given(damaged(data))
    @fuzzing()
    def check(changed):
        (tmp_path / name).write_bytes(changed)
        found = read_or_none(lambda path: detect(path) if read is detect else list(read(path)), tmp_path / name)
        assert found is None or (found in KINDS if read is detect else all(item.utterance for item in found))

    check()
