"""recipes/mini as a whole: disjoint sets, reproducible bytes, phone times, kills, wrong settings."""

from __future__ import annotations

import dataclasses
import filecmp
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT

from asr.command.resolve import resolve
from asr.corpus.prepare import load
from asr.corpus.soundcheck import SoundChecks
from asr.corpus.validate import find_problems
from asr.errors import InputError, WorkerLost
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.lang.pronunciation import ALL_PHONES, sentence_syllables, syllable_phones
from asr.tables import read_symbols, read_table

MINI = ROOT / "recipes" / "mini"
prepare = load(MINI / "prepare.py")

import plan  # noqa: E402
import render  # noqa: E402

SETS = ("train", "dev", "test")
HOURS = 0.02


def _make(folder: Path, **changes) -> Path:
    prepare.run(prepare.Settings(**({"out": folder / "data", "hours": HOURS, "nj": 1} | changes)))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return _make(tmp_path_factory.mktemp("mini"))


def _samples(path: str | Path) -> np.ndarray:
    with wave.open(str(path), "rb") as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16000, 1, 2)
        return np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")


def _files(folder: Path, below: str) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in (folder / below).rglob("*") if path.is_file()}


def _assert_same(first: Path, second: Path) -> None:
    for below in ("wav", "synth_ali"):
        one, other = _files(first, below), _files(second, below)
        assert one.keys() == other.keys()
        assert one
        assert all(filecmp.cmp(one[name], other[name], shallow=False) for name in one)
    for name in SETS:
        for table in ("text", "utt2spk", "spk2utt"):
            assert filecmp.cmp(first / "data" / name / table, second / "data" / name / table, shallow=False)


# ---------------------------------------------------------------- what is made


def test_data_directories_are_valid(made):
    for name in SETS:
        _, problems = find_problems(made / "data" / name, SoundChecks(nj=1))
        assert not problems
        for path in read_table(made / "data" / name / "wav.scp").values():
            assert Path(path).is_absolute()
            samples = _samples(path)
            assert len(samples) > 16000
            assert 0.19 * 32767 < np.abs(samples.astype(int)).max() < 0.91 * 32767


def test_hours_are_about_those_asked(made):
    for name, hours in {"train": HOURS, "dev": HOURS / 4, "test": HOURS / 4}.items():
        seconds = sum(len(_samples(path)) for path in read_table(made / "data" / name / "wav.scp").values()) / 16000
        assert 0.6 * hours < seconds / 3600 < 1.7 * hours  # so few sentences and voices


def test_sets_share_no_voice_and_no_sentence():
    """In the plan of an hour no variant of a voice is in two sets, whatever its settings."""
    whole = plan.make_plan(1.0, 1)
    texts = {name: {item.sentence.text for item in whole[name]} for name in SETS}
    variants = {name: {item.voice.variant for item in whole[name]} for name in SETS}
    speakers = {name: {item.speaker: item.voice for item in whole[name]} for name in SETS}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not texts[one] & texts[other]
        assert not variants[one] & variants[other]
    for name in SETS:
        assert len(texts[name]) == len(whole[name]), "a sentence twice"
        assert len(set(speakers[name].values())) == len(speakers[name]), "two speakers with one voice"
        assert all(item.voice == speakers[name][item.speaker] for item in whole[name])
    assert len(speakers["dev"]) == len(speakers["test"]) == 8
    assert len(plan.make_voices("train", plan.num_speakers("train", 3.0), 1)) == 60


def test_all_voices_speak():
    """Every variant of the plan exists and speaks with well-formed events."""
    sentence = plan.read_aloud(["你好"])
    for variant in (variant for variants in plan.VARIANTS.values() for variant in variants):
        scene = plan.Scene(None, 10.0, None, 0.2, 0.2, 0.5)
        utterance = plan.PlannedUtterance("u", "s", sentence, plan.Voice(variant, 160, 50, 60), scene, (1,))
        parts = render.mix(utterance).parts
        assert [part.phone for part in parts] == ["SIL", "n", "i3", "h", "ao3", "SIL"]


def test_dev_and_test_stay_when_train_grows():
    small, large = plan.make_plan(0.8, 1), plan.make_plan(1.0, 1)
    assert (small["dev"], small["test"]) == (large["dev"], large["test"])
    assert len(large["train"]) > len(small["train"])


# ---------------------------------------------------------------- alignment


def test_alignment_is_as_long_as_the_features_and_spells_the_transcript(made):
    model = read_transition_model(made / "synth_ali" / "final.mdl")
    names = {number: name for name, number in read_symbols(made / "synth_ali" / "phones.txt").items()}
    assert list(names.values()) == ["<eps>", "SIL", "SPN", *ALL_PHONES]
    alignment = dict(read_alignments(made / "synth_ali", model))
    for name in SETS:
        texts = read_table(made / "data" / name / "text")
        for utterance, path in read_table(made / "data" / name / "wav.scp").items():
            tids = alignment.pop(utterance)
            assert len(tids) == 1 + (len(_samples(path)) - 400) // 160
            spoken = [(names[phone], frames) for phone, _, frames in to_phones(tids, model)]
            expected = [p for syllable in sentence_syllables(texts[utterance]) for p in syllable_phones(syllable)]
            assert [phone for phone, _ in spoken if phone != "SIL"] == expected
            assert spoken[0][0] == spoken[-1][0] == "SIL"
            assert min(frames for _, frames in spoken) >= 3
    assert not alignment, "alignments of utterances that are in no set"


def test_phones_lie_where_the_sound_is(tmp_path):
    """Without noise and room, frames of silence are quiet and frames of vowels are loud."""
    clean = _make(tmp_path, noise=False, reverb=False)
    model = read_transition_model(clean / "synth_ali" / "final.mdl")
    names = {number: name for name, number in read_symbols(clean / "synth_ali" / "phones.txt").items()}
    alignment = dict(read_alignments(clean / "synth_ali", model))
    silence, vowels = [], []
    for utterance, path in read_table(clean / "data" / "train" / "wav.scp").items():
        samples = _samples(path).astype(float)
        level = np.mean(samples**2)
        for phone, start, frames in to_phones(alignment[utterance], model):
            part = samples[start * 160 + 200 : (start + frames) * 160 + 40]  # from middle to middle
            if names[phone] == "SIL":
                silence.append(np.mean(part**2) / level)
            elif names[phone][-1].isdigit():
                vowels.append(np.mean(part**2) / level)
    assert np.mean(np.array(silence) < 0.05) > 0.9
    assert np.mean(np.array(vowels) > 0.05) > 0.9


# ---------------------------------------------------------------- noise


def test_noise_of_the_files_is_between_5_and_20_db(made, tmp_path):
    """Compare the same plan with and without noise: the difference is the noise."""
    clean = _make(tmp_path, noise=False)
    measured = []
    for utterance, path in read_table(made / "data" / "train" / "wav.scp").items():
        noisy = _samples(path).astype(float)
        speech = _samples(read_table(clean / "data" / "train" / "wav.scp")[utterance]).astype(float)
        speech *= (noisy @ speech) / (speech @ speech)
        active = np.flatnonzero(np.abs(speech) > 0.02 * np.abs(speech).max())
        power = np.mean(speech[active[0] : active[-1]] ** 2)
        measured.append(10 * np.log10(power / np.mean((noisy - speech) ** 2)))
    assert min(measured) > 4.0
    assert max(measured) < 21.0
    assert max(measured) - min(measured) > 5.0


def test_scenes_are_drawn_from_all_kinds():
    scenes = [item.scene for item in plan.make_plan(0.3, 1)["train"]]
    assert {scene.noise for scene in scenes} == {"white", "pink", "traffic", "hum", "babble"}
    assert all(5.0 <= scene.snr_db <= 20.0 for scene in scenes)
    for item in plan.make_plan(0.3, 1)["train"]:
        assert all(other != item.voice for _, other in item.scene.babble)
        assert bool(item.scene.babble) == (item.scene.noise == "babble")


# ---------------------------------------------------------------- again


def test_same_bytes_in_two_processes(made, tmp_path):
    _assert_same(made, _make(tmp_path, nj=2))


def test_another_seed_is_another_corpus(made, tmp_path):
    other = _make(tmp_path, seed=2)
    for name in SETS:
        one = set(read_table(made / "data" / name / "text").values())
        assert not one & set(read_table(other / "data" / name / "text").values())


def test_smaller_corpus_in_the_same_place_leaves_nothing_behind(made, tmp_path):
    _make(tmp_path, hours=0.03)
    kept = tmp_path / "wav" / "train" / "mine.wav"
    kept.write_bytes(b"not ours")
    _make(tmp_path)
    assert kept.read_bytes() == b"not ours"
    kept.unlink()
    _assert_same(made, tmp_path)


def _start(folder: Path, nj: int) -> subprocess.Popen:
    command = [sys.executable, MINI / "prepare.py", "--out", folder / "data", "--hours", "0.02", "--nj", str(nj)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((folder / "wav" / "train").glob("*/MTR*.wav")):
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_killed_run_leaves_no_tables_and_no_processes_and_starts_again(made, tmp_path):
    process = _start(tmp_path, 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "data").glob("*/wav.scp"))
    deadline = time.monotonic() + 20
    while any(_runs(child) for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)
    _make(tmp_path)
    _assert_same(made, tmp_path)


def doomed(task) -> None:
    if task[0].key == "MTR0007W00001":
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_ends_the_run_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "render", doomed)
    tasks = [(item, tmp_path / f"{item.key}.wav") for item in plan.make_plan(HOURS, 1)["train"]]
    wanted = r"was killed by SIGKILL \(out of memory\?\) while it worked on MTR0005W00001 to MTR0008W00001$"
    with pytest.raises(WorkerLost, match=wanted):
        list(prepare._in_processes(tasks, 2))


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# ---------------------------------------------------------------- wrong settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hours", "0.01"], "--hours: '0.01' is less than 0.02"),
        (["--hours", "201"], "--hours: '201' is more than 200"),
        (["--hours", "nan"], "--hours: 'nan' is not a finite number"),
        (["--hours", "many"], "'many' is not a float"),
        (["--seed", "-1"], "--seed: '-1' is less than 0"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, arguments, message):
    command = [sys.executable, MINI / "prepare.py", "--out", tmp_path / "data", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_said_first(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10**9})
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(InputError, match=r"200 hours need 25,[34]\d\d MB, only 1,000 MB are free"):
        prepare.run(prepare.Settings(out=tmp_path / "data", hours=200.0))
    assert list(tmp_path.iterdir()) == []


def test_too_many_unmatched_utterances_stop_the_run(tmp_path, monkeypatch):
    def fail(task):
        return dataclasses.replace(_RENDERED, key=task[0].key)

    monkeypatch.setattr(prepare, "render", fail)
    with pytest.raises(InputError, match="have no phone times: said otherwise"):
        _make(tmp_path)
    assert not list((tmp_path / "data").glob("*/wav.scp"))


_RENDERED = render.Rendered("", None, "said otherwise", 0, 0, 0.1)


def test_settings_come_from_the_recipe_file(tmp_path):
    settings = resolve(prepare.Settings, "prepare", ["--out", str(tmp_path), "--config", str(MINI / "recipe.cfg")])
    assert settings == prepare.Settings(out=tmp_path)
    assert prepare.inputs(settings) == []
