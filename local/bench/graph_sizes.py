"""Make a lang directory with a large grammar: the lexicon and phones of LANG, a trigram model of random sentences.

    python local/bench/graph_sizes.py LANG OUT WORDS [LENGTH]

The text has WORDS words. With LENGTH > 1 the lexicon is new: 20,000 words, each of up to LENGTH words of LANG.
"""

import sys
from pathlib import Path

import numpy as np

from asr.files import replace_files
from asr.lang.arpa import write_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.langdir import write_lang
from asr.lang.lexicon import Lexicon, read_lexicon
from asr.lang.lexicon_fst import write_grammar

VOCABULARY = 20_000
SUCCESSORS = 150  # words that may follow a word: trigrams repeat, as in real text


def sentences(words: list[str], length: int, rng: np.random.Generator) -> list[list[str]]:
    """Return random walks of about twelve words; successors and their frequencies follow Zipf's law."""
    frequency = 1 / np.arange(2, len(words) + 2)
    frequency /= frequency.sum()
    after = rng.choice(len(words), (len(words), SUCCESSORS), p=frequency)
    ranks = 1 / np.arange(1, SUCCESSORS + 1)
    steps = rng.choice(SUCCESSORS, length, p=ranks / ranks.sum())
    ends = rng.random(length) < 1 / 12
    result: list[list[str]] = [[]]
    word = 0
    for step, end in zip(steps.tolist(), ends.tolist(), strict=True):
        word = int(after[word, step])
        result[-1].append(words[word])
        if end:
            result.append([])
            word = step
    return [sentence for sentence in result if sentence]


def longer(lexicon: Lexicon, length: int, rng: np.random.Generator) -> Lexicon:
    """Return VOCABULARY words, each of one to `length` words of the lexicon, and its two noise words."""
    noises, plain = [row for row in lexicon if row[0].startswith("<")], lexicon[len(lexicon) // 10 :]
    made = {}
    while len(made) < VOCABULARY:
        parts = [plain[int(i)] for i in rng.integers(len(plain), size=rng.integers(1, length + 1))]
        made["".join(word for word, _ in parts)] = tuple(phone for _, phones in parts for phone in phones)
    return sorted([*noises, *made.items()])


def main() -> None:
    source, out, total = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    length = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    rng = np.random.default_rng(1)
    lexicon = read_lexicon(source / "lexicon.txt")
    if length > 1:
        lexicon = longer(lexicon, length, rng)
    words = sorted({word for word, _ in lexicon if not word.startswith("<")})
    rng.shuffle(words)
    model = estimate(sentences(words, total, rng), order=3)
    with replace_files(out) as folder:
        write_lang(folder, lexicon, phones=source / "phones.txt")
        write_arpa(folder / "lm.arpa", model)
        write_grammar(folder / "lm.arpa", folder / "words.txt", folder / "G.fst")
        (folder / "lm.arpa").unlink()
    print(f"{out}: {sum(len(order) for order in model.orders):,} n-grams", file=sys.stderr)


main()
