"""run.sh end to end on a tiny mini corpus: last lines, skipping, kill -9 at every stage, failures, wrong options."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["--hours", "0.02", "--workers", "1", "--set", "train.width=64", "--set", "train.layers=2"]
OPTIONS += ["--set", "train.checkpoint-s=0.2", "--set", "decode.lm-weights=4,8", "--set", "decode.beam=9"]
OPTIONS += ["--set", "decode.max-active=1000"]
LAST = r"{0} %{1} \d+\.\d\d \[ \d+ / \d+, \d+ ins, \d+ del, \d+ sub \]"
STAGES = ("prepare", "features", "lang", "align", "train", "graph", "decode", "score", "report")

pytestmark = pytest.mark.skipif(
    not any((ROOT / ".venv" / name).is_file() for name in ("ready", "ready-test")),
    reason="run.sh would set up .venv first; local/test.sh has done so",
)


def command(exp: Path, *options: str) -> list[str]:
    return [str(ROOT / "run.sh"), "--exp", str(exp), *OPTIONS, *options]


def finish(exp: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(exp, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280, check=False
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(exp folder, output) of a run that nobody disturbed."""
    exp = tmp_path_factory.mktemp("run") / "exp"
    done = finish(exp)
    assert done.returncode == 0, done.stdout
    return exp, done.stdout


def results(text: str) -> list[str]:
    return text.splitlines()[-4:]


def test_last_lines_are_the_error_rates_of_dev_and_test(undisturbed):
    lines = results(undisturbed[1])
    for line, (name, unit) in zip(lines, [(s, u) for s in ("dev", "test") for u in ("CER", "WER")], strict=True):
        assert re.fullmatch(LAST.format(name, unit), line), line


def test_it_leaves_what_it_promises(undisturbed):
    exp, _ = undisturbed
    for name in ("config.json", "final.safetensors", "raw.safetensors", "report.html", "graph/HCLG.fst"):
        assert (exp / "asgd" / name).stat().st_size > 0
    for name in ("hyp.txt", "cer", "wer", "per_utt", "per_spk", "ops", "aligned.txt"):
        assert (exp / "asgd" / "decode_test" / name).stat().st_size > 0
    times = [line.split("\t") for line in (exp / "log" / "times.tsv").read_text().splitlines()]
    assert [row[1] for row in times[:9]] == list(STAGES)


def test_what_it_trained_can_be_packaged_and_transcribes(undisturbed, tmp_path):
    exp, out = undisturbed[0], tmp_path / "packaged"
    asr = [str(ROOT / ".venv/bin/python"), "-m", "asr"]
    package = ["package", f"--model={exp / 'asgd'}", f"--train-data={exp / 'data/train'}", f"--out={out}"]
    subprocess.run([*asr, *package], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    sound = (exp / "data/test/wav.scp").read_text().split()[1]
    done = subprocess.run(
        [*asr, "transcribe", str(out), sound, "--format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    record = json.loads(done.stdout)
    words = {line.split()[0] for line in (out / "graph/words.txt").read_text("utf-8").splitlines()}
    assert record["duration"] > 0.3 and len(record["segments"]) == 1
    assert {word["word"] for word in record["segments"][0]["words"]} <= words
    assert all(0 < word["end"] <= record["duration"] for word in record["segments"][0]["words"])


def test_second_run_only_looks(undisturbed):
    exp, output = undisturbed
    before = {path: path.stat().st_mtime_ns for path in (exp / "asgd").rglob("*") if path.is_file()}
    again = finish(exp)
    assert again.returncode == 0
    assert results(again.stdout) == results(output)
    assert again.stdout.count("up to date") >= 13
    assert {path: path.stat().st_mtime_ns for path in before} == before
    last = (exp / "log" / "times.tsv").read_text().splitlines()[-9:]
    assert {line.split("\t")[3] for line in last[:7]} == {"skipped"}


def kill_group(run: subprocess.Popen) -> str:
    os.killpg(run.pid, signal.SIGKILL)
    return run.communicate()[0]


def test_killed_at_every_stage_it_ends_where_an_undisturbed_run_does(undisturbed, tmp_path):
    wanted, exp = undisturbed[0], tmp_path / "exp"
    for number, name in enumerate(STAGES, 1):
        run = subprocess.Popen(
            command(exp), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        log = exp / "log" / f"{number}-{name}.log"
        stale = log.stat().st_mtime_ns if log.exists() else 0
        end = time.monotonic() + 120
        while not (log.exists() and log.stat().st_mtime_ns != stale) and run.poll() is None:
            assert time.monotonic() < end, f"stage {number} was never reached"
            time.sleep(0.02)
        time.sleep(0.4 if name in ("lang", "align", "score", "report") else 1.5)
        kill_group(run)
    done = finish(exp)
    assert done.returncode == 0, done.stdout
    assert results(done.stdout) == results(undisturbed[1])
    for name in ("final.safetensors", "decode_test/hyp.txt"):
        assert (exp / "asgd" / name).read_bytes() == (wanted / "asgd" / name).read_bytes()


#: what each stage reads first
READ_BY = dict(
    zip(
        STAGES[1:],
        ("data/train", "data/train", "data/train", "ali", "lang", "asgd/graph", "data/dev", "data/dev/text"),
        strict=True,
    )
)


@pytest.mark.parametrize("stage", range(2, 9))
def test_a_failing_stage_ends_the_run_with_its_status_and_log(undisturbed, stage, tmp_path):
    exp = undisturbed[0]
    name = STAGES[stage - 1]
    needed = exp / READ_BY[name]
    needed.rename(tmp_path / "away")
    try:
        done = finish(exp, "--stage", str(stage))
    finally:
        (tmp_path / "away").rename(needed)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert lines[0] == f"== stage {stage}: {name}" and str(needed) in lines[1]
    assert lines[2] == f"run.sh: stage {stage} ({name}) failed with status 2; its log: {exp}/log/{stage}-{name}.log"
    assert len(lines) == 3
    assert lines[1] in (exp / "log" / f"{stage}-{name}.log").read_text()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trian.width=64", "--set trian.width: no verb 'trian'; did you mean 'train'?"),
        ("train.widht=64", "--set train.widht: train has no such setting; did you mean 'width'?"),
        ("graph.max-memory-gb=abc", "--set graph.max-memory-gb: 'abc' is no float"),
        ("features.kind=mfc", "--set features.kind: 'mfc' is none of fbank, mfcc"),
        ("prepare.hour=3", "--set prepare.hour: prepare has no such setting; did you mean 'hours'?"),
        ("train.workers=3", "--set train.workers: run.sh passes this one itself"),
    ],
)
def test_a_setting_that_nothing_reads_ends_the_run_before_its_first_stage(tmp_path, setting, message):
    done = finish(tmp_path / "exp", "--set", setting)
    assert done.returncode == 2 and done.stdout.startswith(message) and len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "exp").exists()


def test_a_message_advises_what_run_sh_takes(undisturbed, tmp_path):
    """An option that run.sh lacks is named as run.sh takes it."""
    done = finish(undisturbed[0], "--stage", "3", "--stop-stage", "3", "--set", "lang.vocab=9")
    assert done.returncode == 2
    assert done.stdout.splitlines()[1] == "lang: --vocab goes with --units spm, not chars"
    done = finish(undisturbed[0], "--stage", "3", "--stop-stage", "3", "--set", "lang.mix=true")
    assert "(run.sh: --set lang.mix=VALUE" in done.stdout.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hour", "1"], "--hour: no such option"),
        (["--stage", "two"], "--stage two: not a number"),
        (["--stage", "5", "--stop-stage", "4"], "stages run from 1 to 9"),
        (["--recipe", "nowhere"], "there is no recipes/nowhere/prepare.py"),
        (["--recipe", "../../etc"], "a plain name, please"),
        (["--from-scratch", "--ali-dir", "."], "only one of both"),
        (["--ali-dir", "/nowhere"], "--ali-dir /nowhere: no such file or folder"),
        (["--set", "eta0"], "write --set VERB.KEY=VALUE"),
        (["--exp"], "--exp: needs a value"),
        (["now"], "now: not an option"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(options, message):
    done = subprocess.run([ROOT / "run.sh", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_options_are_no_code(tmp_path):
    """What looks like shell stays text."""
    done = subprocess.run(
        [
            ROOT / "run.sh",
            "--exp",
            str(tmp_path / "$(touch ran)`touch ran`;touch ran"),
            "--hours",
            "x",
            "--stop-stage",
            "1",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2 and "hours" in done.stderr
    assert not list(tmp_path.rglob("ran")) and not (ROOT / "ran").exists()


def test_help():
    done = subprocess.run([ROOT / "run.sh", "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert "--stop-stage N" in done.stdout and "1 prepare" in done.stdout
