"""The assignments of recipe.cfg and --set: the line of an error, and the nearest name."""

from __future__ import annotations

import pytest
from repository import ROOT

from asr.command.assignments import check, from_config, from_set
from asr.command.verbs import VERBS, settings_class
from asr.errors import InputError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nwidht = 3\n", ":2: [train] widht: train has no such setting; did you mean 'width'?"),
        ("[trian]\n", ":1: no verb 'trian'; did you mean 'train'?"),
        ("# a remark\n\n[train]\nwidth = 3\nwidth = 4\n", ":5: width of [train] is given twice"),
        ("[decode]\ntune-minutes = 3\ntune_minutes = 3\n", ":3: tune_minutes of [decode] is given twice"),
        ("[train]\n[decode]\n[train]\n", ":3: [train] is given twice"),
        ("width = 3\n[train]\n", ":1: precedes the first [VERB]"),
        ("[train]\nwidth\n", ":2: is not `key = value`"),
        ("[train]\nwidth = wide\n", ":2: [train] width: 'wide' is not an int"),
        ("[DEFAULT]\nwidth = 3\n", ":1: no verb 'DEFAULT'"),
    ],
)
def test_a_wrong_recipe_cfg_is_refused_by_line(tmp_path, text, message):
    (tmp_path / "recipe.cfg").write_text(text)
    with pytest.raises(InputError) as caught:
        check(from_config(tmp_path / "recipe.cfg", VERBS), settings_class, VERBS)
    assert str(caught.value).startswith(str(tmp_path / "recipe.cfg") + message)


@pytest.mark.parametrize("text", ["eta0", "=5", "train.=5", ".width=5", "train=5", "train.width", ""])
def test_a_set_that_is_no_assignment_is_refused(text):
    with pytest.raises(InputError, match=r"write --set VERB.KEY=VALUE"):
        from_set([text])


def test_the_later_of_two_assignments_counts():
    assert [one.text for one in from_set(["train.max-norm=64", "train.max_norm=128"])] == ["128"]


def test_every_recipe_cfg_of_the_project_is_valid():

    for config in sorted((ROOT / "recipes").glob("*/recipe.cfg")):
        script = config.with_name("prepare.py")
        check(from_config(config, VERBS), lambda verb, script=script: settings_class(verb, script), VERBS)
