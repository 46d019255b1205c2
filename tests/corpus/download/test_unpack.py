"""Archives: whole, cut, nested, and with members outside the folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from asr.corpus.download.unpack import unpack, unpack_nested
from asr.errors import InputError


def _tar(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" or path.name.endswith(".gz") else "w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def _special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tgz", {"d/x.wav": b"1", "d/y": _special("d/y", tarfile.SYMTYPE, "x.wav")})
    unpack(archive, tmp_path / "o")
    assert (tmp_path / "o/d/y").read_bytes() == b"1"
    (tmp_path / "o/d/x.wav").unlink()
    unpack(archive, tmp_path / "o")
    assert not (tmp_path / "o/d/x.wav").exists()  # it was not unpacked again
    _tar(archive, {"d/x.wav": b"22"})
    unpack(archive, tmp_path / "o")
    assert (tmp_path / "o/d/x.wav").read_bytes() == b"22"


def test_archives_inside_are_unpacked_beside_themselves(tmp_path: Path) -> None:
    for name in ("S1", "S2"):
        _tar(tmp_path / f"{name}.tar.gz", {f"train/{name}/a.wav": name.encode()})
    with zipfile.ZipFile(tmp_path / "S3.zip", "w") as packed:
        packed.writestr("test/S3/a.wav", "S3")
    assert unpack_nested(tmp_path) == 3
    assert [(tmp_path / f).read_text() for f in ("train/S1/a.wav", "train/S2/a.wav", "test/S3/a.wav")] == [
        "S1",
        "S2",
        "S3",
    ]
    assert (tmp_path / "S1.tar.gz").exists()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_cut_archive_is_named_and_not_taken_for_whole(tmp_path: Path, share: float) -> None:
    archive = _tar(
        tmp_path / "a.tgz", {f"{n}.wav": bytes([n] * 999) + Path(__file__).read_bytes() for n in range(40)}
    )
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"a\.tgz: is truncated or damaged \(.*\); fetch it again"):
        unpack(archive, tmp_path / "o")
    assert not (tmp_path / "o" / ".a.tgz.unpacked").exists()
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "o")
    assert len(list((tmp_path / "o").glob("*.wav"))) == 40


@pytest.mark.parametrize(
    "member",
    [
        _special("../x", tarfile.REGTYPE),
        _special("x", tarfile.SYMTYPE, "/etc/passwd"),
        _special("x", tarfile.LNKTYPE, "../../secret"),
        _special("x", tarfile.CHRTYPE),
    ],
)
def test_nothing_leaves_the_folder(tmp_path: Path, member: tarfile.TarInfo) -> None:
    archive = _tar(tmp_path / "a.tar", {"m": member})
    with pytest.raises(InputError, match=r"a\.tar: a member is outside the folder, or is not a file: "):
        unpack(archive, tmp_path / "o" / "p")
    assert not (tmp_path / "o" / "x").exists()


def test_nor_out_of_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../x", "no")
    with pytest.raises(InputError, match=r"a\.zip: a member is outside the folder: \.\./x"):
        unpack(tmp_path / "a.zip", tmp_path / "o")


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.tgz: no such file"):
        unpack(tmp_path / "a.tgz", tmp_path)
    (tmp_path / "b.tgz").write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"b\.tgz: is truncated or damaged"):
        unpack(tmp_path / "b.tgz", tmp_path)
