"""A network that hears adapted columns: trained on Kaldi's transforms, decoded in two passes by what it kept."""

import json
import shutil

import numpy as np
import pytest
from kaldi_speakers import SILENCES

from asr.acoustic.adaptation import NetworkAdaptation
from asr.acoustic.examples import Targets
from asr.acoustic.model import AcousticModel, read_config
from asr.acoustic.onnx_metadata import metadata
from asr.acoustic.onnx_model import check_onnx, export_onnx
from asr.cli import main
from asr.decoding.acoustic import AcousticSource, TwoPassSource, acoustic_source, model_files
from asr.errors import InputError
from asr.features.adaptation.affine import write_transforms
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.fmllr import accumulate, identity, objective
from asr.features.adaptation.reader import AdaptedReader, Forgetting
from asr.features.reader import FeatureReader
from asr.kaldi.mixtures import read_mixtures
from asr.tables import read_table, write_table
from asr.training.unseen_speakers import estimated

SIZES = ["--layers", "1", "--width", "16", "--minibatch", "512", "--context", "0", "--heldout-frames", "500"]
SIZES += ["--workers", "1", "--precision", "float32", "--evaluations", "1", "--dropout", "0"]
UTTERANCE = "CV0001-18658374"


@pytest.fixture(scope="module")
def material(kaldi_speakers, tmp_path_factory):
    """Return (data directory, alignment folder) with few utterances."""
    folder = tmp_path_factory.mktemp("adapted")
    return kaldi_speakers.write_data(folder / "train"), kaldi_speakers.write_alignments(folder / "ali")


def argv(material, out, *more):
    data, ali = material
    named = ["train", "--train-data", data, "--ali", ali, "--out", out, "--heldout-fraction", "0.1"]
    return [str(item) for item in (*named, *SIZES, *more)]


@pytest.fixture(scope="module")
def trained(material, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "net"
    assert main(argv(material, out, "--adapt", "fmllr")) == 0
    return out


def test_the_model_folder_has_all_that_decoding_needs(material, trained, kaldi_speakers, tmp_path):
    config = read_config(trained)
    assert config["adapt"] == {"kind": "fmllr", "columns": 40, "forget": 0.2}
    assert (config["network"]["feature_dim"], config["features"]["dim"]) == (53, 13)
    names = sorted(path.name for path in (trained / "adapt").iterdir())
    assert names == ["columns.mat", "final.mat", "final.mdl", "splice_opts"]
    assert {path.name for path in model_files(trained, "final")} >= set(names)
    moved = shutil.copytree(trained, tmp_path / "elsewhere")  # without the alignment folder
    source = acoustic_source(moved, material[0])
    assert isinstance(source, TwoPassSource) and source.model.dim == 40
    assert source.speaker_of(UTTERANCE) == "CV0001"
    before = source.first.loglikes_of(UTTERANCE)
    after = source.second(kaldi_speakers.transforms).loglikes_of(UTTERANCE)
    assert before.shape == after.shape == (len(kaldi_speakers.static[UTTERANCE]), 1176)
    assert np.abs(after - before).max() > 0.1
    assert np.array_equal(source.second({}).loglikes_of(UTTERANCE), before)


def test_the_network_hears_what_its_reader_made(material, trained, kaldi_speakers):
    model = AcousticModel.load(trained)
    columns = NetworkAdaptation.of(trained, model.config).columns
    reader = AdaptedReader(FeatureReader(material[0]), columns, kaldi_speakers.transforms)
    wanted = model.log_likelihoods(reader[UTTERANCE])
    source = acoustic_source(trained, material[0])
    assert np.array_equal(source.second(kaldi_speakers.transforms).loglikes_of(UTTERANCE), wanted)
    heard = np.concatenate([reader.adapted(name) for name in reader])
    assert np.abs(heard.mean(axis=0)).max() < 0.3 and np.abs(heard.std(axis=0) - 1).max() < 0.3


def test_the_same_command_has_nothing_to_do_and_none_removes_it(material, trained, tmp_path, capsys):
    out = shutil.copytree(trained, tmp_path / "net")
    assert main(argv(material, trained, "--adapt", "fmllr")) == 0
    assert "train: up to date" in capsys.readouterr().out
    assert main(argv(material, out, "--adapt", "none")) == 0
    assert not (out / "adapt").exists() and "adapt" not in read_config(out)
    assert isinstance(acoustic_source(out, material[0]), AcousticSource)


def test_auto_adapts_only_with_a_system_of_the_same_features(material, tmp_path, capsys):
    """Kaldi's folders have transforms for Kaldi's features; ours say which features they are for."""
    data, out = material[0], tmp_path / "net"
    ali = shutil.copytree(material[1], tmp_path / "ali")
    assert main(argv((data, ali), out)) == 0
    assert "adapt" not in read_config(out)
    said = f"train: the transforms of speakers in {ali} are not used: it has no features.json, as of `asr align`"
    assert f"{said}; --adapt fmllr uses them" in capsys.readouterr().out
    shutil.copy(data / "features.json", ali / "features.json")
    assert main(argv((data, ali), out)) == 0
    assert read_config(out)["adapt"]["columns"] == 40


def test_the_transforms_are_inputs_of_the_run(material, trained, kaldi_speakers, tmp_path, capsys):
    data, ali = material
    moved = shutil.copytree(ali, tmp_path / "ali")
    sat = tmp_path / "ali" / "sat"
    sat.mkdir()
    for name in ("final.mdl", "final.mat", "splice_opts", "trans.1"):
        shutil.move(moved / name, sat / name) if name != "final.mdl" else shutil.copy(moved / name, sat / name)
    out = tmp_path / "net"
    assert main(argv((data, moved), out, "--adapt", "fmllr")) == 0
    assert "train: 40 columns adapted to 6 speakers, beside the features' own" in capsys.readouterr().out
    weights = (out / "final.safetensors").read_bytes()
    assert weights == (trained / "final.safetensors").read_bytes()
    some = dict(list(kaldi_speakers.transforms.items())[:2])
    write_transforms(sat, [some])
    assert main(argv((data, moved), out, "--adapt", "fmllr")) == 0
    heard = capsys.readouterr()
    assert "4 of 6 speakers have no transform: CV0008, CV0168, CV0231, CV0238" in heard.out + heard.err
    assert (out / "final.safetensors").read_bytes() != weights


def test_transforms_of_speakers_without_one_are_estimated(material, kaldi_speakers, tmp_path, capsys):
    """As those of perturbed copies: near Kaldi's own transforms, if the SAT folder says which phones are silence."""
    ali = shutil.copytree(material[1], tmp_path / "ali")
    theirs = kaldi_speakers.transforms
    write_transforms(ali, [{"CV0001": theirs["CV0001"]}])
    (ali / "phones").mkdir()
    (ali / "phones" / "silence.csl").write_text(":".join(map(str, SILENCES)) + "\n")
    out = tmp_path / "net"
    assert main(argv((material[0], ali), out, "--adapt", "fmllr")) == 0
    said = capsys.readouterr()
    assert "the SAT system does not know 5 of the speakers: their transforms are estimated" in said.out
    assert "have no transform" not in said.out + said.err
    features = FeatureReader(material[0])
    reader = AdaptedReader(features, AdaptedColumns.read(ali, features.description), {"CV0001": theirs["CV0001"]})
    pdfs = Targets.read(ali / "pdf.ark", 1176, {name: len(features[name]) for name in features})
    counts = np.bincount(pdfs.flat.numpy(), minlength=1176)
    found = estimated(reader, pdfs, counts, ali, ["CV0231", "CV0238", "nobody"])
    assert sorted(found) == ["CV0231", "CV0238"]
    gaussians, (labels, weights) = read_mixtures(ali / "final.mdl"), kaldi_speakers.aligned("tri2_ali")
    for speaker, matrix in found.items():  # ours has a prior, and estimates twice
        own = kaldi_speakers.speakers == speaker
        sums = accumulate(gaussians, kaldi_speakers.projected[own], labels[own], weights[own])
        before, ours, kaldis = (objective(sums, each) for each in (identity(40), matrix, theirs[speaker]))
        assert ours - before > 0.9 * (kaldis - before) > 0


def test_what_cannot_be_adapted_is_refused(material, trained, tmp_path, refused):
    data, ali = material
    bare = shutil.copytree(ali, tmp_path / "bare")
    (bare / "trans.1").unlink()
    line = refused(argv((data, bare), tmp_path / "net", "--adapt", "fmllr"))
    assert line.endswith("align with --upto sat, or name such a folder with --sat") and "trans.1" in line
    line = refused(argv(material, tmp_path / "net", "--adapt", "fmllr", "--sat", bare))
    assert line.endswith("has no transforms of speakers (trans.1)")
    write_transforms(bare, [{"other": np.eye(40, 41, dtype=np.float32)}])
    line = refused(argv((data, bare), tmp_path / "net", "--adapt", "fmllr"))
    assert "has no transform of any of the 6 speakers, such as CV0001" in line
    write_transforms(bare, [{"CV0001": np.eye(39, 40, dtype=np.float32)}])
    line = refused(argv((data, bare), tmp_path / "net", "--adapt", "fmllr"))
    assert line == f"{bare}: has transforms of 39 dimensions, final.mat projects to 40"
    assert not (tmp_path / "net" / "final.safetensors").exists()
    line = refused(argv(material, tmp_path / "net", "--adapt", "none", "--sat", bare))
    assert line == "train: --sat names a SAT system, and --adapt none uses none"


def test_a_system_that_is_refused_leaves_the_model_as_it_was(material, tmp_path, refused, capsys):
    """A misspelled or damaged --sat is found before anything of the finished model changes."""
    out, damaged = tmp_path / "net", shutil.copytree(material[1], tmp_path / "damaged")
    assert main(argv(material, out, "--adapt", "fmllr")) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (damaged / "final.mat").write_bytes((damaged / "final.mat").read_bytes()[:-5])
    for sat in (tmp_path / "nowhere", damaged):
        assert str(sat) in refused(argv(material, out, "--adapt", "fmllr", "--sat", sat))
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    capsys.readouterr()
    assert main(argv(material, out, "--adapt", "fmllr")) == 0
    assert capsys.readouterr().out == "train: up to date\n"


def test_who_spoke_is_an_input_of_the_run(material, tmp_path, capsys):
    """Another utt2spk gives utterances other transforms."""
    data, out = shutil.copytree(material[0], tmp_path / "data"), tmp_path / "net"
    assert main(argv((data, material[1]), out, "--adapt", "fmllr")) == 0
    table = read_table(data / "utt2spk")
    first, other = sorted(set(table.values()))[:2]
    write_table(data / "utt2spk", {key: other if name == first else name for key, name in table.items()})
    capsys.readouterr()
    assert main(argv((data, material[1]), out, "--adapt", "fmllr")) == 0
    assert "up to date" not in capsys.readouterr().out


def test_another_systems_transforms_are_refused(material, kaldi_speakers, tmp_path, refused):
    other = shutil.copytree(material[1], tmp_path / "other")
    shutil.copy(kaldi_speakers.folder / "tri1_ali" / "final.mdl", other / "final.mdl")
    line = refused(argv(material, tmp_path / "net", "--adapt", "fmllr", "--sat", other))
    assert "is another system than that of the alignments in" in line


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("final.mat", lambda whole: whole[:-5], "final.mat: byte 15: the file ends here"),
        ("final.mdl", lambda whole: whole[:-500], "final.mdl: "),
        ("final.alimdl", lambda whole: whole[: len(whole) // 2], "final.alimdl: "),
        ("splice_opts", lambda whole: b"--left-context=2 --right-context=2\n", "projects 91 columns, these features"),
    ],
)
def test_damage_is_found_in_the_system_before_it_is_copied(material, tmp_path, refused, name, damage, reason):
    sat = shutil.copytree(material[1], tmp_path / "sat")
    shutil.copy(sat / "final.mdl", sat / "final.alimdl")
    (sat / name).write_bytes(damage((sat / name).read_bytes()))
    line = refused(argv(material, tmp_path / "net", "--adapt", "fmllr", "--sat", sat))
    assert str(sat) in line and reason in line and str(tmp_path / "net") not in line
    assert not (tmp_path / "net" / "adapt").exists()


def test_damaged_adaptations_are_refused(trained, tmp_path):
    moved = shutil.copytree(trained, tmp_path / "net")
    config = read_config(moved)
    (moved / "adapt" / "columns.mat").unlink()
    with pytest.raises(InputError, match=r"columns.mat: no such file"):
        NetworkAdaptation.of(moved, config)
    (moved / "adapt" / "final.mat").unlink()
    with pytest.raises(InputError, match=r"final.mat: no such file"):
        NetworkAdaptation.of(moved, config)
    with pytest.raises(InputError, match="of a kind that this version does not know"):
        NetworkAdaptation.of(moved, {**config, "adapt": {"kind": "ivector"}})
    assert NetworkAdaptation.of(moved, {"features": {}}) is None


def test_an_onnx_file_hears_the_adapted_columns(trained, tmp_path, material):
    model, path = AcousticModel.load(trained), tmp_path / "model.onnx"
    export_onnx(model, path)
    reader = AdaptedReader(FeatureReader(material[0]), NetworkAdaptation.of(trained, model.config).columns)
    assert check_onnx(model, path, reader[UTTERANCE]) < 1e-4
    about = metadata(model)
    assert about["feature_dim"] == "53" and "projected by adapt/final.mat" in about["adapted_columns"]


def test_every_worker_forgets_the_same_utterances(material, trained):
    config = json.loads((trained / "settings.json").read_text())
    assert (config["adapt"], config["adapt_forget"], config["seed"]) == ("fmllr", 0.2, 1)
    drawn = [name for name in FeatureReader(material[0]) if name in Forgetting(0.2, seed=1)]
    assert 0 < len(drawn) < 25
