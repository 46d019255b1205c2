"""The line of an InputError."""

from __future__ import annotations

import pickle

from asr.errors import InputError, shown


def test_invisible_characters_are_written_out():
    assert shown("a\u200bb\u3000c\ufeff\td e") == "a<U+200B>b<U+3000>c<U+FEFF>\td e"
    assert shown("今天 é") == "今天 é"
    assert str(InputError("wrong", file="f", line=3, key="S1\u200b")) == "f:3: S1<U+200B>: wrong"
    assert str(InputError("wrong", key="k" * 100)) == "k" * 80 + "...: wrong"


def test_an_input_error_keeps_its_parts_when_a_worker_raises_it():
    error = InputError("wrong", file="f", line=3, key="S1")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.message, again.key) == ("f:3: S1: wrong", "wrong", "S1")
