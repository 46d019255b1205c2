"""recipes/folder: transcripts in tables, beside sounds and in names; speakers, sets and keys."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli import main
from asr.corpus.datadir import DataDir

SCRIPT = Path(__file__).resolve().parents[2] / "recipes" / "folder" / "prepare.py"
NAMES = ("train", "dev", "test")


def _sound(path: Path, *, seed: int = 0, rate_hz: int = 16000, kind: str | None = None, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([zlib.crc32(path.name.encode()), seed]).normal(0, 0.1, (rate_hz // 4, channels))
    soundfile.write(path, noise.clip(-1, 1), rate_hz, format=kind or path.suffix[1:].upper())
    return path


def _prepare(corpus: Path, *options: str) -> int:
    out = str(corpus.parent / "data")
    return main(
        ["prepare", "--script", str(SCRIPT), "--corpus-dir", str(corpus), "--out", out, "--nj", "1", *options]
    )


def _sets(corpus: Path) -> dict[str, DataDir]:
    return {name: DataDir.read(corpus.parent / "data" / name) for name in NAMES}


def _all(sets: dict[str, DataDir]) -> dict[str, str]:
    return {key: text for data in sets.values() for key, text in data.text.items()}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "my voice").mkdir()
    return tmp_path / "my voice"


def _named(corpus: Path, number: int = 20) -> list[str]:
    words = ["你好" + "一二三四五六七八九十"[place % 10] * (1 + place // 10) for place in range(number)]
    for place, word in enumerate(words):
        _sound(corpus / f"cmn-{word}.mp3", seed=place, rate_hz=22050)
    return words


def test_transcripts_in_names(corpus: Path) -> None:
    words = _named(corpus)
    assert _prepare(corpus, "--resample", "true") == 0
    sets = _sets(corpus)
    assert [len(data.text) for data in sets.values()] == [18, 1, 1]
    assert _all(sets) == {f"my_voice-cmn-{word}": word for word in words}
    assert set(sets["train"].utt2spk.values()) == {"my_voice"}


def test_the_same_seed_cuts_the_same_sets(corpus: Path) -> None:
    _named(corpus)
    cut = []
    for seed in ("1", "1", "2"):
        assert _prepare(corpus, "--resample", "true", "--seed", seed) == 0
        cut.append([sorted(data.text) for data in _sets(corpus).values()])
        (corpus.parent / "data" / ".done.prepare.json").unlink()
    assert cut[0] == cut[1] != cut[2]


def test_transcripts_beside_the_sounds_folders_are_speakers(corpus: Path) -> None:
    for speaker in ("anna", "bob"):
        for place in range(12):
            path = _sound(corpus / speaker / f"{place}.wav", seed=place + 50 * (speaker == "bob"))
            path.with_suffix(".txt").write_bytes(f"今天{speaker}{'好' * (place + 1)}\r\n".encode("utf-16"))
    (corpus / "notes.txt").write_text("nothing to do with it\n")
    (corpus / "anna" / "._1.wav").write_bytes(b"what macOS leaves")
    assert _prepare(corpus) == 0
    sets = _sets(corpus)
    assert _all(sets)["anna-3"] == "今天ANNA好好好好"
    assert {data.utt2spk[key] for data in sets.values() for key in data.text if key.startswith("bob-")} == {"bob"}


def test_a_table_a_set_and_stereo_stretches(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path,text,speaker,split,start,end,channel"]
    _sound(corpus / "calls" / "a.wav", channels=2)
    for place in range(10):
        _sound(corpus / "clips" / f"c{place}.flac", seed=place)
        rows.append(
            f"clips/c{place}.flac,今天{'好' * (place + 1)},s{place % 2},{'test' if place > 7 else 'train'},,,"
        )
    rows += ["calls/a.wav,左边,s3,train,0,0.1,0", "calls/a.wav,右边,s4,train,0.1,0.25,1"]
    (corpus / "all.csv").write_text("\n".join(rows) + "\n", encoding="gb18030")
    assert _prepare(corpus, "--dev-fraction", "0.1") == 2
    assert "all.csv:1" not in capsys.readouterr().err
    assert _prepare(corpus, "--dev-fraction", "0.1", "--encoding", "gb18030") == 0
    sets = _sets(corpus)
    assert sorted(sets["test"].text) == ["s0-c8", "s1-c9"]
    segments = {key: item.line() for data in sets.values() for key, item in (data.segments or {}).items()}
    assert segments["s4-a-0000010-0000025-1"] == "a 0.1 0.25 1"


def test_kaldi_like_tables_as_published(shared: Path, tmp_path: Path) -> None:
    corpus = shared / "aishell_sample"
    out = tmp_path / "data"
    options = ["--corpus-dir", str(corpus), "--out", str(out), "--speaker-pattern", "^(.{11})", "--latin", "letter"]
    assert main(["prepare", "--script", str(SCRIPT), *options]) == 0
    test, given = DataDir.read(out / "test"), DataDir.read(corpus / "data" / "test")
    assert test.utt2spk == given.utt2spk
    assert len(DataDir.read(out / "train").text) + len(DataDir.read(out / "dev").text) == 780


def _told_apart(corpus: Path, table: str, line: str, *, encoding: str = "utf-8") -> None:
    """A folder for every set with four sounds of two speakers, and a table of them in it; `line` is one row."""
    for name in NAMES:
        rows = []
        for place in range(4):
            speaker = f"{name}{place % 2}"
            _sound(corpus / name / speaker / f"{speaker}-{place}.wav", seed=place + 10 * NAMES.index(name))
            rows.append(line.format(sound=f"{speaker}/{speaker}-{place}.wav", text=f"今天{name}{'好' * place}"))
        (corpus / name / table).write_text("\n".join(rows) + "\n", encoding=encoding)


def test_tables_within_the_folders_of_the_sets(corpus: Path) -> None:
    _told_apart(corpus, "metadata.csv", "{sound},{text}", encoding="utf-8-sig")
    (corpus / "读我.txt").write_text("说明\n", encoding="gb18030")  # no table, so its encoding is nobody's matter
    assert _prepare(corpus) == 0
    sets = _sets(corpus)
    assert [len(data.text) for data in sets.values()] == [4, 4, 4]
    assert sets["dev"].text["dev1-3"] == "今天DEV好好好" and sets["test"].utt2spk["test0-2"] == "test0"


def test_one_table_and_the_sets_as_folders(corpus: Path) -> None:
    _told_apart(corpus, "notes.md", "{sound}")
    sounds = sorted(path.relative_to(corpus) for path in corpus.rglob("*.wav"))
    records = [{"id": place, "file": str(path), "text": f"第{place}句"} for place, path in enumerate(sounds)]
    (corpus / "all.json").write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    assert _prepare(corpus) == 0
    assert [len(data.text) for data in _sets(corpus).values()] == [4, 4, 4]


def test_characters_with_their_pinyin(corpus: Path) -> None:
    _told_apart(corpus, "content.txt", "{sound}\t广 guang3 州 zhou1 女 nü3")
    assert _prepare(corpus) == 0
    assert set(_all(_sets(corpus)).values()) == {"广 州 女"}


def test_archives_are_not_overlooked(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _told_apart(corpus, "content.txt", "{sound}\t{text}")
    (corpus / "S3.tar.gz").write_bytes(b"")
    assert _prepare(corpus) == 0
    assert f"{corpus}: skipped 1 archives: unpack them" in capsys.readouterr().err


ALL_GONE = "(1 of 1 utterances, 100.0 %, would be dropped: more than --max-missing)"
BAD = {
    "no folder": (lambda c: os.rmdir(c), [], "{c}: no such folder"),
    "no sound": (lambda c: None, [], "{c}: has no sound (wav, flac, mp3, ogg, opus, sph, aiff, ...)"),
    "a Kaldi directory": (
        lambda c: (c / "wav.scp").write_text("a b\n"),
        [],
        "{c}/wav.scp: this is a Kaldi data directory: use --recipe kaldi --train-dir",
    ),
    "no table": (
        lambda c: _sound(c / "a.wav"),
        ["--transcripts", "table"],
        "{c}: no table (.tsv .csv .jsonl .json .txt) in this folder names its sounds",
    ),
    "a table that is not there": (
        lambda c: _sound(c / "a.wav"),
        ["--table", "x.tsv"],
        "{c}/x.tsv: cannot be read: No such file or directory",
    ),
    "text beside none": (
        lambda c: (_sound(c / "a.wav"), _sound(c / "b.wav").with_suffix(".txt").write_text("好\n")),
        [],
        "{c}/a.wav: a: no transcript beside it (1 of 2 utterances, 50.0 %, would be dropped: more than --max-missing)",
    ),
    "GBK beside": (
        lambda c: _sound(c / "b.wav").with_suffix(".txt").write_bytes("今天".encode("gbk")),
        [],
        "{c}/b.txt:1: \ufffd\ufffd\ufffd\ufffd: is not UTF-8 (GBK?); convert it or pass --encoding gb18030",
    ),
    "names without a word": (
        lambda c: _sound(c / "rec-(!).wav"),
        ["--text-from", "names"],
        "{c}/rec-(!).wav: {n}-rec-(!): '(!)' holds nothing to say {all}",
    ),
    "a table in GB18030": (
        lambda c: (_sound(c / "a.wav"), (c / "t.csv").write_text("a.wav,今天\n", "gb18030")),
        [],
        "{c}/t.csv:1: a.wav,\ufffd\ufffd\ufffd\ufffd: is not UTF-8 (GBK?); convert it or pass --encoding gb18030",
    ),
    "columns that it does not have": (
        lambda c: (_sound(c / "a.wav"), (c / "t.csv").write_text("文件;内容\na.wav;好\n")),
        ["--columns", "sound=clip,text=words"],
        "{c}/t.csv:1: has no columns clip and words; it has: 文件, 内容",
    ),
    "a table of other sounds": (
        lambda c: (_sound(c / "a.wav"), (c / "t.tsv").write_text("path\ttext\na.wav\t好\nb.wav\t好\n")),
        [],
        "{c}/t.tsv:3: b.wav: no such sound (1 of 2 utterances, 50.0 %, would be dropped: more than --max-missing)",
    ),
    "a name that two sounds have": (
        lambda c: (_sound(c / "x" / "a.wav"), _sound(c / "y" / "a.wav"), (c / "t.tsv").write_text("a.wav\t好\n")),
        ["--table", "t.tsv"],
        "{c}/t.tsv:1: a.wav: 2 sounds have this name, {c}/x/a.wav and {c}/y/a.wav",
    ),
    "a speaker pattern that does not fit": (
        lambda c: _sound(c / "好.wav"),
        ["--speaker-pattern", "(S[0-9]+)"],
        "{c}/好.wav: its name does not match --speaker-pattern '(S[0-9]+)'",
    ),
    "a pattern that is none": (
        lambda c: _sound(c / "好.wav"),
        ["--speaker-pattern", "("],
        "--speaker-pattern '(': missing ), unterminated subpattern at position 0",
    ),
    "8 kHz": (
        lambda c: _sound(c / "好.wav", rate_hz=8000),
        ["--resample", "true"],
        "{c}/好.wav: {n}-好: is sampled at 8000 Hz, 16000 Hz are asked, and nothing above 4000 Hz can be"
        " brought back; pass --rate-hz 8000 to work at that rate throughout {all}",
    ),
    "stereo": (
        lambda c: _sound(c / "好.wav", channels=2),
        [],
        "{c}/好.wav: {n}-好: has 2 channels (stereo); name one in segments or make it mono {all}",
    ),
    "no train": (
        lambda c: (_sound(c / "a.wav"), (c / "test.tsv").write_text("a.wav\t好\n")),
        [],
        "{c}: there is no train, only test",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_folders(what: str, corpus: Path, refused) -> None:
    spoil, options, line = BAD[what]
    spoil(corpus)
    out = corpus.parent / "data"
    said = refused(["prepare", "--script", SCRIPT, "--corpus-dir", corpus, "--out", out, "--nj", "1", *options])
    assert said == line.format(c=corpus, n="my_voice", all=ALL_GONE)
    assert not out.exists() or not any(out.iterdir())


def test_a_wav_that_is_an_mp3_is_read(corpus: Path) -> None:
    for place in range(20):
        _sound(corpus / f"好{'天' * place}.wav", seed=place, kind="MP3" if place % 2 else "WAV")
    assert _prepare(corpus) == 0
    assert len(_all(_sets(corpus))) == 20
