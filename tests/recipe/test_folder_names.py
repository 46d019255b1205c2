"""recipes/folder: names as transcripts, texts beside sounds, links in circles, and names that cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from miniatures import folder, sound
from test_folder_tables import EXPECTED, TEXTS, made, prepare


def named(corpus: Path, pattern: str) -> Path:
    for place, text in enumerate(TEXTS):
        sound(corpus / (pattern.format(i=place, t=text) + ".wav"))
    return corpus


@pytest.mark.parametrize("pattern", ["{t}", "cmn-{t}", "A{i}_{t}", "{t}{i}", "{t} {t}"])
def test_names_that_read_as_chinese(pattern: str, tmp_path: Path) -> None:
    assert prepare(named(tmp_path / "c", pattern)) == 0
    assert len(made(tmp_path / "c")) == len(TEXTS)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("REC00{i}", "8 of 8 sounds, such as REC000.wav, are not Chinese text"),
        ("{i}", "are not Chinese text"),
        ("hello world {i}", "are not Chinese text"),
        ("2024-05-0{i} 10.30.1{i}", "are not Chinese text"),
        ("录音_00{i}", "are not Chinese text"),
        ("张三-take-{i}", "are not Chinese text"),
        ("新录音 {i}", "8 of 8 sounds, such as 新录音 0.wav and 新录音 1.wav, differ only by their numbers"),
        ("语音备忘录{i}", "differ only by their numbers"),
    ],
)
def test_names_that_are_labels(pattern: str, why: str, tmp_path: Path, refused) -> None:
    corpus = named(tmp_path / "c", pattern)
    printed = refused(folder(corpus))
    assert printed.startswith(f"{corpus}: there is no transcript: ") and why in printed
    assert "--text-from names" in printed
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", ["--text-from", "--transcripts"])
def test_names_on_request(option: str, tmp_path: Path) -> None:
    assert prepare(named(tmp_path / "c", "第{i}句"), option, "names") == 0
    assert made(tmp_path / "c")["第3句"] == "第三句"


def test_names_on_request_that_are_no_chinese_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    corpus = named(tmp_path / "c", "REC00{i}")
    assert prepare(corpus, "--text-from", "names") == 0
    printed = capsys.readouterr()
    assert f"{corpus}: 8 of 8 names are not Chinese text: REC000.wav, REC001.wav, " in printed.err
    assert f"{corpus}: the transcript of REC000.wav is 'REC000'\n" in printed.out


def test_both_names_of_the_option(tmp_path: Path, refused) -> None:
    corpus = named(tmp_path / "c", "{t}")
    printed = refused(folder(corpus, "--text-from", "names", "--transcripts", "table"))
    assert printed == "--transcripts is the former name of --text-from; pass only the latter"


def test_a_text_without_its_sound_is_counted(tmp_path: Path, refused) -> None:
    corpus = named(tmp_path / "c", "r00{i}")
    for key, text in EXPECTED.items():
        (corpus / f"{key}.txt").write_text(text, encoding="utf-8")
    (corpus / "README.txt").write_text("录音", encoding="utf-8")
    assert prepare(corpus) == 0
    (corpus / "r008.txt").write_text("没有声音", encoding="utf-8")
    printed = refused(folder(corpus))
    assert printed == (
        f"{corpus}/r008.txt: r008: no sound beside this transcript (1 of 9 utterances, 11.1 %, would be dropped:"
        " more than --max-missing)"
    )


def test_links_in_circles(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    corpus = named(tmp_path / "c", "{t}")
    (corpus / "again").symlink_to("../c")
    (corpus / "deep" / "er").mkdir(parents=True)
    (corpus / "deep" / "er" / "up").symlink_to("../..")
    (corpus / "deep" / "over").symlink_to("../wide")  # each of two folders links to the other
    (corpus / "wide").mkdir()
    (corpus / "wide" / "over").symlink_to("../deep")
    (corpus / f"{TEXTS[0]}.wav").rename(corpus / "wide" / f"{TEXTS[0]}.wav")
    assert prepare(corpus) == 0
    assert len(made(corpus)) == len(TEXTS)
    assert "skipped 4 links to folders that are read already, or are above" in capsys.readouterr().err


def test_a_fifo_is_never_waited_for(tmp_path: Path, refused) -> None:
    corpus = named(tmp_path / "c", "{t}")
    os.mkfifo(corpus / "没有人写.wav")
    printed = refused(folder(corpus))
    assert printed.startswith(
        f"{corpus}/没有人写.wav: 没有人写: is not a regular file (a FIFO, a device or a socket) (1 of 9"
    )


def test_a_folder_that_cannot_be_read(tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = named(tmp_path / "c", "{t}")
    (corpus / "secret").mkdir()
    listed = os.scandir

    def scandir(path):
        if not isinstance(path, int) and Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    printed = refused(folder(corpus))
    assert printed == f"{corpus}/secret: this folder cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (b"\xc4\xe3\xba\xc3.wav", "its path is not UTF-8 (GBK?); rename it"),
        (b"a\nb.wav", "its path holds a line break; rename it"),
    ],
)
def test_names_that_no_table_can_hold(name: bytes, printed: str, tmp_path: Path, refused) -> None:
    corpus = named(tmp_path / "c", "{t}")
    os.rename(os.fsencode(corpus / f"{TEXTS[0]}.wav"), os.fsencode(corpus) + b"/" + name)
    line = refused(folder(corpus))
    assert printed in line and "(1 of 8 utterances, 12.5 %, would be dropped" in line
    assert prepare(corpus, "--max-missing", "0.2") == 0


def test_paths_with_all_that_a_path_may_hold(tmp_path: Path) -> None:
    corpus = named(tmp_path / "c # 我的 \"x\" 'y' $z |\\", "a b#{t}")
    assert prepare(corpus, "--text-from", "names", "--name-pattern", "a b#(?P<text>.+)") == 0
    assert sorted(made(corpus).values()) == sorted(TEXTS)
