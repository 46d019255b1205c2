"""The verb `export` on real Kaldi output and by hand."""

import gzip

import numpy as np
import pytest

from asr.alignment.formats.export import Settings, run
from asr.alignment.formats.import_intervals import import_intervals
from asr.alignment.formats.phone_labels import PhoneLabels
from asr.alignment.formats.textgrid import read_textgrid
from asr.alignment.monophone import write_monophone_dir
from asr.command.resolve import resolve
from asr.corpus.transcript import normalise
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_phones, write_alignments
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_symbols, read_table, write_table


@pytest.fixture
def case(small, tmp_path):
    """(alignment directory, text, lang): the phones of u1 are 把, a pause and 啊, those of u2 啊; u3 is no word."""
    folder, model = small
    rows = {"u1": [(1, 5), (4, 3), (3, 4), (1, 6), (3, 8)], "u2": [(3, 9)], "u3": [(5, 7)]}
    job = {key: np.concatenate([model.phone_path(*phone) for phone in row]) for key, row in rows.items()}
    write_alignments(folder, [job])
    lang = tmp_path / "lang"
    lang.mkdir()
    (lang / "words.txt").write_text("<eps> 0\n<SPN> 1\n啊 2\n把 3\n")
    (lang / "lexicon.txt").write_text("<SPN> SPN\n啊 a1\n把 b a1\n")
    (tmp_path / "text").write_text("u1 把啊\nu2 啊\nu3 把\n")
    return folder, tmp_path / "text", lang


def test_kaldis_ctm_byte_for_byte(kaldi_ali, tmp_path):
    run(Settings(kaldi_ali, tmp_path / "x.ctm.gz", symbols=False))
    with gzip.open(kaldi_ali / "expected_phones.ctm.gz") as theirs, gzip.open(tmp_path / "x.ctm.gz") as ours:
        assert ours.read() == theirs.read()


def test_real_words_and_back(shared, kaldi_sample, tmp_path, capsys):
    """Real transcripts are found in Kaldi's alignment, except one in which Kaldi had a word for the noise mark `[n]`.

    The phones of the TextGrids are exact to the frame.
    """
    texts = read_table(shared / "aishell_sample" / "data" / "train" / "text")
    write_table(tmp_path / "text", {key: normalise(text, spoken=False) for key, text in texts.items()})
    ali, lang = kaldi_sample / "tri1_ali", kaldi_sample / "lang"
    run(Settings(ali, tmp_path / "grids", "textgrid", text=tmp_path / "text", lang=lang, max_missing=0.002))
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'grids'}: 780 utterances\n"
    assert err.startswith(
        "warning: 1 of 780 utterances have no words: BAC009S0252W0475: the phones do not spell '一 辆"
    )
    phones, words = read_textgrid(tmp_path / "grids" / "BAC009S0150W0001.TextGrid")
    assert "".join(item.label for item in words.intervals) == "设定二十九度"
    assert {item.start_s for item in words.intervals} <= {item.start_s for item in phones.intervals}
    model = read_transition_model(ali / "final.mdl")
    theirs = {key: to_phones(tids, model) for key, tids in read_alignments(ali, model)}
    frames = {key: sum(count for _, _, count in row) for key, row in theirs.items()}
    symbols = read_symbols(ali / "phones.txt")
    labels = PhoneLabels.given(symbols, ["SIL", "SPN"])
    import_intervals(tmp_path / "grids", "textgrid", tmp_path / "ali", labels=labels, num_frames=frames)
    ours = read_transition_model(tmp_path / "ali" / "final.mdl")
    assert {key: to_phones(tids, ours) for key, tids in read_alignments(tmp_path / "ali", ours)} == theirs


def test_phones_by_name_and_by_id(case, tmp_path):
    run(Settings(case[0], tmp_path / "x.ctm"))
    assert (tmp_path / "x.ctm").read_text() == (
        "u1 1 0.000 0.050 SIL\nu1 1 0.050 0.030 b\nu1 1 0.080 0.040 a1\nu1 1 0.120 0.060 SIL\n"
        "u1 1 0.180 0.080 a1\nu2 1 0.000 0.090 a1\nu3 1 0.000 0.070 zh\n"
    )
    (case[0] / "phones.txt").unlink()
    run(Settings(case[0], tmp_path / "x.ctm", symbols=False, frame_shift_ms=12.5))
    assert (tmp_path / "x.ctm").read_text().splitlines()[:2] == ["u1 1 0.0000 0.0625 1", "u1 1 0.0625 0.0375 4"]
    with pytest.raises(InputError, match=r"phones\.txt: no such file"):
        run(Settings(case[0], tmp_path / "x.ctm"))


def test_words_and_those_that_are_not_spelt(case, tmp_path, capsys):
    folder, text, lang = case
    settings = Settings(folder, tmp_path / "w.ctm", level="words", text=text, lang=lang, max_missing=0.5)
    run(settings)
    assert (tmp_path / "w.ctm").read_text() == "u1 1 0.050 0.070 把\nu1 1 0.180 0.080 啊\nu2 1 0.000 0.090 啊\n"
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'w.ctm'}: 2 utterances\n"
    assert err == "warning: 1 of 3 utterances have no words: u3: the phones do not spell '把'\n"
    (tmp_path / "w.ctm").unlink()
    text.write_text("u1 把啊\n")
    with pytest.raises(InputError) as caught:
        run(settings)
    expected = "2 of 3 utterances have no words: u2: no transcript; u3: no transcript"
    assert str(caught.value) == f"{expected}; that is more than --max-missing 0.5"
    assert not (tmp_path / "w.ctm").exists()


def test_an_utterance_without_words_keeps_its_phones(case, tmp_path):
    folder, text, lang = case
    run(Settings(folder, tmp_path / "grids", "textgrid", text=text, lang=lang, max_missing=0.5))
    tiers = {
        key: {
            tier.name: [(item.label, item.start_s, item.end_s) for item in tier.intervals]
            for tier in read_textgrid(tmp_path / "grids" / f"{key}.TextGrid")
        }
        for key in ("u1", "u3")
    }
    assert tiers["u1"]["words"] == [("", 0, 0.05), ("把", 0.05, 0.12), ("", 0.12, 0.18), ("啊", 0.18, 0.26)]
    assert tiers["u3"] == {"phones": [("zh", 0, 0.07)]}


def test_phones_marked_by_position(case, tmp_path):
    folder, text, lang = case
    model = write_monophone_dir(folder, ["SIL", "SPN", "a1_S", "a1_E", "b_B"], ["SIL", "SPN"])
    row = np.concatenate([model.phone_path(phone, 4) for phone in (5, 4, 3)])
    write_alignments(folder, [{"u1": row}])
    run(Settings(folder, tmp_path / "w.ctm", level="words", text=text, lang=lang))
    assert (tmp_path / "w.ctm").read_text() == "u1 1 0.000 0.080 把\nu1 1 0.080 0.040 啊\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frame-shift-ms", "0"], "--frame-shift-ms: '0' is not more than 0"),
        (["--frame-shift-ms", "nan"], "--frame-shift-ms: 'nan' is not a finite number"),
        (["--max-missing", "2"], "--max-missing: '2' is more than 1"),
        (["--text", "text"], "words require both --text and --lang"),
        (["--level", "words"], "--level words requires --text and --lang"),
        (["--text", "text", "--lang", "l"], "--text is for --level words or --format textgrid"),
        (["--format", "textgrid", "--out", __file__], "is a file; --format textgrid writes a folder"),
        (["--out", "/"], "/: is a folder; --format ctm writes one file"),
        (["--format", "lab"], "'lab' is not one of ctm, textgrid"),
    ],
)
def test_settings_that_make_no_sense(case, options, message):
    options = ["--ali-dir", str(case[0]), *([] if "--out" in options else ["--out", "x.ctm"]), *options]
    with pytest.raises(InputError) as caught:
        run(resolve(Settings, "export", options))
    assert str(caught.value).endswith(message)


def test_damage_is_named(case, tmp_path):
    folder, model = case[0], read_transition_model(case[0] / "final.mdl")
    write_alignments(folder, [{"u1": model.phone_path(3, 9)[:-4], "a/b": model.phone_path(3, 9)}])
    with pytest.raises(InputError, match=r"1 of 2 utterances do not consist of whole phones .*: u1: .*0\.05"):
        run(Settings(folder, tmp_path / "x.ctm"))
    assert not (tmp_path / "x.ctm").exists()
    run(Settings(folder, tmp_path / "x.ctm", max_missing=0.5))
    assert (tmp_path / "x.ctm").read_text() == "a/b 1 0.000 0.090 a1\n"
    write_alignments(folder, [{"a/b": model.phone_path(3, 9)}])
    with pytest.raises(InputError, match="a/b: cannot be the name of a file"):
        run(Settings(folder, tmp_path / "grids", "textgrid"))
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\n")
    with pytest.raises(InputError, match=r"phones\.txt: has no phone 2, which final\.mdl has"):
        run(Settings(folder, tmp_path / "x.ctm"))
