"""Make the lexicon, the language model and their transducers L and G, or take over a Kaldi lang directory.

With --text, pypinyin pronounces the words, and a Kneser-Ney model is estimated from the transcripts and --lm-text.
The model can also be read from --arpa, or mixed from several by their weights for the dev text, and it can be pruned.
General Chinese word frequencies are mixed with an estimated model if they help (--general). With --lang-dir, a
complete Kaldi lang directory is checked and copied; --tune-text then makes a second grammar, tune/G.fst, of the
training text alone. It serves to choose the LM weight on sentences that the given G has already seen.

The words (--units) are characters and Latin letters; or `spm`, sentencepiece's unigram pieces of one to four
characters; or `own`, the words between spaces in the text. The missing words of the text are added to a --lexicon.
All characters, letters and digits of the text are words too, or can be spelled, so that every transcript can be
aligned: letters are pronounced by name, characters without a known reading as spoken noise.

reads   TEXT (`utterance transcript`), LM_TEXT (a sentence per line), PHONES (phones.txt of an alignment: ids stay)
writes  OUT/lexicon.txt words.txt phones.txt phones/ topo oov.txt oov.int L.fst L_disambig.fst G.fst lm.arpa
        pieces.model (spm) lang.json (sizes, dev, general, and left_out: words that the language model lacks);
        OUT/tune/G.fst lm.arpa; oov_counts.txt: `word count how` of the words that LEXICON or words.txt lacks, most
        frequent first; how: pypinyin, letters, lexicon (by its characters), noise

    python -m asr lang --text exp/mini/data/train/text --dev-text exp/mini/data/dev/text \\
        --phones exp/mini/ali/phones.txt --out exp/mini/lang
"""

from __future__ import annotations

from asr.files import replace_files, write_json
from asr.lang.settings import Settings, check
from asr.settings import as_dict
from asr.stamp import Stamp

# files of which a run with other settings makes none
OPTIONAL = (
    "lexicon.txt",
    "topo",
    "L.fst",
    "oov.txt",
    "oov.int",
    "lm.arpa",
    "lm.arpa.gz",
    "oov_counts.txt",
    "pieces.model",
    *(f"phones/{name}.{kind}" for name in ("word_boundary", "align_lexicon") for kind in ("txt", "int")),
    "tune/G.fst",
    "tune/lm.arpa",
)

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2


def run(settings: Settings) -> None:
    """Run the stage `lang`."""
    check(settings)
    inputs = [*settings.lm_text, *settings.tune_text]
    single = [settings.text, settings.dev_text, settings.phones, settings.arpa, settings.mix_arpa, settings.lexicon]
    inputs += [path for path in [*single, settings.spoken_table] if path is not None]
    if settings.lang_dir is not None:
        inputs += [p for p in (settings.lang_dir, settings.lang_dir / "phones") if p.is_dir()]
    stamp = Stamp(settings.out / ".done.lang.json", "lang", settings, inputs, revision=REVISION)
    if stamp.fresh():
        return
    from asr.lang.build import make_lang, take_over

    with replace_files(settings.out, stale=OPTIONAL) as folder:
        facts = take_over(settings, folder) if settings.lang_dir is not None else make_lang(settings, folder)
        write_json(folder / "lang.json", {"settings": as_dict(settings, affecting_only=True), **facts})
        made = sorted(item.relative_to(folder) for item in folder.rglob("*") if item.is_file())
    stamp.record(settings.out / name for name in made)
