"""Every verb with every kind of bad path in every path setting: one line and status 2, never a traceback."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import shutil
import typing
from pathlib import Path

import pytest
from corpus_samples import data_dir
from repository import ROOT

from asr.cli import main
from asr.command.verbs import VERBS, settings_class
from asr.settings import base, is_tuple
from asr.tables import read_table

#: the names of files in a folder of junk that looks like each of ours
NAMES = """wav.scp text utt2spk spk2utt segments feats.scp cmvn.scp utt2num_frames features.json words.txt phones.txt
lexicon.txt topo G.fst L.fst L_disambig.fst HCLG.fst final.mdl tree num_jobs ali.1.gz pdf.ark coverage.json
config.json settings.json final.safetensors ali_train_pdf.counts decode.json hyp.txt lat.1.gz model.json graph.json
lm.arpa"""
KINDS = "missing folder junk empty binary gbk utf16 cut.gz nul below loop long nothing"

#: not faults: no hypotheses, with --allow-incomplete; a run without a part of the report; an empty text
ALLOWED = {("score", "--hyp", kind) for kind in ("missing", "empty")}
ALLOWED |= {("report", name, kind) for name in ("--exp", "--model") for kind in ("folder", "junk")}
ALLOWED |= {("package", "--card", "empty")}


def make_bad(folder: Path) -> dict[str, str]:
    """Return {kind: path} of paths that no verb can read."""
    folder.mkdir()
    text = "u1 今天\nu2 你好\n"
    contents = {
        "empty": b"",
        "binary": bytes(range(256)) * 40,
        "gbk": text.encode("gb18030"),
        "utf16": text.encode("utf-16"),
        "cut.gz": gzip.compress(os.urandom(4000))[:1500],
        "nul": b"u1 \0\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for name in ("folder", "junk"):
        (folder / name).mkdir()
    for name in NAMES.split():
        (folder / "junk" / name).write_bytes(bytes(range(256)) * 3)
    (folder / "loop").symlink_to("loop")
    places = {name: str(folder / name) for name in (*contents, "missing", "folder", "junk", "loop")}
    return places | {"below": str(folder / "empty" / "below"), "long": str(folder / ("x" * 300)), "nothing": ""}


@pytest.fixture(scope="module")
def right(trained, packaged, tmp_path_factory) -> dict[str, list[str]]:
    """Return {verb: valid options}, with outputs in OUT."""
    home = tmp_path_factory.mktemp("right")
    texts = {f"s{n % 3}u{n}": "甲乙甲" for n in range(12)}
    data, other = data_dir(home / "data", texts), data_dir(home / "other", {f"t{key}": "乙" for key in texts})
    lang, net, ali = trained / "lang", trained / "net", trained / "ali"
    sound = next(iter(read_table(data / "wav.scp").values()))
    scored, text = home / "scored", str(data / "text")
    assert main(["score", "--ref", text, "--hyp", text, "--allow-incomplete", "--out", str(scored)]) == 0
    how = {"data": str(trained / "train"), "model": str(net), "weights": "final"}
    how |= {"beam": 13.0, "max_active": 7000, "lattice_beam": 6.0}
    record = {"lm_weight": 8.0, "penalty": 0.0, "graph": str(net / "graph"), "settings": how}
    (scored / "decode.json").write_text(json.dumps(record))
    options = {
        "prepare": ["--script", ROOT / "recipes/kaldi/prepare.py", "--train-dir", data, "--test-dir", other],
        "validate": ["--data", data],
        "repair": ["--data", data],
        "split": ["--data", data, "--rest", "OUT/rest", "--part", "OUT/part"],
        "subset": ["--data", data],
        "combine": ["--data", data, "--data", other],
        "perturb": ["--data", data],
        "lhotse-in": ["--recordings", data / "text", "--supervisions", data / "text"],
        "lhotse-out": ["--data", data],
        "features": ["--data", data, "--nj", "1"],
        "lang": ["--text", data / "text"],
        "align": ["--train-data", trained / "train", "--ali-dir", ali, "--lang", lang],
        "train": ["--train-data", trained / "train", "--ali", ali, "--workers", "1"],
        "realign": ["--model", net, "--ali", ali, "--lang", lang, "--train-data", trained / "train"],
        "export": ["--ali-dir", ali],
        "graph": ["--lang", lang, "--model-dir", ali],
        "decode": ["--data", trained / "train", "--model", net, "--graph", net / "graph"],
        "rescore": ["--decoded", net / "decode_dev", "--lang", lang, "--arpa", lang / "lm.arpa", "--tune"],
        "score": ["--ref", data / "text", "--hyp", other / "text", "--allow-incomplete"],
        "explain": ["--decoded", scored, "--lang", lang],
        "compare": ["--first", scored, "--second", scored],
        "report": ["--exp", trained, "--model", net],
        "package": ["--model", net, "--train-data", trained / "train", "--onnx", "false"],
        "transcribe": ["--model", packaged, "--files", sound],
        "kaldi-out": ["--data", data, "--lang", lang],
        "settings": [],
    }
    return {verb: [str(item) for item in found] for verb, found in options.items()}


def paths_of(verb: str, options: list[str]) -> list[tuple[str, dataclasses.Field, bool]]:
    """Return (option, field, whether it takes several) of the settings that are paths."""
    script = Path(options[options.index("--script") + 1]) if verb == "prepare" else None
    cls = settings_class(verb, script)
    hints = typing.get_type_hints(cls)
    found = [(field, hints[field.name]) for field in dataclasses.fields(cls) if base(hints[field.name]) is Path]
    return [("--" + field.name.replace("_", "-"), field, is_tuple(hint)) for field, hint in found]


def command(options: list[str], name: str, path: str, out: Path) -> list[str]:
    """Return the valid options with `path` as the value of `name`, and --out unless that is `name`."""
    changed = [item.replace("OUT", str(out)) if item.startswith("OUT/") else item for item in options]
    while name in changed:
        place = changed.index(name)
        del changed[place : place + 2]
    changed += [f"{name}={path}"]
    return changed if name == "--out" else [*changed, f"--out={out / 'out'}"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_path_is_one_line(verb, right, tmp_path, capsys):
    bad = make_bad(tmp_path / "bad")
    wrong = []
    for name, field, _ in paths_of(verb, right[verb]):
        for kind in KINDS.split():
            if (verb, name, kind) in ALLOWED:
                continue
            if field.metadata["writes"] and kind not in ("below", "loop", "long", "nothing"):
                continue  # an output path: see tests/test_declared_paths.py
            out = tmp_path / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            arguments = command(right[verb], name, bad[kind], out)
            if "--out" not in [option for option, *_ in paths_of(verb, right[verb])]:
                arguments = [item for item in arguments if not item.startswith("--out=")]
            status = main([verb, *arguments])
            said = capsys.readouterr().err
            lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
            if status != 2 or len(lines) != 1 or "Traceback" in said:
                wrong.append(f"{name} {kind}: status {status}: {said[-300:] or 'nothing said'}")
            if [path for path in tmp_path.rglob(".*.tmp")]:
                wrong.append(f"{name} {kind}: leaves half-written files")
    assert not wrong, "\n".join(wrong)
