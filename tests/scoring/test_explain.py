"""The verb explain: what a perfect acoustic model leaves, on a lexicon with a homophone and an unknown word."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from asr.alignment.monophone import write_monophone_dir
from asr.cli import main
from asr.decoding.acoustic import AcousticSource
from asr.errors import InputError
from asr.kaldi.archives import write_matrices
from asr.kaldi.transition_model import read_transition_model
from asr.lang.arpa import write_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.langdir import write_lang
from asr.lang.lexicon_fst import write_grammar
from asr.scoring import explain
from asr.scoring.perfect import ReferencePdfs

PHONES = ["SIL", "SPN", "i1", "ia3", "j"]
#: 假 and 甲 sound alike, and 甲 is more frequent
LEXICON = [("<SIL>", ("SIL",)), ("<SPN>", ("SPN",)), ("一", ("i1",)), ("假", ("j", "ia3")), ("甲", ("j", "ia3"))]
TEXT = {"u1": "甲一", "u2": "假一", "u3": "一甲", "u4": "一", "u5": "甲"}
HYPOTHESES = {"u1": "甲 一", "u2": "一", "u3": "一 甲", "u4": "甲", "u5": "甲"}
SENTENCES = ["甲一", "甲一甲", "一甲", "甲", "一", "假一"]
FRAMES = 40


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Return a folder with lang/ and model/ (final.mdl, tree, graph/)."""
    folder = tmp_path_factory.mktemp("explain")
    lang, model = folder / "lang", folder / "model"
    write_monophone_dir(model, PHONES, ["SIL", "SPN"])
    lang.mkdir()
    write_lang(lang, LEXICON, phones=model / "phones.txt")
    write_arpa(lang / "lm.arpa", estimate([list(text) for text in SENTENCES], 2))
    write_grammar(lang / "lm.arpa", lang / "words.txt", lang / "G.fst")
    assert main(["graph", f"--lang={lang}", f"--model-dir={model}", f"--out={model / 'graph'}"]) == 0
    (model / "features.json").write_text("{}")
    return folder


@pytest.fixture
def decoded(system, tmp_path, monkeypatch):
    """Return (decode folder, lang) of a scored set. The acoustic model is noise that knows nothing of the words."""
    data, out = tmp_path / "dev", tmp_path / "decode_dev"
    out.mkdir()
    num_pdfs = read_transition_model(system / "model/final.mdl").num_pdfs
    rng = np.random.default_rng(1)
    loglikes = {key: rng.normal(-3, 1, (FRAMES, num_pdfs)).astype(np.float32) for key in TEXT}
    write_matrices(data / "feats.ark", ((key, rng.normal(0, 1, (FRAMES, 3))) for key in TEXT), scp=data / "feats.scp")
    (data / "features.json").write_text('{"kind": "fbank", "mel_bins": 2, "dim": 3}')
    (data / "utt2num_frames").write_text("".join(f"{key} {FRAMES}\n" for key in TEXT))
    for path, table in ((data / "text", TEXT), (out / "hyp.txt", HYPOTHESES)):
        path.write_text("".join(f"{key} {text}\n" for key, text in table.items()), "utf-8")
    record = {"complete": True, "lm_weight": 8.0, "penalty": 0.0, "graph": str(system / "model/graph")}
    record["settings"] = {"data": str(data), "model": str(system / "model"), "weights": "final"}
    record["settings"] |= {"beam": 13.0, "max_active": 7000, "lattice_beam": 6.0}
    (out / "decode.json").write_text(json.dumps(record))
    assert main(["score", f"--ref={data / 'text'}", f"--hyp={out / 'hyp.txt'}", f"--out={out}"]) == 0
    monkeypatch.setattr(explain, "source_of", lambda *_: AcousticSource(loglikes.__getitem__))
    return out, system / "lang"


def run(decoded, *options):
    out, lang = decoded
    status = main(["explain", f"--decoded={out}", f"--lang={lang}", *options])
    path = out / "explained.json"
    return status, json.loads(path.read_text("utf-8")) if path.is_file() else None


def test_only_the_homophone_is_left(decoded, capsys):
    status, record = run(decoded)
    assert status == 0 and record["set"] == "dev"
    perfect = record["perfect"]
    assert (perfect["cer"]["errors"], perfect["cer"]["length"], perfect["kinds"]) == (1, 8, {"homophone": 1})
    assert (perfect["decoded"]["errors"], perfect["utterances"], perfect["faults"]) == (2, 5, {})
    assert record["signal_to_noise_db"].keys() == TEXT.keys()
    line = "dev with a perfect acoustic model 12.50 % wrong [ 1 / 8 ], with the model 25.00 %"
    assert capsys.readouterr().out.splitlines()[-1] == line
    before = (decoded[0] / "explained.json").stat().st_mtime_ns
    assert run(decoded)[0] == 0
    assert capsys.readouterr().out.splitlines() == ["explain: up to date", line]
    assert (decoded[0] / "explained.json").stat().st_mtime_ns == before


def test_an_unknown_word_costs_its_own_errors(decoded, capsys):
    """丁 is aligned as noise, which the graph lacks there: the words beside it are still found."""
    data = decoded[0].parent / "dev"
    (data / "text").write_text("u1 甲丁一\nu3 一甲\n", "utf-8")
    (decoded[0] / "hyp.txt").write_text("u1 甲 一\nu3 一 甲\n", "utf-8")
    argv = [f"--ref={data / 'text'}", f"--hyp={decoded[0] / 'hyp.txt'}", f"--out={decoded[0]}"]
    assert main(["score", *argv]) == 0
    _, record = run(decoded)
    assert record["perfect"]["cer"]["errors"] == 1 and record["perfect"]["cer"]["length"] == 5
    assert "1 of 5 words are not in" in capsys.readouterr().err


def test_a_part_of_the_set_and_none(decoded):
    """0.01 minutes are 60 frames, so two utterances of 40; the seed selects them."""
    parts = set()
    for seed in range(4):
        perfect = run(decoded, "--minutes=0.01", f"--seed={seed}")[1]["perfect"]
        assert perfect["utterances"] == 2
        parts.add(perfect["cer"]["length"])
    assert len(parts) > 1
    assert run(decoded, "--minutes=0")[1]["perfect"] is None


def test_utterances_that_cannot_be_searched_are_named(decoded, capsys):
    data = decoded[0].parent / "dev"
    texts = TEXT | {"u3": "甲一" * 30}  # 90 phones, 40 frames
    (data / "text").write_text("".join(f"{key} {text}\n" for key, text in texts.items()), "utf-8")
    status, record = run(decoded)
    assert status == 0 and record["perfect"]["utterances"] == 4
    assert "40 frames, but its transcript needs" in record["perfect"]["faults"]["u3"]
    assert capsys.readouterr().out.splitlines()[-1].endswith("; 1 utterances were left out (u3)")


def test_the_loglikes_are_those_of_the_reference(decoded, system):
    used = explain._Scored.read(decoded[0], system / "lang").used
    source = explain.source_of()
    reference = ReferencePdfs(used, source)
    model = read_transition_model(system / "model/final.mdl")
    loglikes = reference.loglikes_of("u1")
    assert loglikes.shape == (FRAMES, model.num_pdfs) and ((loglikes == 0).sum(axis=1) == 1).all()
    assert set(np.unique(loglikes)) == {0, -80}  # LM weight 8
    phones = [model.tid_to_phone[np.flatnonzero(model.tid_to_pdf == pdf)[-1]] for pdf in loglikes.argmax(axis=1)]
    order = [phone for phone, before in zip(phones, [0, *phones], strict=False) if phone != before and phone != 1]
    assert [PHONES[phone - 1] for phone in order] == ["j", "ia3", "i1"]
    reference.words["u1"] = []
    with pytest.raises(InputError, match="has no transcript"):
        reference.loglikes_of("u1")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("decode.json", {"arpa": "x"}, "decode.json: is of `asr rescore`"),
        ("decode.json", {"graph": None}, "does not name the data, model, graph and beams"),
        ("decode.json", {"settings": 3}, "does not name the data, model, graph and beams"),
        ("scores.json", {"cer": 3}, "is not what `asr score` writes: its cer cannot be used"),
    ],
)
def test_what_cannot_be_explained(decoded, refused, file, change, message):
    path = decoded[0] / file
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    assert message in refused(["explain", f"--decoded={decoded[0]}", f"--lang={decoded[1]}"])
    assert not (decoded[0] / "explained.json").exists()


def test_scores_come_first(decoded, refused):
    (decoded[0] / "scores.json").unlink()
    said = refused(["explain", f"--decoded={decoded[0]}", f"--lang={decoded[1]}"])
    assert said.endswith("stage 8 (asr score) makes it: run it first")


def test_another_lang_directory_is_refused(decoded, tmp_path, capsys):
    out, lang = decoded
    other = tmp_path / "other"
    shutil.copytree(lang, other)
    (other / "words.txt").write_text((lang / "words.txt").read_text("utf-8") + "乙 99\n", "utf-8")
    assert main(["explain", f"--decoded={out}", f"--lang={other}"]) == 2
    assert "words.txt: is not that of the graph in" in capsys.readouterr().err
    assert not (out / "explained.json").exists()
