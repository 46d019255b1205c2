"""Which stage makes which file: what to run first where a file is missing.

print(with_maker(error))     # exp/x/data/train/feats.scp: cannot be read: ...; stage 2 (asr features) makes it
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
MAKER = {name: stage for stage, names in MADE_BY.items() for name in names}


def with_maker(error: InputError) -> str:
    """Return the line of an error; where a file is missing that a stage makes, with that stage."""
    line = str(error)
    path = None if error.file is None else Path(error.file)
    if path is None or error.line is not None or path.name not in MAKER or not _is_missing(path):
        return line
    stage = MAKER[path.name]
    if f"asr {stage}" in line:
        return line
    return f"{line}; stage {STAGES.index(stage) + 1} (asr {stage}) makes it: run it first"


def _is_missing(path: Path) -> bool:
    """Return whether a file is not there, as opposed to one that cannot be looked at."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
