import gzip
import math
from pathlib import Path

import kaldifst
import pytest

from asr.errors import InputError
from asr.lang.langdir import phone_sets, phone_table, word_table, write_lang
from asr.lang.lexicon import read_lexicon
from asr.lang.lexicon_fst import check_fst, lexicon_fst, write_grammar

SMALL = [("<SIL>", ("SIL",)), ("<SPN>", ("SPN",)), ("一", ("y", "i1")), ("衣", ("y", "i1")), ("饿", ("e4",))]


def arcs(path):
    """Return the start state, and for every state its final cost and its arcs in a fixed order."""
    fst = kaldifst.StdVectorFst.read(str(path))
    states = []
    for state in range(fst.num_states):
        found = kaldifst.ArcIterator(fst, state)
        rows = sorted((arc.ilabel, arc.olabel, round(arc.weight.value, 5) + 0.0, arc.nextstate) for arc in found)
        states.append((str(fst.final(state)), rows))
    return fst.start, states


@pytest.fixture(scope="module")
def kaldis_again(kaldi_sample, tmp_path_factory):
    """Make a lang directory from Kaldi's lexicon, phones and language model."""
    folder = tmp_path_factory.mktemp("lang")
    write_lang(folder, read_lexicon(kaldi_sample / "lang/lexicon.txt"), phones=kaldi_sample / "tri1_ali/phones.txt")
    arpa = folder / "lm.arpa"
    arpa.write_bytes(gzip.decompress((kaldi_sample / "lang/lm.arpa.gz").read_bytes()))
    write_grammar(arpa, folder / "words.txt", folder / "G.fst")
    return folder


def test_every_text_file_equals_kaldis(kaldi_sample, kaldis_again):
    made = sorted(path.relative_to(kaldis_again) for path in kaldis_again.rglob("*") if path.is_file())
    texts = [name for name in made if name.suffix != ".fst" and name.name != "lm.arpa"]
    assert len(texts) == 32
    for name in texts:
        assert (kaldis_again / name).read_bytes() == (kaldi_sample / "lang" / name).read_bytes(), name


@pytest.mark.parametrize("name", ["L.fst", "L_disambig.fst", "G.fst"])
def test_every_transducer_equals_kaldis_state_by_state(kaldi_sample, kaldis_again, name):
    assert arcs(kaldis_again / name) == arcs(kaldi_sample / "lang" / name)


def test_without_an_alignment_the_phones_are_the_whole_inventory(tmp_path):
    symbols = write_lang(tmp_path, SMALL)
    assert list(symbols.phones)[:4] == ["<eps>", "SIL", "SPN", "a1"]
    assert len(symbols.real_phones) == 191
    assert symbols.disambiguation == ["#0", "#1", "#2", "#3"]  # #3 follows an optional silence
    words = ["<eps>", "<SIL>", "<SPN>", "一", "衣", "饿", "#0", "<s>", "</s>"]
    assert symbols.words == {word: number for number, word in enumerate(words)}
    assert (tmp_path / "oov.int").read_text() == "2\n"
    assert (tmp_path / "phones/silence.csl").read_text() == "1:2\n"


def test_path_costs_of_the_lexicon_equal_those_by_hand(tmp_path):
    phones, words = phone_table(3), word_table(SMALL)

    def cost(sounds, spoken):
        line = kaldifst.compose(
            kaldifst.make_linear_acceptor([phones[phone] for phone in sounds]),
            lexicon_fst(SMALL, phones, words, silence_probability=0.2),
        )
        kaldifst.arcsort(line, sort_type="olabel")
        both = kaldifst.compose(line, kaldifst.make_linear_acceptor([words[word] for word in spoken]))
        if both.start < 0:
            return math.inf
        best = kaldifst.shortest_path(both)
        state, total = best.start, 0.0
        while best.num_arcs(state):
            (arc,) = kaldifst.ArcIterator(best, state)
            total, state = total + arc.weight.value, arc.nextstate
        return total + best.final(state).value

    silent, spoken = -math.log(0.2), -math.log(0.8)
    assert cost(["y", "i1"], ["一"]) == pytest.approx(2 * spoken, abs=1e-5)
    assert cost(["y", "i1"], ["衣"]) == pytest.approx(2 * spoken, abs=1e-5)
    assert cost(["SIL", "y", "i1", "SIL", "e4"], ["一", "饿"]) == pytest.approx(2 * silent + spoken, abs=1e-5)
    assert cost(["y", "e4"], ["一", "饿"]) == math.inf


def test_a_lexicon_without_silence():
    phones, words = phone_table(3), word_table(SMALL)
    fst = lexicon_fst(SMALL[2:], phones, words, silence_probability=0.0, silence_disambiguation="#3")
    labels = {arc.ilabel for state in range(fst.num_states) for arc in kaldifst.ArcIterator(fst, state)}
    assert labels == {phones[name] for name in ("y", "i1", "e4", "#0")}


def test_given_phones_keep_their_ids_and_new_symbols_follow(tmp_path):
    given = {"<eps>": 0, "SIL": 7, "SPN": 2, "y": 3, "i1": 9, "e4": 4, "#0": 12, "unused": 11}
    path = tmp_path / "phones.txt"
    path.write_text("".join(f"{phone} {number}\n" for phone, number in given.items()))
    symbols = write_lang(tmp_path / "lang", SMALL, phones=path)
    assert symbols.phones == given | {"#1": 13, "#2": 14, "#3": 15}
    assert symbols.real_phones == ["SPN", "y", "e4", "SIL", "i1", "unused"]
    assert "<ForPhones>\n2 7\n</ForPhones>\n<State> 0 <PdfClass> 0 <Transition> 0 0.25" in (
        tmp_path / "lang/topo"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("SIL 1\nSPN 2\n", "<eps> must have the id 0"),
        ("<eps> 0\nSIL 1\ny 2\n", "lacks the phone SPN"),
        ("<eps> 0\nSIL 1\nSPN 2\ny 3\ni1 4\n", r"饿: has phones that are not in phones.txt: e4"),
        ("<eps> 0\nSIL 1\nSPN one\n", r"phones.txt:3: 'SPN one' is not"),
    ],
)
def test_unusable_phones_are_refused(tmp_path, table, complaint):
    (tmp_path / "phones.txt").write_text(table)
    with pytest.raises(InputError, match=complaint):
        write_lang(tmp_path / "lang", SMALL, phones=tmp_path / "phones.txt")
    assert [item.name for item in tmp_path.iterdir()] == ["phones.txt"]


def test_phones_share_a_root_in_all_tones_and_positions():
    assert [" ".join(group) for group in phone_sets(["SIL", "a1", "a2", "ai1", "b", "n", "n2", "v3"])] == [
        *("SIL", "a1 a2", "ai1", "b", "n n2", "v3")
    ]
    marked = ["SIL", "SIL_B", "SIL_E", "SIL_I", "SIL_S", "a1_B", "a1_E", "a1_I", "a1_S", "a2_B"]
    assert phone_sets(marked) == [marked[:5], marked[5:]]


def test_a_grammar_that_kaldilm_refuses_is_one_line(tmp_path):
    (tmp_path / "lm.arpa").write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-0.3\n\n\\end\\\n")
    (tmp_path / "words.txt").write_text("<eps> 0\na 1\n#0 2\n<s> 3\n</s> 4\n")
    with pytest.raises(InputError, match=r"^theirs\.arpa: kaldilm cannot make G\.fst from it: .*n-gram") as caught:
        write_grammar(tmp_path / "lm.arpa", tmp_path / "words.txt", tmp_path / "G.fst", Path("theirs.arpa"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "is not an OpenFst"), (b"text", "is not an OpenFst"), (b"\xd6\xfd\xb2~\0\0", "neither")],
)
def test_a_file_that_is_not_a_transducer_is_refused(tmp_path, content, complaint):
    (tmp_path / "G.fst").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        check_fst(tmp_path / "G.fst")
    with pytest.raises(InputError, match="cannot be read"):
        check_fst(tmp_path / "none.fst")
