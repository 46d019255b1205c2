"""Choose the words of a lang directory and their pronunciations: characters, sentencepiece's pieces, or own words.

    vocabulary = choose(settings, ["银行 在 KTV 对面"])      # --units own --lexicon my_lexicon.txt
    vocabulary.lexicon      my_lexicon.txt, and those of 银行, 在, KTV, 对面 and of their characters that it lacks

Every character of the text is a word or can be spelled, so that every transcript can be aligned and
recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from asr.corpus.transcript import characters
from asr.lang import pieces
from asr.lang.lexicon import Lexicon, by_word, fit_phones, fitted, read_lexicon, with_specials, words_of
from asr.lang.positions import pronounceable
from asr.lang.pronunciation import ALL_PHONES, NOISE, SILENCE_PHONES
from asr.lang.settings import Settings
from asr.lang.text_lexicon import UNREAD, text_lexicon
from asr.lang.units import WordUnits, is_special
from asr.tables import read_symbols


@dataclass(frozen=True)
class Vocabulary:
    """The words of a lang directory.

    made: {word that a given lexicon lacks: how its pronunciation was found (text_lexicon)}. spelling: characters,
    letters and pieces that must be recognised even if the text does not contain them as words. model: a sentencepiece
    model that splits text; b"" for longest match. fitted: number of pronunciations that were fitted to given phones.
    """

    lexicon: Lexicon
    made: dict[str, str]
    spelling: list[str] = field(default_factory=list)
    model: bytes = b""
    fitted: int = 0

    def units(self, symbols: dict[str, int], oov: str) -> WordUnits:
        """Return the object that splits text into these words."""
        return pieces.PieceUnits(symbols, oov, model=self.model) if self.model else WordUnits(symbols, oov)

    @property
    def unread(self) -> list[str]:
        """Return the words without a known reading, which are pronounced as noise or contain noise."""
        return [word for word, how in self.made.items() if how == UNREAD]


def choose(settings: Settings, sentences: Sequence[str], more_words: Iterable[str] = ()) -> Vocabulary:
    """Return the vocabulary of normalised sentences. Raises InputError.

    All words of --lexicon are kept, and the missing words of the text are added. more_words: the words of a language
    model, added if there is no --lexicon. Pronunciations are fitted to the phones of --phones.
    """
    units, phones = settings.units, settings.phones
    by_settings = partial(text_lexicon, sentences, letters=settings.letters, most=settings.most_pronunciations)
    letterwise = {unit for sentence in sentences for unit in characters(sentence, latin="letter")}
    model = pieces.train(sentences, settings.vocab) if units == "spm" else b""
    wanted = set(letterwise)
    split: Callable[[str], list[str]] | None = None
    if units == "own":
        wanted |= {word for sentence in sentences for word in sentence.split()}
        split = str.split
    elif model:
        wanted |= set(pieces.pieces_of(model))
        split = pieces.PieceUnits(wanted, model=model).surfaces
    spelling = sorted(wanted if model else letterwise) if split else []
    if settings.lexicon is None:
        wanted |= {word for word in more_words if not is_special(word)}
        made, how = by_settings(wanted, split=split)
        changed = 0
        if phones is not None:
            made, changed = fit_phones(made, pronounceable(read_symbols(phones)), phones)
        return Vocabulary(made, how, spelling, model, changed)
    theirs = with_specials(read_lexicon(settings.lexicon))
    wanted = _lacking(theirs, sentences, wanted, whole=units == "own")
    made, how = by_settings(wanted, split=split, given=by_word(theirs))
    known = pronounceable(read_symbols(phones)) if phones is not None else {*SILENCE_PHONES, *ALL_PHONES}
    added, changed = _completing([entry for entry in made if entry[0] in wanted], how, known)
    return Vocabulary(theirs + added, how, spelling, model, changed)


def _lacking(lexicon: Lexicon, sentences: Iterable[str], wanted: set[str], *, whole: bool) -> set[str]:
    """Return the words that the lexicon lacks: of `wanted` if `whole`, else the characters that it cannot spell."""
    known = WordUnits(words_of(lexicon))
    if not whole:
        unknown = {surface for sentence in sentences for surface in known.unknown(sentence)}
        wanted = {unit for surface in unknown for unit in characters(surface, latin="letter")}
    return {word for word in wanted if word not in known}


def _completing(made: Lexicon, how: dict[str, str], known: Collection[str]) -> tuple[Lexicon, int]:
    """Return `made` over the phones `known` of a given lexicon, and how many words changed.

    A word that these phones cannot pronounce gets noise, which is noted in `how`.
    """
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
