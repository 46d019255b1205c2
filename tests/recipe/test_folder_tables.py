"""recipes/folder: tables in the forms that people have. Each is understood, or refused with line and columns."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from miniatures import folder, sound, texts

from asr.cli import main

TEXTS = (
    "今天天气很好",
    "我们去公园",
    "他在学校读书",
    "请打开窗户",
    "这个苹果很甜",
    "妈妈做饭",
    "小猫在睡觉",
    "火车晚点了",
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Make a folder with r000.wav to r007.wav."""
    for place in range(len(TEXTS)):
        sound(tmp_path / "c" / f"r{place:03d}.wav")
    return tmp_path / "c"


def prepare(corpus: Path, *options: str) -> int:
    return main(folder(corpus, *options))


def made(corpus: Path) -> dict[str, str]:
    """Return {key without its speaker: transcript} of all sets."""
    return {key.split("-")[-1]: text for key, text in texts(corpus.parent / "data").items()}


EXPECTED = {f"r{place:03d}": text for place, text in enumerate(TEXTS)}


def rows(line: str, head: str = "") -> str:
    """Return a line for each sound: {n} is its number, {t} its transcript."""
    return head + "".join(line.format(n=f"{place:03d}", i=place, t=text) + "\n" for place, text in enumerate(TEXTS))


UNDERSTOOD: dict[str, tuple[str, str]] = {
    "LJSpeech: bars, three columns, no suffix": ("metadata.csv", rows("r{n}|{t}|{t}")),
    "LJSpeech: bars, raw and normalised": ("metadata.csv", rows("r{n}|{t}，Ａ{i}!|{t}")),
    "VITS: a list with bars": ("train.txt", rows("r{n}.wav|{t}")),
    "VITS: sound, speaker, text": ("list.txt", rows("wavs/r{n}.wav|c|{t}")),
    "the transcript before the sound": ("t.tsv", rows("{t}\tr{n}.wav")),
    "commas and no names of columns": ("t.csv", rows("r{n}.wav,{t}")),
    "commas in a .txt": ("t.txt", rows("r{n}.wav,{t}")),
    "white space": ("t.txt", rows("r{n} {t}")),
    "semicolons, and commas within the cells": ("t.csv", rows("r{n}.wav;{t},", "file;text\n")),
    "Excel's line that names the separator": ("t.csv", "sep=;\n" + rows("r{n}.wav;{t}", "file;text\n")),
    "a byte-order mark": ("t.csv", "\ufeff" + rows("r{n}.wav,{t}", "path,sentence\n")),
    "quoted names of columns": ("t.csv", rows('"r{n}.wav","{t}"', '"path","sentence"\n')),
    "a head in Chinese": ("t.csv", rows("r{n}.wav,{t}", "音频文件,转写文本\n")),
    "a translation, then the transcript": ("t.tsv", rows("r{n}.wav\tHello {i}\t{t}", "path\tsentence\ttext\n")),
    "the name of a class before the transcript": ("t.tsv", rows("r{n}.wav\t高兴\t{t}", "file\tlabel\tcontent\n")),
    "names in full-width letters": ("t.tsv", rows("ｒ{n}．ＷＡＶ\t{t}", "path\ttext\n")),
    "carriage returns alone": ("t.csv", rows("r{n}.wav,{t}", "path,text\n").replace("\n", "\r")),
    "a second column of the same name and values": ("t.csv", rows("r{n}.wav,{t},r{n}.wav", "path,text,path\n")),
    "a head in capitals": ("t.tsv", rows("r{n}.wav\t{t}", "Path\tSENTENCE\n")),
    "an id that names no sound before the name": ("t.tsv", rows("{i}\tr{n}.wav\t{t}", "id\tname\tcontent\n")),
    "empty cells behind the last column": ("t.csv", rows("r{n}.wav,{t},,", "path,sentence\n")),
    "quoted cells in a TSV": ("t.tsv", rows('r{n}.wav\t"{t}\n"', "path\tsentence\n")),
    "JSON: {name: text}": ("t.json", json.dumps({f"{key}.wav": text for key, text in EXPECTED.items()})),
    "JSON: {name: text}, a line each": ("t.json", json.dumps(EXPECTED, ensure_ascii=False, indent=1)),
    "JSON: {name: object}": ("t.json", json.dumps({key: {"text": text} for key, text in EXPECTED.items()}, indent=1)),
    "JSON: a list in an object": (
        "t.json",
        json.dumps({"version": 1, "data": [{"file": key, "text": text} for key, text in EXPECTED.items()]}, indent=1),
    ),
    "JSON: an object a line": ("t.json", rows('{{"wav": "r{n}.wav", "txt": "{t}"}}')),
    "JSON: a sound of Hugging Face": (
        "t.jsonl",
        rows('{{"audio": {{"path": "r{n}.wav", "bytes": null}}, "text": "{t}"}}'),
    ),
    "another case of the suffix": ("t.tsv", rows("r{n}.WAV\t{t}")),
    "another format": ("t.tsv", rows("r{n}.mp3\t{t}")),
    "backslashes": ("t.tsv", rows("clips\\r{n}.wav\t{t}")),
    "./": ("t.tsv", rows("./r{n}.wav\t{t}")),
    "paths of another machine": ("t.tsv", rows("/home/me/c/r{n}.wav\t{t}")),
    "addresses": ("t.tsv", rows("file:///data/%72{n}.wav\t{t}")),
    "sets in Chinese": ("t.tsv", rows("r{n}.wav\t{t}\t训练集", "file\ttext\tsplit\n")),
    "sets of Hugging Face": ("t.tsv", rows("r{n}.wav\t{t}\ttrain.clean.100", "file\ttext\tsplit\n")),
}


@pytest.mark.parametrize("what", UNDERSTOOD)
def test_understood(what: str, corpus: Path) -> None:
    name, content = UNDERSTOOD[what]
    (corpus / name).write_text(content, encoding="utf-8", newline="")
    assert prepare(corpus) == 0
    got = {key: text.rstrip("零一二三四五六七").removesuffix("A") for key, text in made(corpus).items()}
    assert got == EXPECTED


REFUSED: dict[str, tuple[str, str, str]] = {
    "columns of other names": (
        "t.tsv",
        rows("{i}\tr{n}.wav\t{t}", "nr\tmedia\twords\n"),
        "t.tsv:1: the columns have unknown names: nr, media, words; name them, perhaps --columns"
        " sound=media,text=words",
    ),
    "keys of other names": (
        "t.json",
        json.dumps([{"media": f"{key}.wav", "words": text} for key, text in EXPECTED.items()]),
        "t.json:1: the columns have unknown names: media, words; name them, perhaps --columns sound=media,text=words",
    ),
    "two columns of Chinese text": (
        "t.tsv",
        rows("r{n}.wav\t{t}\t甲{t}乙{i}"),
        "t.tsv:1: columns 2, 3 hold Chinese text; name one: --columns sound=1,text=2",
    ),
    "a set of another name": (
        "t.tsv",
        rows("r{n}.wav\t{t}\tpart{i}", "file\ttext\tsplit\n"),
        "t.tsv:2: r000.wav: set 'part0' is not one of train, training, 训练, dev,",
    ),
    "a table of other sounds": (
        "t.csv",
        rows("x{n}.wav,{t}", "path,sentence\n"),
        "t.csv:2: names no sound of this folder, such as x000.wav",
    ),
    "JSON that is cut": (
        "t.json",
        json.dumps([{"file": f"{key}.wav", "text": text} for key, text in EXPECTED.items()], indent=0)[:-2],
        "t.json:33: its JSON is cut: the closing ] is missing",
    ),
    "JSON of another form": (
        "t.json",
        json.dumps({f"{key}.wav": [text] for key, text in EXPECTED.items()}, indent=1),
        "t.json:1: is neither a list of objects nor {name: text} nor {name: object}; it has r000.wav, r001.wav,",
    ),
    "JSON with a fault": (
        "t.json",
        json.dumps(EXPECTED, ensure_ascii=False, indent=1).replace('饭",', '饭"'),
        "t.json:8: is not JSON: a comma is missing before this",
    ),
    "a spreadsheet": ("t.xlsx", "PK\x03\x04", "t.xlsx: cannot be read; export it as CSV in UTF-8"),
    "a parquet file": ("t.parquet", "PAR1", "t.parquet: cannot be read; export it as CSV in UTF-8"),
    "nothing but sounds": (
        "README.md",
        "录音\n",
        ": there is no transcript: no table names the sounds, none has a text beside it, and the names of 8 of 8"
        " sounds, such as r000.wav, are not Chinese text; wanted: ",
    ),
    "times, no transcripts": ("t.tsv", rows("r{n}.wav\t0.{i}", "path\tduration\n"), ": there is no transcript: "),
    "a quote that is never closed": (
        "t.csv",
        rows("r{n}.wav,{t}", "path,sentence\n").replace("r003.wav,", 'r003.wav,"'),
        "t.csv:5: r003.wav: its quotes are wrong: unexpected end of data (5 of 8 utterances, 62.5 %, would be",
    ),
    "rows that name no sound": (
        "t.tsv",
        rows("r{n}.wav\t{t}") + "x1.wav\t没有\nx1.wav\t没有\n",
        "t.tsv:9: x1.wav: no such sound (2 of 10 utterances, 20.0 %, would be dropped",
    ),
    "rows that are too long": (
        "t.tsv",
        rows("r{n}.wav\t{t}", "path\ttext\n") + "x\t没\t有\nx\t没\t有\n",
        "t.tsv:10: x: has 3 columns, the first line 2 (2 of 10 utterances, 20.0 %, would be dropped",
    ),
    "a colon after the sound": (
        "t.txt",
        rows("r{n}.wav: {t}"),
        "t.txt:1: names 8 sounds beside Chinese text in an unknown form: r000.wav: 今天天气很好; wanted: ",
    ),
    "full-width commas": (
        "t.csv",
        rows("r{n}.wav，{t}", "path，sentence\n"),
        "t.csv:1: names 8 sounds beside Chinese text in an unknown form: path，sentence; wanted: ",
    ),
    "NIST: the sound in brackets": (
        "t.txt",
        rows("{t} (r{n})"),
        "t.txt:1: names 8 sounds beside Chinese text in an unknown form: 今天天气很好 (r000); wanted: ",
    ),
    "HTK: a master label file": (
        "t.txt",
        "#!MLF!#\n" + rows('"*/r{n}.lab"\n{t}\n.'),
        "t.txt:1: names 8 sounds beside Chinese text in an unknown form: #!MLF!#; wanted: ",
    ),
    "times by the clock": (
        "t.tsv",
        rows("r{n}.wav\t{t}\t00:00:01.5", "path\ttext\tstart\n"),
        "t.tsv:2: has no usable row: start '00:00:01.5' is not a time in seconds",
    ),
    "two columns of one name": (
        "t.tsv",
        rows("r{n}.wav\t{t}\t{t}呀", "path\ttext\ttext\n"),
        "t.tsv:1: two columns are called text; name one of them: --columns text=text or text=text.1",
    ),
    "what pandas writes for nothing": (
        "t.tsv",
        rows("r{n}.wav\t{t}", "path\ttext\n").replace("妈妈做饭", "nan"),
        "t.tsv:7: c-r005: the transcript is empty (1 of 8 utterances, 12.5 %, would be dropped",
    ),
    "a Cyrillic letter": (
        "t.tsv",
        rows("r{n}.wav\t{t}", "path\ttext\n").replace("r003.wav", "r003.wаv"),
        "t.tsv:5: r003.wаv: no such sound; it differs from r003.wav only by U+0430 (а) in place of U+0061",
    ),
    "JSON: a key that stands twice": (
        "t.jsonl",
        rows('{{"path": "r{n}.wav", "text": "{t}", "text": "x"}}'),
        "t.jsonl:1: has no usable row: is not JSON: text occurs twice in it",
    ),
    "sounds that no row names": (
        "t.tsv",
        rows("r{n}.wav\t{t}").replace("r007", "r006"),
        "r007.wav: r007: no row of t.tsv names it (2 of 8 utterances, 25.0 %, would be dropped",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, corpus: Path, refused) -> None:
    name, content, wanted = REFUSED[what]
    (corpus / name).write_text(content, encoding="utf-8")
    message = refused(folder(corpus))
    assert wanted in message and message.startswith(str(corpus))
    assert not (corpus.parent / "data").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_says_the_encoding(encoding: str, corpus: Path) -> None:
    (corpus / "t.csv").write_text(rows("r{n}.wav,{t}", "path,text\n"), encoding=encoding)
    assert prepare(corpus) == 0
    assert made(corpus) == EXPECTED


@pytest.mark.parametrize(
    ("encoding", "line", "printed"),
    [
        ("utf-16-le", 1, "is UTF-16-LE without its mark; pass --encoding utf-16-le"),
        ("utf-16-be", 1, "is UTF-16-BE without its mark; pass --encoding utf-16-be"),
        (None, 4, "is not UTF-8, nor is the file GB18030"),
    ],
)
def test_an_encoding_that_no_mark_says(encoding: str | None, line: int, printed: str, corpus: Path, refused) -> None:
    text = rows("r{n}.wav,{t}", "path,text\n")
    mixed = b"".join(row.encode("gbk" if "r002" in row else "utf-8") for row in text.splitlines(keepends=True))
    (corpus / "t.csv").write_bytes(mixed if encoding is None else text.encode(encoding))
    assert refused(folder(corpus)) == f"{corpus}/t.csv:{line}: {printed}"
    if encoding is not None:
        assert prepare(corpus, "--encoding", encoding) == 0
        assert made(corpus) == EXPECTED


def test_a_table_that_the_texts_beside_contradict(corpus: Path, refused) -> None:
    (corpus / "moods.tsv").write_text(rows("r{n}.wav\t心情{i}", "path\tlabel\n"), encoding="utf-8")
    for key, text in EXPECTED.items():
        (corpus / f"{key.upper()}.TXT").write_text(text + "。", encoding="utf-8")
    assert refused(folder(corpus)) == (
        f"{corpus}/moods.tsv:2: says '心情0' where R000.TXT beside the sound says '今天天气很好。' (8 of 8 differ);"
        " name the one that holds the transcripts: --text-from table or --text-from beside"
    )
    assert prepare(corpus, "--text-from", "beside") == 0
    assert made(corpus) == EXPECTED
    (corpus / "moods.tsv").write_text(rows("r{n}.wav\t{t}", "path\ttext\n"), encoding="utf-8")
    assert prepare(corpus) == 0


def test_one_column_cannot_be_two(corpus: Path, refused) -> None:
    (corpus / "t.tsv").write_text(rows("r{n}.wav\t{t}", "path\ttext\n"), encoding="utf-8")
    assert (
        refused(folder(corpus, "--columns", "sound=path,text=path"))
        == f"{corpus}/t.tsv: --columns: path cannot be both sound and text"
    )


def test_what_lies_beside_a_table_is_no_table(corpus: Path) -> None:
    (corpus / "t.tsv").write_text(rows("r{n}.wav\t{t}", "path\ttext\n"), encoding="utf-8")
    (corpus / "README.txt").write_text("录音 r000.wav 和 r001.wav、r002.wav、r003.wav 是样例\n", encoding="utf-8")
    (corpus / "md5.txt").write_text(rows("d41d8cd98f00b204e9800998ecf8427e  r{n}.wav"), encoding="utf-8")
    (corpus / "metadata.json").write_text(json.dumps({"licence": "CC0", "first": "r000.wav"}), encoding="utf-8")
    (corpus / "devices.json").write_text(json.dumps([{"path": "r000.wav", "device": "手机"}]), encoding="utf-8")
    assert prepare(corpus) == 0
    assert made(corpus) == EXPECTED


def test_names_in_another_unicode_form(tmp_path: Path) -> None:
    corpus = tmp_path / "c"
    for place, text in enumerate(TEXTS):  # macOS writes names decomposed, tables hold them composed
        sound(corpus / unicodedata.normalize("NFD", f"é{place}.wav"))
        with open(corpus / "t.tsv", "a", encoding="utf-8") as table:
            table.write(f"{unicodedata.normalize('NFC', f'é{place}.wav')}\t{text}\n")
    assert prepare(corpus) == 0
    assert sorted(made(corpus).values()) == sorted(TEXTS)


def test_columns_by_their_numbers(corpus: Path) -> None:
    (corpus / "t.tsv").write_text(rows("r{n}.wav\t甲{t}乙{i}\t{t}"), encoding="utf-8")
    assert prepare(corpus, "--columns", "sound=1,text=3") == 0
    assert made(corpus) == EXPECTED


def test_a_column_of_sets_can_be_passed_over(corpus: Path) -> None:
    (corpus / "t.tsv").write_text(rows("r{n}.wav\t{t}\tpart{i}", "file\ttext\tsplit\n"), encoding="utf-8")
    assert prepare(corpus, "--columns", "set=none") == 0
    assert made(corpus) == EXPECTED


def test_the_folder_decides_between_sounds_of_one_name(tmp_path: Path) -> None:
    corpus = tmp_path / "c"
    for place, text in enumerate(TEXTS):
        sound(corpus / f"s{place}" / "a.wav", seed=place)
        with open(corpus / "t.tsv", "a", encoding="utf-8") as table:
            table.write(f"D:\\work\\s{place}\\a.wav\t{text}\n")
    assert prepare(corpus) == 0
    assert texts(tmp_path / "data") == {f"s{place}-a": text for place, text in enumerate(TEXTS)}


def test_bad_rows_within_the_bound_are_named(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "t.tsv").write_text(rows("r{n}.wav\t{t}") + "x.wav\t没有\n", encoding="utf-8")
    assert prepare(corpus, "--max-missing", "0.12") == 0
    assert f"dropped: {corpus}/t.tsv:9: x.wav: no such sound\n" in capsys.readouterr().out
