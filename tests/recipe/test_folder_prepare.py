"""recipes/folder: transcripts in tables, beside sounds and in names; speakers, sets and keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from miniatures import folder, prepare, sets, sound, texts

from asr.cli import main
from asr.corpus.datadir import DataDir

NAMES = ("train", "dev", "test")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "my voice").mkdir()
    return tmp_path / "my voice"


def _named(corpus: Path, number: int = 20) -> list[str]:
    words = ["你好" + "一二三四五六七八九十"[place % 10] * (1 + place // 10) for place in range(number)]
    for place, word in enumerate(words):
        sound(corpus / f"cmn-{word}.mp3", seed=place, rate_hz=22050)
    return words


def test_transcripts_in_names(corpus: Path) -> None:
    words = _named(corpus)
    assert main(folder(corpus, "--resample", "true")) == 0
    made = sets(corpus.parent / "data")
    assert [len(data.text) for data in made.values()] == [18, 1, 1]
    assert texts(corpus.parent / "data") == {f"my_voice-cmn-{word}": word for word in words}
    assert set(made["train"].utt2spk.values()) == {"my_voice"}


def test_the_same_seed_cuts_the_same_sets(corpus: Path) -> None:
    _named(corpus)
    cut = []
    for seed in ("1", "1", "2"):
        assert main(folder(corpus, "--resample", "true", "--seed", seed)) == 0
        cut.append([sorted(data.text) for data in sets(corpus.parent / "data").values()])
        (corpus.parent / "data" / ".done.prepare.json").unlink()
    assert cut[0] == cut[1] != cut[2]


def test_transcripts_beside_the_sounds_folders_are_speakers(corpus: Path) -> None:
    for speaker in ("anna", "bob"):
        for place in range(12):
            path = sound(corpus / speaker / f"{place}.wav", seed=place + 50 * (speaker == "bob"))
            path.with_suffix(".txt").write_bytes(f"今天{speaker}{'好' * (place + 1)}\r\n".encode("utf-16"))
    (corpus / "notes.txt").write_text("nothing to do with it\n")
    (corpus / "anna" / "._1.wav").write_bytes(b"what macOS leaves")
    assert main(folder(corpus)) == 0
    made = sets(corpus.parent / "data")
    assert texts(corpus.parent / "data")["anna-3"] == "今天ANNA好好好好"
    assert {data.utt2spk[key] for data in made.values() for key in data.text if key.startswith("bob-")} == {"bob"}


def test_a_table_a_set_and_stereo_stretches(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path,text,speaker,split,start,end,channel"]
    sound(corpus / "calls" / "a.wav", channels=2)
    for place in range(10):
        sound(corpus / "clips" / f"c{place}.flac", seed=place)
        rows.append(
            f"clips/c{place}.flac,今天{'好' * (place + 1)},s{place % 2},{'test' if place > 7 else 'train'},,,"
        )
    rows += ["calls/a.wav,左边,s3,train,0,0.1,0", "calls/a.wav,右边,s4,train,0.1,0.25,1"]
    (corpus / "all.csv").write_text("\n".join(rows) + "\n", encoding="gb18030")
    assert main(folder(corpus, "--dev-fraction", "0.1")) == 2
    assert "all.csv:1" not in capsys.readouterr().err
    assert main(folder(corpus, "--dev-fraction", "0.1", "--encoding", "gb18030")) == 0
    made = sets(corpus.parent / "data")
    assert sorted(made["test"].text) == ["s0-c8", "s1-c9"]
    segments = {key: item.line() for data in made.values() for key, item in (data.segments or {}).items()}
    assert segments["s4-a-0000010-0000025-1"] == "a 0.1 0.25 1"


def test_kaldi_like_tables_as_published(shared: Path, tmp_path: Path) -> None:
    corpus = shared / "aishell_sample"
    out = tmp_path / "data"
    options = ["--corpus-dir", corpus, "--speaker-pattern", "^(.{11})", "--latin", "letter"]
    assert prepare("folder", out, *options) == 0
    test, given = DataDir.read(out / "test"), DataDir.read(corpus / "data" / "test")
    assert test.utt2spk == given.utt2spk
    assert len(DataDir.read(out / "train").text) + len(DataDir.read(out / "dev").text) == 780


def _in_set_folders(corpus: Path, table: str, line: str, *, encoding: str = "utf-8") -> None:
    """Make a folder for every set with four sounds of two speakers and their table; `line` is one row."""
    for name in NAMES:
        rows = []
        for place in range(4):
            speaker = f"{name}{place % 2}"
            sound(corpus / name / speaker / f"{speaker}-{place}.wav", seed=place + 10 * NAMES.index(name))
            rows.append(line.format(sound=f"{speaker}/{speaker}-{place}.wav", text=f"今天{name}{'好' * place}"))
        (corpus / name / table).write_text("\n".join(rows) + "\n", encoding=encoding)


def test_tables_within_the_folders_of_the_sets(corpus: Path) -> None:
    _in_set_folders(corpus, "metadata.csv", "{sound},{text}", encoding="utf-8-sig")
    (corpus / "读我.txt").write_text("说明\n", encoding="gb18030")  # no table, so its encoding is nobody's matter
    assert main(folder(corpus)) == 0
    made = sets(corpus.parent / "data")
    assert [len(data.text) for data in made.values()] == [4, 4, 4]
    assert made["dev"].text["dev1-3"] == "今天DEV好好好" and made["test"].utt2spk["test0-2"] == "test0"


def test_one_table_and_the_sets_as_folders(corpus: Path) -> None:
    _in_set_folders(corpus, "notes.md", "{sound}")
    sounds = sorted(path.relative_to(corpus) for path in corpus.rglob("*.wav"))
    records = [{"id": place, "file": str(path), "text": f"第{place}句"} for place, path in enumerate(sounds)]
    (corpus / "all.json").write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    assert main(folder(corpus)) == 0
    assert [len(data.text) for data in sets(corpus.parent / "data").values()] == [4, 4, 4]


def test_characters_with_their_pinyin(corpus: Path) -> None:
    _in_set_folders(corpus, "content.txt", "{sound}\t广 guang3 州 zhou1 女 nü3")
    assert main(folder(corpus)) == 0
    assert set(texts(corpus.parent / "data").values()) == {"广 州 女"}


def test_archives_are_not_overlooked(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _in_set_folders(corpus, "content.txt", "{sound}\t{text}")
    (corpus / "S3.tar.gz").write_bytes(b"")
    assert main(folder(corpus)) == 0
    assert f"{corpus}: skipped 1 archives: unpack them" in capsys.readouterr().err


ALL_GONE = "(1 of 1 utterances, 100.0 %, would be dropped: more than --max-missing)"
HALF_GONE = "(1 of 2 utterances, 50.0 %, would be dropped: more than --max-missing)"
#: {what: (how the folder is spoilt, options ..., the line)}
BAD: dict[str, tuple[Any, ...]] = {
    "no folder": (lambda c: os.rmdir(c), "{c}: no such folder"),
    "no sound": (lambda c: None, "{c}: has no sound (wav, flac, mp3, ogg, opus, sph, aiff, ...)"),
    "a Kaldi directory": (
        lambda c: (c / "wav.scp").write_text("a b\n"),
        "{c}/wav.scp: this is a Kaldi data directory: use --recipe kaldi --train-dir",
    ),
    "no table": (
        lambda c: sound(c / "a.wav"),
        "--transcripts",
        "table",
        "{c}: no table (.tsv .csv .jsonl .json .txt) in this folder names its sounds",
    ),
    "a table that is not there": (
        lambda c: sound(c / "a.wav"),
        "--table",
        "x.tsv",
        "{c}/x.tsv: cannot be read: No such file or directory",
    ),
    "text beside none": (
        lambda c: (sound(c / "a.wav"), sound(c / "b.wav").with_suffix(".txt").write_text("好\n")),
        "{c}/a.wav: a: no transcript beside it {half}",
    ),
    "GBK beside": (
        lambda c: sound(c / "b.wav").with_suffix(".txt").write_bytes("今天".encode("gbk")),
        "{c}/b.txt:1: \ufffd\ufffd\ufffd\ufffd: is not UTF-8 (GBK?); convert it or pass --encoding gb18030",
    ),
    "names without a word": (
        lambda c: sound(c / "rec-(!).wav"),
        "--text-from",
        "names",
        "{c}/rec-(!).wav: {n}-rec-(!): '(!)' holds no word {all}",
    ),
    "a table in GB18030": (
        lambda c: (sound(c / "a.wav"), (c / "t.csv").write_text("a.wav,今天\n", "gb18030")),
        "{c}/t.csv:1: a.wav,\ufffd\ufffd\ufffd\ufffd: is not UTF-8 (GBK?); convert it or pass --encoding gb18030",
    ),
    "columns that it does not have": (
        lambda c: (sound(c / "a.wav"), (c / "t.csv").write_text("文件;内容\na.wav;好\n")),
        "--columns",
        "sound=clip,text=words",
        "{c}/t.csv:1: has no columns clip and words; it has: 文件, 内容",
    ),
    "a table of other sounds": (
        lambda c: (sound(c / "a.wav"), (c / "t.tsv").write_text("path\ttext\na.wav\t好\nb.wav\t好\n")),
        "{c}/t.tsv:3: b.wav: no such sound {half}",
    ),
    "a name that two sounds have": (
        lambda c: (sound(c / "x" / "a.wav"), sound(c / "y" / "a.wav"), (c / "t.tsv").write_text("a.wav\t好\n")),
        "--table",
        "t.tsv",
        "{c}/t.tsv:1: a.wav: 2 sounds have this name, {c}/x/a.wav and {c}/y/a.wav",
    ),
    "a speaker pattern that does not fit": (
        lambda c: sound(c / "好.wav"),
        "--speaker-pattern",
        "(S[0-9]+)",
        "{c}/好.wav: its name does not match --speaker-pattern '(S[0-9]+)'",
    ),
    "a pattern that is none": (
        lambda c: sound(c / "好.wav"),
        "--speaker-pattern",
        "(",
        "--speaker-pattern '(': missing ), unterminated subpattern at position 0",
    ),
    "8 kHz": (
        lambda c: sound(c / "好.wav", rate_hz=8000),
        "--resample",
        "true",
        "{c}/好.wav: {n}-好: is sampled at 8000 Hz, not 16000 Hz; frequencies above 4000 Hz cannot"
        " be restored; pass --rate-hz 8000 to use that rate throughout {all}",
    ),
    "stereo": (
        lambda c: sound(c / "好.wav", channels=2),
        "{c}/好.wav: {n}-好: has 2 channels (stereo); name one in segments or make it mono {all}",
    ),
    "no train": (
        lambda c: (sound(c / "a.wav"), (c / "test.tsv").write_text("a.wav\t好\n")),
        "{c}: there is no train, only test",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_folders(what: str, corpus: Path, refused) -> None:
    spoil, *options, line = BAD[what]
    spoil(corpus)
    out = corpus.parent / "data"
    assert refused(folder(corpus, *options)) == line.format(c=corpus, n="my_voice", all=ALL_GONE, half=HALF_GONE)
    assert not out.exists() or not any(out.iterdir())
