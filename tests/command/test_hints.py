"""Every option that a message names belongs to the verb that raises it, or to run.sh if the message names run.sh."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from repository import ROOT

from asr.command.hints import CALLER, OPTION, line_of, options_of
from asr.command.verbs import VERBS, settings_class
from asr.errors import InputError

EVERY_VERB = {"--config", "--set", "--force", "--log", "--help", "--version", "--script"}


OF_VERB = {verb: set(options_of(settings_class(verb))) for verb in VERBS}
OF_RECIPE = {
    path.parent.name: set(options_of(settings_class("prepare", path)))
    for path in sorted(ROOT.glob("recipes/*/prepare.py"))
}
OF_ALL = set().union(*OF_VERB.values())
RUN_SH = set(OPTION.findall((ROOT / "run.sh").read_text(encoding="utf-8").split("EOF")[1]))
#: options of Kaldi's programs and of git that messages, files and calls name
FOREIGN = {"--snip-edges", "--norm-means", "--norm-vars", "--binary", "--disambig-symbol", "--max-arpa-warnings"}
FOREIGN |= {"--read-symbol-table", "--no-spk-sort", "--always", "--abbrev", "--exclude", "--dirty"}
FOREIGN |= {"--left-context", "--right-context"}
STYLE = re.compile(r"var\(--|:root")


def literals(path: Path):
    """Yield (line, text) of every string except docstrings. The pieces of an f-string are joined."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
            pieces = [item.value if isinstance(item, ast.Constant) else "\0" for item in node.values]
            yield node.lineno, "".join(map(str, pieces))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def known_to(path: Path, text: str) -> set[str]:
    """Return the options that a message of this file may name."""
    if "run.sh" in text or "--recipe" in text:
        return RUN_SH | EVERY_VERB
    parts = path.relative_to(ROOT).parts
    if parts[0] == "recipes":
        if parts[1] in OF_RECIPE:
            return OF_RECIPE[parts[1]] | EVERY_VERB
        own = (path.parent / "run.sh").read_text(encoding="utf-8")  # a recipe that prepares nothing calls verbs
        return OF_ALL | set(OPTION.findall(own))
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    sources = {verb: (module, settings_class(verb).__module__) for verb, module in VERBS.items() if verb != "prepare"}
    verbs = [verb for verb, modules in sources.items() if name in modules]
    if verbs:
        return OF_VERB[verbs[0]] | EVERY_VERB
    # a module that several verbs use: asr.command.hints leaves the advice out if the verb has no such option
    return set().union(*OF_VERB.values(), *OF_RECIPE.values()) | EVERY_VERB


def test_every_option_that_a_message_names_exists():
    wrong = []
    for path in sorted([*ROOT.glob("asr/**/*.py"), *ROOT.glob("recipes/*/*.py")]):
        for line, text in literals(path):
            if STYLE.search(text):
                continue
            for verb, name in re.findall(r"asr ([a-z-]+) (--[a-z-]+)", text):
                wrong += [f"{path.name}:{line}: {verb} {name}"] * (name not in OF_VERB[verb] | EVERY_VERB)
            text = re.sub(r"asr [a-z-]+ --[a-z-]+", "", text)
            for name in set(OPTION.findall(text)) - FOREIGN:
                if name not in known_to(path, text):
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} in {text!r}")
    assert not wrong, "\n".join(wrong)


def test_every_option_of_run_sh_s_help_is_parsed():
    parsed = set(OPTION.findall((ROOT / "local" / "options.sh").read_text(encoding="utf-8")))
    assert parsed >= RUN_SH - {"--help"}


def test_every_option_that_shell_names_exists():
    """These are the options that run.sh passes to a verb, and those that its messages name."""
    wrong = []
    text = (ROOT / "run.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        call = re.match(r"\s*asr ([a-z-]+) (.*)", line)
        if call and call[1] != "prepare":
            wrong += [
                f"{call[1]} {name}" for name in OPTION.findall(call[2]) if name not in OF_VERB[call[1]] | EVERY_VERB
            ]
    for path in (ROOT / "local").glob("*.sh"):
        for message in re.findall(r'wrong "([^"]*)"|echo "([^"]*)"', path.read_text(encoding="utf-8")):
            wrong += [
                f"{path.name}: {name}" for name in OPTION.findall("".join(message)) if name not in RUN_SH | EVERY_VERB
            ]
    assert not wrong


@pytest.mark.parametrize(
    ("message", "arguments", "line"),
    [
        (
            "more than --max-missing 0.05",
            [],
            "f: more than --max-missing 0.05 (run.sh: --set align.max-missing=VALUE)",
        ),
        ("write to another --out", ["--out", "x"], "f: write to another --out"),
        ("no option at all", [], "f: no option at all"),
    ],
)
def test_under_run_sh_a_message_names_the_option_as_run_sh_takes_it(message, arguments, line, monkeypatch):
    error = InputError(message, file="f")
    monkeypatch.delenv(CALLER, raising=False)
    assert line_of(error, "align", arguments) == f"f: {message}"
    monkeypatch.setenv(CALLER, "--recipe --encoding --exp")
    assert line_of(error, "align", arguments) == line


@pytest.mark.parametrize(
    ("verb", "message", "line"),
    [
        ("lang", "is not UTF-8 (GBK?); convert it or pass --encoding gb18030", "is not UTF-8 (GBK?); convert it"),
        ("repair", "is not UTF-8 (GBK?); convert it or pass --encoding gb18030", None),
        (
            "decode",
            "is a pipe, which would run a command; pass --allow-pipes if you trust it",
            "is a pipe, which would run a command",
        ),
        ("features", "is a pipe, which would run a command; pass --allow-pipes if you trust it", None),
        ("realign", "are longer; --length-tolerance 4 would take them", "are longer"),
        ("align", "are longer; --length-tolerance 4 would take them", None),
    ],
)
def test_a_message_advises_only_options_of_the_verb(verb, message, line, monkeypatch):
    monkeypatch.delenv(CALLER, raising=False)
    assert line_of(InputError(message, file="f", line=3, key="k"), verb, []) == f"f:3: k: {line or message}"
