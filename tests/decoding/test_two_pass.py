"""Two passes over the toy graph: a shifted speaker is misunderstood, adapted to, and understood."""

import json

import numpy as np
import pytest
from toy_graph import NUM_PDFS

from asr.decoding.acoustic import AcousticSource, TwoPassSource
from asr.decoding.beam.search import Beams
from asr.decoding.decode import Settings, decode_set
from asr.decoding.pool import SearchPool
from asr.decoding.tuning import Weights
from asr.decoding.two_pass import adapted, silence_of
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.errors import InputError
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.fmllr import expected
from asr.features.adaptation.speaker import SpeakerModel, speech
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_table

# in the toy graph, a frame of pdf 4 twice is 甲 and a frame of pdf 10 twice is 乙 乙
CENTRES = {4: (-2.0, 0.0), 10: (2.0, 0.0)}
UTTERANCES = 80
WEIGHTS = Weights(1.0)


def gaussians() -> Mixtures:
    """Return one Gaussian a pdf; only those of pdfs 4 and 10 are near the frames."""
    means = np.tile(np.float32([0, 50]), (NUM_PDFS, 1))
    for pdf, centre in CENTRES.items():
        means[pdf] = centre
    return Mixtures(np.arange(NUM_PDFS + 1), np.ones(NUM_PDFS, np.float32), means, np.ones_like(means))


@pytest.fixture(autouse=True)
def _weak_prior(monkeypatch):
    """Let a few hundred frames suffice."""
    monkeypatch.setattr("asr.features.adaptation.speaker.PRIOR_FRAMES", 20.0)


@pytest.fixture
def speech_of():
    """Return {utterance: two frames} of a speaker as the model expects and of one who is shifted, and the texts."""
    rng, frames, texts = np.random.default_rng(1), {}, {}
    for speaker, shift in (("same", 0.0), ("moved", 1.6)):
        for number in range(UTTERANCES):
            pdf = (4, 10)[number % 2]
            key = f"{speaker}-{number:03d}"
            frames[key] = (rng.normal(CENTRES[pdf], 0.7, (2, 2)) + np.array([shift, 0])).astype(np.float32)
            texts[key] = "甲" if pdf == 4 else "乙 乙"
    return frames, texts


def source_of(frames) -> TwoPassSource:
    mixtures = gaussians()
    counts = np.zeros(NUM_PDFS)
    counts[[4, 10]] = 1

    def second(transforms):
        def loglikes_of(key):
            matrix = transforms.get(key.split("-")[0])
            return mixtures.log_likelihoods(frames[key] if matrix is None else transformed(frames[key], matrix))

        return AcousticSource(loglikes_of)

    folder = SpeakerModel(mixtures, mixtures, expected(mixtures, counts))
    return TwoPassSource(second({}), folder, frames.__getitem__, lambda key: key.split("-")[0], second)


@pytest.fixture
def graph(write_graph, tmp_path):
    states = [[(18, 2, 0.7, 1), (30, 3, 0.7, 2)], [(18, 0, 0.0, 3)], [(30, 3, 0.0, 3)], []]
    folder = write_graph(tmp_path / "graph", states, {3: 0.0})
    (folder / "phones").mkdir()
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\na 2\nb 3\n")
    (folder / "phones" / "silence.csl").write_text("1\n")
    return folder


@pytest.fixture
def settings(graph, toy_model, tmp_path, speech_of):
    frames, texts = speech_of
    data = tmp_path / "data"
    data.mkdir()
    (data / "utt2spk").write_text("".join(f"{key} {key.split('-')[0]}\n" for key in frames))
    (data / "text").write_text("".join(f"{key} {text}\n" for key, text in texts.items()), "utf-8")

    def make(**more):
        values = {"data": data, "model": toy_model, "graph": graph, "out": tmp_path / "out", "nj": 1} | more
        return Settings(**values)

    return make


def errors(hypotheses, texts):
    return {
        speaker: sum(hypotheses[key] != text for key, text in texts.items() if key.startswith(speaker))
        for speaker in ("same", "moved")
    }


def test_the_second_pass_understands_a_shifted_speaker(settings, speech_of, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("asr.decoding.decode.silence_of", lambda graph: frozenset())  # pdf 4 is the toy's silence
    frames, texts = speech_of
    decode_set(settings(out=tmp_path / "alone"), WEIGHTS, source_of(frames).first)
    before = errors(read_table(tmp_path / "alone" / "hyp.txt"), texts)
    record = decode_set(settings(), WEIGHTS, source_of(frames))
    after = errors(read_table(tmp_path / "out" / "hyp.txt"), texts)
    assert before["moved"] > 4 and after["moved"] < before["moved"] / 2
    assert after["same"] <= before["same"] + 1
    found = record["adaptation"]
    assert found["first_pass"] == {"lm_weight": 1.0, "penalty": 0.0, "prior_scale": 1.0}
    assert list(found["speakers"]) == ["moved", "same"]
    assert found["speakers"]["moved"]["frames"] == 2 * UTTERANCES
    assert found["speakers"]["moved"]["improvement"] > found["speakers"]["same"]["improvement"] + 0.1
    assert record["cpu_s"] >= found["cpu_s"] > 0
    assert json.loads((tmp_path / "out" / "decode.json").read_text("utf-8")) == record
    assert "decode: adapted to 2 speakers; log-likelihood +" in capsys.readouterr().out


def test_a_first_pass_that_understands_nothing_is_reported(settings, speech_of, monkeypatch, capsys):
    """One speaker is twelve deviations away from everything; then nobody says anything but the toy's silence."""
    frames, _ = speech_of
    for key in frames:
        if key.startswith("moved"):
            frames[key] = frames[key] + np.float32([0, -12])
    source = source_of(frames)
    monkeypatch.setattr("asr.decoding.decode.silence_of", lambda graph: frozenset())
    decode_set(settings(), WEIGHTS, source)
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert errors.startswith(
        "warning: decode: 1 of 2 speakers have transforms that are far from plausible, the first: "
    )
    assert "moved, log-likelihood +" in errors
    for key in frames:
        frames[key] = np.float32([CENTRES[4], CENTRES[4]])  # 甲, whose phone is the toy's silence
    monkeypatch.setattr("asr.decoding.decode.silence_of", silence_of)
    decode_set(settings(), WEIGHTS, source)
    assert "almost no speech of 2 of 2 speakers, the first: moved, 0 of 160 frames" in capsys.readouterr().err


def test_weights_are_chosen_on_the_second_pass(settings, speech_of, monkeypatch):
    monkeypatch.setattr("asr.decoding.decode.silence_of", lambda graph: frozenset())
    record = decode_set(settings(tune=True, lm_weights=(1.0,), search_lm_weight=1.0), None, source_of(speech_of[0]))
    assert record["adaptation"]["first_pass"]["lm_weight"] == 1.0
    assert min(trial["cer"] for trial in record["tuning"]) < 5


def test_transforms_do_not_depend_on_the_processes(graph, toy_model, speech_of):
    source, found = source_of(speech_of[0]), []

    def second(transforms):
        found.append({name: matrix.tobytes() for name, matrix in transforms.items()})
        return source.first

    kept = TwoPassSource(source.first, source.model, source.projected, source.speaker_of, second)
    for nj in (1, 2):
        with SearchPool(SearchSetup(graph, toy_model / "final.mdl", Beams()), nj) as pool:
            adapted(kept, pool, sorted(speech_of[0]), WEIGHTS, frozenset(), estimates=1)
    assert len(found) == 2 and found[0] == found[1] and list(found[0]) == ["moved", "same"]


def test_the_second_estimate_is_of_the_paths_of_adapted_features(graph, toy_model, speech_of):
    frames = speech_of[0]
    source, found = source_of(frames), []

    def second(transforms):
        found.append(dict(transforms))
        return source.second(transforms)

    kept = TwoPassSource(source.first, source.model, source.projected, source.speaker_of, second)
    model, names = read_transition_model(toy_model / "final.mdl"), sorted(frames)
    with SearchPool(SearchSetup(graph, toy_model / "final.mdl", Beams()), 1) as pool:
        _, record = adapted(kept, pool, names, WEIGHTS, frozenset())
        heard = source.second(found[0])
        paths = pool.decode(names, heard.loglikes_of, SearchTask(1.0, path=True, words=False), what="again")
    assert record["estimates"] == len(found) == 2
    for speaker in ("moved", "same"):
        own = [name for name in names if name.startswith(speaker)]
        pdfs = model.tid_to_pdf[np.concatenate([paths[name].path for name in own])]
        expected_matrix = source.model.estimate(np.concatenate([frames[name] for name in own]), pdfs).matrix
        np.testing.assert_array_equal(found[1][speaker], expected_matrix)
    assert not np.array_equal(found[0]["moved"], found[1]["moved"])


def test_a_speaker_has_no_more_frames_than_memory_should_hold(graph, toy_model, speech_of, monkeypatch):
    monkeypatch.setattr("asr.decoding.two_pass.MOST_FRAMES", 31)
    names = sorted(name for name in speech_of[0] if name.startswith("moved"))
    with SearchPool(SearchSetup(graph, toy_model / "final.mdl", Beams()), 1) as pool:
        _, record = adapted(source_of(speech_of[0]), pool, names, WEIGHTS, frozenset())
    assert record["speakers"]["moved"]["frames"] == 32  # whole utterances of two frames


def test_a_task_may_have_beams_of_its_own(graph, toy_model, speech_of):
    loglikes = source_of(speech_of[0]).first.loglikes_of("same-000")
    searcher = SearchSetup(graph, toy_model / "final.mdl", Beams(beam=9.0)).searcher()
    path = searcher.run(loglikes, SearchTask(1.0, path=True, words=False, beams=Beams(beam=0.5)))
    assert path.path.tolist() == [18, 18] and path.hypothesis is None and path.lattice is None
    assert searcher.decoder.beams == Beams(beam=9.0)
    both = searcher.run(loglikes, SearchTask(1.0, path=True))
    assert both.words == ("甲",) and both.path.tolist() == [18, 18]
    assert searcher.run(loglikes, SearchTask(1.0)).path is None


def test_silence_and_utterances_without_features_do_not_count(graph, toy_model, speech_of):
    source = source_of(speech_of[0])

    def loglikes_of(key):
        if key == "same-001":
            raise InputError("has no features", key=key)
        return source.first.loglikes_of(key)

    cut = TwoPassSource(AcousticSource(loglikes_of), source.model, source.projected, source.speaker_of, source.second)
    with SearchPool(SearchSetup(graph, toy_model / "final.mdl", Beams()), 1) as pool:
        _, record = adapted(cut, pool, ["same-000", "same-001", "same-003"], WEIGHTS, silence_of(graph), 1)
    # same-000 is 甲, two frames of the toy's silence; same-003 is 乙 乙
    assert record["speakers"]["same"]["frames"] == 2.0


def test_weights_of_frames_by_hand(toy_model):
    model = read_transition_model(toy_model / "final.mdl")
    assert speech(np.array([1, 18, 30, 24]), model, frozenset({1})).tolist() == [0, 0, 1, 1]
    assert speech(np.array([1, 30]), model, frozenset()).tolist() == [1, 1]


def test_a_graph_without_silence_phones_is_refused(graph):
    (graph / "phones" / "silence.csl").unlink()
    with pytest.raises(InputError, match=r"phones/silence\.int is missing"):
        silence_of(graph)
