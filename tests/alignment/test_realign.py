"""Realignment with a network: displaced boundaries are corrected, utterances that will not align are named."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest

from asr.alignment import network_aligner
from asr.alignment import realign as realignment
from asr.alignment.monophone import write_monophone_dir
from asr.cli import main
from asr.errors import InputError, WorkerLost
from asr.features import normalise
from asr.kaldi.alignments import read_alignments, to_phones, write_alignments
from asr.kaldi.archives import write_matrices
from asr.kaldi.transition_model import read_transition_model
from asr.lang.lexicon_fst import lexicon_fst, write_fst
from asr.tables import read_table, write_table

PHONES = ["SIL", "b", "zh", "a1", "ong4"]
LEXICON = [("八", ("b", "a1")), ("重", ("zh", "ong4")), ("重", ("b", "ong4")), ("<SPN>", ("SIL",))]
WORDS = {"<eps>": 0, "<SPN>": 1, "八": 2, "重": 3, "#0": 4, "<s>": 5, "</s>": 6}


def write_lang(folder):
    """Write a lang directory of five phones and two words, one of which has two pronunciations."""
    (folder / "phones").mkdir(parents=True)
    ids = {"<eps>": 0, **{phone: number for number, phone in enumerate(PHONES, 1)}, "#0": 6}
    for name, table in (("phones.txt", ids), ("words.txt", WORDS)):
        (folder / name).write_text("".join(f"{symbol} {number}\n" for symbol, number in table.items()), "utf-8")
    for name in ("silence", "optional_silence"):
        (folder / "phones" / f"{name}.txt").write_text("SIL\n")
    (folder / "oov.txt").write_text("<SPN>\n")
    (folder / "lexicon.txt").write_text("".join(f"{word} {' '.join(way)}\n" for word, way in LEXICON), "utf-8")
    write_fst(lexicon_fst(LEXICON, ids, WORDS), folder / "L.fst")


@pytest.fixture
def corpus(tmp_path):
    """(folder, {utterance: true transition-ids}): train, dev, lang, and ali, whose boundaries are displaced."""
    rng = np.random.default_rng(5)
    write_lang(tmp_path / "lang")
    model = write_monophone_dir(tmp_path / "kaldi", PHONES, ["SIL"])
    means = rng.normal(0, 2, (model.num_pdfs, 6))
    truth, displaced = {}, {}
    for name, count in (("train", 80), ("dev", 8)):
        features, texts = {}, {}
        for number in range(count):
            key = f"{name}{number:03d}"
            ways = [LEXICON[way] for way in rng.integers(0, 3, 4)]
            row = [1, *(PHONES.index(phone) + 1 for _, way in ways for phone in way), 1]
            lengths = rng.integers(8, 14, len(row))
            paths = [model.phone_path(phone, frames) for phone, frames in zip(row, lengths, strict=True)]
            truth[key] = np.concatenate(paths)
            moved = np.append(0, np.cumsum(lengths))
            moved[1:-1] += rng.integers(-3, 4, len(row) - 1)
            paths = [model.phone_path(phone, frames) for phone, frames in zip(row, np.diff(moved), strict=True)]
            displaced[key] = np.concatenate(paths)
            pdfs = model.tid_to_pdf[truth[key]]
            features[key] = (means[pdfs] + rng.normal(0, 0.7, (len(pdfs), 6))).astype(np.float32)
            texts[key] = "".join(word for word, _ in ways)
        data = tmp_path / name
        write_matrices(data / "feats.ark", features.items(), scp=data / "feats.scp")
        stats = sum(normalise.statistics(matrix) for matrix in features.values())
        write_matrices(data / "cmvn.ark", [("s", stats)], scp=data / "cmvn.scp")
        write_table(data / "utt2spk", dict.fromkeys(features, "s"))
        write_table(data / "utt2num_frames", {key: str(len(matrix)) for key, matrix in features.items()})
        write_table(data / "text", texts)
        (data / "features.json").write_text(json.dumps({"kind": "x", "dim": 6, "norm": "speaker", "norm_vars": True}))
    write_alignments(tmp_path / "kaldi", [displaced])
    sets = ["--train-data", tmp_path / "train", "--dev-data", tmp_path / "dev"]
    assert run("align", "--ali-dir", tmp_path / "kaldi", *sets, "--out", tmp_path / "ali") == 0
    small = ["--layers", 1, "--width", 64, "--minibatch", 32, "--context", 2]
    small += ["--workers", 1, "--precision", "float32"]
    assert run("train", *sets, "--ali", tmp_path / "ali", "--out", tmp_path / "net", *small) == 0
    return tmp_path, truth


def run(*arguments):
    return main([str(item) for item in arguments])


def realign(folder, out, *more):
    options = ["--model", folder / "net", "--ali", folder / "ali", "--lang", folder / "lang", "--nj", 1, "--out", out]
    return run("realign", *options, "--train-data", folder / "train", "--dev-data", folder / "dev", *more)


def wrong_frames(folder, truth):
    """Return the share of frames whose phone is not the true one."""
    model = read_transition_model(folder / "final.mdl")
    rows = dict(read_alignments(folder, model))
    wrong = sum(int((model.tid_to_phone[row] != model.tid_to_phone[truth[key]]).sum()) for key, row in rows.items())
    return wrong / sum(len(row) for row in rows.values())


def test_displaced_boundaries_are_corrected(corpus):
    folder, truth = corpus
    before = wrong_frames(folder / "ali", truth)
    for name in ("final.alimdl", "trans.1", "notes.txt"):  # of a network that adapted to speakers, and the user's
        (folder / "new/sat").mkdir(parents=True, exist_ok=True)
        (folder / "new/sat" / name).write_text("old")
    assert realign(folder, folder / "new") == 0
    assert [path.name for path in (folder / "new/sat").iterdir()] == ["notes.txt"]
    after = wrong_frames(folder / "new", truth)
    assert before > 0.12 and after < 0.6 * before
    model = read_transition_model(folder / "new/final.mdl")
    rows = dict(read_alignments(folder / "new", model))
    assert rows.keys() == truth.keys()
    # the network distinguishes the two pronunciations of 重
    said = [[phone for phone, _, _ in to_phones(rows[key], model) if phone > 1] for key in truth]
    meant = [[phone for phone, _, _ in to_phones(truth[key], model) if phone > 1] for key in truth]
    assert np.mean([a == b for a, b in zip(said, meant, strict=True)]) > 0.95
    assert (folder / "new/unaligned.txt").read_text() == ""


def test_rounds_train_with_the_models_own_settings(corpus, capsys):
    folder, truth = corpus
    assert realign(folder, folder / "rounds", "--rounds", 2) == 0
    kept = json.loads((folder / "rounds/net2/settings.json").read_text())
    before = json.loads((folder / "net/settings.json").read_text())
    assert {k: v for k, v in kept.items() if k not in ("ali", "out")} == {
        k: v for k, v in before.items() if k not in ("ali", "out")
    }
    assert kept["ali"] == str(folder / "rounds/ali2")
    assert wrong_frames(folder / "rounds/ali2", truth) < wrong_frames(folder / "ali", truth)
    capsys.readouterr()
    assert realign(folder, folder / "rounds", "--rounds", 2) == 0
    assert capsys.readouterr().out.splitlines() == ["realign: up to date", "train: up to date"] * 2


def test_rounds_train_on_the_copies_that_the_model_was_trained_on(corpus, capsys):
    """As after `run.sh --perturb speed --rounds 1`: alignments of the originals alone lack the copies."""
    folder, _ = corpus
    train, copies = folder / "train", folder / "train_louder"
    shutil.copytree(train, copies)
    for name in ("feats.scp", "utt2spk", "utt2num_frames", "text"):
        table = read_table(train / name)
        write_table(copies / name, table | {f"louder-{key}": value for key, value in table.items()})
    names = list(read_table(train / "utt2spk"))
    write_table(copies / "utt2uniq", {key: key for key in names} | {f"louder-{key}": key for key in names})
    write_table(copies / "perturb", {f"louder-{key}": "gain=2" for key in names})
    sets = ["--train-data", copies, "--dev-data", folder / "dev"]
    assert run("align", "--originals", folder / "ali", *sets, "--out", folder / "ali_louder") == 0
    shutil.rmtree(folder / "net")
    small = ["--layers", 1, "--width", 16, "--minibatch", 64, "--workers", 1, "--precision", "float32"]
    assert run("train", *sets, "--ali", folder / "ali_louder", "--out", folder / "net", *small) == 0
    frames = sum(map(int, read_table(copies / "utt2num_frames").values()))
    capsys.readouterr()
    assert realign(folder, folder / "rounds", "--rounds", 1, "--max-missing", 0.5) == 0
    assert f"frames seen {frames:,}, repeated 0" in capsys.readouterr().out
    kept = json.loads((folder / "rounds/net1/settings.json").read_text())
    assert kept["train_data"] == str(copies) and kept["ali"] == str(folder / "rounds/ali1_copies")
    # with alignments of the originals alone train reports the copies as missing
    assert run("train", *sets, "--ali", folder / "ali", "--out", folder / "other", *small) == 0
    half = f"train: {len(names)} of {2 * len(names)} utterances have no alignment and are not trained on: louder-tr"
    assert half in capsys.readouterr().out


def test_utterances_that_will_not_align_are_listed_and_bounded(corpus, capsys):
    folder, _ = corpus
    table = read_table(folder / "train/text")
    table["train000"] *= 20
    table["train001"] = ""
    write_table(folder / "train/text", table)
    places = read_table(folder / "train/feats.scp")
    del places["train002"]
    places |= write_matrices(folder / "nan.ark", [("train003", np.full((40, 6), np.nan, dtype=np.float32))])
    write_table(folder / "train/feats.scp", places)
    write_table(folder / "dev/text", dict.fromkeys(read_table(folder / "dev/text"), ""))
    assert realign(folder, folder / "new", "--max-missing", 0.01) == 2
    error = capsys.readouterr().err
    assert "4 of 80 utterances (5.0 %) have no usable alignment" in error and error.count("\n") == 1
    assert f"why: {folder / 'new/unaligned.txt'}" in error and (folder / "new/unaligned.txt").is_file()
    assert realign(folder, folder / "new", "--max-missing", 0.05) == 0
    reasons = read_table(folder / "new/unaligned.txt")
    assert reasons["train001"] == "its transcript is empty" and "its transcript needs" in reasons["train000"]
    assert reasons["train002"] == "has no line for this key" and reasons["train003"] == "holds a NaN or an infinity"
    assert reasons["dev000"] == "its transcript is empty" and len(reasons) == 4 + 8
    said = capsys.readouterr().out
    assert "12 utterances not aligned, such as dev000" in said and "dev: 0 of 8 utterances aligned" in said


def test_inputs_that_do_not_fit_are_refused(corpus, refused, tmp_path):
    folder, _ = corpus
    shutil.copytree(folder / "net", folder / "other")
    tree = (folder / "net/tree").read_bytes()
    (folder / "other/tree").write_bytes(tree[:-30])
    sets = ["--train-data", folder / "train", "--lang", folder / "lang", "--ali", folder / "ali"]
    line = refused(["realign", "--model", folder / "other", *sets, "--out", folder / "x"])
    assert line == f"{folder / 'ali/tree'}: is not the tree that {folder / 'other'} was trained with"
    line = refused(["realign", "--model", folder / "net", *sets, "--out", folder / "ali"])
    assert line == f"{folder / 'ali'}: is also the directory that is read (--ali); write to another one"
    line = refused(["realign", "--model", folder / "net", *sets, "--out", folder / "x", "--beam", "50"])
    assert line == "realign: --retry-beam 40 is not wider than --beam 50"


def ready(*_) -> None:
    pass


def doomed(job) -> None:
    if "u2" in job[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(3600)


def test_a_killed_process_is_named_with_its_utterances(monkeypatch):
    monkeypatch.setattr(network_aligner, "_begin", ready)
    jobs = [({"u1": [1]}, {}), ({"u2": [1], "u3": [1]}, {})]
    wanted = r"^realign: process \d+ was killed by SIGKILL \(out of memory\?\) while it worked on u2 to u3$"
    with pytest.raises(WorkerLost, match=wanted):
        # the first part never ends, so only the second shows the killed process
        list(network_aligner.in_parallel(doomed, (), jobs, 2))
    assert multiprocessing.active_children() == []


def test_settings_of_a_model_that_train_does_not_know_are_refused(tmp_path, monkeypatch):
    (tmp_path / "settings.json").write_text('{"train_data": "train", "layer": 2}')
    monkeypatch.setattr(realignment, "realign", ready)
    settings = realignment.Settings(*[tmp_path] * 5, rounds=1)
    with pytest.raises(InputError, match=r"settings\.json: layer: is not a setting of this version$"):
        realignment.run(settings)
