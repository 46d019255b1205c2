import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import kaldifst
import pytest
from repository import ROOT

from asr.alignment.transcripts import AlignmentLang
from asr.cli import main
from asr.corpus.transcript import characters, normalise
from asr.errors import InputError
from asr.kaldi.fst import read_fst
from asr.lang.arpa import read_arpa
from asr.lang.kneser_ney import estimate
from asr.lang.lexicon import by_word, read_lexicon
from asr.lang.ngram import perplexity, word_log_probabilities
from asr.lang.pieces import units_of
from asr.lang.sentences import read_transcripts
from asr.tables import read_symbols

TEXT = "u1 银行行长去KTV\nu2 我去中国银行\nu3 长江很长\nu4 我们行走\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT, encoding="utf-8")
    Path("dev").write_text("v1 我去长江\nv2 我爱GOOGLE和KTV\n", encoding="utf-8")
    Path("more.txt").write_text("今天3点，去长江。\n\n……\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def kaldi_lang(kaldi_sample, here):
    shutil.copytree(kaldi_sample / "lang", "theirs", copy_function=shutil.copyfile)
    for folder in ("theirs", "theirs/phones"):
        os.chmod(folder, 0o755)
    return Path("theirs")


def lang(options):
    return main(["lang", *options.split()])


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def results(folder):
    """Return the files of a finished stage, and of its stamp the key: the stamp also says when the stage ended."""
    found = files(folder)
    return found | {".done.lang.json": json.loads(found[".done.lang.json"])["key"]}


def test_text_becomes_a_whole_lang_directory(here, capsys):
    assert lang("--text text --lm-text more.txt --dev-text dev --out lang") == 0
    said = capsys.readouterr().out
    # 中国长江走我们去很银行今天三点 and K T V, with <SIL> and <SPN>
    assert "lang: 20 words, " in said
    assert "lang: 3-gram model of 5 sentences, 29 words: 20 + " in said
    assert "lang: dev: 2 sentences, 11 words, 3 unknown (27.27 %); perplexity " in said
    assert Path("lang/oov_counts.txt").read_text(encoding="utf-8") == ("GOOGLE 1 noise\n和 1 noise\n爱 1 noise\n")
    lexicon = Path("lang/lexicon.txt").read_text(encoding="utf-8").splitlines()
    assert "行 h ang2" in lexicon and "行 x ing2" in lexicon and "K k ei4" in lexicon
    facts = json.loads(Path("lang/lang.json").read_text(encoding="utf-8"))
    assert facts["dev"]["unknown"] == 3 and facts["ngrams"][0] == 20 and facts["settings"]["order"] == 3
    wanted = {"L.fst", "L_disambig.fst", "G.fst", "words.txt", "phones.txt", "topo", "oov.int", "phones/disambig.int"}
    assert wanted <= set(files("lang"))
    assert Path("lang/oov.txt").read_text() == "<SPN>\n"


def test_path_costs_in_g_equal_the_model(here):
    assert lang("--text text --lm-text more.txt --out lang") == 0
    grammar = kaldifst.StdVectorFst.read("lang/G.fst")
    words = read_symbols("lang/words.txt")
    model = read_arpa("lang/lm.arpa")

    def cost(sentence):
        state, total = grammar.start, 0.0
        for word in sentence:
            while True:
                found = {arc.ilabel: arc for arc in kaldifst.ArcIterator(grammar, state)}
                arc = found.get(words[word]) or found[words["#0"]]
                total, state = total + arc.weight.value, arc.nextstate
                if arc.ilabel == words[word]:
                    break
        while math.isinf(grammar.final(state).value):
            (arc,) = [arc for arc in kaldifst.ArcIterator(grammar, state) if arc.ilabel == words["#0"]]
            total, state = total + arc.weight.value, arc.nextstate
        return total + grammar.final(state).value

    for sentence in (["我", "去", "中", "国"], ["长", "江"], ["走", "走", "K"], ["三", "点"]):
        assert cost(sentence) == pytest.approx(-perplexity(model, [sentence]).log_probability, abs=1e-3)


@pytest.mark.parametrize("options", ["--lm-text more.txt", "--units spm"])
def test_the_hash_seed_has_no_effect_on_the_files(here, options):
    made = []
    for seed in ("1", "77"):
        command = [sys.executable, *f"-m asr lang --text text {options} --out lang --force".split()]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        made.append(results("lang"))
    assert made[0] == made[1]


def test_the_stage_runs_again_only_after_a_change(here, capsys):
    command = "--text text --dev-text dev --out lang"
    assert lang(command) == 0
    before = files("lang")
    capsys.readouterr()
    assert lang(command) == 0
    assert capsys.readouterr().out == "lang: up to date\n"
    assert lang(f"{command} --order 2") == 0
    assert files("lang")["G.fst"] != before["G.fst"]
    Path("text").write_text(TEXT + "u5 犀牛\n", encoding="utf-8")
    assert lang(command) == 0
    assert "犀 x i1" in Path("lang/lexicon.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("order", [1, 2, 4])
def test_other_orders_make_a_grammar(here, order):
    assert lang(f"--text text --out lang --order {order}") == 0
    assert f"ngram {order}=" in Path("lang/lm.arpa").read_text(encoding="utf-8")


def test_the_ids_of_an_alignment_are_kept(kaldi_sample, here):
    phones = kaldi_sample / "tri1_ali/phones.txt"
    assert lang(f"--text text --phones {phones} --out lang") == 0
    assert Path("lang/phones.txt").read_text() == phones.read_text()
    assert Path("lang/topo").read_text() == (kaldi_sample / "lang/topo").read_text()


def test_ready_lexicon_and_language_model(here, capsys):
    Path("my.txt").write_text("我们 w o3 m en5\n去 q u4\n中国 zh ong1 g uo2\n", encoding="utf-8")
    Path("my.arpa").write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-1\t<s>\n-0.5\t</s>\n-0.4\t我们\n-0.9\t犀牛\n\n\\end\\\n",
        encoding="utf-8",
    )
    Path("dev").write_text("v1 我们去淮海\n", encoding="utf-8")
    assert lang("--text text --lexicon my.txt --arpa my.arpa --dev-text dev --out lang") == 0
    words = Path("lang/words.txt").read_text(encoding="utf-8").split()[::2]
    # the words of the lexicon, and those of the text that it cannot spell
    added = ["K", "T", "V", *sorted("银行长我江很走")]
    assert words == ["<eps>", "<SIL>", "<SPN>", *sorted([*added, "中国", "去", "我们"]), "#0", "<s>", "</s>"]
    said = capsys.readouterr().out
    assert "4 words, 2 unknown" in said
    assert "; 10 words that my.txt lacks were added (letters 3, pypinyin 7)" in said
    lexicon = Path("lang/lexicon.txt").read_text(encoding="utf-8").splitlines()
    assert lexicon[2:5] == ["我们 w o3 m en5", "去 q u4", "中国 zh ong1 g uo2"] and "江 j iang1" in lexicon
    counts = Path("lang/oov_counts.txt").read_text(encoding="utf-8").splitlines()
    assert counts[0] == "行 4 pypinyin" and "K 1 letters" in counts and "淮 1 noise" in counts and len(counts) == 12
    assert Path("lang/lm.arpa").read_text(encoding="utf-8").count("犀牛") == 1  # in lm.arpa, but not in G
    assert lang("--text text --arpa my.arpa --out lang") == 0
    assert "犀牛 x i1 n iu2" in Path("lang/lexicon.txt").read_text(encoding="utf-8")


NASTY = """n1 😀我❤KTV
n2 𰻝𬺠行
n3 カラオケ去银行
n4 Привет 北京 Ł1ABC2
n5 々〇Ｇoogle，LET'S 去
n6 𬺠
"""


@pytest.mark.parametrize(
    "options", ["", "--units spm", "--units own", "--lexicon my.txt", "--units own --lexicon my.txt"]
)
def test_every_transcript_can_be_aligned(here, options, capsys):
    Path("my.txt").write_text("我们 w o3 m en5\n去 q u4\n银行 y in2 h ang2\n", encoding="utf-8")
    Path("text").write_text(TEXT + NASTY, encoding="utf-8")
    assert lang(f"--text text {options} --out lang") == 0
    symbols = read_symbols("lang/words.txt")
    lexicon = by_word(read_lexicon("lang/lexicon.txt"))
    model = Path("lang/lm.arpa").read_text(encoding="utf-8")
    unigrams = {line.split("\t")[1] for line in model.split("\\2-grams:")[0].splitlines() if "\t" in line}
    units = units_of(Path("lang"), symbols, "<SPN>")
    for sentence in read_transcripts(Path("text")):
        words = units.tokenise(sentence)
        assert "<SPN>" not in words and "".join(words) == sentence.replace(" ", "")
        assert set(words) <= unigrams and all(lexicon[word] for word in words)
        for character in characters(sentence, latin="letter"):
            # a word that can be recognised, or a part of the user's words
            assert character in unigrams or ("my.txt" in options and "own" not in options)
    Path("data").mkdir()
    Path("data/text").write_text(TEXT + NASTY, encoding="utf-8")  # not normalised
    ids = AlignmentLang.read(Path("lang"), Path("work")).word_ids(Path("data"))
    assert all(ids.values()) and len(ids) == 10
    assert normalise("😀") == "" and ids["n6"] == [symbols["𬺠"]]
    known = next(word for word in symbols if "一" <= word[0] <= "鿿")
    Path("data/text").write_text(f"a {known} ぁ ぃ\nb ぁ\n", encoding="utf-8")
    capsys.readouterr()
    ids = AlignmentLang.read(Path("lang"), Path("work")).word_ids(Path("data"))
    assert ids == {"a": [symbols[known], symbols["<SPN>"], symbols["<SPN>"]], "b": [symbols["<SPN>"]]}
    assert "3 of 4 words are not in lang/words.txt: ぁ, ぃ; <SPN> stands for them" in capsys.readouterr().err
    Path("data/text").write_text("a ぁぃ\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"data/text: 2 of 2 words are not in lang/words\.txt: ぁ, ぃ$"):
        AlignmentLang.read(Path("lang"), Path("work")).word_ids(Path("data"))


def test_the_words_are_pieces(here, capsys):
    text = "".join(
        f"w{n} {line}KTV\n" for n, line in enumerate(["打开地图", "地图去北京", "北京银行", "银行打开"] * 5)
    )
    Path("text").write_text(text, encoding="utf-8")
    assert lang("--text text --dev-text text --units spm --vocab 16 --out lang") == 0
    said = capsys.readouterr().out
    total = 5 * (4 + 5 + 4 + 4) + 20 * 3 + 20
    assert f" over {total} characters and sentence ends" in said
    words = Path("lang/words.txt").read_text(encoding="utf-8").split()[::2]
    assert [word for word in words[3:-3] if len(word) > 1] == sorted(["北京", "地图", "打开", "银行"])
    assert set("打开地图去北京银行KTV") <= set(words) and not any("▁" in word for word in words)
    lexicon = Path("lang/lexicon.txt").read_text(encoding="utf-8").splitlines()
    assert "银行 y in2 h ang2" in lexicon and "行 h ang2" in lexicon
    model = Path("lang/lm.arpa").read_text(encoding="utf-8")
    assert "\t打开 地图" in model and "\t打 开" not in model and "\t行\n" in model
    facts = json.loads(Path("lang/lang.json").read_text(encoding="utf-8"))
    assert facts["settings"]["units"] == "spm" and facts["dev"]["unknown"] == 0
    assert facts["dev"]["perplexity_a_character"] < facts["dev"]["perplexity"]
    # a copied lang directory of pieces splits text as before
    assert lang("--lang-dir lang --out again --tune-text text") == 0
    assert Path("again/pieces.model").read_bytes() == Path("lang/pieces.model").read_bytes()
    assert "\t打开 地图" in Path("again/tune/lm.arpa").read_text(encoding="utf-8")
    assert lang("--text text --out lang") == 0
    assert not Path("lang/pieces.model").exists()


def test_the_words_of_the_user_are_kept(here, capsys):
    Path("text").write_text("u1 银行 行长 去 KTV\nu2 我们 去 中国银行\n", encoding="utf-8")
    Path("more.txt").write_text("花 100 块 钱\n", encoding="utf-8")
    assert lang("--text text --lm-text more.txt --dev-text text --units own --order 2 --out lang") == 0
    assert "3 sentences, 11 words: " in capsys.readouterr().out
    lexicon = Path("lang/lexicon.txt").read_text(encoding="utf-8").splitlines()
    for line in ("行长 h ang2 zh ang3", "中国银行 zh ong1 g uo2 y in2 h ang2", "KTV k ei4 t i4 w ei1", "K k ei4"):
        assert line in lexicon
    model = Path("lang/lm.arpa").read_text(encoding="utf-8")
    assert "\t去 KTV\n" in model and "\t一百 块" in model and "\t国\n" in model.replace("\t国\t", "\t国\n")
    assert Path("lang/oov_counts.txt").read_text() == ""


def test_a_given_directory_is_taken_over_with_a_grammar_for_tuning(kaldi_sample, kaldi_lang, capsys):
    assert lang("--text text --out lang") == 0
    command = f"--lang-dir theirs --out lang --phones {kaldi_sample}/tri1_ali/phones.txt --dev-text dev --text text"
    assert lang(f"{command} --tune-text text --lm-text more.txt") == 0
    said = capsys.readouterr().out
    assert "lang: theirs: 2,956 words, 36 files taken over" in said
    assert "lang: tune: 3-gram model of 5 sentences" in said
    ours, theirs = files("lang"), files("theirs")
    assert {name: ours[name] for name in theirs} == theirs
    extra = {"tune/G.fst", "tune/lm.arpa", "oov_counts.txt", "lang.json", ".done.lang.json"}
    assert set(ours) - set(theirs) == extra  # lm.arpa of the earlier run is removed
    assert b"\tK" in ours["tune/lm.arpa"] and b"GOOGLE" not in ours["tune/lm.arpa"]
    assert lang(command) == 0
    assert not Path("lang/tune/G.fst").exists()


def test_missing_files_of_phones_are_made(kaldi_sample, kaldi_lang):
    made = ["silence.int", "disambig.int", "align_lexicon.txt", "align_lexicon.int"]
    for name in (*made, "silence.csl"):
        (kaldi_lang / "phones" / name).unlink()
    assert lang("--lang-dir theirs --out lang") == 0
    for name in made:
        assert Path("lang/phones", name).read_bytes() == (kaldi_sample / "lang/phones" / name).read_bytes()


def put(name, content=None):
    """Replace a file of the lang directory `theirs`, or remove it."""
    Path("theirs", name).unlink()
    if content is not None:
        Path("theirs", name).write_bytes(content)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (
            partial(put, "G.fst"),
            "theirs: is not a complete lang directory: G.fst is missing; utils/format_lm.sh adds",
        ),
        (partial(put, "words.txt"), "theirs: is not a complete lang directory: words.txt is missing"),
        (partial(put, "G.fst", b"0 1 2 2 0.5\n"), "theirs/G.fst: is not an OpenFst file"),
        (partial(put, "words.txt", b"<eps> 0\na 1\na 2\n"), "theirs/words.txt:3: a: symbol or id has occurred"),
        (partial(put, "words.txt", b"<eps> 0\na 1\n"), "theirs/words.txt: lacks #0"),
        (partial(put, "words.txt", b"a 0\n<eps> 1\n#0 2\n"), "theirs/words.txt: <eps> must have the id 0"),
        (partial(put, "phones/disambig.int", b"169\n1\n"), "disambig.int: 'SIL' is not a disambiguation symbol"),
        (partial(put, "phones/silence.int", b"1\n169\n"), "silence.int: '#0' is a symbol of Kaldi's own"),
        (partial(put, "phones/disambig.int", b"169\n999\n"), "theirs/phones/disambig.int:2: '999' is not in"),
        (partial(put, "phones/silence.int", b""), "theirs/phones/silence.int: is empty"),
        (partial(put, "phones.txt", b"<eps> 0\nSIL 1\nSPN 2\nb 3\n"), "theirs/phones/disambig.int:1: '169'"),
        (partial(put, "oov.txt", b"<nothing>\n"), "theirs/oov.txt: '<nothing>' is not in words.txt"),
        (lambda: shutil.rmtree("theirs/phones"), "lang directory: phones/disambig.int is missing"),
        (lambda: shutil.rmtree("theirs"), "theirs: is not a folder"),
    ],
)
def test_an_incomplete_directory_is_refused(kaldi_lang, capsys, fault, complaint):
    fault()
    assert lang("--lang-dir theirs --out lang") == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1
    assert not Path("lang").exists()


def test_a_directory_with_another_phone_table_is_refused(kaldi_lang, capsys):
    table = Path("theirs/phones.txt").read_text().replace("a1 3\na2 4", "a2 3\na1 4")
    Path("ali_phones.txt").write_text(table)
    assert lang("--lang-dir theirs --phones ali_phones.txt --out lang") == 2
    assert (
        "theirs/phones.txt: differs from the phone table of ali_phones.txt (see phone a1)" in capsys.readouterr().err
    )


def test_models_are_mixed_with_the_best_weight_for_dev_and_pruned(here, capsys):
    """The extra text is that of dev: its model has most of the weight, and its words are in G."""
    Path("more.txt").write_text("我去长江\n我爱你和他\n" * 3, encoding="utf-8")
    options = "--text text --lm-text more.txt --dev-text dev --out lang"
    assert lang(f"{options} --mix true") == 0
    said = capsys.readouterr().out
    found = re.search(
        r"lang: weight (0\.\d+) for the language model so far, (0\.\d+) for --lm-text \(best on dev\); (.*)", said
    )
    assert found and float(found[2]) > 0.6
    mixed = read_arpa("lang/lm.arpa")
    assert set("爱你他和走") <= set(mixed.words)
    dev = [list("我去长江"), [*"我爱", "<SPN>", "和", *"KTV"]]
    together = f"mixed {perplexity(mixed, dev).perplexity:.1f} (1 unknown); "
    assert re.match(
        r"perplexity of dev [\d.]+ \(3 unknown\) and [\d.]+ \(4 unknown\), " + re.escape(together), found[3]
    )
    assert lang(f"{options} --mix true --prune 0.002") == 0
    assert "lang: pruned at 0.002: " in capsys.readouterr().out
    smaller = read_arpa("lang/lm.arpa")
    assert len(smaller.orders[0]) == len(mixed.orders[0]) and 0 < len(smaller.orders[2]) < len(mixed.orders[2])
    assert len(smaller.words) < read_fst(Path("lang/G.fst")).num_arcs


def test_a_ready_model_is_mixed_with_a_given_weight(here, capsys):
    assert lang("--text text --out other") == 0
    Path("text2").write_text("u1 走走走\n", encoding="utf-8")
    assert lang("--text text2 --mix-arpa other/lm.arpa --mix-weight 0.25 --out lang") == 0
    said = capsys.readouterr().out
    assert "lang: weight 0.25 for the language model so far, 0.75 for other/lm.arpa (given); " in said
    logs, _ = word_log_probabilities(read_arpa("lang/lm.arpa"), [["走"]])
    one, two = (
        word_log_probabilities(model, [["走"]])[0]
        for model in (estimate([list("走走走")], 3), read_arpa("other/lm.arpa"))
    )
    assert math.exp(logs[0]) == pytest.approx(0.25 * math.exp(one[0]) + 0.75 * math.exp(two[0]), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "pass --text to make a lang directory or --lang-dir"),
        ("--text absent", "absent: cannot be read: No such file"),
        ("--text empty", "empty: holds no text"),
        ("--text silent", "silent: holds no text"),
        ("--text twice", "twice:2: u1: this key has occurred before"),
        ("--text gbk", "gbk:1: u1: is not UTF-8 (GBK?)"),
        ("--text text --lm-text marks", "marks: holds no text"),
        ("--text text --dev-text empty", "empty: holds no text"),
        ("--text text --phones english", "english: lacks phones that the lexicon needs: "),
        ("--text text --phones empty", "empty: lacks phones that the lexicon needs: "),
        ("--text text --phones silent", "silent:1: 'u1' is not `symbol id`"),
        ("--text text --lexicon lexicon", "lexicon: 我: has phones that are not in phones.txt: ow3"),
        ("--text text --arpa arpa", "arpa:5: '-0.3' is not `log10-probability 1 word(s) [back-off]`"),
        ("--text text --arpa eps", "eps:5: the word <eps> is a symbol of Kaldi's own"),
        ("--text text --arpa cut.arpa.gz", "cut.arpa.gz: cannot be read"),
        ("--text text --order 0", "--order: '0' is less than 1"),
        ("--text text --silence-prob 1", "--silence-prob: '1' is not less than 1"),
        ("--text text --most-pronunciations 0", "--most-pronunciations: '0' is less than 1"),
        ("--text text --units spm --vocab 3", "--vocab 3 is too small: the text's 14 different characters"),
        ("--text letters --units spm", "--units spm: the text has no Han characters"),
        ("--text text --units spm --lexicon lexicon", "it excludes --lexicon, --arpa and --mix-arpa"),
        ("--text text --units words", "--units: 'words' is not one of chars, spm, own"),
        ("--text text --vocab 300", "--vocab needs --units spm, not chars"),
        ("--lang-dir . --units own", "it excludes --units own"),
        ("--text text --tune-text text", "--tune-text needs --lang-dir"),
        ("--lang-dir lang", "is also the directory that is read"),
        ("--lang-dir . --arpa arpa", "it excludes --arpa and --lexicon"),
        ("--lang-dir . --prune 0.1", "it excludes --mix, --mix-arpa and --prune"),
        ("--text text --prune 1", "--prune: '1' is not less than 1"),
        ("--text text --mix true --dev-text dev", "--mix needs --lm-text"),
        ("--text text --mix true --lm-text more.txt", "a mixture needs --dev-text"),
        ("--text text --mix-weight 0.5", "--mix-weight needs --mix or --mix-arpa"),
        ("--text text --mix-arpa arpa --mix-weight 1", "--mix-weight: '1' is not less than 1"),
        ("--text text --mix-arpa arpa --mix-weight 0.5 --arpa arpa", "--arpa replaces the estimated model"),
        ("--text text --mix-arpa arpa --mix-weight 0.5", "arpa:5: '-0.3' is not `log10-probability"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(here, capsys, options, complaint):
    Path("empty").write_text("")
    Path("silent").write_text("u1\nu2 。。\n")
    Path("twice").write_text("u1 a\nu1 b\n")
    Path("gbk").write_bytes("u1 银行\n".encode("gbk"))
    Path("letters").write_text("u1 KTV OK\n")
    Path("marks").write_text("。\n!\n")
    Path("english").write_text("<eps> 0\nSIL 1\nSPN 2\nHH 3\nOW1 4\n")
    Path("lexicon").write_text("我 w ow3\n", encoding="utf-8")
    arpa = "\\data\\\nngram 1=1\n\n\\1-grams:\n-0.3\n\n\\end\\\n"
    Path("arpa").write_text(arpa)
    Path("eps").write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-0.3\t<eps>\n-1\t<s>\n-1\t</s>\n\n\\end\\\n")
    Path("cut.arpa.gz").write_bytes(gzip.compress(arpa.encode())[:-5])
    before = files(".")
    assert lang(f"{options} --out lang") == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1
    assert files(".") == before and not Path("lang").exists()


def test_a_failing_run_keeps_the_old_directory(here):
    assert lang("--text text --out lang") == 0
    before = files("lang")
    Path("broken.arpa").write_text("\\data\\\n")
    assert lang("--text text --arpa broken.arpa --out lang") == 2
    del before[".done.lang.json"]  # the failed run removed it, since its settings differ
    assert files("lang") == before
