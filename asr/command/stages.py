"""The files that each stage makes, to name the stage that has to run before a missing file can be read.

    print(with_maker(error))     # exp/x/data/train/feats.scp: cannot be read: ...; stage 2 (asr features) makes it

Used by the command line for every InputError.
"""

from __future__ import annotations

from pathlib import Path

from asr.errors import InputError

STAGES = ("prepare", "features", "lang", "align", "train", "graph", "decode", "score", "report")
MADE_BY = {
    "prepare": ("wav.scp", "text", "utt2spk", "spk2utt"),
    "features": ("feats.scp", "cmvn.scp", "utt2num_frames", "features.json"),
    "lang": ("lexicon.txt", "words.txt", "topo", "L.fst", "L_disambig.fst", "G.fst", "disambig.int"),
    "align": ("pdf.ark", "ali_train_pdf.counts", "final.mdl", "tree", "num_jobs"),
    "train": ("config.json", "final.safetensors", "raw.safetensors"),
    "graph": ("HCLG.fst",),
    "decode": ("hyp.txt", "decode.json", "lat.1.gz"),
    "score": ("scores.json",),
}
#: files that Kaldi's folders have too, which no stage completes
OF_KALDI_TOO = ("final.mdl", "tree", "num_jobs", "HCLG.fst")
MAKER = {name: stage for stage, names in MADE_BY.items() for name in names}


def with_maker(error: InputError) -> str:
    """Return the line of an error. If its file is missing and a stage makes that file, the line names the stage."""
    line = str(error)
    path = None if error.file is None else Path(error.file)
    if path is None or error.line is not None or path.name not in MAKER or not _is_missing(path):
        return line
    stage = MAKER[path.name]
    if f"asr {stage}" in line or (path.name in OF_KALDI_TOO and _is_foreign(path.parent)):
        return line
    return f"{line}; stage {STAGES.index(stage) + 1} (asr {stage}) makes it: run it first"


def _is_foreign(folder: Path) -> bool:
    """Return whether a folder has files and no stamp: no stage has begun to write it."""
    return folder.is_dir() and any(folder.iterdir()) and not any(folder.glob(".*"))


def _is_missing(path: Path) -> bool:
    """Return whether a file does not exist, unlike one that cannot be examined."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False
