"""The stage `decode`: known best weights are chosen, every utterance has a result, bad input is named."""

import json
import re

import numpy as np
import pytest
import torch
from toy_graph import NUM_PDFS

from asr.cli import main
from asr.decoding.acoustic import AcousticSource
from asr.decoding.decode import Settings, decode_set, given_weights
from asr.decoding.lattices.files import read_lattices
from asr.decoding.tuning import TuneSet
from asr.decoding.weights import Weights
from asr.errors import InputError
from asr.tables import read_table


def flat(first: float, second: float) -> np.ndarray:
    """Return two frames in which pdf 4 has log-likelihood `first` and pdf 10 `second`."""
    loglikes = np.full((2, NUM_PDFS), -50.0, np.float32)
    loglikes[:, 4], loglikes[:, 10] = first, second
    return loglikes


# In the toy graph 甲 costs 1.25 and 乙 乙 0.85, so 甲 wins below LM weight 5 * (advantage of pdf 4 a frame)
LOGLIKES = {"s-1": flat(-3.0, -4.5), "s-2": flat(-3.0, -5.3), "s-3": flat(-6, -3), "s-4": flat(-3, -13)}
TEXT = {"s-1": "乙乙", "s-2": "甲", "s-3": "乙乙", "s-4": "甲"}  # right above 7.5, below 11.5, always, nearly always


@pytest.fixture
def toy(write_graph, toy_model, tmp_path):
    """Return a function that makes settings for four utterances and a graph of 甲 or 乙 乙."""
    states = [[(18, 2, 1.0, 1), (30, 3, 0.3, 2)], [(18, 0, 0.0, 3)], [(30, 3, 0.3, 3)], []]
    data = tmp_path / "data" / "dev"
    data.mkdir(parents=True)
    (data / "utt2spk").write_text("".join(f"{key} s\n" for key in LOGLIKES))
    (data / "text").write_text("".join(f"{key} {text}\n" for key, text in TEXT.items()), "utf-8")
    graph = write_graph(tmp_path / "graph", states, {3: 0.25})

    def settings(**more) -> Settings:
        values = {"data": data, "model": toy_model, "graph": graph, "out": tmp_path / "out", "nj": 1} | more
        return Settings(**values)

    return settings


def loglikes_of(utterance: str) -> np.ndarray:
    if utterance not in LOGLIKES:
        raise InputError("has no features", file="feats.scp", key=utterance)
    return LOGLIKES[utterance]


SOURCE = AcousticSource(loglikes_of)


# ---------------------------------------------------------------- choosing and applying


def test_the_known_best_weights_are_chosen(toy, tmp_path, capsys):
    """There is no error from LM weight 7.5 to 11.5 without penalty; 8 is nearest to the search's."""
    record = decode_set(toy(tune=True, insertion_penalties=(0.0, 0.5, 1.0)), None, SOURCE)
    assert (record["lm_weight"], record["penalty"], record["prior_scale"]) == (8, 0, 1)
    rates = {(trial["lm_weight"], trial["penalty"]): trial["cer"] for trial in record["tuning"]}
    assert [rates[weight, 0] for weight in (8, 9, 10)] == [0, 0, 0]
    # at 6, s-1 is taken for 甲: one substitution, one deletion, of six characters in all
    assert rates[6, 0] == pytest.approx(100 * 2 / 6, abs=1e-3)
    assert rates[8, 0.5] == pytest.approx(100 * 2 / 6, abs=1e-3)
    assert record["tuning_utterances"] == 4 and record["tuning_units"] == 6
    assert read_table(tmp_path / "out" / "hyp.txt") == {"s-1": "乙 乙", "s-2": "甲", "s-3": "乙 乙", "s-4": "甲"}
    assert json.loads((tmp_path / "out" / "decode.json").read_text("utf-8")) == record
    assert record["complete"] is True
    assert not list((tmp_path / "out").glob(".*"))
    said = capsys.readouterr().out
    assert "tune: LM weight 8, insertion penalty 0, prior scale 1: %CER 0.00 [ 0 / 6 ], the best of 30" in said


def test_the_page_has_the_figures_of_tuning_decoding_and_scoring(toy, tmp_path, capsys):
    folder = tmp_path / "exp" / "model" / "decode_dev"
    record = decode_set(toy(tune=True, tune_minutes=0.0005, seed=4, out=folder), None, SOURCE)
    said = capsys.readouterr().out  # with lines of progress, if the search is compiled first
    chosen = re.search(r"LM weight (\S+), insertion penalty (\S+), prior .*: %CER (\S+) \[ \d+ / (\d+) \]", said)
    assert int(chosen[4]) == record["tuning_units"]
    text = str(toy().data / "text")
    assert main(["score", "--ref", text, "--hyp", str(folder / "hyp.txt"), "--out", str(folder)]) == 0
    rate = re.search(r"%CER (\S+) ", capsys.readouterr().out)[1]
    assert main(["report", "--exp", str(tmp_path / "exp"), "--model", str(folder.parent)]) == 0
    page = " ".join(re.sub("<[^>]+>", " ", (folder.parent / "report.html").read_text("utf-8")).split())
    part = f"{record['tuning_utterances']} utterances of dev ({chosen[4]} characters)"
    assert f"The table counts {part}; the chosen pair has {chosen[3]} % there." in page
    assert f"weight {chosen[1]} and insertion penalty {chosen[2]} were chosen" in page
    assert f"Decoded with it, all of dev has {rate} % (4 utterances, 6 characters)." in page
    speech, factor = re.search(r"4 utterances, (.*) of speech; .* real-time factor (\S+) ", said).groups()
    assert f"dev {speech} {factor} 1 0 0" in page and f"dev {rate} % CER" in page


def test_the_search_is_repeated_if_its_weight_is_far_from_the_best(toy, capsys):
    record = decode_set(toy(tune=True, search_lm_weight=2.0, insertion_penalties=(0.0,)), None, SOURCE)
    assert record["lm_weight"] == 8 and record["tuning_search_lm_weight"] == 8
    assert "the best LM weight is 8, the search used 2: searching again with 8" in capsys.readouterr().out


def test_the_prior_scale_is_chosen_where_there_are_priors(toy, tmp_path):
    """A prior of e^2 on pdf 4, already subtracted: with it s-1 is decoded as 甲 at LM weight 8."""
    log_prior = np.zeros(NUM_PDFS)
    log_prior[4] = -2.0
    given = AcousticSource(lambda key: loglikes_of(key) - np.float32(1) * log_prior.astype("f"), log_prior=log_prior)
    settings = toy(tune=True, prior_scales=(0.0, 1.0), insertion_penalties=(0.0,), lm_weights=(8.0,))
    record = decode_set(settings, None, given)
    assert record["prior_scale"] == 0.0
    assert {trial["prior_scale"]: trial["errors"] for trial in record["tuning"]} == {0.0: 0, 1.0: 2}
    assert read_table(tmp_path / "out" / "hyp.txt")["s-1"] == "乙 乙"


def test_weights_of_dev_are_applied(toy, tmp_path):
    tuned = tmp_path / "decode.json"
    tuned.write_text('{"lm_weight": 7, "penalty": 0.0, "complete": true}')
    settings = toy(tuned=tuned)
    record = decode_set(settings, given_weights(settings), SOURCE)
    assert (record["lm_weight"], record["penalty"]) == (7, 0) and "tuning" not in record
    assert read_table(tmp_path / "out" / "hyp.txt")["s-1"] == "甲"


def test_one_weight_each_needs_no_tuning(toy, tmp_path):
    settings = toy(lm_weights=(10.0,), insertion_penalties=(-3.0,))
    assert given_weights(settings) == Weights(10, -3, 1)
    decode_set(settings, given_weights(settings), SOURCE)
    assert read_table(tmp_path / "out" / "hyp.txt")["s-2"] == "乙 乙"


def test_the_tuning_graph_is_searched_and_recorded(toy, write_graph, tmp_path):
    """The tuning graph has 丙 instead of 甲; decode.json names the graph."""
    states = [[(18, 4, 1.0, 1), (30, 3, 0.3, 2)], [(18, 0, 0.0, 3)], [(30, 3, 0.3, 3)], []]
    other = write_graph(tmp_path / "other", states, {3: 0.25})
    record = decode_set(toy(tune=True, tune_graph=other), None, SOURCE)
    assert record["graph"] == str(other) and record["tuning_graph_only"] is True
    assert read_table(tmp_path / "out" / "hyp.txt")["s-4"] == "丙"


def test_two_processes_write_the_same_hypotheses(toy, tmp_path):
    for nj in (1, 2):
        decode_set(toy(tune=True, nj=nj, out=tmp_path / str(nj)), None, SOURCE)
    first, second = (json.loads((tmp_path / str(nj) / "decode.json").read_text("utf-8")) for nj in (1, 2))
    assert (tmp_path / "1" / "hyp.txt").read_bytes() == (tmp_path / "2" / "hyp.txt").read_bytes()
    assert first["tuning"] == second["tuning"] and first["loglike_per_frame"] == second["loglike_per_frame"]
    assert (first["processes"], second["processes"]) == (1, 2)


def test_the_part_to_choose_on_is_bounded_and_seeded(toy):
    """Two frames per utterance, 10 ms each: 0.0005 minutes are three frames, so two utterances."""
    (toy().data / "utt2num_frames").write_text("".join(f"{key} 2\n" for key in LOGLIKES))
    parts = set()
    for seed in range(12):
        record = decode_set(toy(tune=True, tune_minutes=0.0005, seed=seed), None, SOURCE)
        assert record["tuning_utterances"] == 2 and record["utterances"] == 4
        parts.add(record["tuning_units"])
    assert len(parts) > 1
    again = [decode_set(toy(tune=True, tune_minutes=0.0005, seed=4), None, SOURCE)["tuning"] for _ in range(2)]
    assert again[0] == again[1]


# ---------------------------------------------------------------- nothing is lost


def test_every_utterance_has_a_line_and_every_fault_a_name(toy, tmp_path, capsys):
    """s-2 and s-5 lack features; s-3 has one frame, not enough for a final state; s-4 three, too many for a path."""
    settings = toy(lm_weights=(10.0,), insertion_penalties=(0.0,), max_missing=0.6)
    with open(settings.data / "utt2spk", "a") as handle:
        handle.write("s-5 s\n")

    def partial(utterance):
        if utterance == "s-2":
            raise InputError("has no features", file="feats.scp", key=utterance)
        loglikes = loglikes_of(utterance)
        return {"s-3": loglikes[:1], "s-4": np.repeat(loglikes, 2, axis=0)[:3]}.get(utterance, loglikes)

    record = decode_set(settings, Weights(10.0), AcousticSource(partial))
    assert (tmp_path / "out" / "hyp.txt").read_text("utf-8") == "s-1 乙 乙\ns-2\ns-3 乙\ns-4\ns-5\n"
    assert record["faults"] == {
        "s-2": "feats.scp: s-2: has no features",
        "s-4": "no path was found",
        "s-5": "feats.scp: s-5: has no features",
    }
    assert record["not_final"] == ["s-3"] and record["empty"] == ["s-2", "s-4", "s-5"]
    assert (record["utterances"], record["frames"], record["speech_s"]) == (5, 6, 0.06)
    # s-1: 乙 乙, 0.85 + 0.1 * 9; s-3: 0.3 + 0.1 * 3
    assert record["loglike_per_frame"] == pytest.approx(-(0.85 + 0.9 + 0.3 + 0.3) / 3, abs=1e-5)
    said = capsys.readouterr().err
    assert "3 utterances could not be decoded and have an empty hypothesis: s-2, s-4, s-5" in said
    assert "1 utterances ended in no final state" in said


def test_too_many_faults_stop_the_stage_and_leave_no_result(toy, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "decode.json").write_text('{"complete": true}')
    with open(toy().data / "utt2spk", "a") as handle:
        handle.write("s-5 s\n")
    with pytest.raises(
        InputError, match=r"1 of 5 utterances .* --max-missing 0.05; the first: s-5: .*has no features"
    ):
        decode_set(toy(), Weights(10.0), SOURCE)
    assert not (tmp_path / "out" / "decode.json").exists()


def test_real_time_factors_are_seconds_per_second(toy):
    record = decode_set(toy(), Weights(10.0), AcousticSource(loglikes_of, frame_shift_ms=20.0))
    assert record["speech_s"] == 8 * 0.02
    assert record["rtf_wall"] == pytest.approx(record["wall_s"] / 0.16, abs=0.01)
    assert record["rtf_cpu"] == pytest.approx(record["cpu_s"] / 0.16, abs=0.01)


# ---------------------------------------------------------------- the verb, with a real network


@pytest.fixture
def network(toy, toy_model, tmp_path):
    """Return a model folder with a tiny random network, and features for all utterances but s-3."""
    from asr.acoustic.model import save_weights, write_config
    from asr.acoustic.network import NetworkConfig, build
    from asr.kaldi.archives import write_matrices

    threads = torch.get_num_threads()
    model, data = tmp_path / "net", toy().data
    model.mkdir()
    for name in ("final.mdl", "tree"):
        (model / name).write_bytes((toy_model / name).read_bytes())
    shape = NetworkConfig(feature_dim=4, num_pdfs=NUM_PDFS, context=1, layers=1, width=8)
    description = {"kind": "fbank", "dim": 4, "norm": "none", "norm_vars": False}
    write_config(model, shape, {"dim": 4, "norm": "none"})
    for name in ("final", "raw"):
        save_weights(build(shape, seed=len(name)), model / f"{name}.safetensors")
    (model / "ali_train_pdf.counts").write_text("[ " + "10 " * NUM_PDFS + "]\n")
    numbers = np.random.default_rng(0)
    entries = [(key, numbers.normal(size=(2, 4)).astype(np.float32)) for key in LOGLIKES if key != "s-3"]
    write_matrices(tmp_path / "feats.ark", entries, scp=data / "feats.scp")
    (data / "features.json").write_text(json.dumps(description))
    yield model
    torch.set_num_threads(threads)


def arguments(toy, model, *more):
    settings = toy()
    folders = ("data", "graph", "out")
    return ["decode", "--model", str(model), *(f"--{n}={getattr(settings, n)}" for n in folders), "--nj=1", *more]


def test_the_verb_decodes_and_skips_itself(toy, network, tmp_path, capsys):
    chosen = ("--max-missing=0.3", "--lm-weights=10", "--insertion-penalties=0")
    assert main(arguments(toy, network, *chosen)) == 0
    assert "decode: dev: 4 utterances" in capsys.readouterr().out
    first = (tmp_path / "out" / "hyp.txt").read_text("utf-8")
    assert [line.split()[0] for line in first.splitlines()] == ["s-1", "s-2", "s-3", "s-4"]
    assert first.splitlines()[2] == "s-3"
    assert main(arguments(toy, network, *chosen)) == 0
    assert capsys.readouterr().out == "decode: up to date\n"
    assert main(arguments(toy, network, *chosen, "--weights=raw")) == 0
    assert "up to date" not in capsys.readouterr().out


def test_the_verb_with_weights_of_dev_depends_on_the_weights_only(toy, network, tmp_path, capsys):
    """Test is up to date if dev is decoded again with the same weights, but not with other weights."""
    tuned = tmp_path / "dev.json"
    for content, fresh in (
        ('{"lm_weight": 10, "penalty": 0.5, "wall_s": 1.0}', False),
        ('{"lm_weight": 10, "penalty": 0.5, "wall_s": 2.0}', True),
        ('{"lm_weight": 11, "penalty": 0.5, "wall_s": 2.0}', False),
    ):
        tuned.write_text(content)
        assert main(arguments(toy, network, "--max-missing=0.3", f"--tuned={tuned}")) == 0
        assert ("up to date" in capsys.readouterr().out) == fresh


def test_missing_features_stop_the_verb(toy, network, capsys):
    assert main(arguments(toy, network, "--lm-weights=10", "--insertion-penalties=0")) == 2
    line = capsys.readouterr().err
    assert "1 of 4 utterances" in line and "s-3: has no features" in line and line.count("\n") == 1


# ---------------------------------------------------------------- bad input


def test_a_cut_graph_is_one_line(toy, network, capsys):
    path = toy().graph / "HCLG.fst"
    path.write_bytes(path.read_bytes()[:-8])
    assert main(arguments(toy, network, "--tune")) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"{path}: is cut") and line.count("\n") == 1
    assert not (toy().out / "decode.json").exists()


@pytest.mark.parametrize(
    "name", ["HCLG.fst", "words.txt", "final.mdl", "final.safetensors", "config.json", "utt2spk"]
)
def test_a_missing_file_is_named(toy, network, capsys, name):
    folder = {"HCLG.fst": toy().graph, "words.txt": toy().graph, "utt2spk": toy().data}.get(name, network)
    (folder / name).unlink()
    assert main(arguments(toy, network, "--tune")) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"{folder / name}: ") and line.count("\n") == 1


def test_a_network_of_other_classes_is_refused(toy, network, kaldi_sample, capsys):
    (network / "final.mdl").write_bytes((kaldi_sample / "tri1_ali" / "final.mdl").read_bytes())
    assert main(arguments(toy, network, "--tune")) == 2
    assert "the network has 11 pdfs, final.mdl has 496" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "which LM weight and insertion penalty"),
        ({"tune": True, "tuned": "x"}, "only one of both"),
        ({"tune_graph": "x", "lm_weights": (10.0,)}, "--tune-graph needs --tune"),
        ({"tune": True, "insertion_penalties": ()}, "at least one"),
    ],
)
def test_settings_that_contradict_are_refused(toy, more, reason):
    with pytest.raises(InputError, match=reason):
        given_weights(toy(**more))


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--lm-weights", "10,0", "'0' is not more than 0"),
        ("--beam", "0", "'0' is not more than 0"),
        ("--beam", "nan", "'nan' is not a finite number"),
        ("--tune-minutes", "-1", "'-1' is not more than 0"),
        ("--max-active", "0", "'0' is less than 1"),
    ],
)
def test_numbers_out_of_bounds_are_refused(toy, network, refused, option, value, reason):
    assert refused(arguments(toy, network, "--tune", f"{option}={value}")) == f"{option}: {reason}"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"lm_weight": "ten", "penalty": 0}', '{"lm_weight": 0, "penalty": 0}', "null"]
)
def test_a_decode_json_without_weights_is_refused(toy, tmp_path, content):
    (tmp_path / "decode.json").write_text(content)
    with pytest.raises(InputError, match=r"decode\.json: "):
        given_weights(toy(tuned=tmp_path / "decode.json"))


@pytest.mark.parametrize("text", ["other-1 甲\n", "s-1 қазір\ns-2 <NOISE>\n", "s-1\n"])
def test_tuning_needs_transcripts_of_something(toy, text):
    (toy().data / "text").write_text(text, "utf-8")
    with pytest.raises(InputError, match="text: no utterance with features has a transcript with a Han"):
        decode_set(toy(tune=True), None, SOURCE)


# ---------------------------------------------------------------- what else is written


def test_times_n_best_and_lattices_are_written(toy, tmp_path):
    """The toy's words are phones of three states but its graph has two frames: words have no times."""
    decode_set(toy(nbest=2), Weights(10.0), SOURCE)
    out = tmp_path / "out"
    lines = (out / "nbest").read_text("utf-8").splitlines()
    # s-1: 乙乙 costs 0.6 and 0.25 in the graph, 2 * 4.5; 甲 1.25 and 2 * 3
    assert lines[:2] == ["s-1-1 0.8500 9.0000 乙 乙", "s-1-2 1.2500 6.0000 甲"]
    assert (out / "ctm").read_text() == ""
    read = dict(read_lattices(out / "lat.1.gz"))
    assert list(read) == sorted(LOGLIKES) and read["s-1"].num_arcs == 3
    decode_set(toy(lattices=False), Weights(10.0), SOURCE)
    assert not (out / "lat.1.gz").exists()


def test_latin_script_counts_by_word_or_letter(toy):
    (toy().data / "text").write_text("s-1 LET 乙\n", "utf-8")
    for latin, units in (("word", 2), ("letter", 4)):
        tune_set = TuneSet.pick(toy().data, sorted(LOGLIKES), dict.fromkeys(LOGLIKES, 2), 100, 0, latin)
        assert len(tune_set.references["s-1"]) == units
