"""Read general Chinese word frequencies: how often people write each of 297,000 words, from the package wordfreq.

    frequencies = chinese_words()                  {"的": 0.0617, "我们": 0.0034, ...}, words of Han characters
    common_characters(frequencies)                 the characters that a recogniser should know: 的, 我, 们, ...

wordfreq (Robyn Speer, 2022) merges subtitles, web pages, books, news and Wikipedia, in simplified characters. Its
list has the words that occur once or more in 10^8 words, in steps of a hundredth of a decade. It needs no segmenter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from asr.corpus.transcript import HAN, normalise
from asr.errors import InputError
from asr.lang.pronunciation import pronunciations

SOURCE = "wordfreq"
#: share among the characters of running text. It covers 40 of the 42 characters of a dev set that 9 hours lack
LEAST_SHARE = 1e-7
_WORD = re.compile(f"[{HAN}]+")


def chinese_words() -> dict[str, float]:
    """Return {word: its share of running text}, the most frequent first. Raises InputError without the package."""
    try:
        import wordfreq
    except ImportError as error:
        raise InputError(
            f"--general {SOURCE} needs the package wordfreq ({error}); install it, or pass --general none"
        ) from error
    table = wordfreq.get_frequency_dict("zh", wordlist="large")
    return {word: share for word, share in table.items() if _WORD.fullmatch(word) and normalise(word) == word}


def version() -> str:
    """Return the name and version of the package, for lang.json."""
    from importlib.metadata import version as installed

    return f"{SOURCE} {installed(SOURCE)}"


def common_characters(frequencies: Mapping[str, float], least_share: float = LEAST_SHARE) -> list[str]:
    """Return the characters, in code-point order, that have `least_share` of all characters and a known reading."""
    shares: dict[str, float] = defaultdict(float)
    for word, frequency in frequencies.items():
        for character in word:
            shares[character] += frequency
    least = least_share * sum(shares.values())
    return sorted(character for character, share in shares.items() if share >= least and pronunciations(character))
