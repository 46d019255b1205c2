"""Make the lexicon, the language model and their transducers L and G, or take over a Kaldi lang directory.

Two ways. With --text: pypinyin gives the words their pronunciations, and a Kneser-Ney model is estimated from the
transcripts and --lm-text; or taken from --arpa; or mixed of several, each by its worth for the dev text; and pruned.
With --lang-dir: a complete Kaldi lang directory is checked and copied; --tune-text then makes a second grammar,
tune/G.fst, of the training text alone: it serves to choose the language-model weight on sentences that the given one
has already seen.

The words (--units) are characters and Latin letters; or `spm`, the pieces of one to four characters by which
sentencepiece's unigram model finds the text most probable; or `own`, what spaces part in the text. A --lexicon of
the user's is completed by what the text needs. In every way all characters, letters and digits of the text are words
too, or can be spelled, so that no transcript is lost: letters by name, what nobody can read as spoken noise.

reads   TEXT (`utterance transcript`), LM_TEXT (a sentence a line), PHONES (phones.txt of an alignment: ids stay)
writes  OUT/lexicon.txt words.txt phones.txt phones/ topo oov.txt oov.int L.fst L_disambig.fst G.fst lm.arpa
        pieces.model (spm) lang.json (sizes, dev, and left_out: words that the language model never gives);
        OUT/tune/G.fst lm.arpa; oov_counts.txt: `word count how` of the words that LEXICON or words.txt lacks, most
        frequent first; how: pypinyin, letters, lexicon (by its characters), noise

    python -m asr lang --text exp/mini/data/train/text --dev-text exp/mini/data/dev/text \\
        --phones exp/mini/ali/phones.txt --out exp/mini/lang
"""

from __future__ import annotations

import json

from asr.lang.settings import Settings, check
from asr.settings import as_dict
from asr.stamp import Stamp

# What one way writes and the other does not.
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
)
TUNE = ("tune/G.fst", "tune/lm.arpa")

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1


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
    from asr.lang.langdir import building
    from asr.lang.ways import make_lang, take_over

    with building(settings.out, stale=(*OPTIONAL, *TUNE)) as folder:
        facts = take_over(settings, folder) if settings.lang_dir is not None else make_lang(settings, folder)
        with open(folder / "lang.json", "w", encoding="utf-8") as handle:
            json.dump(
                {"settings": as_dict(settings, affecting_only=True), **facts}, handle, ensure_ascii=False, indent=1
            )
            handle.write("\n")
        made = sorted(item.relative_to(folder) for item in folder.rglob("*") if item.is_file())
    stamp.record(settings.out / name for name in made)
