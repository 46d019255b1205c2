"""The formats of transcriptions."""

import json

import pytest

from asr.decoding.lattices.hypothesis import RecognisedWord
from asr.recognition.written import RecognisedSegment, as_srt, cues, file_record, formatted, joined


def segment(*words: tuple[str, float, float], fault=None) -> RecognisedSegment:
    found = tuple(RecognisedWord(text, start, end - start, 0.5) for text, start, end in words)
    return RecognisedSegment(words[0][1] if words else 0.0, words[-1][2] if words else 1.0, found, fault)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["今", "天", "唱歌"], "今天唱歌"),
        (["去", "K", "T", "V"], "去KTV"),
        (["LET", "IT", "GO", "吧"], "LET IT GO吧"),
        (["A", "LET"], "A LET"),
        (["1", "0", "分"], "10分"),
        ([], ""),
    ],
)
def test_spaces_stand_between_latin_words_only(words, text):
    assert joined(words) == text


def test_text_and_ctm():
    segments = [segment(("今", 0.5, 0.75), ("天", 0.75, 1.0)), segment(), segment(("好", 2.0, 2.125))]
    assert formatted("text", segments, "a") == "今天\n好\n"
    assert (
        formatted("ctm", segments, "a")
        == "a 1 0.500 0.250 今 0.500\na 1 0.750 0.250 天 0.500\na 1 2.000 0.125 好 0.500\n"
    )


def test_subtitles_end_at_pauses_and_are_not_too_long():
    words = [("一", 0.0, 0.4), ("二", 0.5, 0.9), ("三", 1.6, 2.0)]  # 0.7 s of nothing before 三
    assert [[word.text for word in cue] for cue in cues([segment(*words)])] == [["一", "二"], ["三"]]
    many = [("字", 0.1 * place, 0.1 * place + 0.1) for place in range(45)]
    assert [len(cue) for cue in cues([segment(*many)])] == [20, 20, 5]
    slow = [("慢", 1.5 * place, 1.5 * place + 1.4) for place in range(5)]
    assert all(cue[-1].end_s - cue[0].start_s <= 6 for cue in cues([segment(*slow)]))
    text = as_srt([segment(("一", 3661.0005, 3662.5))], first=7)
    assert text == "7\n01:01:01,000 --> 01:01:02,500\n一\n\n"


def test_json_has_all_fields():
    segments = [segment(("今", 0.5, 0.75)), segment(fault="no path was found")]
    record = json.loads(json.dumps(file_record("a.wav", 3.25, segments, "m")))
    assert (record["file"], record["duration"], record["text"], record["model"]) == ("a.wav", 3.25, "今", "m")
    assert record["segments"][0]["words"] == [{"word": "今", "start": 0.5, "end": 0.75, "confidence": 0.5}]
    assert record["segments"][1]["fault"] == "no path was found" and record["segments"][1]["confidence"] == 0
