"""From sound and text to alignments on sixty real utterances: the ladder up to speaker adaptation, and Kaldi's."""

import gzip
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from asr.alignment.gmm import from_scratch, shard_pool
from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.plan import RUNGS, GmmPlan
from asr.alignment.jobs import split_by_speaker
from asr.cli import main
from asr.errors import InputError
from asr.features.adaptation.affine import read_matrix, read_transforms
from asr.features.adaptation.splicing import SpliceContext
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.archives import MatrixReader, read_int_vectors, read_matrices, write_matrices
from asr.kaldi.mixtures import read_mixtures
from asr.kaldi.occupancy import read_occupancy
from asr.kaldi.transition_model import read_transition_model, tuples_of
from asr.kaldi.tree import read_tree
from asr.tables import read_table, write_table

SMALL = ["--states", "60", "--gaussians", "200", "--nj", "2"]
#: what belongs to a system on spliced and projected frames, and to one with speakers' transforms
PROJECTED, ADAPTED = ("final.mat", "full.mat", "splice_opts"), ("final.alimdl", "trans.1")


@pytest.fixture(scope="module")
def corpus(shared, tmp_path_factory):
    """Data directories train (60 utterances) and dev (5) with features; a lang directory: Kaldi's."""
    folder = tmp_path_factory.mktemp("scratch")
    source = shared / "aishell_sample/data/train"
    tables = {}
    for name in ("wav.scp", "utt2spk", "text"):
        lines = (source / name).read_text(encoding="utf-8-sig").splitlines()
        tables[name] = {line.split()[0]: line for line in lines}
    names = sorted(tables["text"])[:480:8]
    for data, some in (("train", names), ("dev", sorted(tables["text"])[3:500:100])):
        (folder / data).mkdir()
        for name, lines in tables.items():
            text = "".join(lines[utterance].replace("../shared/data", str(shared)) + "\n" for utterance in some)
            (folder / data / name).write_text(text, encoding="utf-8")
        done = main(["features", "--data", str(folder / data), "--out", str(folder / "features" / data), "--nj", "2"])
        assert done == 0
    shutil.copytree(shared / "kaldi_aishell_sample/lang", folder / "lang", copy_function=shutil.copyfile)
    return folder


def argv(corpus, out, *more):
    options = ["--train-data", corpus / "train", "--dev-data", corpus / "dev", "--lang", corpus / "lang"]
    return ["align", "--from-scratch", *map(str, options), "--out", str(out), *SMALL, *map(str, more)]


def align(*arguments):
    return main(argv(*arguments))


@pytest.fixture(scope="module")
def made(corpus):
    """Return the folder of the whole ladder."""
    assert align(corpus, corpus / "ali", "--upto", "sat") == 0
    return corpus / "ali"


def test_the_written_files_fit_together(made, corpus):
    model, tree = read_transition_model(made / "final.mdl"), read_tree(made / "tree")
    assert (tree.N, tree.P) == (3, 1) and tuples_of(tree, model.topology) == model.tuples
    assert 40 < model.num_pdfs <= 60 + len({s for s in (corpus / "lang/phones/roots.int").read_text().splitlines()})
    mixtures = read_mixtures(made / "final.mdl")
    assert mixtures.num_pdfs == model.num_pdfs and mixtures.dim == 40 and mixtures.num_gaussians <= 260
    assert read_mixtures(made / "tri/final.mdl").dim == 48
    rows = dict(read_alignments(made, model))
    frames = {**read_table(corpus / "train/utt2num_frames"), **read_table(corpus / "dev/utt2num_frames")}
    assert {name: len(row) for name, row in rows.items()} == {name: int(count) for name, count in frames.items()}
    coverage = json.loads((made / "coverage.json").read_text())
    assert coverage["train"]["accepted"] == 60 and coverage["dev"]["accepted"] == 5
    assert (made / "tri/cmvn_opts").read_text() == "--norm-means=true --norm-vars=false\n"
    assert "--num-mel-bins=40" in (made / "tri/mfcc.conf").read_text()
    assert not (made / ".work").exists()


def test_files_are_laid_out_as_kaldis(made, kaldi_sample):
    """final.mdl and tree have the same tags in the same order, with the same types."""
    ours, theirs = (made / "tri/final.mdl").read_bytes(), (kaldi_sample / "tri1_ali/final.mdl").read_bytes()
    for start, end in ((0, 60), (-11, None)):
        assert ours[start:end] == theirs[start:end]
    for marks in (
        b"<DIMENSION> \x040\x00\x00\x00<NUMPDFS> \x04",
        b"<DiagGMM> <GCONSTS> FV \x04",
        b"<INV_VARS> FM \x04",
    ):
        assert marks in ours and marks in theirs
    assert (made / "tri/tree").read_bytes()[:32] == (kaldi_sample / "tri1_ali/tree").read_bytes()[:32]
    line = gzip.open(made / "ali.1.gz").read(40)
    assert line.split(b" ")[0].startswith(b"BAC009") and line.split(b" ", 1)[1][:3] == b"\0B\x04"
    assert (made / "num_jobs").read_text().strip().isdigit()


def test_boundaries_are_near_kaldis(made, kaldi_sample):
    """Kaldi trained on 780 utterances, this test on 60; most boundaries agree and nearly all are close."""
    ours, theirs = (
        read_transition_model(made / "final.mdl"),
        read_transition_model(kaldi_sample / "tri1_ali/final.mdl"),
    )
    kaldi = dict(read_alignments(kaldi_sample / "tri1_ali", theirs))
    away = []
    for utterance, tids in read_alignments(made, ours):
        one = [item for item in to_phones(tids, ours) if item[0] > 2]
        two = [item for item in to_phones(kaldi[utterance], theirs) if item[0] > 2]
        if [item[0] for item in one] == [item[0] for item in two]:
            away += [abs(a[1] - b[1]) for a, b in zip(one, two, strict=True)]
    assert len(away) > 500
    assert np.mean(np.array(away) <= 2) > 0.55 and np.mean(np.array(away) <= 5) > 0.75


def test_pronunciations_are_reported(made):
    rows = [line.split() for line in (made / "pronunciations.txt").read_text(encoding="utf-8").splitlines()]
    shares: dict[str, float] = {}
    for word, count, share, *phones in rows:
        assert int(count) >= 0 and phones
        shares[word] = shares.get(word, 0) + float(share)
    assert {round(total, 2) for total in shares.values()} <= {0.0, 1.0} and 1.0 in shares.values()


class Speakers:
    """Sixty utterances of 300 frames; each is a speaker of its own, or every one of them is the same."""

    def __init__(self, *, alone: bool) -> None:
        self.words, self.alone, self.cepstra = {f"u{number}": [1] for number in range(60)}, alone, self

    def frames(self, name):
        return 300

    def speaker(self, name):
        return name if self.alone else "one"


def test_utterances_that_are_speakers_of_their_own_are_said(capsys):
    plan = GmmPlan(upto="sat")
    assert from_scratch._last_rung(Speakers(alone=False), plan) == "sat" and not capsys.readouterr().err
    assert from_scratch._last_rung(Speakers(alone=True), GmmPlan(upto="lda")) == "lda" and not capsys.readouterr().err
    assert from_scratch._last_rung(Speakers(alone=True), plan) == "sat"
    assert capsys.readouterr().err == (
        "warning: 60 speakers have 60 utterances: each utterance is a speaker of its own, with a transform estimated "
        "from 3.0 s; if speakers return, name them in utt2spk\n"
    )


def test_the_costs_of_the_ladder_are_recorded(made):
    record = json.loads((made / "log/ladder.json").read_text())
    assert record["processes"] == 1  # sixty utterances are one shard
    assert [part["part"] for part in record["parts"]] == ["cepstra", "mono", "tri", "lda", "sat", "others"]
    assert all(part["cpu_s"] > 0 and part["wall_s"] > 0 for part in record["parts"][1:])


@pytest.fixture(scope="module")
def killed(corpus):
    """Return the folder of a ladder of one process that was killed when it began to train `sat`."""
    program = (
        "import os, signal, sys; from asr.alignment.gmm import from_scratch; from asr.cli import main; "
        "from_scratch.STEPS['sat'] = lambda *_: os.kill(os.getpid(), signal.SIGKILL); main(sys.argv[1:])"
    )
    out = corpus / "killed"
    done = subprocess.run([sys.executable, "-c", program, *argv(corpus, out, "--upto", "sat", "--nj", "1")])
    assert done.returncode == -signal.SIGKILL
    assert (out / "lda/final.mdl").is_file() and not (out / "sat").exists() and not (out / "final.mdl").exists()
    return out


def test_a_killed_ladder_continues_and_the_number_of_processes_changes_nothing(
    corpus, made, killed, capsys, monkeypatch
):
    with monkeypatch.context() as patch:
        for name in ("tri", "lda"):
            patch.delitem(from_scratch.STEPS, name)
        patch.delattr(from_scratch, "monophones")
        assert align(corpus, killed, "--upto", "sat", "--nj", "1") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "up to date" in line] == [f"align {name}: up to date" for name in RUNGS[:3]]
    names = [path.relative_to(made) for path in made.rglob("*") if path.is_file() and ".done." not in path.name]
    names.remove((made / "log/ladder.json").relative_to(made))
    parts = [
        [part["part"] for part in json.loads((out / "log/ladder.json").read_text())["parts"]]
        for out in (killed, made)
    ]
    assert parts[0] == parts[1]
    assert len(names) > 60
    for name in names:
        assert (killed / name).read_bytes() == (made / name).read_bytes(), name


def test_only_systems_of_the_same_settings_whose_files_are_there_are_taken(corpus, killed, refused, monkeypatch):
    """A share of utterances that may be missing changes no system, a seed changes all."""

    def begins(name):
        def fails(*_):
            raise InputError(f"{name} is trained")

        return fails

    monkeypatch.setattr(from_scratch, "monophones", begins("mono"))
    for name in ("tri", "lda", "sat"):
        monkeypatch.setitem(from_scratch.STEPS, name, begins(name))
    again = argv(corpus, killed, "--upto", "sat", "--max-missing", "0.01", "--nj", "1")
    assert refused(again) == "sat is trained"
    (killed / "tri/tree").unlink()
    assert refused(again) == "tri is trained"
    assert (killed / "mono/final.mdl").is_file() and not (killed / "lda").exists()
    assert refused([*again, "--seed", "2"]) == "mono is trained"
    assert not (killed / "mono").exists()


def test_the_same_again_is_up_to_date(corpus, made, capsys):
    assert align(corpus, made, "--upto", "sat") == 0
    assert capsys.readouterr().out == "align: up to date\n"


@pytest.mark.parametrize("name", ["mono/final.mdl", "lda/final.mat", "sat/trans.1"])
def test_a_damaged_system_is_noticed(made, name):
    """The stamp of the stage names the files of all systems."""
    files = json.loads((made / ".done.align.json").read_text(encoding="utf-8"))["outputs"]
    assert files[str(made / name)] == (made / name).stat().st_size
    assert {str(path) for path in made.glob("*/trans.*")} <= set(files)


def test_utterances_that_cannot_be_aligned_are_listed(corpus, tmp_path, capsys, monkeypatch):
    """Five kinds of faults, a dev set without words, shards of one utterance, some of them empty; left-biphones."""
    monkeypatch.setattr(shard_pool, "FRAMES_PER_SHARD", 1)
    monkeypatch.setattr(shard_pool, "MOST_SHARDS", 100)
    copy = tmp_path / "copy"
    for name in ("train", "dev", "lang"):
        shutil.copytree(corpus / name, copy / name)
    texts, places = read_table(copy / "train/text"), read_table(copy / "train/feats.scp")
    long, empty, wordless, silent, broken = sorted(texts)[:5]
    texts[long], texts[empty] = 20 * texts[long], ""
    del texts[wordless], places[silent]
    matrix = MatrixReader(copy / "train/feats.scp")[broken].copy()
    matrix[5, 7] = np.inf
    places |= write_matrices(tmp_path / "broken.ark", [(broken, matrix)])
    write_table(copy / "train/text", texts)
    write_table(copy / "train/feats.scp", places)
    write_table(copy / "dev/text", dict.fromkeys(read_table(copy / "dev/text"), ""))
    assert align(copy, tmp_path / "ali", "--context", "left-biphone", "--max-missing", "0.01") == 2
    error = capsys.readouterr().err
    assert "5 of 60 utterances (8.3 %) have no usable alignment" in error and "unaligned.txt" in error
    reasons = read_table(tmp_path / "ali/tri/unaligned.txt")
    dev = {reasons.pop(utterance) for utterance in read_table(copy / "dev/utt2spk")}
    assert dev == {"its transcript is empty"}
    assert reasons.keys() == {long, empty, wordless, silent, broken}
    assert "frames, but its transcript needs" in reasons[long] and reasons[empty] == "its transcript is empty"
    assert reasons[wordless] == "has no transcript" and reasons[silent] == "has no features"
    assert reasons[broken] == f"{tmp_path / 'broken.ark'}: holds a NaN or an infinity"
    assert not (tmp_path / "ali/pdf.ark").exists()
    assert (read_tree(tmp_path / "ali/tri/tree").N, read_tree(tmp_path / "ali/tri/tree").P) == (2, 1)
    assert len(dict(read_alignments(tmp_path / "ali/tri"))) == 55


def test_archives_are_cut_as_kaldi_cuts_the_training_set(made, corpus):
    """Each training utterance is in the archive of the part in which utils/split_data.sh has its speaker."""
    for name in ("", "mono", "tri", "lda", "sat"):
        jobs = int((made / name / "num_jobs").read_text())
        parts = split_by_speaker(read_table(corpus / "train/utt2spk"), jobs)
        assert parts is not None and len(list((made / name).glob("ali.*.gz"))) == jobs
        for number, part in enumerate(parts, 1):
            names = [key for key, _ in read_int_vectors(made / name / f"ali.{number}.gz")]
            assert names == sorted(names, key=str.encode)  # Kaldi reads the archives as sorted ones
            assert [key for key in names if key in parts_of(parts)] == part


def parts_of(parts):
    return {key for part in parts for key in part}


def test_gaussians_can_be_decoded_with(corpus, made, tmp_path):
    graph = tmp_path / "graph"
    assert main(["graph", "--lang", str(corpus / "lang"), "--model-dir", str(made), "--out", str(graph)]) == 0
    options = ["--data", corpus / "dev", "--model", made / "sat", "--graph", graph, "--out", tmp_path / "dev"]
    options += ["--lm-weights", 12, "--insertion-penalties", 0, "--nj", 1, "--max-active", 500, "--lattice-beam", 4]
    assert main(["decode", *map(str, options)]) == 0
    assert read_table(tmp_path / "dev/hyp.txt").keys() == read_table(corpus / "dev/text").keys()
    hypothesis = " ".join(read_table(tmp_path / "dev/hyp.txt").values()).replace(" ", "")
    reference = " ".join(read_table(corpus / "dev/text").values()).replace(" ", "")
    assert len(set(hypothesis) & set(reference)) > 0.3 * len(set(reference))
    record = json.loads((tmp_path / "dev/decode.json").read_text())["adaptation"]
    speakers = set(read_table(corpus / "dev/utt2spk").values())
    assert record["speakers"].keys() == speakers
    assert all(item["improvement"] > 0 for item in record["speakers"].values())


def test_folders_hold_what_kaldis_next_step_reads(made, corpus, kaldi_speakers):
    """The files of Kaldi's own systems; matrices of the features; transforms of all speakers beside ali.N.gz."""
    theirs = {path.name for path in (kaldi_speakers.folder / "tri2_ali").iterdir()}
    assert theirs <= {path.name for path in (made / "lda").iterdir()}
    for name in ("mono", "tri"):
        assert (made / name / "delta_opts").is_file() and not (made / name / "final.mat").exists()
    for folder in (made / "lda", made / "sat", made):
        assert read_matrix(folder / "final.mat").shape == (40, 112)
        assert read_matrix(folder / "full.mat").shape == (112, 112)
        assert (folder / "splice_opts").read_text() == "--left-context=3 --right-context=3\n"
        assert all((folder / name).is_file() == (folder != made / "lda") for name in ADAPTED)
        assert not (folder / "delta_opts").exists()
    jobs = int((made / "num_jobs").read_text())
    parts = split_by_speaker(read_table(corpus / "train/utt2spk"), jobs)
    of_utterance = read_table(corpus / "train/utt2spk")
    for folder in (made, made / "sat"):
        for number, part in enumerate(parts, 1):
            speakers = [key for key, _ in read_matrices(folder / f"trans.{number}")]
            assert speakers == sorted(speakers) and {of_utterance[key] for key in part} <= set(speakers)
        assert not (folder / f"trans.{jobs + 1}").exists()
    model = read_transition_model(made / "final.mdl")
    rows = np.concatenate([row for _, row in read_alignments(made, model)])
    assert read_occupancy(made / "sat/final.occs") == pytest.approx(np.bincount(model.tid_to_pdf[rows]))


def likelihood(folder, model, corpus, transforms, tmp_path):
    """Return the log-likelihood a frame of the training set's alignments in FOLDER, with that of the transforms."""
    transition_model, mixtures = read_transition_model(folder / "final.mdl"), read_mixtures(folder / model)
    cepstra = Cepstra.make([corpus / "train"], tmp_path / "c.f32")
    space = FeatureSpace(SpliceContext(3, 3), read_matrix(folder / "final.mat"), transforms)
    total = frames = 0
    for name, tids in read_alignments(folder, transition_model):
        if name in cepstra.places:
            scores = mixtures.log_likelihoods(space.features(cepstra, [name]))
            total += scores[np.arange(len(tids)), transition_model.tid_to_pdf[tids]].sum(dtype=float)
            if transforms:
                total += len(tids) * np.linalg.slogdet(transforms[cepstra.speaker(name)][:, :40].astype(float))[1]
            frames += len(tids)
    return total / frames


def test_transforms_make_the_features_likelier(made, corpus, tmp_path):
    """In the same space: the determinant of a transform counts. The first two have the same alignments."""
    transforms = read_transforms(made / "sat")
    adapted = likelihood(made / "sat", "final.mdl", corpus, transforms, tmp_path)
    assert adapted > likelihood(made / "sat", "final.alimdl", corpus, {}, tmp_path) + 0.3  # two speakers
    assert adapted > likelihood(made / "lda", "final.mdl", corpus, {}, tmp_path) + 0.3
    assert all(np.linalg.det(matrix[:, :40].astype(float)) > 0 for matrix in transforms.values())


def test_a_shorter_ladder_removes_the_rest_of_a_longer_one(corpus, made, tmp_path, monkeypatch, capsys):
    """Also if it fails halfway. What others left in a folder stays."""
    out = tmp_path / "ali"
    shutil.copytree(made, out)
    (out / "sat/notes.txt").write_text("mine")

    def fails(*_):
        raise InputError("stopped here")

    monkeypatch.setitem(from_scratch.STEPS, "tri", fails)
    assert align(corpus, out, "--upto", "tri") == 2 and capsys.readouterr().err.endswith("stopped here\n")
    assert (out / "mono/num_jobs").is_file() and not (out / "tri").exists() and not (out / ".work").exists()
    assert align(corpus, out, "--upto", "mono") == 0
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["log", "mono", "sat"]
    assert [path.name for path in (out / "sat").iterdir()] == ["notes.txt"]
    assert not any((out / name).exists() for name in (*PROJECTED, *ADAPTED))
    coverage = json.loads((out / "coverage.json").read_text())
    assert coverage["dev"]["accepted"] == 5 and read_tree(out / "tree").N == 1


def test_the_loaded_ladder_is_whole(made, corpus, tmp_path):
    """`asr align --ali-dir` takes the last system's folder over, with the transforms."""
    options = ["--train-data", corpus / "train", "--dev-data", corpus / "dev", "--out", tmp_path / "ali"]
    assert main(["align", "--ali-dir", str(made / "sat"), *map(str, options)]) == 0
    for name in ("final.mdl", "final.alimdl", "final.mat", "trans.1", "ali.1.gz", "final.occs", "pdf.ark"):
        assert (tmp_path / "ali" / name).read_bytes() == (made / name).read_bytes()


def test_a_damaged_transform_is_refused(made, corpus, tmp_path, refused):
    shutil.copytree(made / "sat", tmp_path / "sat")
    whole = (tmp_path / "sat/trans.1").read_bytes()
    (tmp_path / "sat/trans.1").write_bytes(whole[:-5])
    options = ["--train-data", corpus / "train", "--dev-data", corpus / "dev", "--out", tmp_path / "ali"]
    line = refused(["align", "--ali-dir", tmp_path / "sat", *options])
    assert line.startswith(f"{tmp_path / 'sat/trans.1'}: ") and line.endswith(
        "the file ends in the middle of this entry"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lang", "nowhere"], "nowhere: is not a folder; --lang takes a lang directory, as `asr lang` makes it"),
        (["--states", "-1"], "--states: '-1' is less than 0"),
        (["--ali-dir", "."], "align: --from-scratch makes alignments and --ali-dir loads them: pass only one"),
    ],
)
def test_wrong_options(corpus, tmp_path, refused, options, message):
    given = ["align", "--from-scratch", "--train-data", corpus / "train", "--out", tmp_path / "x"]
    if "--lang" not in options:
        given += ["--lang", corpus / "lang"]
    assert refused([*map(str, given), *options]) == message


def test_without_lang_and_without_alignments(corpus, tmp_path, refused):
    line = refused(["align", "--train-data", str(corpus / "train"), "--out", str(tmp_path / "x")])
    assert line == "align: without --ali-dir alignments are made from scratch, which requires --lang"
