"""Find the columns of a table that hold sounds, transcripts and the rest: by their names, else by their content.

    columns_of(records, given={"text": "hanzi"}, is_sound=known.__contains__)     # {"sound": "clip", "text": "hanzi"}

A table without names of columns is `sound transcript [speaker]`; with `is_sound` its columns may have any order. A
table whose columns have unknown names is refused with an error that names them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from asr.corpus.records import Records
from asr.corpus.transcript import HAN
from asr.errors import InputError

#: names of columns in corpora, by what the columns hold; the first one that a table has counts
NAMES: dict[str, tuple[str, ...]] = {
    "sound": (
        *("path", "audio_filepath", "audio_path", "audio_file", "audio", "wav", "wav_path", "sound"),
        *("file", "filename", "file_name", "wav_filename", "wav_file", "sound_file", "file_path", "filepath", "clip"),
        *("音频", "文件", "文件名", "路径", "音频文件", "音频路径", "文件路径", "文件名称", "语音", "语音文件"),
        *("录音", "录音文件", "utterance_id", "utteranceid", "utt_id", "utt", "key", "id", "name", "名称", "编号"),
    ),
    "text": (
        *("sentence", "text", "transcript", "transcription", "txt", "label", "content", "hanzi"),
        *(
            "文本",
            "内容",
            "句子",
            "文字",
            "文本内容",
            "转写",
            "转写文本",
            "转录",
            "转录文本",
            "标注",
            "标注文本",
            "汉字",
        ),
    ),
    "speaker": (
        *("speaker", "client_id", "speaker_id", "speakerid", "spk", "spk_id", "user_id", "speaker_name"),
        *("说话人", "说话者", "发音人", "录音人", "说话人id"),
    ),
    "set": ("split", "set", "subset", "partition", "集合", "数据集", "划分"),
    "start": ("start", "start_s", "offset", "begin", "start_time", "开始", "开始时间", "起始时间"),
    "end": ("end", "end_s", "stop", "end_time", "结束", "结束时间"),
    "duration": ("duration", "duration_s", "时长"),
    "channel": ("channel", "声道", "通道"),
}
IGNORED = "none"
_HAN = re.compile(f"[{HAN}]")


class NotUnderstood(InputError):
    """The error for a table that names sounds, but whose column of transcripts is not known."""


class NoListing(InputError):
    """The error for a file that is no table of sounds and transcripts."""


def names_columns(cells: list[str], given: Mapping[str, str] | None = None) -> bool:
    """Return whether `cells` are names of columns, among them those of the sound and the transcript."""
    wanted, titles = _wanted(given), {plain_title(cell) for cell in cells}
    return all(titles & set(wanted[what]) for what in ("sound", "text"))


def columns_of(
    records: Records, given: Mapping[str, str] | None = None, is_sound: Callable[[str], bool] | None = None
) -> dict[str, str]:
    """Return {what: the title of its column}. given: the user's {what: title, or number from 1, or `none`}.

    Raises NotUnderstood or NoListing, which name the table's columns, and InputError for a column that is missing.
    """
    wanted, given = _wanted(given), given or {}
    if "sound" in given and wanted["sound"] == wanted["text"]:
        raise InputError(f"--columns: {given['sound']} cannot be both sound and text", file=records.path)
    known = {plain_title(title): title for title in reversed(records.titles)}
    present = {what: [known[name] for name in names if name in known] for what, names in wanted.items()}
    for what, name in given.items():
        if not present[what] and not (name == IGNORED and what not in ("sound", "text")):
            other = wanted["text" if what == "sound" else "sound"][0]
            pair = f"{name} and {other}" if what == "sound" else f"{other} and {name}" if what == "text" else name
            raise _missing(records, pair)
    first = {what: titles[0] for what, titles in present.items() if titles}
    if not any(isinstance(item, dict) for _, item in records.items):
        return first
    if present["sound"] and present["text"] and (records.named or given):
        return first | _by_name(records, present, given, is_sound)
    if given:
        raise _missing(records, f"{wanted['sound'][0]} and {wanted['text'][0]}")
    if is_sound is not None:
        return _by_content(records, is_sound)
    if records.named:
        raise _missing(records, "path and sentence or other known names")
    return dict(zip(("sound", "text", "speaker"), records.titles, strict=False))


def plain_title(title: str) -> str:
    """Return a column's name for comparisons: NFKC, lower case, without quotes and marks around it."""
    return unicodedata.normalize("NFKC", title).strip(" \t\ufeff\u200b'\"#*").lower()


def _wanted(given: Mapping[str, str] | None) -> dict[str, tuple[str, ...]]:
    for what in given or {}:
        if what not in NAMES:
            raise InputError(f"--columns {what}: tables have {', '.join(NAMES)}")
    return {what: (plain_title(given[what]),) if given and what in given else names for what, names in NAMES.items()}


def _missing(records: Records, names: str) -> InputError:
    kind = NotUnderstood if records.items else NoListing
    return _error(kind, records, f"has no columns {names}; it has: {records.shown()}")


def _error(kind: type[InputError], records: Records, message: str) -> InputError:
    return kind(message, file=records.path, line=records.first_line)


def _transcript(records: Records, titles: list[str]) -> str:
    """Return the first column with varied Chinese text, else the first with any text.

    A `sentence` in English beside a `text` in Chinese is a translation; a `label` with few values is a class.
    """
    chinese = [title for title in titles if _share(records.values(title), _has_han) >= 0.5]
    filled = [title for title in titles if any(map(str.strip, records.values(title)))]
    return (_varied(records, chinese) or filled or titles)[0]


def _by_name(
    records: Records,
    present: Mapping[str, list[str]],
    given: Mapping[str, str],
    is_sound: Callable[[str], bool] | None,
) -> dict[str, str]:
    """Return the columns of the sound and the transcript among those with known names.

    Raises NotUnderstood if another column has the name of one and other values, unless the user has chosen one.
    """
    sounds = present["sound"]
    holding = (title for title in sounds if is_sound and any(map(is_sound, records.values(title))))
    chosen = {"sound": next(holding, sounds[0]), "text": _transcript(records, present["text"])}
    for what, title in ({what: titles[0] for what, titles in present.items() if titles} | chosen).items():
        twin = f"{title}.1"
        if what not in given and twin in records.titles and records.values(title) != records.values(twin):
            message = f"two columns are called {title}; name one of them: --columns {what}={title} or {what}={twin}"
            raise _error(NotUnderstood, records, message)
    return chosen


def _varied(records: Records, titles: list[str]) -> list[str]:
    """Return the columns with more than half as many different values as the most varied one."""
    variety = {title: len(set(records.values(title))) for title in titles}
    return [title for title in titles if 2 * variety[title] > max(variety.values())]


def _by_content(records: Records, is_sound: Callable[[str], bool]) -> dict[str, str]:
    """Return the columns of the sounds, the transcripts and, if one other column is left, the speakers.

    Raises NoListing or NotUnderstood, also if the columns have names: these are not known.
    """
    shares = {title: _share(records.values(title), is_sound) for title in records.titles}
    sound = max(shares, key=lambda title: (shares[title], _share(records.values(title), _has_suffix)), default="")
    if not sound or not shares[sound]:
        raise _error(NoListing, records, f"names no sound of this folder; its columns are {records.shown()}")
    texts = [title for title in records.titles if title != sound and _share(records.values(title), _has_han) >= 0.5]
    alike: list[str] = []
    if len(texts) > 1:
        texts, alike = _distinct(records, texts)
    if not texts:
        message = f"names sounds, but no column holds Chinese text; its columns are {records.shown()}"
        raise _error(NoListing, records, message)
    hint = f"sound={sound},text={texts[0]}"
    if len(texts) > 1:
        message = f"columns {', '.join(texts)} hold Chinese text; name one: --columns {hint}"
        raise _error(NotUnderstood, records, message)
    if records.named:
        hint = f"'{hint}'" if re.search(r"[^\w=,.-]", hint) else hint
        message = f"the columns have unknown names: {records.shown()}; name them, perhaps --columns {hint}"
        raise _error(NotUnderstood, records, message)
    others = [title for title in records.titles if title not in (sound, *texts, *alike)]
    speaker = {"speaker": others[0]} if len(others) == 1 and not _all_numbers(records.values(others[0])) else {}
    return {"sound": sound, "text": texts[0]} | speaker


def _distinct(records: Records, texts: list[str]) -> tuple[list[str], list[str]]:
    """Return (the transcripts, other forms of them) of columns with Chinese text. Names of speakers are neither."""
    texts = _varied(records, texts) or texts
    pairs = list(zip(*(records.values(title) for title in texts), strict=False))
    same = sum(len({"".join(_HAN.findall(text)) for text in pair}) == 1 for pair in pairs)
    return (texts[:1], texts[1:]) if pairs and 2 * same > len(pairs) else (texts, [])


def _share(values: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, values)) / len(values) if values else 0.0


def _has_han(value: str) -> bool:
    return _HAN.search(value) is not None


def _has_suffix(value: str) -> bool:
    return re.search(r"\.[A-Za-z0-9]{3,4}$", value) is not None


def _all_numbers(values: list[str]) -> bool:
    return all(re.fullmatch(r"-?[0-9]+[.,][0-9]+", value.strip()) for value in values)
