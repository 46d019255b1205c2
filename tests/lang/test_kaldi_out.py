"""`asr kaldi-out`: data directories that pass Kaldi's own checks, in words, with sounds that Kaldi can read."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
import soundfile
from kaldi_rules import data_faults, rows

from asr.cli import main
from asr.corpus.kaldi_sound import reads_directly
from asr.sound import audio
from asr.tables import read_table, write_table

TEXTS = {"s1-a": "今天去北京", "s1-b": "我去KTV", "s2-a": "北京很大", "s2-b": "我爱龘"}


def tone(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, round(seconds * rate)) / 32768


@pytest.fixture
def data(tmp_path):
    """Four utterances: wav, flac, mp3 and wav of floats, in a folder with a blank and a quote in its name."""
    folder = tmp_path / "it's a corpus"
    folder.mkdir()
    paths = {}
    for number, (key, form) in enumerate(zip(TEXTS, ("wav", "flac", "mp3", "wav"), strict=True)):
        paths[key] = folder / f"{key}.{form}"
        options = {"subtype": "FLOAT"} if key == "s2-b" else {}
        soundfile.write(paths[key], tone(0.5, seed=number), 16000, **options)
    write_table(tmp_path / "data/wav.scp", {key: str(path) for key, path in paths.items()})
    write_table(tmp_path / "data/utt2spk", {key: key[:2] for key in TEXTS})
    write_table(tmp_path / "data/text", TEXTS)
    write_table(tmp_path / "lm.txt", {key: text for key, text in TEXTS.items() if key != "s2-b"})
    assert main(["lang", "--text", str(tmp_path / "lm.txt"), "--out", str(tmp_path / "lang")]) == 0
    return tmp_path


def kaldi_out(folder, *options):
    given = ["--data", folder / "data", "--lang", folder / "lang", "--out", folder / "out", *options]
    return main(["kaldi-out", *map(str, given)])


def test_text_is_in_the_words_of_the_lang_directory(data, capsys):
    capsys.readouterr()
    assert kaldi_out(data) == 0
    assert data_faults(data / "out", features=False) == []
    assert (data / "out/text").read_text(encoding="utf-8").splitlines() == [
        "s1-a 今 天 去 北 京",
        "s1-b 我 去 K T V",
        "s2-a 北 京 很 大",
        "s2-b 我 <SPN> <SPN>",
    ]
    words = read_table(data / "lang/words.txt").keys()
    assert all(set(row[1:]) <= words for row in rows(data / "out/text"))
    said = capsys.readouterr()
    assert "lacks 2 words (2 times), now <SPN>: 爱, 龘" in said.err and "4 utterances of 2 speakers" in said.out
    assert read_table(data / "out/utt2dur")["s1-b"] == "0.5"


def test_sounds_as_wav(data, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no program for a pipe
    assert kaldi_out(data) == 0
    entries = read_table(data / "out/wav.scp")
    assert entries["s1-a"] == read_table(data / "data/wav.scp")["s1-a"]
    assert {path.name for path in (data / "out/wav").iterdir()} == {"s1-b.wav", "s2-a.wav", "s2-b.wav"}
    for key, path in entries.items():
        assert reads_directly(data / path, 16000)
        theirs = audio.read(read_table(data / "data/wav.scp")[key])
        assert np.abs(audio.read(path) - theirs).max() <= 0.5  # rounded to whole numbers


def test_sounds_through_pipes(data):
    assert kaldi_out(data, "--sound", "pipe") == 0
    entries, sources = read_table(data / "out/wav.scp"), read_table(data / "data/wav.scp")
    assert entries["s1-a"] == sources["s1-a"] and not (data / "out/wav").exists()
    words = {key: shlex.split(entry.removesuffix(" |")) for key, entry in entries.items() if entry.endswith(" |")}
    assert words["s1-b"] == ["flac", "-c", "-d", "-s", sources["s1-b"]]
    assert words["s2-a"][:6] == ["ffmpeg", "-nostdin", "-v", "error", "-i", sources["s2-a"]]
    assert " ".join(words["s2-a"][6:]) == "-ac 1 -ar 16000 -f wav -acodec pcm_s16le -"
    assert words["s2-b"][:6] == ["ffmpeg", "-nostdin", "-v", "error", "-i", sources["s2-b"]]


def test_a_pipe_whose_program_is_installed_is_written_and_works(data, monkeypatch):
    """A program called flac that prints the file named by its last argument: a real shell tests the quoting."""
    programs = data / "bin"
    programs.mkdir()
    (programs / "flac").write_text('#!/bin/sh\nfor last; do :; done\ncat "$last"\n')
    (programs / "flac").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert kaldi_out(data) == 0
    entry = read_table(data / "out/wav.scp")["s1-b"]
    assert entry.startswith("flac -c -d -s ") and entry.endswith(" |")
    assert np.array_equal(audio.read(entry, allow_pipes=True), audio.read(read_table(data / "data/wav.scp")["s1-b"]))
    again = ["--data", data / "out", "--lang", data / "lang", "--out", data / "again"]
    assert main(["kaldi-out", *map(str, again), "--allow-pipes", "true"]) == 0
    assert read_table(data / "again/wav.scp") == read_table(data / "out/wav.scp")


def test_features_are_written_too(data):
    options = ["--data", data / "data", "--out", data / "features", "--pitch", "false", "--nj", "1"]
    assert main(["features", *map(str, options)]) == 0
    assert kaldi_out(data) == 0
    assert data_faults(data / "out", features=True) == []
    assert read_table(data / "out/feats.scp") == read_table(data / "data/feats.scp")
    assert read_table(data / "out/utt2num_frames") == dict.fromkeys(TEXTS, "48")
    table = read_table(data / "data/feats.scp")
    del table["s2-a"]
    write_table(data / "data/feats.scp", table)
    assert kaldi_out(data, "--max-missing", "0.25") == 0
    assert data_faults(data / "out", features=True) == [] and len(rows(data / "out/text")) == 3
    assert kaldi_out(data, "--features", "false") == 0
    assert data_faults(data / "out", features=False) == [] and not (data / "out/feats.scp").exists()


def test_segments_of_channels(data):
    """A call of two speakers at a higher rate: one recording per channel, segments with ends."""
    soundfile.write(data / "call.wav", np.stack([tone(2, 24000, 1), tone(2, 24000, 2)], axis=1), 24000)
    (data / "data/wav.scp").write_text(f"call {data / 'call.wav'}\n")
    (data / "data/segments").write_text(
        "s1-a call 0 0.5 0\ns1-b call 0.5 1 A\ns2-a call 1 1.5 1\ns2-b call 1.5 -1 B\n"
    )
    assert kaldi_out(data, "--sound", "wav") == 0
    assert data_faults(data / "out", features=False) == []
    assert rows(data / "out/segments")[3] == ["s2-b", "call-2", "1.5", "2"]
    assert rows(data / "out/reco2file_and_channel") == [["call-1", "call-1", "A"], ["call-2", "call-2", "A"]]
    assert read_table(data / "out/utt2dur")["s2-b"] == "0.5"
    wanted = audio.read(data / "call.wav", channel=1, resample=True)
    assert np.abs(audio.read(read_table(data / "out/wav.scp")["call-2"]) - wanted).max() <= 0.5
    assert kaldi_out(data, "--sound", "pipe") == 0
    entry = shlex.split(read_table(data / "out/wav.scp")["call-2"])
    assert entry[6:10] == ["-af", "pan=mono|c0=c1", "-ac", "1"]


def test_perturbed_copies_are_written_as_wav(data):
    given = ["--data", data / "data", "--out", data / "more", "--seed", "1"]
    assert main(["perturb", *map(str, given)]) == 0
    given = ["--data", data / "more", "--lang", data / "lang", "--out", data / "out"]
    assert main(["kaldi-out", *map(str, given)]) == 0
    assert data_faults(data / "out", features=False) == []
    assert (data / "out/utt2uniq").is_file() and not (data / "out/perturb").exists()
    assert len(audio.read(read_table(data / "out/wav.scp")["sp0.9-s1-a"])) == pytest.approx(8000 / 0.9, abs=2)


def test_unusable_sounds_are_named_and_bounded(data, refused):
    table = read_table(data / "data/wav.scp")
    with open(table["s1-b"], "r+b") as handle:
        handle.truncate(60)
    given = ["kaldi-out", "--data", data / "data", "--lang", data / "lang", "--out", data / "out"]
    line = refused(given)
    assert line.startswith(
        f"{data / 'data'}: 1 of 4 utterances cannot be written (s1-b); the first: {table['s1-b']}: "
    )
    assert line.endswith("--max-missing allows 0") and not (data / "out/text").exists()
    assert kaldi_out(data, "--max-missing", "0.25") == 0
    assert data_faults(data / "out", features=False) == [] and len(rows(data / "out/text")) == 3
    assert "is also the directory that is read" in refused([*given[:-1], data / "data"])
    assert "no such file" in refused([*given[:4], data, *given[5:]])


def test_speakers_that_are_not_prefixes_are_reported(data, capsys):
    write_table(data / "data/utt2spk", {key: f"z{9 - number}" for number, key in enumerate(TEXTS)})
    assert kaldi_out(data) == 0
    assert "utterance names do not begin with their speaker" in capsys.readouterr().err
