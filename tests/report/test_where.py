"""Where the errors are: the section of the report, and its figures by hand."""

from __future__ import annotations

import json

import pytest
from report_pages import report

from asr.report.scores import ScoredSet
from asr.report.where import PerfectModel, SpeakerSpread, Where
from asr.scoring.counts import Counts


def section(text: str) -> str:
    return text[text.index("Where the errors are") : text.index("Most confused characters")]


def test_the_section_has_the_figures(made_up):
    text = section(report(made_up)[1])
    # dev: 天→填 (the tone), 行→航 (initial and final), 好 lost: 3 of 8; test has 行→航 twice
    assert (
        "characters 37.50 % 50.00 % syllables with tone 37.50 % 50.00 % syllables without tone 25.00 % 37.50 %"
        in text
    )
    assert "with a perfect acoustic model 12.50 % points that the acoustic model adds 25.00" in text
    assert "dev: 3 utterances, where the decoding has 37.50 %; with a perfect model [ 1 / 8," in text
    assert "[ 1 / 8, 0 ins, 0 del, 1 sub ], 1 of them homophones; 1 utterances could" in text
    assert "initial and final 12.50 % 25.00 % deletion 12.50 % 12.50 % tone 12.50 % 12.50 %" in text
    assert "Parts of the 7 syllables of dev" in text and "initials 1 14.29 % x → h × 1" in text
    assert "finals 1 14.29 % ing → ang × 1 tones 1 14.29 % 1 → 2 × 1" in text
    assert "By length of the reference, in characters" in text
    assert "1 to 5 37.50 % 8 50.00 % 8" in text
    assert "10 to 15 25.00 % 4 0 30 to 35 33.33 % 3 0" in text  # test has no ratios


def test_older_results_lack_the_sounds(made_up):
    for name in ("dev", "test"):
        folder = made_up / "dnn" / f"decode_{name}"
        (folder / "explained.json").unlink(missing_ok=True)
        record = json.loads((folder / "scores.json").read_text("utf-8"))
        del record["sounds"]
        (folder / "scores.json").write_text(json.dumps(record), "utf-8")
    text = section(report(made_up)[1])
    assert "characters 37.50 % 50.00 %" in text and "syllables with" not in text
    assert "not recorded (asr explain writes explained.json)" in text
    assert "The errors by sound are not recorded: score again." in text and "signal-to-noise" not in text


@pytest.mark.parametrize(
    "damaged", ["[]", '{"perfect": 3, "signal_to_noise_db": 4}', '{"perfect": {"cer": {}}}', "{"]
)
def test_damaged_files_take_nothing_else_away(made_up, damaged):
    (made_up / "dnn" / "decode_dev" / "explained.json").write_text(damaged)
    record = json.loads((made_up / "dnn" / "decode_dev" / "scores.json").read_text("utf-8"))
    for sounds in (3, {"tonal": 3, "kinds": [1], "parts": {"tone": {"confused": [3, [1, 2, 3]]}}, "compared": None}):
        record["sounds"] = sounds
        (made_up / "dnn" / "decode_dev" / "scores.json").write_text(json.dumps(record), "utf-8")
        text = report(made_up)[1]
        assert "37.50 % CER" in text and "characters 37.50 % 50.00 %" in section(text)
        assert "asr explain writes explained.json" in text


def scored(utterances: dict[str, tuple[str, int, int]]) -> ScoredSet:
    """Return a set of {utterance: (speaker, units, of them wrong)}."""
    speakers: dict[str, dict] = {}
    for speaker, length, wrong in utterances.values():
        item = speakers.setdefault(speaker, dict.fromkeys(("errors", "length", "ins", "del", "sub", "utterances"), 0))
        for name, more in (("errors", wrong), ("sub", wrong), ("length", length), ("utterances", 1)):
            item[name] += more
    whole = {
        name: sum(item[name] for item in speakers.values()) for name in ("errors", "length", "ins", "del", "sub")
    }
    pairs = {
        key: [["好", "坏"]] * wrong + [["好", "好"]] * (length - wrong)
        for key, (_, length, wrong) in utterances.items()
    }
    record = {"utterances": len(utterances), "missing": [], "speakers": speakers}
    record["per_utterance"] = [{"key": key, "pairs": items} for key, items in pairs.items()]
    for name in ("cer", "wer"):
        record[name] = whole | {"interval": None, "sentences_wrong": 1}
    return ScoredSet.of("dev", record)


def test_speakers_and_groups_by_hand():
    found = scored(
        {
            "u1": ("a", 10, 1),
            "u2": ("b", 10, 2),
            "u3": ("c", 5, 2),
            "u4": ("d", 50, 15),
            "u5": ("e", 51, 51),
            "u6": ("e", 1, 0),
        }
    )
    spread = SpeakerSpread.of(found)
    # 10, 20, 30, 40 and 51 of 52 per cent
    assert spread == SpeakerSpread(5, 10.0, 20.0, 30.0, 40.0, pytest.approx(100 * 51 / 52))
    ratios = {"u1": 9.99, "u2": 10, "u3": -3.0, "u4": 50, "u5": 400.0}
    where = Where.of({"dev": found}, {"dev": {"signal_to_noise_db": ratios}})
    lengths = {group.label: (group.utterances["dev"], group.counts["dev"]) for group in where.lengths}
    assert lengths == {
        "1 to 5": (2, Counts(4, 2)),
        "6 to 10": (2, Counts(17, 3)),
        "31 to 50": (1, Counts(35, 15)),
        "51 or more": (1, Counts(0, 51)),
    }
    groups = {group.label: group.counts["dev"].errors for group in where.ratios}
    assert groups == {"below 5": 2, "5 to 10": 1, "10 to 15": 2, "50 to 60": 15, "60 or more": 51}
    assert SpeakerSpread.of(scored({"u1": ("a", 3, 1), "u2": ("b", 3, 1)})) is None  # each its own speaker
    assert SpeakerSpread.of(scored({"u1": ("a", 3, 1), "u2": ("a", 3, 1)})) is None


def test_points_of_the_acoustic_model():
    model = PerfectModel(3, Counts(9, 1), Counts(6, 4), 1, 0)
    assert model.added == 30.0
    assert PerfectModel(3, Counts(), Counts(), None, 0).added is None
