import gzip
import math

import numpy as np
import pytest

from asr.errors import InputError
from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import perplexity, word_log_probabilities

GOOD = """\
some words before it

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.3
-0.5\t</s>
-0.6\t我\t-0.2
-0.7\t们

\\2-grams:
-0.1\t<s> 我
-0.2 我 们

\\end\\
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_reading_and_scoring(tmp_path):
    model = read_arpa(write(tmp_path / "lm.arpa", GOOD))
    logs, unknown = word_log_probabilities(model, [["我", "们"], ["们"]])
    assert logs / math.log(10) == pytest.approx([-0.1, -0.2, -0.5, -0.3 - 0.7, -0.5])
    assert not unknown.any()


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("-0.7\t们", "-0.7", 11, "1 word"),
        ("-0.7\t们", "zero\t们", 11, "1 word"),
        ("-0.7\t们", "0.7\t们", 11, "at most 0"),
        ("-0.7\t们", "nan\t们", 11, "at most 0"),
        ("-0.6\t我\t-0.2", "-0.6\t我\tinf", 10, "at most 0"),
        ("-0.7\t们", "-0.7\t我", 11, "the 1-gram '我' has occurred before"),
        ("-0.2 我 们", "-0.2 <s> 我", 15, "the 2-gram '<s> 我' has occurred before"),
        ("-0.2 我 们", "-0.2 我 他", 15, "他 is not among the 1-grams"),
        ("-0.2 我 们", "-0.2 我", 15, "2 word"),
        ("ngram 2=2", "ngram 2=3", 17, "2 2-grams, but .* declares 3"),
        ("ngram 1=4", "ngram 1=3", 13, "4 1-grams, but .* declares 3"),
        ("ngram 1=4", "ngramme 1=4", 4, "ngram N=COUNT"),
        ("ngram 2=2\n", "", 12, "out of order or not declared"),
        ("\\2-grams:", "\\3-grams:", 13, "out of order or not declared"),
        ("\\end\\\n", "", 16, "without"),
    ],
)
def test_a_broken_file_is_refused_by_line(tmp_path, old, new, line, complaint):
    assert GOOD.count(old) == 1
    path = write(tmp_path / "lm.arpa", GOOD.replace(old, new))
    with pytest.raises(InputError, match=complaint) as caught:
        read_arpa(path)
    assert caught.value.line == line and str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "is not an ARPA file"), (GOOD.replace("</s>", "们们"), "lack </s>")],
)
def test_a_file_without_a_model_is_refused(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        read_arpa(write(tmp_path / "lm.arpa", text))


def test_a_truncated_gzip_file_is_refused(tmp_path):
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        read_arpa(path)


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_a_written_model_is_read_again(tmp_path, name):
    generator = np.random.default_rng(5)
    sentences = [[f"w{i}" for i in generator.integers(0, 9, generator.integers(1, 7))] for _ in range(60)]
    model = estimate(sentences, 3)
    write_arpa(tmp_path / name, model)
    write_arpa(tmp_path / f"again.{name}", model)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again.{name}").read_bytes()
    again = read_arpa(tmp_path / name)
    assert again.words == model.words
    for length in (1, 2, 3):
        assert again.tokens(length).tolist() == model.tokens(length).tolist()
        assert again.orders[length - 1].logp == pytest.approx(model.orders[length - 1].logp, abs=2e-7)
        assert again.orders[length - 1].backoff == pytest.approx(model.orders[length - 1].backoff, abs=2e-7)


def test_kaldis_model_is_scored_as_by_plain_back_off(kaldi_sample):
    path = kaldi_sample / "lang/lm.arpa.gz"
    grams: dict[tuple[str, ...], tuple[float, float]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            fields = line.rstrip("\n").split("\t")
            if len(fields) > 1:
                grams[tuple(fields[1].split())] = (float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0)

    def score(history, word):
        if (*history, word) in grams:
            return grams[(*history, word)][0]
        return grams.get(history, (0, 0.0))[1] + score(history[1:], word)

    sentences = [list(s) for s in ("设定二十九度", "我想听音乐", "上海孙中山故居纪念馆", "度度度")]
    expected = 0.0
    for sentence in sentences:
        padded = ["<s>", *sentence, "</s>"]
        expected += sum(score(tuple(padded[max(0, i - 2) : i]), padded[i]) for i in range(1, len(padded)))
    measured = perplexity(read_arpa(path), sentences)
    assert measured.oov == 0
    assert measured.log_probability / math.log(10) == pytest.approx(expected)
