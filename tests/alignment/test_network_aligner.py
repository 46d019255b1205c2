"""Realignment with a network that hears adapted columns, on six speakers with Kaldi's own transforms."""

import json
import shutil

import numpy as np
import pytest
from kaldi_speakers import SILENCES

from asr.acoustic.adaptation import NetworkAdaptation
from asr.acoustic.model import AcousticModel, read_config
from asr.alignment import network_aligner
from asr.alignment.network_aligner import NetworkAligner, NetworkSystem
from asr.alignment.realigned_sat import known_transforms
from asr.alignment.training_graph import AlignmentBeams, GraphCompiler, scores_of_transitions
from asr.alignment.transcripts import AlignmentLang
from asr.cli import main
from asr.features.adaptation.affine import read_transforms, write_transforms
from asr.features.adaptation.reader import AdaptedReader
from asr.features.reader import FeatureReader
from asr.kaldi.alignments import read_alignments
from asr.kaldi.counts import read_counts, write_counts
from asr.kaldi.system import read_system
from asr.tables import read_table, write_table

SIZES = ["--layers", 1, "--width", 16, "--minibatch", 64, "--context", 0, "--heldout-frames", 200]
SIZES += ["--workers", 1, "--precision", "float32", "--evaluations", 1, "--dropout", 0, "--heldout-fraction", 0.1]
NEW = "CV0168"
BEAMS = AlignmentBeams(200.0, 1000.0)  # a network of so little speech is often wrong


def run(*arguments):
    return main([str(item) for item in arguments])


@pytest.fixture(scope="module")
def corpus(kaldi_speakers, tmp_path_factory):
    """Return a folder: train, dev (short utterances of one who has no transform), lang, ali (Kaldi's), net."""
    folder = tmp_path_factory.mktemp("adapted")
    names = sorted(kaldi_speakers.static, key=lambda name: len(kaldi_speakers.static[name]))
    new = [name for name in names if kaldi_speakers.speaker_of[name] == NEW]
    for data, some in (("train", [name for name in names if name not in new][:12]), ("dev", new[:2])):
        kaldi_speakers.write_data(folder / data)
        for table in ("utt2spk", "utt2num_frames", "text", "feats.scp"):
            rows = read_table(folder / data / table)
            write_table(folder / data / table, {name: rows[name] for name in sorted(some)})
    ali = kaldi_speakers.write_alignments(folder / "ali")
    # the transcripts' other pronunciations have pdfs that do not occur
    write_counts(ali / "ali_train_pdf.counts", read_counts(ali / "ali_train_pdf.counts") + 1)
    shutil.copy(folder / "train/features.json", ali / "features.json")  # so that --adapt auto adapts
    write_transforms(ali, [{who: matrix for who, matrix in kaldi_speakers.transforms.items() if who != NEW}])
    text = kaldi_speakers.folder / "data/text"
    assert run("lang", "--text", text, "--phones", ali / "phones.txt", "--out", folder / "lang") == 0
    sets = ["--train-data", folder / "train", "--ali", ali, "--out", folder / "net"]
    assert run("train", *sets, *SIZES) == 0
    return folder


def realign(folder, out, *more):
    options = ["--model", folder / "net", "--ali", folder / "ali", "--lang", folder / "lang", "--out", out]
    sets = ["--train-data", folder / "train", "--dev-data", folder / "dev"]
    return run("realign", *options, *sets, "--beam", BEAMS.beam, "--retry-beam", BEAMS.retry_beam, *more)


@pytest.fixture(scope="module")
def rounds(corpus):
    """Return the folder of one realignment by two processes and the network that was trained on it."""
    assert realign(corpus, corpus / "rounds", "--rounds", 1, "--nj", 2) == 0
    return corpus / "rounds"


def test_the_network_hears_the_speakers_transform(corpus, rounds, kaldi_speakers, tmp_path):
    """The paths are those of adapted features, in train and dev."""
    system = read_system(corpus / "ali")
    rows = dict(read_alignments(rounds / "ali1", system.model))
    assert len(rows) == 12 + 2
    model, transforms = AcousticModel.load(corpus / "net"), read_transforms(rounds / "ali1/sat")
    columns = NetworkAdaptation.of(corpus / "net", model.config).columns
    lang = AlignmentLang.read(corpus / "lang", tmp_path)
    graphs = GraphCompiler(system.tree, system.model, lang.lexicon)
    scores_of_tids, different = scores_of_transitions(system.model, BEAMS), 0
    for data in (corpus / "train", corpus / "dev"):
        readers = [AdaptedReader(FeatureReader(data), columns, each) for each in (transforms, {})]
        for utterance, words in lang.word_ids(data).items():
            graph = graphs.compile(words)
            scores = [model.log_likelihoods(reader[utterance])[:, graph.pdfs] for reader in readers]
            adapted, plain = (graph.align(each, scores_of_tids, BEAMS) for each in scores)
            assert np.array_equal(rows[utterance], adapted)
            different += not np.array_equal(adapted, plain)
    assert different  # so small a network hears little


def test_the_next_network_adapts_with_the_same_system_and_all_speakers(corpus, rounds, kaldi_speakers):
    """Known transforms are kept, those of others estimated; --adapt auto finds the system."""
    written, net = read_transforms(rounds / "ali1/sat"), rounds / "net1"
    assert NEW in written and len(written) > 2
    for speaker, matrix in written.items():
        assert np.array_equal(matrix, kaldi_speakers.transforms[speaker]) == (speaker != NEW)
    assert read_config(net)["adapt"] == read_config(corpus / "net")["adapt"]
    settings = json.loads((net / "settings.json").read_text())
    assert (settings["ali"], settings["adapt"]) == (str(rounds / "ali1"), "auto")
    for name in ("final.mdl", "final.mat", "splice_opts"):
        assert (net / "adapt" / name).read_bytes() == (corpus / "net/adapt" / name).read_bytes()


def test_the_number_of_processes_changes_nothing(corpus, rounds, tmp_path, capsys):
    assert realign(corpus, tmp_path / "one", "--nj", 1) == 0
    said = capsys.readouterr().out
    assert "realign: dev: the SAT system does not know 1 of the speakers" in said and "train: estimated" not in said
    for name in ("ali.1.gz", "pdf.ark", "sat/trans.1", "sat/final.mdl", "sat/phones/silence.csl"):
        assert (tmp_path / "one" / name).read_bytes() == (rounds / "ali1" / name).read_bytes()


def test_a_transform_is_that_of_the_paths_of_unadapted_features(corpus, kaldi_speakers, tmp_path, monkeypatch):
    """Of the speaker's first utterances, without silence."""
    lang = AlignmentLang.read(corpus / "lang", tmp_path)
    assert lang.classes.silence == frozenset(SILENCES)
    system = NetworkSystem(corpus / "net", "final", corpus / "ali", lang.lexicon, lang.classes.silence, BEAMS)
    aligner = NetworkAligner(system, corpus / "dev")
    words = dict(sorted(lang.word_ids(corpus / "dev").items()))
    first, second = list(words)[:2]
    monkeypatch.setattr(network_aligner, "MOST_FRAMES", len(kaldi_speakers.static[first]) + 1)
    found = aligner.estimate({"unknown": words[first], **words})
    reader = AdaptedReader(aligner.plain, aligner.adaptation.columns)
    tids = np.concatenate([aligner.align(name, words[name], reader) for name in (first, second)])
    features = np.concatenate([reader.projected(name) for name in (first, second)])
    phones, pdfs = aligner.transition_model.tid_to_phone[tids], aligner.transition_model.tid_to_pdf[tids]
    wanted = aligner.adaptation.speaker_model.estimate(features, pdfs, 1.0 * ~np.isin(phones, SILENCES)).matrix
    assert np.array_equal(found, wanted)
    assert aligner.estimate({"unknown": words[first]}) is None


def test_another_system_than_the_networks_is_not_used(corpus, kaldi_speakers, tmp_path, capsys):
    ali = shutil.copytree(corpus / "ali", tmp_path / "ali")
    assert known_transforms(ali, corpus / "net").keys() == kaldi_speakers.transforms.keys() - {NEW}
    sat = shutil.copytree(ali, ali / "sat")
    (sat / "final.alimdl").write_bytes((sat / "final.mdl").read_bytes())
    assert known_transforms(ali, corpus / "net") == {}
    heard = capsys.readouterr()
    assert f"{sat} is not the system that {corpus / 'net'} adapts with" in heard.out + heard.err
    shutil.rmtree(sat)
    (ali / "trans.1").unlink()
    assert known_transforms(ali, corpus / "net") == {}
