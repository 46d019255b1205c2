"""Decide whether names of sounds are transcripts: `cmn-你好.mp3` is, `REC001.wav` and `录音003.wav` are not."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from asr.corpus.transcript import HAN
from asr.errors import InputError

_HAN = re.compile(f"[{HAN}]")
_WORD = re.compile(r"[^\W_]")


def check_patterns(name_pattern: str, speaker_pattern: str | None) -> None:
    """Raise InputError for a pattern that is no regular expression, or lacks its group."""
    for option, pattern, group in (
        ("--name-pattern", name_pattern, "group (?P<text>...)"),
        ("--speaker-pattern", speaker_pattern, "(group)"),
    ):
        try:
            compiled = re.compile(pattern or "()")
        except re.error as error:
            raise InputError(f"{option} '{pattern}': {error}") from error
        if not (compiled.groups if group == "(group)" else "text" in compiled.groupindex):
            raise InputError(f"{option} '{pattern}' has no {group}")


def text_in_name(path: Path, pattern: str) -> str:
    """Return the transcript in a sound's name by a pattern with a group `text`, "" if it does not match."""
    match = re.fullmatch(pattern, path.stem)
    return "" if match is None else match["text"].replace("_", " ").strip()


def reads_as_chinese(text: str) -> bool:
    """Return whether most letters and digits of `text` are Han characters."""
    return 2 * len(_HAN.findall(text)) > len(_WORD.findall(text))


def check_names(root: Path, texts: dict[Path, str], max_missing: float) -> None:
    """Raise InputError unless the names of nearly all sounds are Chinese text, and not labels with a number.

    texts: {sound: the text in its name}. max_missing: the share of the names that may be no Chinese text.
    """
    others = [path for path, text in texts.items() if not reads_as_chinese(text)]
    if len(others) > max_missing * len(texts):
        raise _no_transcript(
            root, f"{len(others)} of {len(texts)} sounds, such as {others[0].name}, are not Chinese text"
        )
    labels = Counter("".join(_HAN.findall(text)) for text in texts.values())
    numbered = [path for path, text in texts.items() if labels["".join(_HAN.findall(text))] > 1]
    if 2 * len(numbered) > len(texts):
        such = f"such as {numbered[0].name} and {numbered[1].name}, differ only by their numbers"
        raise _no_transcript(root, f"{len(numbered)} of {len(texts)} sounds, {such}")


def _no_transcript(root: Path, names: str) -> InputError:
    missing = "there is no transcript: no table names the sounds, none has a text beside it"
    hint = "a table, text files beside the sounds, or --text-from names if the names are the transcripts"
    return InputError(f"{missing}, and the names of {names}; wanted: {hint}", file=root)
