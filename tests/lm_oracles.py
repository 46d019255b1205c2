"""Slow, plain computations of the probabilities of language models, and a random text."""

import numpy as np

from asr.lang.arpa import write_arpa
from asr.lang.lexicon_fst import write_grammar


def write_g(folder, model, words):
    """Write G.fst of a model over <eps>, `words` and #0, numbered in that order; return its path."""
    table = ["<eps>", *words, "#0"]
    (folder / "words.txt").write_text("".join(f"{word} {number}\n" for number, word in enumerate(table)), "utf-8")
    write_arpa(folder / "lm.arpa", model)
    write_grammar(folder / "lm.arpa", folder / "words.txt", folder / "G.fst")
    return folder / "G.fst"


def random_sentences(seed, words=7, sentences=60):
    """Return sentences whose words depend on the previous word."""
    rng = np.random.default_rng(seed)
    likely = rng.dirichlet(np.full(words, 0.3), words)
    result = []
    for _ in range(sentences):
        word, sentence = int(rng.integers(words)), []
        for _ in range(int(rng.integers(1, 9))):
            sentence.append(f"w{word}")
            word = int(rng.choice(words, p=likely[word]))
        result.append(sentence)
    return result


class PlainBackoff:
    """p(w|h) of a dictionary of n-grams, by the definition of an ARPA file."""

    def __init__(self, model):
        self.words = list(model.words)
        self.logp, self.backoff = {}, {}
        for length, order in enumerate(model.orders, 1):
            for row, gram in enumerate(model.tokens(length).tolist()):
                named = tuple(model.words[i] for i in gram)
                self.logp[named], self.backoff[named] = float(order.logp[row]), float(order.backoff[row])

    def log_p(self, history, word):
        """Return log p(word | history), -inf for an unknown word."""
        gram = (*history, word)
        if gram in self.logp:
            return self.logp[gram]
        return self.backoff.get(history, 0.0) + self.log_p(history[1:], word) if history else -np.inf

    def histories(self):
        """Return the empty history and every n-gram."""
        return [(), *self.logp]

    def sums(self):
        """Return the sum of p over all words but <s>, after every history."""
        words = [word for word in self.words if word != "<s>"]
        return np.array([sum(np.exp(self.log_p(history, word)) for word in words) for history in self.histories()])
