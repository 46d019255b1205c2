"""Alignment archives: exactly Kaldi's ali-to-pdf and ali-to-phones; damage and contradictions."""

import gzip
import shutil

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.alignments import archive_paths, check_path, read_alignments, to_pdf, to_phones, write_alignments
from asr.kaldi.topology import HmmState, Topology
from asr.kaldi.transition_model import TransitionModel, TransitionTuple, read_transition_model


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


def test_the_texts_are_kaldis_to_the_letter(kaldi_ali):
    """What ali-to-pdf and ali-to-phones --ctm-output wrote, line by line."""
    model = read_transition_model(kaldi_ali / "final.mdl")
    pdfs, phones = [], []
    for utterance, tids in read_alignments(kaldi_ali, model):
        pdfs.append(f"{utterance} {' '.join(map(str, to_pdf(tids, model)))} \n")
        for phone, start, frames in to_phones(tids, model):
            phones.append(f"{utterance} 1 {start / 100:.3f} {frames / 100:.3f} {phone}\n")
    for name, lines in (("expected_pdf.txt.gz", pdfs), ("expected_phones.ctm.gz", phones)):
        with gzip.open(kaldi_ali / name, "rt") as handle:
            assert handle.readlines() == lines


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


def test_every_real_alignment_is_a_path(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    random, told, changed = np.random.default_rng(5), 0, 0
    for number, (_, tids) in enumerate(read_alignments(kaldi_ali, model)):  # which checks them
        if number % 4:
            continue
        other = tids.copy()
        other[random.integers(len(tids))] = random.integers(1, model.num_transition_ids + 1)
        changed += not np.array_equal(other, tids)
        try:
            check_path(other, model)
        except InputError:
            told += 1
    assert told > 0.98 * changed


def test_paths_in_both_orders(small):
    model = small[1]
    for row in (
        [],
        [38, 40, 42],
        [38, 37, 37, 40, 42, 41],
        [37, 37, 38, 40, 41, 42],
        [38, 40, 42, 38, 37, 40, 42, 44, 46, 45, 48],
        model.phone_path(1, 30).tolist() + model.phone_path(3, 7).tolist(),
    ):
        check_path(np.array(row, dtype=np.int32), model)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([40, 42], "frame 0: transition-id 40 does not begin a phone"),
        ([38, 42], "frame 1: transition-id 42 cannot follow 38"),
        ([38, 40, 42, 41, 42], "frame 4: transition-id 42 cannot follow 42"),
        ([38, 46, 48], "frame 1: transition-id 46 cannot follow 38"),
        ([38, 40], "frame 1: transition-id 40 does not end a phone"),
        ([38, 37, 40, 39], "frame 2: transition-id 40 does not end a phone"),
        ([38, 39, 40, 42, 37], "frame 4: transition-id 37 is a self-loop apart from its state"),
        ([38, 37, 39, 40, 42], "frame 2: transition-id 39 is a self-loop apart from its state"),
        ([37, 38, 40, 42, 41], "is a self-loop apart from its state"),
        ([37, 37], "frame 1: transition-id 37 is a self-loop"),
    ],
)
def test_rows_that_are_no_path_are_named(small, row, reason):
    with pytest.raises(InputError, match=f"ali: u1: .*{reason}.*: damaged, cut or another system's"):
        check_path(np.array(row, dtype=np.int32), small[1], file="ali", key="u1")


def test_the_check_can_be_left_out(small):
    (small[0] / "ali.1.gz").write_bytes(gzip.compress(b"u1 38 40 \n", mtime=0))
    assert [tids.tolist() for _, tids in read_alignments(small[0], small[1], check=False)] == [[38, 40]]


def test_paths_through_states_that_take_no_frame():
    """0 -> 1 or, past state 1 or by way of the frameless state 2, 3; 3 may go back to 0."""
    states = (
        HmmState(0, 0, ((0, 0.4), (1, 0.3), (2, 0.3))),
        HmmState(1, 1, ((2, 1.0),)),
        HmmState(-1, -1, ((3, 1.0),)),
        HmmState(2, 2, ((0, 0.5), (4, 0.5))),
        HmmState(-1, -1, ()),
    )
    tuples = tuple(TransitionTuple(phone, state, 0, 0) for phone in (1, 2) for state in (0, 1, 3))
    model = TransitionModel(Topology((1, 2), (-1, 0, 0), (states,)), tuples, np.zeros(13, dtype=np.float32))
    assert model.num_transition_ids == 12
    # of phone 1: 1-3 leave state 0 (1 the self-loop), 4 state 1, 5 and 6 state 3; phone 2 the same + 6
    for row in ([3, 6], [2, 4, 6], [3, 5, 2, 4, 6], [3, 6, 9, 12], [3, 1, 6], [1, 3, 6]):
        check_path(np.array(row), model)
    for row in ([2, 6], [3, 4, 6], [3, 12], [3, 5, 9, 12], [3, 5, 6], [6]):
        with pytest.raises(InputError):
            check_path(np.array(row), model)
    assert model.min_frames(1) == 2
    for frames in (2, 3):
        check_path(model.phone_path(1, frames), model)
    with pytest.raises(ValueError, match="HMM state 1 takes one and no more"):
        model.phone_path(1, 9)


def test_gzip_members_in_a_row_and_what_follows_them(small):
    folder, model = small
    one, other = (gzip.compress(text, mtime=0) for text in (b"u1 38 40 42 \nu2 38", b" 40 42 \n"))
    (folder / "ali.1.gz").write_bytes(one + other)
    assert {key: tids.tolist() for key, tids in read_alignments(folder, model)} == {
        "u1": [38, 40, 42],
        "u2": [38, 40, 42],
    }
    (folder / "ali.1.gz").write_bytes(one + other + bytes(512))  # padding, as a tape leaves it
    assert len(list(read_alignments(folder, model))) == 2
    for behind in (b"more", other[:12], b"\0\0x"):
        (folder / "ali.1.gz").write_bytes(one + other + behind)
        with pytest.raises(InputError, match=r"ali\.1\.gz: "):
            list(read_alignments(folder, model))
    (folder / "ali.1.gz").write_bytes(b"u1 38 40 42 \n")
    with pytest.raises(InputError, match=r"ali\.1\.gz: .*[Nn]ot a gzipped file"):
        list(read_alignments(folder, model))


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
        (b"u1 38 40 42 \nu1 38 40 42 \n", "u1: this key has occurred before"),
        (b"u1 38 40 42 \nu2\n", "nothing after the key b'u2'"),
        (b"u1 38 40_42 \n", "integer vector"),
        (b"u1 38 40 \n", r"ali\.1\.gz: u1: frame 1: transition-id 40 does not end a phone: damaged, cut or another"),
        (b"u1 \0B\x04\x01\0\0\0\x05\x26\0\0\0", "an item is not a 32-bit integer"),
        (b"u1 \0B\x04\xff\xff\xff\x7f\x04\x26\0\0\0", "ends in the middle"),
        (b"u1 \0B\x04\xff\xff\xff\xff\x04\x26\0\0\0", "negative length"),
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
    for text in ("two\n", "\u00b2\n", "0\n", "999999999\n", "9" * 5000, "1 1\n"):
        (folder / "num_jobs").write_text(text)
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
