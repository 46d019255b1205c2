"""Alignment archives: exactly Kaldi's ali-to-pdf and ali-to-phones; damage and contradictions."""

import gzip
import shutil

import numpy as np
import pytest

from asr.alignment.archive import archive_paths, read_alignments, to_pdf, to_phones, write_alignments
from asr.alignment.transition_model import read_transition_model
from asr.errors import InputError


def test_pdf_ids_are_exactly_kaldis(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    with gzip.open(kaldi_ali / "expected_pdf.txt.gz", "rt") as handle:
        expected = {key: np.array(rest.split(), dtype=int) for key, rest in (line.split(" ", 1) for line in handle)}
    found = {utterance: to_pdf(tids, model) for utterance, tids in read_alignments(kaldi_ali, model)}
    assert found.keys() == expected.keys()
    assert len(found) == 780
    for utterance, pdfs in found.items():
        np.testing.assert_array_equal(pdfs, expected[utterance])


def test_phones_are_exactly_kaldis(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    expected = {}
    with gzip.open(kaldi_ali / "expected_phones.ctm.gz", "rt") as handle:
        for line in handle:
            utterance, _, start, duration, phone = line.split()
            row = (int(phone), round(float(start) * 100), round(float(duration) * 100))
            expected.setdefault(utterance, []).append(row)
    found = {utterance: to_phones(tids, model) for utterance, tids in read_alignments(kaldi_ali, model)}
    assert found == expected


def test_self_loops_before_the_way_out(small):
    """Graphs made with reorder=false, as Kaldi's oldest were: 37 37 38 is a state of three frames."""
    model = small[1]
    tids = np.array([37, 37, 38, 40, 41, 42, 43, 44, 46, 47, 48], dtype=np.int32)
    assert to_phones(tids, model) == [(3, 0, 6), (4, 6, 5)]
    assert to_phones(np.array([38, 40, 42] * 2), model) == [(3, 0, 3), (3, 3, 3)]
    assert to_phones(np.array([], dtype=np.int32), model) == []


@pytest.mark.parametrize("tids", [[38, 37, 40], [38, 40, 42, 44], [38, 37, 46, 48], [1, 1, 1]])
def test_rows_that_are_not_phones(small, tids):
    with pytest.raises(InputError, match="not a row of whole phones"):
        to_phones(np.array(tids), small[1])


def test_written_and_read(small):
    folder, model = small
    jobs = [{"u2": model.phone_path(3, 5), "u1": model.phone_path(1, 9)}, {"句": model.phone_path(4, 4)}]
    assert write_alignments(folder, jobs) == 2
    assert (folder / "num_jobs").read_text() == "2\n"
    found = list(read_alignments(folder, model))
    assert [utterance for utterance, _ in found] == ["u1", "u2", "句"]
    for utterance, tids in found:
        np.testing.assert_array_equal(tids, {**jobs[0], **jobs[1]}[utterance])
    with pytest.raises(ValueError, match="no job"):
        write_alignments(folder, [])


def test_binary_archives_of_kaldis_alignment_read_the_same(kaldi_sample, tmp_path):
    """Kaldi writes ali.N.gz as text or binary by its version; ours are binary."""
    text = dict(read_alignments(kaldi_sample / "mono_ali"))
    write_alignments(tmp_path, [text])
    binary = dict(read_alignments(tmp_path))
    assert all(np.array_equal(binary[utterance], tids) for utterance, tids in text.items())


def test_a_cut_archive_is_refused(small):
    folder, model = small
    write_alignments(folder, [{f"utt{n}": model.phone_path(3, 20 + n) for n in range(6)}])
    data = (folder / "ali.1.gz").read_bytes()
    for length in range(len(data)):
        (folder / "ali.1.gz").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"ali\.1\.gz: ") as caught:
            list(read_alignments(folder, model))
        assert "\n" not in str(caught.value)


def test_a_cut_real_archive_is_refused(kaldi_sample, tmp_path):
    for name in ("num_jobs", "ali.1.gz", "ali.2.gz"):
        shutil.copy(kaldi_sample / "mono_ali" / name, tmp_path / name)
        (tmp_path / name).chmod(0o644)
    data = (tmp_path / "ali.2.gz").read_bytes()
    for length in (1, 9, 15, 1000, len(data) // 2, len(data) - 9, len(data) - 1):
        (tmp_path / "ali.2.gz").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"ali\.2\.gz: "):
            list(read_alignments(tmp_path))


def test_what_an_unpacked_archive_shows_of_a_cut(small):
    """Without gzip's own check: a cut inside an entry, binary or text, still shows."""
    folder, model = small
    write_alignments(folder, [{"u1": model.phone_path(3, 5), "u2": model.phone_path(3, 6)}])
    binary = gzip.decompress((folder / "ali.1.gz").read_bytes())
    text = b"u1 38 40 42 \nu2 38 40 42 41 \n"
    for whole, second in ((binary, binary.index(b"u2 ")), (text, text.index(b"u2"))):
        for length in range(1, len(whole)):
            (folder / "ali.1.gz").write_bytes(gzip.compress(whole[:length], mtime=0))
            if length == second:  # between two entries nothing is cut
                assert [utterance for utterance, _ in read_alignments(folder)] == ["u1"]
                continue
            with pytest.raises(InputError, match=r"ali\.1\.gz: "):
                list(read_alignments(folder, model))


def test_an_empty_text_row_does_not_eat_the_next_key(small):
    (small[0] / "ali.1.gz").write_bytes(gzip.compress(b"u1 \nu2 38 40 42 \n", mtime=0))
    found = {utterance: tids.tolist() for utterance, tids in read_alignments(small[0])}
    assert found == {"u1": [], "u2": [38, 40, 42]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"u1 38 40 42 55 \n", r"ali\.1\.gz: u1: transition-id 55, but final.mdl has 1 to 54"),
        (b"u1 0 38 \n", "transition-id 0"),
        (b"u1 -4 38 \n", "transition-id -4"),
        (b"u1 99999999999 \n", "integer vector"),
        (b"u1 0.5 \n", "integer vector"),
        (b"u1 38 \nu1 38 \n", "u1: this key has occurred before"),
        (b"u1 \0X\x04\x01\0\0\0", "integer vector"),
    ],
)
def test_contradictions_are_named(small, text, reason):
    folder, model = small
    (folder / "ali.1.gz").write_bytes(gzip.compress(text, mtime=0))
    with pytest.raises(InputError, match=reason):
        list(read_alignments(folder, model))


def test_jobs_that_are_missing_are_named(small, tmp_path):
    folder, model = small
    write_alignments(folder, [{"u1": model.phone_path(3, 5)}, {"u2": model.phone_path(3, 5)}])
    (folder / "num_jobs").write_text("4\n")
    with pytest.raises(InputError, match=r"num_jobs is 4, but there is no ali\.3\.gz, ali\.4\.gz"):
        list(read_alignments(folder))
    (folder / "num_jobs").write_text("two\n")
    with pytest.raises(InputError, match="num_jobs: does not hold the number of jobs"):
        archive_paths(folder)
    (folder / "num_jobs").unlink()
    with pytest.raises(InputError, match="num_jobs: no such file"):
        archive_paths(folder)
    with pytest.raises(InputError, match="no such alignment directory"):
        archive_paths(tmp_path / "absent")


def test_an_utterance_in_two_jobs_is_refused(small):
    folder, model = small
    write_alignments(folder, [{"u1": model.phone_path(3, 5)}, {"u1": model.phone_path(3, 5)}])
    with pytest.raises(InputError, match=r"ali\.2\.gz: u1: this utterance is in ali\.1\.gz as well"):
        list(read_alignments(folder))
