"""Which words a lang directory gets, and how they sound: characters, sentencepiece's pieces, or the user's own.

    vocabulary = choose("own", ["银行 在 KTV 对面"], lexicon=Path("my_lexicon.txt"))
    vocabulary.lexicon      my_lexicon.txt's, and 银行, 在, KTV, 对面 and their characters as far as it lacks them

Every character that occurs in the text is a word by itself or can be spelled, so no transcript is lost: not to the
alignment, and not as something that cannot be recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.corpus.transcript import characters
from asr.lang import pieces
from asr.lang.lexicon import Lexicon, by_word, fit_phones, fitted, read_lexicon, with_specials, words_of
from asr.lang.positions import pronounceable
from asr.lang.pronunciation import ALL_PHONES, NOISE, SILENCE_PHONES
from asr.lang.units import WordUnits, is_special
from asr.lang.words import UNREAD, build
from asr.tables import read_symbols

UNITS = ("chars", "spm", "own")


@dataclass(frozen=True)
class Vocabulary:
    """`made`: {word that no given lexicon had: how it got its sound (asr.lang.words)}; `fitted`: how many changed.

    `spelling`: characters, letters and pieces that must be recognised though the text may never show them so;
    `model`: a sentencepiece model that splits text, b"" where longest match does.
    """

    lexicon: Lexicon
    made: dict[str, str]
    spelling: list[str] = field(default_factory=list)
    model: bytes = b""
    fitted: int = 0

    def units(self, symbols: dict[str, int], oov: str) -> WordUnits:
        """What splits text into these words."""
        return pieces.PieceUnits(symbols, oov, model=self.model) if self.model else WordUnits(symbols, oov)

    @property
    def unread(self) -> list[str]:
        """The words that are noise, or have noise in them."""
        return [word for word, how in self.made.items() if how == UNREAD]


def choose(
    units: str,
    sentences: Sequence[str],
    *,
    lexicon: Path | None = None,
    more_words: Iterable[str] = (),
    vocabulary: int = 0,
    letters: str = "names",
    most: int = 3,
    phones: Path | None = None,
) -> Vocabulary:
    """The words of normalised `sentences`, in `units` of UNITS, and of `more_words`, those of a language model.

    `lexicon`: a file whose words all stay, and which is completed by what the text needs, not by `more_words`.
    `vocabulary`, `letters`, `most`: see pieces.train and words.build. `phones`: phones.txt of an alignment, to whose
    phones what is made here is fitted. Raises InputError.
    """
    letterwise = {unit for sentence in sentences for unit in characters(sentence, latin="letter")}
    model = pieces.train(sentences, vocabulary) if units == "spm" else b""
    wanted = set(letterwise)
    split: Callable[[str], list[str]] | None = None
    if units == "own":
        wanted |= {word for sentence in sentences for word in sentence.split()}
        split = str.split
    elif model:
        wanted |= set(pieces.pieces_of(model))
        split = pieces.PieceUnits(wanted, model=model).surfaces
    spelling = sorted(wanted if model else letterwise) if split else []
    if lexicon is None:
        wanted |= {word for word in more_words if not is_special(word)}
        made, how = build(sentences, wanted, letters=letters, most=most, split=split)
        changed = 0
        if phones is not None:
            made, changed = fit_phones(made, pronounceable(read_symbols(phones)), phones)
        return Vocabulary(made, how, spelling, model, changed)
    theirs = with_specials(read_lexicon(lexicon))
    wanted = _lacking(theirs, sentences, wanted, whole=units == "own")
    made, how = build(sentences, wanted, letters=letters, most=most, split=split, given=by_word(theirs))
    known = pronounceable(read_symbols(phones)) if phones is not None else {*SILENCE_PHONES, *ALL_PHONES}
    added, changed = _completing([entry for entry in made if entry[0] in wanted], how, known)
    return Vocabulary(theirs + added, how, spelling, model, changed)


def _lacking(lexicon: Lexicon, sentences: Iterable[str], wanted: set[str], *, whole: bool) -> set[str]:
    """What of `wanted` the lexicon lacks; not `whole`: of the text only what longest match cannot spell with it."""
    known = WordUnits(words_of(lexicon))
    if not whole:
        unknown = {surface for sentence in sentences for surface in known.unknown(sentence)}
        wanted = {unit for surface in unknown for unit in characters(surface, latin="letter")}
    return {word for word in wanted if word not in known}


def _completing(made: Lexicon, how: dict[str, str], known: Collection[str]) -> tuple[Lexicon, int]:
    """`made` over the phones of a given lexicon, noise where that cannot be (noted in `how`); how many changed."""
    changed = 0
    result: Lexicon = []
    for word, ways in by_word(made).items():
        over = [fitted(sounds, known) for sounds in ways]
        possible = [sounds for sounds in over if set(sounds) <= set(known)]
        if not possible:
            how[word] = UNREAD
        changed += possible != ways
        result += [(word, sounds) for sounds in dict.fromkeys(possible or [(NOISE,)])]
    return result, changed
