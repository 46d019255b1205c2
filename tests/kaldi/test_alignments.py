"""Alignment archives: phones, self-loops in both orders, damage and contradictions."""

import gzip

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.alignments import archive_paths, read_alignments, to_phones, write_alignments


def test_self_loops_before_the_way_out(small):
    """In graphs made with reorder=false 37 37 38 is a state of three frames."""
    model = small[1]
    tids = np.array([37, 37, 38, 40, 41, 42, 43, 44, 46, 47, 48], dtype=np.int32)
    assert to_phones(tids, model) == [(3, 0, 6), (4, 6, 5)]
    assert to_phones(np.array([38, 40, 42] * 2), model) == [(3, 0, 3), (3, 3, 3)]
    assert to_phones(np.array([], dtype=np.int32), model) == []


@pytest.mark.parametrize("tids", [[38, 37, 40], [38, 40, 42, 44], [38, 37, 46, 48], [1, 1, 1]])
def test_rows_that_are_not_whole_phones(small, tids):
    with pytest.raises(InputError, match="do not form whole phones"):
        to_phones(np.array(tids), small[1])


def test_several_gzip_members_and_bytes_after_them(small):
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


def test_a_cut_inside_an_entry_is_found_without_gzips_check(small):
    """The archive is packed after the cut; its entries are binary or text."""
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


def test_the_key_after_an_empty_text_row_is_read(small):
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
