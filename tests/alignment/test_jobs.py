"""Archives are cut into the parts of Kaldi's utils/split_scp.pl --utt2spk, computed by hand."""

import numpy as np
import pytest

from asr.alignment.jobs import cut, cut_speakers, job_of, split_by_speaker
from asr.cli import main
from asr.kaldi.alignments import read_alignments, write_alignments
from asr.kaldi.archives import read_int_vectors
from asr.tables import write_table


def utt2spk(**sizes):
    """Return {a00: a, a01: a, ..., b00: b, ...}."""
    return {f"{speaker}{number:02d}": speaker for speaker, size in sizes.items() for number in range(size)}


@pytest.mark.parametrize(
    ("sizes", "jobs", "parts"),
    [
        ({"a": 3, "b": 3}, 2, ["a", "b"]),
        ({"a": 1, "b": 1, "c": 10, "d": 1}, 2, ["ab", "cd"]),  # 2 and 11; with c moved 12 and 1, no nearer
        ({"a": 5, "b": 5, "c": 1, "d": 1}, 2, ["a", "bcd"]),  # 10 and 2 become 5 and 7
        ({"a": 1, "b": 1, "c": 5, "d": 5}, 2, ["abc", "d"]),  # 2 and 10 become 7 and 5
        ({"a": 2, "b": 2, "c": 2}, 1, ["abc"]),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, 2, ["ab" + "c", "de"]),  # int(2 * 2 / 5) is still 0
        ({"a": 9, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}, 3, ["a", "bcd", "ef"]),  # 10 2 2: b moves on, then d stays
    ],
)
def test_speakers_are_divided_as_in_kaldi(sizes, jobs, parts):
    found = split_by_speaker(utt2spk(**sizes), jobs)
    assert found is not None
    assert ["".join(dict.fromkeys(key[0] for key in part)) for part in found] == parts
    assert [key for part in found for key in part] == list(utt2spk(**sizes))


def test_divisions_that_kaldi_refuses():
    assert split_by_speaker(utt2spk(a=9, b=9), 3) is None and split_by_speaker({}, 1) is None
    assert split_by_speaker(utt2spk(a=9), 0) is None


@pytest.fixture
def sets(tmp_path):
    """train: four speakers; dev: one."""
    for name, table in (("train", utt2spk(a=5, b=5, c=1, d=1)), ("dev", utt2spk(x=2))):
        write_table(tmp_path / name / "utt2spk", table)
        write_table(tmp_path / name / "utt2num_frames", dict.fromkeys(table, "9"))
    return [tmp_path / "train", tmp_path / "dev"]


def test_the_training_set_decides_the_number_of_jobs(sets):
    place, jobs = job_of(sets, 2)
    assert jobs == 2 and [place[key] for key in ("a04", "b00", "d00", "x01")] == [0, 1, 1, 0]
    assert job_of(sets, 9)[1] == 4
    frames = utt2spk(a=5, c=1, d=1)  # b has no features: Kaldi's tools leave it out before they cut
    write_table(sets[0] / "utt2num_frames", dict.fromkeys(frames, "9"))
    place, jobs = job_of(sets, 9)
    assert jobs == 3 and [place.get(key) for key in ("a04", "b00", "c00", "d00")] == [0, None, 1, 2]
    write_table(sets[0] / "utt2num_frames", dict.fromkeys(utt2spk(a=5, b=5, c=1, d=1), "9"))
    (sets[0] / "utt2spk").unlink()  # every utterance its own speaker: twelve
    assert job_of(sets, 9)[1] == 9 and job_of(sets, 99)[1] == 12


def test_alignments_lie_in_the_part_of_their_speaker(sets):
    rows = {key: np.ones(3, dtype=np.int32) for key in ("b04", "x00", "a00", "c00", "other")}
    assert [sorted(job) for job in cut([rows], sets, 2)] == [["a00", "x00"], ["b04", "c00"]]


def test_archives_cut_otherwise_are_cut_anew(sets, small, capsys):
    """The alignments are in three jobs that divide speakers, so that Kaldi would miss most of them."""
    folder, model = small
    keys = [*utt2spk(a=5, b=5, c=1, d=1), *utt2spk(x=2)]
    row = np.concatenate([model.phone_path(1, 5), model.phone_path(3, 4)])
    write_alignments(folder, [dict.fromkeys(keys[start::3], row) for start in range(3)])
    (folder / "splice_opts").write_text("--left-context=3\n")
    options = ["--ali-dir", folder, "--train-data", sets[0], "--dev-data", sets[1], "--out", folder.parent / "ali"]
    assert main(["align", *map(str, options)]) == 0
    parts = split_by_speaker(utt2spk(a=5, b=5, c=1, d=1), 3)
    assert (folder.parent / "ali/num_jobs").read_text() == "3\n" and parts is not None
    assert (folder.parent / "ali/splice_opts").read_text() == "--left-context=3\n"
    for number, part in enumerate(parts, 1):
        found = dict(read_int_vectors(folder.parent / f"ali/ali.{number}.gz"))
        assert [key for key in found if key[0] != "x"] == part
        assert all(np.array_equal(tids, row) for tids in found.values())
    assert len(dict(read_alignments(folder.parent / "ali"))) == len(keys)
    before = {path.name: path.read_bytes() for path in (folder.parent / "ali").glob("ali.*.gz")}
    again = ["--ali-dir", folder.parent / "ali", *options[2:-1], folder.parent / "again"]
    assert main(["align", *map(str, again)]) == 0  # now they fit, and are copied as they are
    assert {path.name: path.read_bytes() for path in (folder.parent / "again").glob("ali.*.gz")} == before


def test_what_belongs_to_speakers_is_cut_as_their_utterances(sets):
    """A speaker of both sets is in the training set's job; one of neither set is left out."""
    write_table(sets[1] / "utt2spk", {**utt2spk(x=2), "y00": "d"})
    write_table(sets[1] / "utt2num_frames", dict.fromkeys([*utt2spk(x=2), "y00"], "9"))
    assert cut_speakers({name: ord(name) for name in "abcdxz"}, sets, 2) == [
        {"a": ord("a"), "x": ord("x")},
        {name: ord(name) for name in "bcd"},
    ]
    assert cut_speakers({"a": 1}, sets, 9) == [{"a": 1}, {}, {}, {}]
