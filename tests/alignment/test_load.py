"""The stage `align` with Kaldi's alignments, as a user runs it: real input, faults by hand, errors of one line."""

import gzip
import json
import shutil

import numpy as np
import pytest

from asr.cli import main
from asr.kaldi.alignments import write_alignments
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.counts import read_counts


class Case:
    """Five phones; three training utterances of 9, 12 and 15 frames, one dev utterance of 10."""

    def __init__(self, folder, model):
        self.folder, self.model, self.out = folder, model, folder.parent / "ali"
        self.rows = {
            "s1-a": np.concatenate([model.phone_path(1, 5), model.phone_path(3, 4)]),
            "s1-b": np.concatenate([model.phone_path(3, 6), model.phone_path(4, 6)]),
            "s1-c": np.concatenate([model.phone_path(5, 10), model.phone_path(1, 5)]),
            "s2-d": np.concatenate([model.phone_path(4, 5), model.phone_path(5, 5)]),
        }
        self.frames = {"train": {"s1-a": 9, "s1-b": 12, "s1-c": 15}, "dev": {"s2-d": 10}}

    def align(self, *more, dev=True):
        """Write all input files and run the verb."""
        write_alignments(self.folder, [self.rows])
        for name, table in self.frames.items():
            (self.folder.parent / name).mkdir(exist_ok=True)
            text = "".join(f"{key} {value}\n" for key, value in table.items())
            (self.folder.parent / name / "utt2num_frames").write_text(text)
        return self.run(*more, dev=dev)

    def run(self, *more, dev=True):
        where = self.folder.parent
        options = ["--ali-dir", self.folder, "--train-data", where / "train", "--out", self.out]
        if dev:
            options += ["--dev-data", where / "dev"]
        return main(["align", *map(str, options), *map(str, more)])

    def pdfs(self):
        return {key: vector.tolist() for key, vector in read_int_vectors(self.out / "pdf.ark")}


@pytest.fixture
def case(small):
    return Case(*small)


def refused(capsys, status):
    """Return the one line on stderr of a run that ended with status 2."""
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1
    return error


def test_real_kaldi_alignments(kaldi_ali, kaldi_sample, tmp_path, capsys):
    with gzip.open(kaldi_ali / "expected_pdf.txt.gz", "rt") as handle:
        expected = {key: list(map(int, rest.split())) for key, rest in (line.split(" ", 1) for line in handle)}
    (tmp_path / "train").mkdir()
    lines = [f"{key} {len(row)}\n" for key, row in expected.items()]
    (tmp_path / "train" / "utt2num_frames").write_text("".join(lines))
    options = ["--ali-dir", kaldi_ali, "--train-data", tmp_path / "train", "--lang", kaldi_sample / "lang"]
    command = ["align", *map(str, options), "--out", str(tmp_path / "ali")]
    assert main(command) == 0
    assert "780 of 780 utterances aligned, 340117 frames; 0 without alignment" in capsys.readouterr().out
    assert {key: row.tolist() for key, row in read_int_vectors(tmp_path / "ali" / "pdf.ark")} == expected
    total = np.bincount(np.concatenate(list(expected.values())))
    np.testing.assert_array_equal(read_counts(tmp_path / "ali" / "ali_train_pdf.counts"), total)
    for name in ("final.mdl", "tree", "phones.txt", "num_jobs", "ali.1.gz", "ali.2.gz"):
        assert (tmp_path / "ali" / name).read_bytes() == (kaldi_ali / name).read_bytes()
    assert main(command) == 0
    assert capsys.readouterr().out == "align: up to date\n"


def test_pdfs_counts_and_report_by_hand(case, capsys):
    case.rows["elsewhere"] = case.model.phone_path(3, 7)
    assert case.align() == 0
    # SIL has pdfs 0-4, SPN 5-9, a1 10-12, b 13-15, zh 16-18
    assert case.pdfs() == {
        "s1-a": [0, 1, 2, 3, 4, 10, 11, 12, 12],
        "s1-b": [10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15],
        "s1-c": [16, 16, 16, 17, 17, 17, 18, 18, 18, 18, 0, 1, 2, 3, 4],
        "s2-d": [13, 14, 14, 15, 15, 16, 17, 17, 18, 18],
    }
    counts = [2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 3, 3, 4, 2, 2, 2, 3, 3, 4]  # of train alone
    assert read_counts(case.out / "ali_train_pdf.counts").tolist() == counts
    report = json.loads((case.out / "coverage.json").read_text())
    assert report["train"]["frames_used"] == sum(counts) == 36
    assert report["dev"]["accepted"] == 1
    assert report["not_in_any_set"] == ["elsewhere"]
    said = capsys.readouterr().out
    assert "align: 5 phones, 19 pdfs, 54 transition-ids, a tree of context width 1" in said
    assert "align: train: 3 of 3 utterances aligned, 36 frames; 0 without alignment" in said
    assert "align: 1 alignments of utterances that are in no set were left out, such as elsewhere" in said


def test_utterances_without_features_are_named(case, capsys):
    """The features stage keeps utterances in utt2spk that are too short or damaged."""
    (case.folder.parent / "train").mkdir()
    (case.folder.parent / "train/utt2spk").write_text("s1-a s1\ns1-b s1\ns1-c s1\ns1-x s1\n")
    case.rows["s1-x"] = case.model.phone_path(3, 7)
    assert case.align() == 0
    out = capsys.readouterr().out
    assert "align: train: 1 utterances of" in out and "have no features and are not counted: s1-x\n" in out
    assert case.pdfs().keys() == {"s1-a", "s1-b", "s1-c", "s2-d"}


def test_lengths_within_the_tolerance(case, capsys):
    case.frames["train"].update({"s1-a": 7, "s1-b": 14})
    assert case.align() == 0
    assert case.pdfs()["s1-a"] == [0, 1, 2, 3, 4, 10, 11]
    assert case.pdfs()["s1-b"] == [10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 15, 15]
    assert "1 alignments cut to the features' length (2 frames), 1 extended" in capsys.readouterr().out
    report = json.loads((case.out / "coverage.json").read_text())["train"]
    assert (report["cut_frames"], report["extended_frames"]) == ({"s1-a": 2}, {"s1-b": 2})


def test_lengths_past_the_tolerance(case, capsys):
    case.frames["train"]["s1-a"] = 13
    error = refused(capsys, case.align())
    assert error.startswith("train: 1 of 3 utterances (33.3 %) have no usable alignment: 1 of another length")
    assert "s1-a 9 for 13" in error
    assert not case.out.exists() or not any(case.out.iterdir())
    assert case.align("--max-missing", 0.4) == 0
    assert "s1-a" not in case.pdfs()
    assert case.align("--length-tolerance", 4) == 0
    assert len(case.pdfs()["s1-a"]) == 13


def test_a_model_that_nothing_reads_is_refused(case, capsys):
    assert "--ali-model belongs to pdf-ids, and this is kaldi" in refused(capsys, case.align("--ali-model", "."))


def test_missing_utterances(case, capsys):
    del case.rows["s1-b"]
    error = refused(capsys, case.align())
    assert "1 not aligned (s1-b); that is more than --max-missing 0.05" in error
    assert case.align("--max-missing", 0.34) == 0
    assert json.loads((case.out / "coverage.json").read_text())["train"]["without_alignment"] == ["s1-b"]


def test_a_dev_set_without_alignments_is_only_reported(case, capsys):
    del case.rows["s2-d"]
    assert case.align() == 0
    assert "dev: 0 of 1 utterances aligned, 0 frames; 1 without alignment" in capsys.readouterr().out
    assert case.align(dev=False) == 0


def test_a_chain_models_alignments(case, capsys):
    case.frames["train"] = {"s1-a": 27, "s1-b": 36, "s1-c": 45}
    assert "one frame for 3 of the features" in refused(capsys, case.align())


def test_a_failed_run_leaves_the_last_good_one(case, capsys):
    assert case.align() == 0
    before = {path.name: path.read_bytes() for path in case.out.iterdir() if path.name != ".done.align.json"}
    case.rows.pop("s1-a")
    refused(capsys, case.align())
    assert {path.name: path.read_bytes() for path in case.out.iterdir()} == before


def test_up_to_date_or_not(case, capsys):
    assert case.align() == 0
    assert case.align() == 0
    assert capsys.readouterr().out.endswith("align: up to date\n")
    case.frames["dev"]["s2-d"] = 11
    assert case.align() == 0
    assert "up to date" not in capsys.readouterr().out
    (case.out / "pdf.ark").unlink()
    assert case.run() == 0
    assert len(case.pdfs()["s2-d"]) == 11


def test_archives_of_an_earlier_run_are_removed(case):
    assert case.align() == 0
    write_alignments(case.folder, [{key: row} for key, row in case.rows.items()])
    assert case.run() == 0
    assert len(list(case.out.glob("ali.*.gz"))) == 3  # Kaldi cuts three speakers into three parts at most
    (case.folder / "ali.2.gz").unlink()
    assert case.align() == 0
    assert [path.name for path in case.out.glob("ali.*.gz")] == ["ali.1.gz"]


def test_the_alignment_directory_is_never_written(case, capsys):
    case.align()
    case.out = case.folder
    assert "is also the directory that is read (--ali-dir)" in refused(capsys, case.run())


def test_a_foreign_system_is_never_overwritten(case, capsys, tmp_path):
    shutil.copytree(case.folder, case.out)
    assert "--out holds a system that this stage did not make" in refused(capsys, case.align())


def test_phone_sets_that_differ(case, capsys):
    lang = case.folder.parent / "lang"
    lang.mkdir()
    good = "<eps> 0\nSIL 1\nSPN 2\na1 3\nb 4\nzh 5\n#0 6\n#1 7\n"
    (lang / "phones.txt").write_text(good)
    assert case.align("--lang", lang) == 0
    for text, reason in [
        (good.replace("a1 3\nb 4", "b 3\na1 4"), "id 3 is a1, but b in"),
        (good.replace("zh 5\n", ""), "id 5 is zh, but nothing in"),
        (good.replace("#0 6", "x 6"), "id 6 is nothing, but x in"),
    ]:
        (lang / "phones.txt").write_text(text)
        error = refused(capsys, case.run("--lang", lang))
        assert reason in error
        assert "another phone set" in error


def test_an_alignment_directory_without_phones(case, capsys):
    (case.folder / "phones.txt").rename(case.folder.parent / "phones.txt")
    assert "phones.txt: no such file; pass --lang" in refused(capsys, case.align())
    assert case.run("--lang", case.folder.parent) == 0
    assert "phones.txt is used" in capsys.readouterr().err
    (case.folder.parent / "phones.txt").write_text("<eps> 0\nSIL 1\n")
    assert "has no phone 2, which final.mdl has" in refused(capsys, case.run("--lang", case.folder.parent))


def test_another_systems_tree(case, kaldi_sample, capsys):
    shutil.copyfile(kaldi_sample / "mono_ali" / "tree", case.folder / "tree")
    assert "tree: does not belong to the final.mdl beside it" in refused(capsys, case.align())


def test_another_systems_alignments(case, capsys):
    case.rows["s1-b"] = case.rows["s1-b"] + 20
    assert "ali.1.gz: s1-b: transition-id 5" in refused(capsys, case.align())
    assert not case.out.exists() or not any(case.out.iterdir())


@pytest.mark.parametrize("name", ["final.mdl", "tree", "num_jobs", "ali.1.gz"])
@pytest.mark.parametrize("keep", [0, 1, 40])
def test_cut_and_missing_files(case, capsys, name, keep):
    case.align()
    shutil.rmtree(case.out)
    capsys.readouterr()
    data = (case.folder / name).read_bytes()
    if keep < len(data):
        (case.folder / name).write_bytes(data[:keep])
    else:
        (case.folder / name).write_bytes(b"\xff\xfe")
    if name != "num_jobs" or keep != 1:
        assert name in refused(capsys, case.run())
    (case.folder / name).unlink()
    assert name in refused(capsys, case.run())


def test_data_faults(case, capsys):
    case.frames["dev"]["s1-a"] = 9
    assert "s1-a: is in " in refused(capsys, case.align())
    del case.frames["dev"]["s1-a"]
    case.frames["train"]["s1-a"] = "nine"
    assert "s1-a: 'nine' is not a number of frames" in refused(capsys, case.align())
    case.frames["train"] = {}
    assert "holds no utterance" in refused(capsys, case.align())
    (case.folder.parent / "train" / "utt2num_frames").unlink()
    assert "python -m asr features makes it" in refused(capsys, case.run())


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--max-missing", "1.5", "is more than 1"),
        ("--max-missing", "few", "is not a float"),
        ("--length-tolerance", "-1", "--length-tolerance: '-1' is less than 0"),
        ("--ali-dir", "absent", "absent"),
    ],
)
def test_wrong_settings(case, capsys, option, value, reason):
    case.align()
    capsys.readouterr()
    assert reason in refused(capsys, case.run(option, value))


def test_rows_that_are_no_path_are_left_out_and_bounded(case, capsys):
    row = case.rows["s1-b"].copy()
    row[3] = case.rows["s1-c"][7]  # another phone's transition in the middle of a phone
    case.rows["s1-b"] = row
    error = refused(capsys, case.align())
    assert "1 of 3 utterances (33.3 %) have no usable alignment" in error
    assert "1 are not paths through whole phones, such as s1-b: frame 3: transition-id" in error
    assert case.align("--max-missing", "0.5") == 0
    said = capsys.readouterr()
    assert "warning: alignments left out: 1 are not paths through whole phones" in said.err
    assert "train: s1-b: frame 3: transition-id" in said.out and "1 without alignment (s1-b)" in said.out
    reasons = json.loads((case.out / "coverage.json").read_text())["train"]["reasons"]
    assert reasons.keys() == {"s1-b"} and reasons["s1-b"].startswith("frame 3: transition-id")
    assert case.pdfs().keys() == {"s1-a", "s1-c", "s2-d"}
