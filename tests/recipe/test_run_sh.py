"""run.sh end to end on a tiny mini corpus: last lines, skipping, kill -9 at every stage, failures, wrong options."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from repository import ROOT

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
    """Return (exp folder, output) of an undisturbed run."""
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


def test_the_report_has_the_figures_of_the_terminal(undisturbed):
    """The page shows the figures that the stages print."""
    exp, output = undisturbed
    page = (exp / "asgd" / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub("<[^>]+>", " ", re.sub("<svg.*?</svg>", "", page, flags=re.DOTALL)).split())

    def figures(pattern: str) -> tuple[str, ...]:
        found = re.findall(pattern, output, flags=re.MULTILINE)
        assert found, pattern
        return found[-1]

    counts = {}
    for name in ("train", "dev", "test"):
        utterances, hours = figures(rf"^features: {name}: (\d+) utterances, [\d,]+ frames \(([\d.]+) h\)")
        speakers = figures(rf"{name}: {utterances} utterances of (\d+) speakers")
        counts[name] = (utterances, speakers)
        assert re.search(rf" {name} {utterances} {speakers} [\d,]+ \S+( recorded)? {hours} ", text), name
    for name in ("train", "dev"):
        accepted, have, frames = figures(rf"^align: {name}: (\d+) of (\d+) utterances aligned, (\d+) frames")
        assert f" {name} {accepted} of {have} 100.00 % {int(frames):,} of " in text
    words, unknown, share, perplexity = figures(
        r"^lang: dev: .* sentences, ([\d,]+) words, (\d+) unknown \(([\d.]+ %)\); perplexity ([\d.]+) "
    )
    assert f"Out of vocabulary, dev {share} ({unknown} of {words} words)" in text
    assert f"Perplexity, dev {perplexity} a word" in text
    seen, pushes = figures(r"^train: done in .*; frames seen ([\d,]+), .* pushes ([\d,]+);")
    weights, heldout, ce, accuracy = figures(
        r"([\d.]+ M weights), [\s\S]*on ([\d,]+) held-out frames cross-entropy ([\d.]+), accuracy ([\d.]+) %"
    )
    assert f"frames seen {seen} " in text and f" pushes {pushes} " in text and f", {weights} " in text
    assert f"cross-entropy {ce} on all {heldout} held-out frames, {accuracy} % of them right" in text
    rate, units = figures(r"^tune: .*: %CER ([\d.]+) \[ \d+ / (\d+) \]")
    assert f"({units} characters); the chosen pair has {rate} % there." in text
    for name in ("dev", "test"):
        speech, factor = figures(rf"^decode: {name}: .* utterances, (.*) of speech; .* real-time factor ([\d.]+) ")
        assert f" {name} {speech} {factor} " in text
        rate, bracket = figures(rf"^{name} %CER ([\d.]+) (\[.*\])$")
        assert f" {name} {rate} % CER" in text and bracket in text
        assert re.search(rf" {name} {' '.join(counts[name])} {bracket.split()[3].strip(',')} ", text)
    when, shown = (exp / "log" / "command.txt").read_text().splitlines()[0].split("\t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", when)
    assert shlex.split(shown) == command(exp) and f"Command {shown} (" in text
    assert "Machine not recorded" not in text


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
READ_BY = {
    "features": "data/train/wav.scp",
    "lang": "data/train/text",
    "align": "data/train/utt2num_frames",
    "train": "ali/pdf.ark",
    "graph": "ali/tree",
    "decode": "data/dev/feats.scp",
    "score": "data/dev/text",
}


@pytest.mark.parametrize("stage", range(2, 9))
def test_a_failing_stage_ends_the_run_with_its_status_and_log(undisturbed, stage):
    exp = undisturbed[0]
    name = STAGES[stage - 1]
    needed = exp / READ_BY[name]
    whole = needed.read_bytes()
    needed.write_bytes(b"\xff\xfe\x00damaged")
    try:
        done = finish(exp, "--stage", str(stage), "--force")
    finally:
        needed.write_bytes(whole)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert lines[0] == f"== stage {stage}: {name}" and str(needed) in lines[-2]
    assert lines[-1] == f"run.sh: stage {stage} ({name}) failed with status 2; its log: {exp}/log/{stage}-{name}.log"
    assert lines[-2] in (exp / "log" / f"{stage}-{name}.log").read_text()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trian.width=64", "--set trian.width: no verb 'trian'; did you mean 'train'?"),
        ("train.widht=64", "--set train.widht: train has no such setting; did you mean 'width'?"),
        ("graph.max-memory-gb=abc", "--set graph.max-memory-gb: 'abc' is not a float"),
        ("features.kind=mfc", "--set features.kind: 'mfc' is not one of fbank, mfcc"),
        ("prepare.hour=3", "--set prepare.hour: prepare has no such setting; did you mean 'hours'?"),
        ("train.workers=3", "--set train.workers: run.sh sets this itself"),
    ],
)
def test_a_setting_that_nothing_reads_ends_the_run_before_its_first_stage(tmp_path, setting, message):
    done = finish(tmp_path / "exp", "--set", setting)
    assert done.returncode == 2 and done.stdout.startswith(message) and len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "exp").exists()


def test_a_message_advises_what_run_sh_takes(undisturbed, tmp_path):
    """A message names an option that run.sh lacks in the form that run.sh accepts."""
    done = finish(undisturbed[0], "--stage", "3", "--stop-stage", "3", "--set", "lang.vocab=9")
    assert done.returncode == 2
    assert done.stdout.splitlines()[1] == "lang: --vocab needs --units spm, not chars"
    done = finish(undisturbed[0], "--stage", "3", "--stop-stage", "3", "--set", "lang.mix=true")
    assert "(run.sh: --set lang.mix=VALUE" in done.stdout.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hour", "1"], "--hour: no such option"),
        (["--stage", "two"], "--stage two: not a number"),
        (["--stage", "5", "--stop-stage", "4"], "stages run from 1 to 9"),
        (["--recipe", "nowhere"], "there is no recipes/nowhere/prepare.py"),
        (["--recipe", "../../etc"], "not a plain name"),
        (["--from-scratch", "--ali-dir", "."], "only one of both"),
        (["--ali-dir", "/nowhere"], "--ali-dir /nowhere: no such file or folder"),
        (["--set", "eta0"], "write --set VERB.KEY=VALUE"),
        (["--exp"], "--exp: needs a value"),
        (["--max-missing", "5"], "--max-missing 5: not a share from 0 to 1"),
        (["--max-missing", "nan"], "--max-missing nan: not a share from 0 to 1"),
        (["--columns="], "--columns: needs a value"),
        (["now"], "now: not an option"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(options, message):
    done = subprocess.run([ROOT / "run.sh", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_options_are_no_code(tmp_path):
    """Shell syntax in an option is not executed."""
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


# ---------------------------------------------------------------- stages that have not run


@pytest.mark.parametrize("stage", range(2, 10))
def test_a_stage_in_an_empty_folder_says_which_one_comes_first(stage, tmp_path):
    done = finish(tmp_path / "exp", "--stage", str(stage))
    assert done.returncode == 2
    printed = f"run.sh: stage {stage} ({STAGES[stage - 1]}) cannot start: {tmp_path}/exp/data/"
    assert done.stdout.startswith(printed) and "is missing; run stage 1 (prepare) first" in done.stdout
    assert len(done.stdout.splitlines()) == 1 and not (tmp_path / "exp").exists()


MADE = ["data/train/wav.scp data/dev/wav.scp data/test/wav.scp data/train/text data/dev/text data/test/text"]
MADE += ["data/train/feats.scp data/dev/feats.scp data/test/feats.scp", "lang/phones.txt lang/words.txt lang/G.fst"]
MADE += ["ali/ali_train_pdf.counts ali/final.mdl", "asgd/final.safetensors", "asgd/graph/HCLG.fst"]


@pytest.mark.parametrize(
    ("made", "stage", "first", "file"),
    [
        (1, 5, 2, "data/train/feats.scp"),
        (2, 5, 3, "lang/phones.txt"),
        (3, 5, 4, "ali/ali_train_pdf.counts"),
        (4, 7, 5, "asgd/final.safetensors"),
        (5, 7, 6, "asgd/graph/HCLG.fst"),
        (6, 8, 7, "asgd/decode_dev/hyp.txt"),
    ],
)
def test_the_earliest_stage_that_is_missing_is_named(made, stage, first, file, tmp_path):
    for name in " ".join(MADE[:made]).split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    done = finish(tmp_path, "--stage", str(stage))
    assert done.returncode == 2
    assert f"{tmp_path}/{file} is missing; run stage {first} ({STAGES[first - 1]}) first" in done.stdout


@pytest.mark.parametrize(
    ("exp", "message"),
    [
        ("/", "--exp '/': name a separate folder"),
        ("", "--exp '': name a separate folder"),
        ("~/", "--exp '~/': name a separate folder"),
        ("/proc/nowhere", "--exp /proc/nowhere: cannot be made"),
        ("{}/file", "file: is a file; name a folder"),
        ("{}/file/x", "file/x: cannot be made: Not a directory"),
    ],
)
def test_a_folder_that_cannot_be_is_one_line_and_status_2(exp, message, tmp_path):
    (tmp_path / "file").touch()
    done = finish(Path("unused"), "--exp", exp.format(tmp_path))
    assert done.returncode == 2 and message in done.stdout and len(done.stdout.splitlines()) == 1


# ---------------------------------------------------------------- one run at a time, and its end


def left_of(exp: Path) -> list[str]:
    """Return the command lines of the processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            dead = (path / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if f"{exp}" in line and not dead:
            found.append(line)
    return found


@pytest.fixture
def working(tmp_path):
    """Yield (run, folder) of a run in its first stage, with two workers that make sounds."""
    exp = tmp_path / "我的 exp"
    (tmp_path / "link").symlink_to(tmp_path)
    run = subprocess.Popen(
        [str(ROOT / "run.sh"), "--exp", str(exp), "--hours", "2", "--nj", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 120
    while not list(exp.glob("wav/train/*/*.wav")):
        assert run.poll() is None and time.monotonic() < end, run.communicate()[0]
        time.sleep(0.02)
    yield run, exp
    if run.poll() is None:
        kill_group(run)


@pytest.mark.parametrize(
    ("number", "group", "status"),
    [
        (signal.SIGTERM, False, 143),
        pytest.param(signal.SIGINT, True, 130, marks=pytest.mark.slow),  # what ^C does
        pytest.param(signal.SIGHUP, False, 129, marks=pytest.mark.slow),
        (signal.SIGKILL, False, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_all_that_run_sh_started(working, number, group, status):
    run, exp = working
    session = [path for path in Path("/proc").glob("[0-9]*") if in_session(path, run.pid)]
    assert len(session) >= 4  # run.sh, the verb and two workers
    memory = set(os.listdir("/dev/shm"))
    if number == signal.SIGTERM:
        held = (exp / ".lock").read_text()
        second = finish(exp.parent / "link" / exp.name, "--stage", "1", "--stop-stage", "1")
        assert second.returncode == 2 and "== stage" not in second.stdout
        assert f"in use by process {run.pid} on" in second.stdout and (exp / ".lock").read_text() == held
    (os.killpg if group else os.kill)(run.pid, number)
    printed = run.communicate(timeout=60)[0]
    assert run.returncode == status
    assert "Traceback" not in printed
    end = time.monotonic() + 20
    while left_of(exp) or any(in_session(path, run.pid) for path in session):
        assert time.monotonic() < end, left_of(exp)
        time.sleep(0.02)
    assert {name for name in set(os.listdir("/dev/shm")) - memory if f"_{run.pid}_" in name} == set()
    if number != signal.SIGKILL:
        assert printed.count("the same command goes on from here") == 1, printed
        assert not list(exp.rglob(".lock")) and not list(exp.rglob("*.tmp")), printed
    else:  # a lock that a kill left does not hold up the next run
        again = finish(exp, "--stage", "1", "--stop-stage", "1")
        assert again.returncode == 0, again.stdout


def in_session(path: Path, number: int) -> bool:
    """Return whether a process is alive and belongs to a session."""
    try:
        state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return False
    return session == str(number) and state not in "ZX"


def test_a_killed_run_s_half_line_in_the_times_is_a_line_of_its_own(undisturbed, tmp_path):
    exp = undisturbed[0]
    times = exp / "log" / "times.tsv"
    with open(times, "a") as handle:
        handle.write("5\ttrain\t12.")
    assert finish(exp, "--stage", "9").returncode == 0
    lines = times.read_text().splitlines()
    assert lines[-2] == "5\ttrain\t12." and re.fullmatch(r"9\treport\t\d+\.\d{3}\t(0|skipped)", lines[-1])
    log = (exp / "log" / "9-report.log").read_text().splitlines()
    assert sum(line.startswith("== ") and line.endswith(" stage 9: report") for line in log) >= 2
