"""Transforms by hand; matrices and transforms of speakers as files."""

import numpy as np
import pytest

from asr.errors import InputError
from asr.features.adaptation.affine import (
    composed,
    read_matrix,
    read_transforms,
    transformed,
    write_matrix,
    write_transforms,
)


def array(*rows):
    return np.array(rows, dtype=np.float32)


def random_matrix(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def test_transforms_by_hand():
    features = array([1, 2], [3, 4])
    assert transformed(features, array([1, 1])).tolist() == [[3], [7]]
    assert transformed(features, array([1, 1, 10])).tolist() == [[13], [17]]
    with pytest.raises(ValueError, match="4 columns does not fit features of 2"):
        transformed(features, random_matrix(2, 4))


@pytest.mark.parametrize("first_is_affine", [False, True])
@pytest.mark.parametrize("second_is_affine", [False, True])
def test_a_composed_transform_is_one_after_the_other(first_is_affine, second_is_affine):
    features = random_matrix(5, 4)
    first, second = random_matrix(3, 4 + first_is_affine, 2), random_matrix(2, 3 + second_is_affine, 3)
    both = composed(second, first, first_is_affine=first_is_affine)
    assert both.shape == (2, 4 + (first_is_affine or second_is_affine))
    slow = transformed(transformed(features, first), second)
    assert transformed(features, both) == pytest.approx(slow, abs=1e-5)


def test_transforms_that_do_not_fit_are_not_composed():
    with pytest.raises(ValueError, match="5 columns cannot follow one of 3 rows"):
        composed(random_matrix(2, 5), random_matrix(3, 4))


@pytest.mark.parametrize("text", [False, True])
def test_matrix_files(tmp_path, text):
    matrix = random_matrix(3, 4)
    write_matrix(tmp_path / "final.mat", matrix, text=text)
    assert np.array_equal(read_matrix(tmp_path / "final.mat"), matrix)
    assert (tmp_path / "final.mat").read_bytes().startswith(b" [\n " if text else b"\0BFM \4\3\0\0\0\4\4\0\0\0")


def test_matrices_of_doubles_and_other_files(tmp_path, kaldi_speakers):
    path = tmp_path / "final.mat"
    path.write_bytes(b"\0BDM \4\1\0\0\0\4\2\0\0\0" + np.array([1.5, -2.0]).tobytes())
    assert read_matrix(path).tolist() == [[1.5, -2.0]]
    with pytest.raises(InputError, match="is not a matrix"):
        read_matrix(kaldi_speakers.folder / "tri3" / "final.mdl")
    path.write_bytes((kaldi_speakers.folder / "tri3" / "final.mat").read_bytes() + b"x")
    with pytest.raises(InputError, match="more follows the matrix"):
        read_matrix(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cut or damaged"):
        read_matrix(path)
    path.write_text(" [ ]\n")
    with pytest.raises(InputError, match="empty matrix"):
        read_matrix(path)


def test_transforms_of_speakers(tmp_path):
    jobs = [{"S2": random_matrix(3, 4), "S1": random_matrix(3, 4, 2)}, {"S3": random_matrix(3, 4, 3)}]
    assert write_transforms(tmp_path, [*jobs, {"S4": random_matrix(3, 4)}]) == 3
    assert write_transforms(tmp_path, jobs) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trans.1", "trans.2"]
    found = read_transforms(tmp_path)
    assert list(found) == ["S1", "S2", "S3"]
    assert all(np.array_equal(found[name], matrix) for job in jobs for name, matrix in job.items())


def test_transforms_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no transforms of speakers \(trans.1\)"):
        read_transforms(tmp_path)
    write_transforms(tmp_path, [{"S1": random_matrix(3, 4)}, {"S1": random_matrix(3, 4)}])
    with pytest.raises(InputError, match=r"trans\.2: S1: this speaker is in another archive as well"):
        read_transforms(tmp_path)
    write_transforms(tmp_path, [{"S1": random_matrix(3, 4)}, {"S2": random_matrix(3, 3)}])
    with pytest.raises(InputError, match="S2: is 3 by 3, not an affine transform of 3 dimensions"):
        read_transforms(tmp_path)
    for matrix in (np.zeros((3, 4)), np.full((3, 4), 1e30)):
        write_transforms(tmp_path, [{"S1": random_matrix(3, 4)}, {"S2": matrix.astype(np.float32)}])
        with pytest.raises(InputError, match=r"trans\.2: S2: is no transform that speech can have had"):
            read_transforms(tmp_path)
    write_transforms(tmp_path, [{"S1": random_matrix(3, 4)}, {}])
    with pytest.raises(InputError, match=r"trans\.2: holds no transform"):
        read_transforms(tmp_path)
    (tmp_path / "trans.2").unlink()
    (tmp_path / "num_jobs").write_text("2\n")
    with pytest.raises(InputError, match=r"lacks trans\.2: num_jobs is 2"):
        read_transforms(tmp_path)
    write_transforms(tmp_path, [{"S1": random_matrix(3, 4)}, {"S2": random_matrix(3, 4)}])
    assert set(read_transforms(tmp_path)) == {"S1", "S2"}
    (tmp_path / "trans.1").unlink()
    with pytest.raises(InputError, match=r"lacks trans\.1"):
        read_transforms(tmp_path)
