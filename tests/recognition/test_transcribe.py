"""asr transcribe and asr package: inputs and outputs, with a model that recognises tones."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from repository import ROOT
from tones import RATE_HZ, sound

from asr.cli import main
from asr.recognition.bundle import Bundle
from asr.recognition.recogniser import Recogniser


def transcribe(capsys, *argv) -> str:
    capsys.readouterr()
    assert main(["transcribe", *map(str, argv)]) == 0
    return capsys.readouterr().out


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.wav", {}),
        ("a.flac", {"rate_hz": 48000}),
        ("a.mp3", {"rate_hz": 44100}),
        ("a.ogg", {"channels": 2}),
        ("slow.wav", {"rate_hz": 8000}),
    ],
)
def test_any_sound_file_of_any_rate(packaged, write_sound, tmp_path, capsys, name, how):
    assert transcribe(capsys, packaged, write_sound(tmp_path / name, "甲乙乙甲", **how)) == "甲乙乙甲\n"


def test_a_channel_can_be_named(packaged, tmp_path, capsys):
    one, other = sound("甲甲"), sound("乙乙")
    soundfile.write(tmp_path / "two.wav", np.stack([one, other], axis=1), RATE_HZ)
    for channel, text in enumerate(("甲甲", "乙乙")):
        assert transcribe(capsys, packaged, tmp_path / "two.wav", f"--channel={channel}") == f"{text}\n"


def test_times_and_confidences_as_ctm(packaged, write_sound, tmp_path, capsys):
    """Tones of 0.3 s after 0.15 s of silence each, with a tolerance of a few frames."""
    rows = transcribe(capsys, packaged, write_sound(tmp_path / "a b.wav", "甲乙"), "--format=ctm").splitlines()
    fields = [row.split() for row in rows]
    assert [(row[0], row[1], row[4]) for row in fields] == [("a_b", "1", "甲"), ("a_b", "1", "乙")]
    for row, start_s in zip(fields, (0.15, 0.6), strict=True):
        assert float(row[2]) == pytest.approx(start_s, abs=0.035)
        assert float(row[3]) == pytest.approx(0.3, abs=0.05)
        assert 0.9 < float(row[5]) <= 1


def test_long_sound_is_cut_at_its_silences_and_joined(packaged, write_sound, tmp_path, capsys):
    """Six words in three groups, segments of at most two seconds: times are relative to the whole sound."""
    path = write_sound(tmp_path / "long.wav", "甲乙 乙乙 甲甲")
    record = json.loads(transcribe(capsys, packaged, path, "--format=json", "--most-s=2"))
    assert [segment["text"] for segment in record["segments"]] == ["甲乙", "乙乙", "甲甲"]
    assert record["text"] == "甲乙乙乙甲甲" and record["model"] == "tones"
    starts = [word["start"] for segment in record["segments"] for word in segment["words"]]
    expected = [0.15, 0.6, 1.85, 2.3, 3.55, 4.0]
    np.testing.assert_allclose(starts, expected, atol=0.04)
    whole = json.loads(transcribe(capsys, packaged, path, "--format=json"))
    assert [segment["text"] for segment in whole["segments"]] == ["甲乙乙乙甲甲"]
    assert record["duration"] == whole["duration"] == pytest.approx(4.45, abs=0.01)


def test_progress_and_results_are_on_different_streams(packaged, write_sound, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("asr.console.PLAIN_PERIOD_S", 0.0)
    path = write_sound(tmp_path / "a.wav", "甲乙甲乙 甲甲乙甲 乙甲" * 3)
    assert main(["transcribe", str(packaged), str(path), "--format=json", "--most-s=3", "--nj=1"]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["text"].replace(" ", "") == "甲乙甲乙甲甲乙甲乙甲" * 3
    assert re.match(r"transcribe: \d+ of 18 s of sound, [\d.]+ s left\n", written.err)


def test_subtitles_of_several_files_need_a_folder(packaged, write_sound, tmp_path, capsys, refused):
    files = [write_sound(tmp_path / f"{n}.wav", "甲 乙") for n in range(2)]
    assert "2 are named: pass a folder" in refused(["transcribe", packaged, *files, "--format=srt"])
    out = tmp_path / "all.srt"
    assert "pass a folder" in refused(["transcribe", packaged, *files, "--format=srt", f"--out={out}"])
    assert not out.exists()
    assert transcribe(capsys, packaged, *files, "--format=srt", f"--out={tmp_path / 'subtitles'}/") == ""
    for name in ("0.srt", "1.srt"):
        text = (tmp_path / "subtitles" / name).read_text("utf-8")
        assert [block.splitlines()[0] for block in text.strip().split("\n\n")] == ["1", "2"]
        assert "00:00:00,1" in text and " --> " in text


def test_ctm_of_several_files_has_a_name_for_each(packaged, write_sound, tmp_path, capsys):
    """One stem in two folders, one in two formats, and spaces; the times of each recording increase."""
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    files = [write_sound(tmp_path / name, "甲乙") for name in ("x/a.wav", "y/a.wav", "b.wav", "b.flac", "c d.wav")]
    out = tmp_path / "all.ctm"
    assert transcribe(capsys, packaged, *files, "--format=ctm", f"--out={out}") == ""
    rows = [line.split() for line in out.read_text("utf-8").splitlines()]
    names = list(dict.fromkeys(row[0] for row in rows))
    assert [name.rpartition("_")[2] for name in names] == ["a.wav", "a.wav", "b.wav", "b.flac", "d"]
    assert names[0].endswith("x_a.wav") and names[1].endswith("y_a.wav") and names[4] == "c_d"
    for name in names:
        assert [row[4] for row in rows if row[0] == name] == ["甲", "乙"]
        starts = [float(row[2]) for row in rows if row[0] == name]
        assert starts == sorted(starts)


def test_a_file_that_is_named_twice_is_transcribed_once(packaged, write_sound, tmp_path, capsys):
    path = write_sound(tmp_path / "a.wav", "甲")
    assert main(["transcribe", str(packaged), str(path), str(tmp_path / "." / "a.wav"), "--format=srt"]) == 0
    written = capsys.readouterr()
    assert written.out.startswith("1\n") and written.out.count("-->") == 1
    assert "is named more than once" in written.err


def test_several_files_are_named_and_a_broken_one_does_not_stop_the_others(packaged, write_sound, tmp_path, capsys):
    good = write_sound(tmp_path / "good, or so.wav", "甲乙")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(good.read_bytes()[:2000])
    out = tmp_path / "out.txt"
    capsys.readouterr()
    assert (
        main(["transcribe", str(packaged), str(broken), str(good), str(tmp_path / "none.wav"), f"--out={out}"]) == 2
    )
    error = capsys.readouterr().err
    assert f"warning: {broken}: is truncated" in error and "2 files could not be read" in error
    assert out.read_text("utf-8") == f"{good}\t甲乙\n"


def test_silence_has_no_transcript(packaged, write_sound, tmp_path, capsys):
    path = write_sound(tmp_path / "still.wav", "      ")
    assert main(["transcribe", str(packaged), str(path)]) == 0
    written = capsys.readouterr()
    assert written.out == "" and written.err == f"warning: {path}: nothing was recognised\n"
    assert json.loads(transcribe(capsys, packaged, path, "--format=json", "--most-s=2"))["segments"] == []


def test_two_processes_give_the_same(packaged, write_sound, tmp_path, capsys):
    path = write_sound(tmp_path / "a.wav", "甲乙 乙乙 甲甲")
    one, two = (transcribe(capsys, packaged, path, "--most-s=2", "--format=json", f"--nj={n}") for n in (1, 2))
    assert one == two


# ---------------------------------------------------------------- standard input


def piped(packaged, data: bytes, *more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "asr", "transcribe", str(packaged), "-", *more]
    return subprocess.run(command, input=data, capture_output=True, cwd=ROOT, check=True)


def test_standard_input_has_partial_results_and_final_segments(packaged, tmp_path):
    samples = (sound("甲乙乙 乙甲") * 32767).astype("<i2")
    done = piped(packaged, samples.tobytes(), "--format=json")
    records = [json.loads(line) for line in done.stdout.decode().splitlines()]
    finals = [record for record in records if "partial" not in record]
    assert [record["text"] for record in finals] == ["甲乙乙", "乙甲"]
    assert finals[1]["words"][0]["start"] == pytest.approx(2.3, abs=0.05)
    first = [record["partial"] for record in records[: records.index(finals[0])]]
    assert first and all("甲乙乙".startswith(partial) for partial in first)


# ---------------------------------------------------------------- the folder


def test_a_copied_folder_transcribes(packaged, write_sound, tmp_path, capsys):
    """A copy works elsewhere, and names no path of the experiment."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(packaged, copy)
    assert transcribe(capsys, copy, write_sound(tmp_path / "a.wav", "乙甲")) == "乙甲\n"
    for path in copy.rglob("*"):
        if path.suffix in (".json", ".txt", ".md") and path.name not in ("graph.json", "settings.json"):
            assert str(packaged.parent) not in path.read_text("utf-8")


def test_the_folder_has_the_weights_of_dev_and_the_scores(packaged, trained):
    bundle = Bundle.read(packaged)
    assert (bundle.weights.lm_weight, bundle.beams.beam, bundle.name) == (4.0, 14.0, "tones")
    content = json.loads((packaged / "recognition.json").read_text("utf-8"))
    assert content["onnx_difference"] < 1e-4 and (packaged / "model.onnx").is_file()
    card = (packaged / "README.md").read_text("utf-8")
    assert "`%CER 0.00 [ 0 / 9, 0 ins, 0 del, 0 sub ]`" in card and "Training speech: 1 h 00 min" in card
    assert "LM weight 4" in card
    assert not list(packaged.parent.glob(".packaging.*"))


def test_packaging_again_replaces_the_folder_and_nothing_else_is_overwritten(trained, tmp_path, refused):
    argv = ["package", f"--model={trained / 'net'}", f"--train-data={trained / 'train'}", f"--out={tmp_path / 'm'}"]
    assert main([*argv, "--onnx=false"]) == 0
    assert not (tmp_path / "m" / "model.onnx").exists()
    assert main([*argv, "--onnx=false"]) == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    line = refused([*argv[:-1], f"--out={tmp_path / 'mine'}"])
    assert "is not a packaged model: it is not overwritten" in line and (tmp_path / "mine" / "thesis.txt").exists()


def test_packaging_overwrites_neither_inputs_nor_foreign_files(trained, packaged, tmp_path, refused, monkeypatch):
    model = tmp_path / "exp" / "net"
    shutil.copytree(trained / "net", model)
    (model / "recognition.json").write_text("{}")  # as if it were packaged
    (tmp_path / "exp" / "recognition.json").write_text("{}")
    (tmp_path / "link").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    data = f"--train-data={trained / 'train'}"
    for out in (model, "exp/net", "exp", "link", model / "graph" / ".."):
        line = refused(["package", f"--model={model}", data, f"--out={out}"])
        said = f"is read (--model) and would be overwritten by --out {out}"
        said = said if out == "exp" else "is also the directory that is read (--model); write to another one"
        assert line.endswith(f": {said}")
    shutil.copytree(packaged, tmp_path / "mine")
    (tmp_path / "mine" / "graph" / "notes.txt").write_text("x")
    line = refused(["package", f"--model={trained / 'net'}", data, f"--out={tmp_path / 'mine'}"])
    assert "notes.txt: is not part of a packaged model" in line
    shutil.rmtree(tmp_path / "mine")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_packaged_folder_has_the_rights_of_the_umask(trained, tmp_path):
    argv = ["package", f"--model={trained / 'net'}", f"--train-data={trained / 'train'}", "--onnx=false"]
    for mask, rights in ((0o077, 0o700), (0o022, 0o755), (0o002, 0o775)):
        before = os.umask(mask)
        try:
            assert main([*argv, f"--out={tmp_path / str(mask)}"]) == 0
        finally:
            os.umask(before)
        assert (tmp_path / str(mask)).stat().st_mode & 0o777 == rights


def test_a_model_that_was_not_decoded_is_refused(trained, tmp_path, refused):
    copy = tmp_path / "net"
    shutil.copytree(trained / "net", copy)
    (copy / "decode_dev" / "decode.json").unlink()
    out = tmp_path / "out"
    line = refused(["package", f"--model={copy}", f"--train-data={trained / 'train'}", f"--out={out}"])
    assert "decode.json: no such file" in line
    assert not out.exists() and not list(tmp_path.glob(".packaging.*"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "recognition.json").unlink(), "holds no recognition.json"),
        (lambda folder: (folder / "recognition.json").write_text("{}"), "does not describe a packaged model"),
        (lambda folder: (folder / "recognition.json").write_text('{"format": 9}'), "is of format 9"),
        (lambda folder: (folder / "graph" / "HCLG.fst").unlink(), "HCLG.fst: no such file; the packaged model"),
        (lambda folder: (folder / "final.safetensors").write_bytes(b"x" * 99), "is not a safetensors file"),
        (lambda folder: (folder / "global_cmvn.ark").unlink(), "global_cmvn.ark: cannot be opened"),
    ],
)
def test_a_damaged_folder_is_one_line(packaged, tmp_path, write_sound, refused, damage, reason):
    copy = tmp_path / "copy"
    shutil.copytree(packaged, copy)
    damage(copy)
    assert reason in refused(["transcribe", copy, write_sound(tmp_path / "a.wav", "甲")])


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "name at least one sound file"),
        (["-", "a.wav"], "pass either - for standard input, or files"),
        (["a.wav", "--most-s=1"], "--most-s: '1' is less than 2"),
        (["a.wav", "--beam=0"], "--beam: '0' is not more than 0"),
        (["a.wav"], "a.wav: no such sound file"),
    ],
)
def test_impossible_options_are_refused(packaged, refused, argv, reason):
    assert reason in refused(["transcribe", packaged, *argv])


def test_a_missing_model_folder_is_refused(tmp_path, refused):
    assert "no such folder" in refused(["transcribe", tmp_path / "none", "a.wav"])


def test_likelihoods_of_a_part_are_those_of_the_whole(packaged):
    """Frames next to a cut are computed with their neighbours."""
    with Recogniser(Bundle.read(packaged)) as recogniser:
        features = np.random.default_rng(0).normal(size=(50, 43)).astype(np.float32)
        whole = recogniser.log_likelihoods(features)
        for first, last in ((0, 50), (0, 10), (10, 11), (40, 50)):
            np.testing.assert_allclose(
                recogniser.log_likelihoods(features, first, last), whole[first:last], atol=1e-5
            )
        silence = recogniser.silence(features)
        posteriors = recogniser.model.log_posteriors(features).exp().numpy()
        np.testing.assert_allclose(silence, posteriors[:, :5].sum(axis=1), atol=1e-6)


def test_raw_samples_of_another_rate_and_wav_streams_give_the_same_text(packaged):
    samples = (sound("甲乙", rate_hz=48000) * 32767).astype("<i2")
    stream = io.BytesIO()
    soundfile.write(stream, np.stack([samples, samples], axis=1), 48000, format="WAV", subtype="PCM_16")
    for data, more in ((samples.tobytes(), ("--rate-hz=48000",)), (stream.getvalue(), ())):
        assert piped(packaged, data, *more, "--partials=false").stdout.decode() == "甲乙\n"
