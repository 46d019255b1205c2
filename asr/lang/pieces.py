"""Learn word units from a text: sentencepiece's unigram pieces of at most four characters (`asr lang --units spm`).

A piece is a sequence of Han characters without a space; Latin letters and digits are units by themselves. Every
single character of the text is a piece too, so that every sentence can be spelled.

    model = train(["打开北京地图", "北京天气"], 14)      # bytes, for OUT/pieces.model
    pieces_of(model)                                   ["北京", "打", "开", ...]
    units_of(Path("lang"), words, "<SPN>").tokenise("北京天气")      by lang/pieces.model if there is one

Source: Kudo, Subword Regularization (2018), section 3.2; the words of a sentence are the Viterbi path of equation 4.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.transcript import HAN, characters
from asr.errors import InputError
from asr.files import read_bytes
from asr.lang.units import WordUnits

MODEL = "pieces.model"
MOST_CHARACTERS = 4  # of one piece
_RUN = re.compile(f"[{HAN}]+")


def train(sentences: Sequence[str], vocabulary: int) -> bytes:
    """Return a sentencepiece model of normalised sentences, as bytes; the same sentences make the same bytes.

    vocabulary: number of different words, single characters, letters and digits included; if the text yields fewer,
    this is printed. 0: a tenth more than the text has characters, which had the lowest perplexity on an hour of
    transcripts and a word list. Raises InputError if it is less than the number of characters, or without Han
    characters.
    """
    runs = [run for sentence in sentences for run in _RUN.findall(sentence)]
    if not runs:
        raise InputError("--units spm: the text has no Han characters")
    every = {unit for sentence in sentences for unit in characters(sentence, latin="letter")}
    han = {character for run in runs for character in run}
    asked = vocabulary or len(every) * 11 // 10
    if asked < len(every):
        raise InputError(
            f"--vocab {asked} is too small: the text's {len(every)} different characters and letters are all words"
        )
    model = _trained(runs, asked - len(every) + len(han))
    got = len(pieces_of(model)) + len(every) - len(han)
    if vocabulary and got < asked:
        say(f"lang: the text yields {got:,} words, fewer than --vocab {asked}")
    return model


def _trained(runs: list[str], pieces: int) -> bytes:
    import sentencepiece

    sentencepiece.set_random_generator_seed(0)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(runs),
            model_writer=model,
            model_type="unigram",
            vocab_size=pieces + 1,  # and <unk>
            hard_vocab_limit=False,  # fewer if the text does not yield as many
            character_coverage=1.0,
            max_sentencepiece_length=MOST_CHARACTERS,
            max_sentence_length=max(len(run.encode()) for run in runs),  # longer ones would be dropped
            shuffle_input_sentence=False,
            num_threads=1,  # sums in one order
            # the text is already normalised and cut, and a mark for a space must not become part of a word
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_unicode_script=False,
            split_by_number=False,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise InputError(f"--units spm: sentencepiece cannot use this text: {error}") from error
    return model.getvalue()


def _loaded(model: bytes, source: Path | None = None) -> Any:
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise InputError("is not a sentencepiece model", file=source) from error


def pieces_of(model: bytes) -> list[str]:
    """Return the pieces of a model without <unk>, the most probable first."""
    processor = _loaded(model)
    return [processor.id_to_piece(number) for number in range(len(processor)) if not processor.is_unknown(number)]


class PieceUnits(WordUnits):
    """WordUnits that cut a run of Han characters by the most probable split of a unigram model, not by longest match.

    model: the bytes of pieces.model; source: its file, for error messages.
    """

    def __init__(
        self,
        symbols: Mapping[str, int] | Iterable[str],
        oov: str = "<SPN>",
        *,
        model: bytes,
        source: Path | None = None,
    ) -> None:
        super().__init__(symbols, oov)
        self._model = _loaded(model, source)

    def _piece(self, piece: str) -> list[tuple[str, str | None]]:
        result: list[tuple[str, str | None]] = []
        end = 0
        for run in _RUN.finditer(piece):
            result += super()._piece(piece[end : run.start()])
            for part in self._model.encode(run[0], out_type=str):
                # the model returns a run that it does not know as one piece, however long
                result += [(part, part)] if part in self._words else super()._piece(part)
            end = run.end()
        return result + super()._piece(piece[end:])


def units_of(lang: Path, symbols: Mapping[str, int], oov: str) -> WordUnits:
    """Return the splitter of a lang directory: by its pieces.model if it has one, else by longest match."""
    path = lang / MODEL
    if not path.is_file():
        return WordUnits(symbols, oov)
    return PieceUnits(symbols, oov, model=read_bytes(path), source=path)
