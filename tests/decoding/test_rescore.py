"""The verb `rescore`: a small model's lattices under a larger one, and known best weights."""

import json
from pathlib import Path

import pytest
from lattice_oracles import compact

from asr.cli import main
from asr.decoding.lattices.files import read_lattices, write_lattices
from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.lexicon_fst import write_grammar
from asr.lang.ngram import word_log_probabilities
from asr.tables import read_table

WORDS = ["<eps>", "<SIL>", "甲", "乙", "丙", "#0"]
A, B, C = 2, 3, 4
TEXT = {"s-1": "甲乙", "s-2": "乙甲", "s-3": "丙"}


def two_paths(worse):
    """Return a lattice of 甲 乙, and of 乙 甲, whose acoustic cost is `worse`."""
    arcs = [
        (0, 1, A, 1.0, 0.0, [18]),
        (0, 2, B, 1.0, 0.0, [18]),
        (1, 3, B, 1.0, 0.0, [30]),
        (2, 3, A, 1.0, worse, [30]),
    ]
    return compact(arcs, {3: (0.5, 0.0, [])})


@pytest.fixture
def here(write_graph, toy_model, tmp_path, monkeypatch):
    """Make decoded/ with three utterances, the last without a lattice; lang/ with a uniform model; dev/text."""
    monkeypatch.chdir(tmp_path)
    write_graph(Path("graph"), [[(18, 2, 0.0, 0)]], {0: 0.0}, WORDS)
    Path("dev").mkdir()
    Path("dev/text").write_text("".join(f"{key} {text}\n" for key, text in TEXT.items()), "utf-8")
    decoded, lang = Path("decoded"), Path("lang")
    decoded.mkdir()
    lang.mkdir()
    (decoded / "hyp.txt").write_text("s-1 甲 乙\ns-2 甲 乙\ns-3\n", "utf-8")
    record = {"lm_weight": 6.0, "penalty": 0.0, "prior_scale": 0.8, "graph": "graph", "frame_shift_ms": 10.0}
    record |= {"settings": {"model": str(toy_model), "data": "dev"}, "not_final": ["s-2"]}
    record["faults"] = {"s-3": "no path was found"}
    (decoded / "decode.json").write_text(json.dumps(record))
    write_lattices(decoded / "lat.1.gz", [("s-1", two_paths(9.0)), ("s-2", two_paths(1.0))])
    (lang / "words.txt").write_text("".join(f"{word} {i}\n" for i, word in enumerate(WORDS)), "utf-8")
    write_arpa("small.arpa", estimate([["甲"], ["乙"], ["丙"]], 1))
    write_grammar(Path("small.arpa"), lang / "words.txt", lang / "G.fst")
    write_arpa("big.arpa.gz", estimate([["甲", "乙"], ["乙", "甲"], ["乙", "甲"]], 2))
    return tmp_path


def rescore(options):
    return main(["rescore", *options.split()])


GIVEN = "--decoded decoded --lang lang --arpa big.arpa.gz --out out"


def test_costs_are_the_old_less_the_small_model_s_and_with_the_large_one_s(here, capsys):
    Path("tuned.json").write_text('{"lm_weight": 9.0, "penalty": 0.25}')
    assert rescore(f"{GIVEN} --tuned tuned.json --max-missing 0.5 --nbest 2") == 0
    old, new = read_arpa("small.arpa"), read_arpa("big.arpa.gz")
    rows = [line.split() for line in Path("out/nbest").read_text("utf-8").splitlines()]
    found = {tuple(row[3:]): (float(row[1]), float(row[2])) for row in rows if row[0].startswith("s-1")}
    for words in (["甲", "乙"], ["乙", "甲"]):
        change = sum(
            model_sign * word_log_probabilities(model, [words])[0].sum()
            for model, model_sign in ((old, 1), (new, -1))
        )
        graph, acoustic = found[tuple(words)]
        assert graph == pytest.approx(2.5 + change, abs=1e-3)
        assert acoustic == (0.0 if words[0] == "甲" else 9.0)
    assert read_table("out/hyp.txt", allow_empty=True) == {"s-1": "乙 甲", "s-2": "乙 甲", "s-3": ""}
    record = json.loads(Path("out/decode.json").read_text("utf-8"))
    assert (record["lm_weight"], record["penalty"], record["prior_scale"]) == (9.0, 0.25, 0.8)
    assert record["faults"] == {"s-3": "no path was found"} and record["not_final"] == ["s-2"]
    assert (record["utterances"], record["frames"], record["speech_s"]) == (3, 4, 0.04)
    assert dict(read_lattices(Path("out/lat.1.gz"))).keys() == {"s-1", "s-2"}
    said = capsys.readouterr()
    assert "rescore: dev: 3 utterances, " in said.out
    assert "dev: 1 utterances could not be decoded and have an empty hypothesis: s-3" in said.err


def test_the_weights_are_chosen_where_the_best_are_known(here, capsys):
    """The large model prefers 乙 甲 by 1.2: s-1 is right up to LM weight 9 / 1.2, s-2 from 1 / 1.2; two errors if it
    is not, and s-3 has one in any case.
    """
    assert rescore(f"{GIVEN} --tune true --max-missing 0.5 --lm-weights 0.5,2,20 --insertion-penalties 0") == 0
    record = json.loads(Path("out/decode.json").read_text("utf-8"))
    errors = {trial["lm_weight"]: trial["errors"] for trial in record["tuning"]}
    assert record["lm_weight"] == 2 and errors == {0.5: 3, 2: 1, 20: 3}
    assert record["tuning_utterances"] == 3 and record["tuning_units"] == 5
    assert "tune: LM weight " in capsys.readouterr().out


def test_rescoring_is_skipped_until_an_input_changes(here, capsys):
    options = f"{GIVEN} --tune true --max-missing 0.5"
    assert rescore(options) == 0
    before = Path("out/decode.json").read_bytes()
    capsys.readouterr()
    assert rescore(options) == 0
    assert "rescore: dev" not in capsys.readouterr().out and Path("out/decode.json").read_bytes() == before
    write_arpa("big.arpa.gz", estimate([["甲", "乙"]], 2))
    assert rescore(options) == 0
    assert "rescore: dev" in capsys.readouterr().out
    assert read_table("out/hyp.txt", allow_empty=True)["s-2"] == "甲 乙"


def test_a_rescored_decoding_can_be_rescored(here):
    Path("tuned.json").write_text('{"lm_weight": 6.0, "penalty": 0.0}')
    assert rescore(f"{GIVEN} --tuned tuned.json --max-missing 0.5") == 0
    write_arpa("big.arpa", read_arpa("big.arpa.gz"))
    write_grammar(Path("big.arpa"), Path("lang/words.txt"), Path("big.fst"))
    back = "--decoded out --lang lang --g big.fst --arpa small.arpa --out back --tuned tuned.json --max-missing 0.5"
    assert rescore(back) == 0
    first, again = (dict(read_lattices(Path(name) / "lat.1.gz")) for name in ("decoded", "back"))
    for key, lattice in first.items():
        assert again[key].graph == pytest.approx(lattice.graph, abs=1e-4)
        assert again[key].final_graph[-1] == pytest.approx(lattice.final_graph[-1], abs=1e-4)
    assert read_table("back/hyp.txt", allow_empty=True) == read_table("decoded/hyp.txt", allow_empty=True)


def test_words_that_the_large_model_lacks_are_named(here, capsys):
    write_arpa("big.arpa.gz", estimate([["甲", "丙"]], 2))
    assert rescore(f"{GIVEN} --tune true --max-missing 0.5") == 0
    assert "big.arpa.gz: lacks 1 words of the lattices (乙)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (GIVEN, "--tune true chooses LM weight and penalty here, --tuned FILE names them: pass one"),
        (f"{GIVEN} --tune true --tuned decoded/decode.json", "pass one"),
        (f"{GIVEN} --tune true --lm-weights 0", "--lm-weights: '0' is not more than 0"),
        (f"{GIVEN} --tune true --nbest -1", "--nbest: '-1' is less than 0"),
        (GIVEN.replace("--out out", "--out decoded") + " --tune true", "is also the directory that is read"),
        (GIVEN.replace("big.arpa.gz", "absent") + " --tune true", "absent: cannot be read"),
        (GIVEN.replace("big.arpa.gz", "dev/text") + " --tune true", "dev/text: "),
        (f"{GIVEN} --tune true --g absent.fst", "absent.fst: cannot be read"),
        (f"{GIVEN} --tune true --data lang", "lang/text: cannot be read"),
        (f"{GIVEN} --tune true", "1 of 3 utterances could not be decoded, above --max-missing 0.05"),
        (f"{GIVEN.replace('--decoded decoded', '--decoded dev')} --tune true", "dev/decode.json: "),
        (
            f"{GIVEN.replace('--decoded decoded', '--decoded plain')} --tune true",
            "does not name the graph, model and",
        ),
        (f"{GIVEN.replace('--decoded decoded', '--decoded cut')} --tune true", "lat.1.gz: "),
        (f"{GIVEN.replace('--decoded decoded', '--decoded other')} --tune true", "lat.1.gz: s-0: is not in hyp.txt"),
        (f"{GIVEN.replace('--lang lang', '--lang lang2')} --tune true", "not the graph's lang directory"),
    ],
)
def test_bad_input_is_one_line(here, capsys, options, complaint):
    for name in ("plain", "cut", "other"):
        Path(name).mkdir()
        for path in Path("decoded").iterdir():
            (Path(name) / path.name).write_bytes(path.read_bytes())
    Path("plain/decode.json").write_text('{"lm_weight": 6.0, "penalty": 0.0}')
    Path("cut/lat.1.gz").write_bytes(Path("decoded/lat.1.gz").read_bytes()[:-20])
    write_lattices(Path("other/lat.1.gz"), [("s-0", two_paths(0.0))])
    Path("lang2").mkdir()
    Path("lang2/words.txt").write_text("<eps> 0\n甲 1\n#0 2\n", "utf-8")
    Path("lang2/G.fst").write_bytes(Path("lang/G.fst").read_bytes())
    assert rescore(options) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert complaint in error[-1] and len(error) == 1
    assert not Path("out").exists() or not list(Path("out").iterdir())
