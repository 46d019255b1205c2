"""Errors by sound, counted by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.cli import main
from asr.scoring.counts import align, count
from asr.scoring.sounds import SoundErrors, kind_of, sound_lines
from asr.scoring.syllables import align_sounds


def kinds(reference, hypothesis):
    pairs = align_sounds(list(reference), list(hypothesis))
    return [kind_of(pair) for pair in pairs]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "kind"),
    [
        ("今", "今", None),
        ("今", "金", "homophone"),
        ("妈", "马", "tone"),
        ("四", "十", "initial"),  # si4 shi2: the tone differs, too
        ("金", "经", "final"),
        ("男", "浪", "initial and final"),
        ("今", "OK", "not a syllable"),
    ],
)
def test_the_kinds_of_errors(reference, hypothesis, kind):
    assert [kind_of(pair) for pair in align_sounds([reference], [hypothesis])] == [kind]


def test_lost_and_added_characters():
    assert kinds("今天", "今") == [None, "deletion"] and kinds("天", "今天") == ["insertion", None]


def test_figures_by_hand():
    found = SoundErrors.of([(list("今天妈很"), list("金天马")), (["四", "好", "OK"], ["十", "好", "OK"])])
    record = found.record()
    # 今→金 is no error of syllables; ma1→ma3 is none without tone; 很 is lost; si4→shi2 is one
    assert record["tonal"]["errors"] == 3 and record["tonal"]["length"] == 7
    assert record["toneless"]["errors"] == 2
    assert record["kinds"] == {"deletion": 1, "homophone": 1, "initial": 1, "tone": 1}
    assert record["compared"] == 5  # not 很, not OK
    assert record["parts"]["initial"] == {"wrong": 1, "confused": [["s", "sh", 1]]}
    assert record["parts"]["final"] == {"wrong": 0, "confused": []}
    assert record["parts"]["tone"] == {"wrong": 2, "confused": [["1", "3", 1], ["4", "2", 1]]}
    assert sound_lines("dev", record) == [
        "dev as syllables 42.86 %, as syllables without tone 28.57 % wrong",
        "dev wrong characters by sound: 1 deletion, 1 homophone, 1 initial, 1 tone",
    ]


def test_syllables_are_aligned_anew():
    """是 大 against 大 市: two characters wrong; as syllables, one of them was only moved (da4 is in both)."""
    found = SoundErrors.of([(list("是大"), list("打事大"))])
    assert (found.tonal.errors, found.toneless.errors) == (1, 1)


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.sampled_from(["是", "市", "打", "大", "妈", "OK", "的"]), max_size=7)] * 2)
def test_kinds_add_up_and_coarser_units_have_fewer_errors(reference, hypothesis):
    found = SoundErrors.of([(reference, hypothesis)])
    errors = count(align(reference, hypothesis)).errors
    assert found.kinds.total() == errors
    assert found.toneless.errors <= found.tonal.errors <= errors
    assert found.tonal.errors <= errors - found.kinds["homophone"]
    assert found.tonal.length == found.toneless.length == len(reference)


def test_no_syllable_no_line():
    for texts in ([], [(["OK"], ["OK"])], [([], ["好"])], [(["好"], [])]):
        assert sound_lines("dev", SoundErrors.of(texts).record()) == []


def test_score_prints_and_records_them(tmp_path, capsys):
    (tmp_path / "text").write_text("u1 今天很好\nu2 妈妈\n", encoding="utf-8")
    (tmp_path / "hyp.txt").write_text("u1 金天很好\nu2 马 妈\n", encoding="utf-8")
    (tmp_path / "decode.json").write_text('{"complete": true}')
    out = tmp_path / "decode_dev"
    argv = ["score", "--ref", str(tmp_path / "text"), "--hyp", str(tmp_path / "hyp.txt"), "--out", str(out)]
    for _ in range(2):  # the second time nothing is out of date
        assert main(argv) == 0
        said = capsys.readouterr().out
        assert "dev as syllables 16.67 %, as syllables without tone 0.00 % wrong\n" in said
        assert "dev wrong characters by sound: 1 homophone, 1 tone\n" in said
    sounds = json.loads((out / "scores.json").read_text(encoding="utf-8"))["sounds"]
    assert sounds["tonal"]["errors"] == 1 and sounds["kinds"] == {"homophone": 1, "tone": 1}
