"""Name the kind of a file that is not the expected Kaldi file: another Kaldi file, a foreign file, a cut one.

another_kind(b"PK\\x03\\x04...", "<TransitionModel>")
    "is not a Kaldi model (final.mdl) but a zip file, such as a PyTorch checkpoint: begins with ..."
"""

from __future__ import annotations

LONGEST_WORD = 64

#: the kind of a Kaldi file, by its first word
KALDI_FILES = {
    "<TransitionModel>": "a Kaldi model (final.mdl)",
    "ContextDependency": "a decision tree (tree)",
    "<Topology>": "a topology (a lang directory's topo)",
    "<Nnet3>": "a network of nnet3 without a transition model (final.raw), which is in the final.mdl made of it",
    "<Nnet>": "a network without a transition model (nnet1), which is in the final.mdl of its alignment directory",
    "<AffineTransform>": "a network without a transition model (nnet1), which is in the final.mdl of its alignments",
    "<DIMENSION>": "Gaussian mixtures without the transition model before them",
    "<DiagGMM>": "a single Gaussian mixture (a background model)",
    "<FullGMM>": "a single Gaussian mixture with full covariances (a background model)",
    "FM": "a matrix (such as final.mat)",
    "DM": "a matrix (such as final.mat)",
    "FV": "a vector (such as final.occs)",
    "DV": "a vector (such as final.occs)",
    "[": "a vector or a matrix (such as final.occs)",
}

#: the kind of a foreign file, by its first bytes
FOREIGN_FILES = {
    b"\xd6\xfd\xb2\x7e": "an OpenFst file",
    b"PK\x03\x04": "a zip file, such as a PyTorch checkpoint",
    **{bytes([0x80, version]): "a Python pickle, such as a PyTorch checkpoint" for version in range(2, 6)},
    b"\x89HDF": "an HDF5 file",
    b"\x7fELF": "a program",
    **{bytes([8, version, 0x12]): "an ONNX model" for version in range(3, 16)},
    b"\x1f\x8b": "a gzip file, whose name must end in .gz",
    b"RIFF": "a sound file",
    b"version https://git-lfs": "a pointer of Git LFS (git lfs pull fetches the file itself)",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}


def another_kind(data: bytes, first: str) -> str:
    """Return the reason why a file with the content `data` is refused, which must begin with the word `first`."""
    if not data:
        return "is empty"
    begins = f"begins with {data[:20]!r}"
    if (b"\0B" + first.encode() + b" ").startswith(data) or first.encode().startswith(data):
        return f"ends after {len(data)} bytes: cut"
    what = next((what for mark, what in FOREIGN_FILES.items() if data.startswith(mark)), None)
    start = data[2 * data.startswith(b"\0B") :][: 2 * LONGEST_WORD].split(None, 1)
    word = start[0][:LONGEST_WORD].decode("ascii", "replace") if start else ""
    what = what or KALDI_FILES.get(word)
    if what is None and data.startswith(b"\0B") and word.isprintable() and word.isascii():
        what = f"another Kaldi file, {word}"
    wanted = KALDI_FILES.get(first, first)
    return f"is not {wanted}: {begins}" if what is None else f"is not {wanted} but {what}: {begins}"
