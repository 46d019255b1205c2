"""The recipes of published corpora, on miniatures of them: what is made, and the line that each fault gets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from miniatures import RECIPES, aishell, aishell2, commonvoice, lines, prepare, sets, sound, thchs30

from asr.corpus.datadir import DataDir


@pytest.mark.parametrize("packed", [False, True])
def test_aishell_packed_and_unpacked(tmp_path: Path, packed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    root = aishell(tmp_path / "c", packed=packed)
    assert prepare("aishell", tmp_path / "o", "--corpus-dir", root) == 0
    made = sets(tmp_path / "o")
    assert [len(data.text) for data in made.values()] == [29, 30, 30]
    assert made["train"].text["BAC009S0002W0122"] == "今天 天气 很 好TRAIN"
    assert made["train"].utt2spk["BAC009S0002W0122"] == "BAC009S0002"
    printed = capsys.readouterr()
    silent = root / "data_aishell/wav/train/S0002/BAC009S0002W0151.wav"
    assert f"dropped: {silent}: BAC009S0002W0151: has no transcript in aishell_transcript_v0.8.txt\n" in printed.out
    assert "1 transcripts have no sound, such as BAC009S0002W0999" in printed.err
    if packed:  # a second run unpacks nothing again, and the folder itself may be named
        assert prepare("aishell", tmp_path / "p", "--corpus-dir", root / "data_aishell") == 0
        assert "unpack: " not in capsys.readouterr().out.replace("unpack: nothing", "")


def test_aishell_sound_that_is_in_two_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = aishell(tmp_path / "c")
    wav = root / "data_aishell" / "wav"
    shutil.copy(wav / "test/S0764/BAC009S0764W0125.wav", wav / "train/S0002/BAC009S0002W0130.wav")
    assert prepare("aishell", tmp_path / "o", "--corpus-dir", root, "--max-missing", "0.1") == 0
    assert (
        "BAC009S0002W0130: its sound is in test too as BAC009S0764W0125 and is kept only there"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("links", ["text", "symbolic"])
def test_thchs30_with_links_of_both_kinds(tmp_path: Path, links: str) -> None:
    root = thchs30(tmp_path / "c", links=links)
    assert prepare("thchs30", tmp_path / "o", "--corpus-dir", root, "--dev-fraction", "0.1") == 0
    made = sets(tmp_path / "o")
    assert made["test"].text["D04_500"] == "今天 天气 很 好 吧" and made["test"].utt2spk["D04_500"] == "D04"
    assert {"A02", "A11", "B03"} == set(made["train"].utt2spk.values())
    assert not set(made["dev"].text.values()) & set(made["train"].text.values())


def test_thchs30_official_dev_is_said_to_be_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = thchs30(tmp_path / "c")
    assert prepare("thchs30", tmp_path / "o", "--corpus-dir", root, "--dev", "official") == 0
    assert set(sets(tmp_path / "o")["dev"].utt2spk.values()) == {"B03"}
    assert "10 of 10 sentences of dev are in train too: the language model knows them" in capsys.readouterr().err


def test_aishell2_with_and_without_a_dev_set(tmp_path: Path) -> None:
    train, test = aishell2(tmp_path / "data", "C0001"), aishell2(tmp_path / "test", "D0012", 5)
    assert prepare("aishell2", tmp_path / "o", "--train-dir", train, "--test-dir", test) == 0
    made = sets(tmp_path / "o")
    assert [len(data.text) for data in made.values()] == [19, 1, 5]
    assert (
        made["test"].text["ID0012W0000"] == "今天天气很好D零零十二"
        and made["test"].utt2spk["ID0012W0000"] == "ID0012"
    )


def test_commonvoice_is_cleaned_and_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = commonvoice(tmp_path / "zh-TW")
    options = ["--corpus-dir", root, "--resample", "true", "--simplified", "true"]
    assert prepare("commonvoice", tmp_path / "o", *options) == 0
    made = sets(tmp_path / "o")
    assert made["test"].text["cccccccccccc-common_voice_zh-TW_9900"] == "今天天气很好觉得C"
    assert set(made["test"].utt2spk.values()) == {"c" * 12}
    assert prepare("commonvoice", tmp_path / "v", *options, "--train-tsv", "validated.tsv") == 0
    assert "20 of 31 clips left out: their speakers or sentences are in dev or test\n" in capsys.readouterr().out
    assert len(sets(tmp_path / "v")["train"].text) == 11


def test_a_clip_called_wav_that_is_an_mp3(tmp_path: Path) -> None:
    root = aishell(tmp_path / "c")
    sound(root / "data_aishell/wav/test/S0764/BAC009S0764W0125.wav", kind="MP3")
    assert prepare("aishell", tmp_path / "o", "--corpus-dir", root) == 0
    assert "BAC009S0764W0125" in DataDir.read(tmp_path / "o" / "test").text


TABLE = "data_aishell/transcript/aishell_transcript_v0.8.txt"
GONE = "would be dropped: more than --max-missing)"
RESAMPLED = ["--resample", "true"]


def _unlink(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


def _each_5(folder: Path, spoil: Callable[[Path], object]) -> None:
    for path in folder.glob("data_aishell/wav/dev/*/*5*.wav"):
        spoil(path)


#: {recipe: what: (how the miniature in folder c is spoilt, the line, options)}; {t}: the transcripts of AISHELL-1
BAD: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "aishell: nothing there": (
        lambda c: shutil.rmtree(c), "{c}: no such folder; --download fetches the corpus into it", []
    ),
    "aishell: something else": (
        lambda c: shutil.rmtree(c / "data_aishell/wav"),
        "{c}/data_aishell: is not an unpacked AISHELL-1: there is no wav/", [],
    ),
    "aishell: no transcripts": (
        lambda c: (c / TABLE).unlink(), "{t}: cannot be read: No such file or directory", []
    ),
    "aishell: a set missing": (
        lambda c: shutil.rmtree(c / "data_aishell/wav/dev"),
        "{c}/data_aishell/wav/dev: no such folder: are all archives unpacked?", [],
    ),
    "aishell: a speaker's archive cut": (
        lambda c: (c / "data_aishell/wav/S0002.tar.gz").write_bytes(b"\x1f\x8b\x08\x00"),
        "{c}/data_aishell/wav/S0002.tar.gz: is truncated or damaged (Compressed file ended"
        " before the end-of-stream marker was reached); fetch it again", [],
    ),
    "aishell: a key twice": (
        lambda c: lines(c / TABLE, "BAC009S0002W0122 好", "BAC009S0002W0122 坏"),
        "{t}:2: BAC009S0002W0122: this key has occurred before, with another value (line 1)", [],
    ),
    "aishell: transcripts in GBK": (
        lambda c: (c / TABLE).write_bytes("a 好的\n".encode("gbk")),
        "{t}:1: a: is not UTF-8 (GBK?); convert it or pass --encoding gb18030", [],
    ),
    "aishell: transcripts of another corpus": (
        lambda c: lines(c / TABLE, "x 好"),
        "{c}/data_aishell/wav/train/S0002/BAC009S0002W0122.wav: BAC009S0002W0122: has no transcript in"
        " aishell_transcript_v0.8.txt", [],
    ),
    "aishell: transcripts without their sounds": (
        lambda c: _unlink(c, "data_aishell/wav/train/*/*4*.wav"),
        "{t}:3: BAC009S0002W0124: has no sound; are all archives"
        " unpacked? (13 of 90 transcripts have none: more than --max-missing)", [],
    ),
    "aishell: nothing that can be counted": (
        lambda c: lines(c / TABLE, *(f"{path.stem} ……" for path in sorted(c.glob("data_aishell/wav/*/*/*.wav")))),
        "{t}:61: BAC009S0002W0122: '……' holds no word (30 of 30 utterances, 100.0 %, " + GONE, [],
    ),
    "aishell: sounds cut": (
        lambda c: _each_5(c, lambda path: path.write_bytes(path.read_bytes()[:-3000])),
        "{c}/data_aishell/wav/dev/S0724/BAC009S0724W0125.wav: BAC009S0724W0125: is truncated: its header promises"
        " 3000 bytes more than there are (5 of 30 utterances, 16.7 %, " + GONE, [],
    ),
    "aishell: sounds that are pages": (
        lambda c: _each_5(c, lambda path: path.write_text("<html>404</html>")),
        "{c}/data_aishell/wav/dev/S0724/BAC009S0724W0125.wav: BAC009S0724W0125: is not a readable sound file:"
        " it is an HTML page, no sound: did the download fail? (5 of 30 utterances, 16.7 %, " + GONE, [],
    ),
    "aishell: one key, two sounds, two sets": (
        lambda c: sound(c / "data_aishell/wav/test/S0002/BAC009S0002W0122.wav", rate_hz=16016),
        "{t}:1: BAC009S0002W0122: is in test too, with another sound: one of the two needs another name", RESAMPLED,
    ),
    "thchs30: transcripts without their sounds": (
        lambda c: _unlink(c, "data_thchs30/test/D4_50[1-3].wav"),
        "{c}/data_thchs30/test/D4_501.wav.trn: D4_501.wav: no sound beside this transcript (3 of 10 utterances,"
        " 30.0 %, " + GONE, [],
    ),
    "thchs30: something else": (
        lambda c: shutil.rmtree(c / "data_thchs30/dev"),
        "{c}/data_thchs30: is not an unpacked THCHS-30: there is no dev/", [],
    ),
    "thchs30: links to nothing": (
        lambda c: _unlink(c, "data_thchs30/data/D4*.trn"),
        "{c}/data_thchs30/data/D4_500.wav.trn: D04_500: no such transcript", [],
    ),
    "thchs30: the link of another sound": (
        lambda c: lines(c / "data_thchs30/test/D4_500.wav.trn", "../data/D4_501.wav.trn"),
        "{c}/data_thchs30/test/D4_500.wav.trn:1: is the link of another sound: ../data/D4_501.wav.trn", [],
    ),
    "thchs30: a link to itself": (
        lambda c: lines(c / "data_thchs30/data/D4_500.wav.trn", "../data/D4_500.wav.trn"),
        "{c}/data_thchs30/data/D4_500.wav.trn:1: is a link to itself: ../data/D4_500.wav.trn", [],
    ),
    "thchs30: other names": (
        lambda c: [path.rename(path.with_name(f"x{path.name}")) for path in c.glob("data_thchs30/test/*.wav")],
        "{c}/data_thchs30/test/xD4_500.wav: xD4_500: has no name like A2_0.wav", [],
    ),
    "thchs30: empty transcripts": (
        lambda c: [path.write_text("") for path in c.glob("data_thchs30/data/D4*.trn")],
        "{c}/data_thchs30/data/D4_500.wav.trn:1: D04_500: the transcript is empty (10 of 10 utterances, 100.0 %, "
        + GONE, [],
    ),
    "aishell2: no table": (
        lambda c: (c / "trans.txt").unlink(), "{c}/trans.txt: cannot be read: No such file or directory", []
    ),
    "aishell2: a pipe": (
        lambda c: lines(c / "wav.scp", "IC0001W0000\tsox x.wav -t wav - |"),
        "{c}/wav.scp:1: IC0001W0000: is a pipe; this recipe reads paths", [],
    ),
    "aishell2: sounds without text": (
        lambda c: lines(c / "trans.txt", "IC0001W0000\t好", "IC0001W0001\t坏"),
        "{c}/wav.scp:3: IC0001W0002: is not in trans.txt (18 of 20 utterances, 90.0 %, " + GONE, [],
    ),
    "aishell2: sounds that are not there": (
        lambda c: _unlink(c, "wav/*/*1.wav"),
        "{c}/wav/C0001/IC0001W0001.wav: IC0001W0001: no such sound file (2 of 20 utterances, 10.0 %, " + GONE, [],
    ),
    "aishell2: characters lost": (
        lambda c: (c / "trans.txt").write_text((c / "trans.txt").read_text().replace("谢", "\ufffd")),
        "{c}/trans.txt:4: IC0001W0003: holds U+FFFD: a character was lost when this text was converted (2 of 20"
        " utterances, 10.0 %, " + GONE, [],
    ),
    "commonvoice: no clips": (
        lambda c: shutil.rmtree(c / "clips"), "{c}: is not an unpacked Common Voice: there is no clips/", []
    ),
    "commonvoice: a table with other columns": (
        lambda c: lines(c / "dev.tsv", "client\tfile\ttext", "b\tx.mp3\t好"),
        "{c}/dev.tsv:1: has no columns path and sentence; it has: client, file, text", RESAMPLED,
    ),
    "commonvoice: rows that are broken": (
        lambda c: lines(c / "dev.tsv", "client_id\tpath\tsentence", "b\tx.mp3\t好\t坏"),
        "{c}/dev.tsv:2: b: has 4 columns, the first line 3", RESAMPLED,
    ),
    "commonvoice: without converting": (
        lambda c: None,
        "{c}/clips/common_voice_zh-TW_9900.mp3: cccccccccccc-common_voice_zh-TW_9900: is sampled at 48000 Hz,"
        " not 16000 Hz; pass --resample to convert it (10 of 10 utterances, 100.0 %, " + GONE, [],
    ),
    "commonvoice: nobody's clips": (
        lambda c: lines(c / "dev.tsv", "client_id\tpath\tsentence", "\tx.mp3\t好"),
        "{c}/dev.tsv:2: x: has no client_id", RESAMPLED,
    ),
}  # fmt: skip
MAKE: dict[str, Callable[[Path], Path]] = {
    "aishell": aishell,
    "thchs30": thchs30,
    "commonvoice": commonvoice,
    "aishell2": lambda folder: aishell2(folder, "C0001"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_fault_gets_its_line(what: str, tmp_path: Path, refused) -> None:
    recipe, (spoil, line, options) = what.partition(":")[0], BAD[what]
    corpus, out = MAKE[recipe](tmp_path / "c"), tmp_path / "out"
    spoil(corpus)
    name = "--train-dir" if recipe == "aishell2" else "--corpus-dir"
    arguments = ["--script", RECIPES / recipe / "prepare.py", name, corpus, "--out", out, "--nj", "1", *options]
    message = refused(["prepare", *arguments])
    wanted = line.format(c=corpus, t=corpus / TABLE)
    assert message == wanted or (message.startswith(wanted) and message.endswith(GONE))
    assert not out.exists() or not any(out.iterdir())
