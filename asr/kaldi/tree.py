"""The phonetic decision tree: the pdf of a phone's state in its context (Kaldi's tree/context-dep, event-map).

Reads and writes Kaldi's `tree`, binary or text. An event map is a constant (CE), or it asks about one key (a position
of the context window, or -1 for the pdf class): a table (TE) or a yes/no question about a set (SE).

    tree = read_tree("exp/ali/tree"); tree.compute([left, centre, right], pdf_class)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from asr.kaldi.stream import Stream, integer_bytes, integers_bytes, open_stream, unsigned_bytes
from asr.kaldi.topology import MOST_PHONES

PDF_CLASS_KEY = -1
#: contexts that trees are made for: width of the window in phones, position of the phone in it
CONTEXTS = {"triphone": (3, 1), "left-biphone": (2, 1)}
DEEPEST = 300
MOST_PDFS = 10_000_000


@dataclass(frozen=True)
class Constant:
    """CE: one answer for every event."""

    answer: int


@dataclass(frozen=True)
class Table:
    """TE: an answer for each value of `key`, None for a value without answer."""

    key: int
    answers: tuple[EventMap | None, ...]


@dataclass(frozen=True)
class Split:
    """SE: `yes` if the value of `key` is in `members`, else `no`."""

    key: int
    members: frozenset[int]
    yes: EventMap
    no: EventMap


EventMap = Constant | Table | Split


@dataclass(frozen=True)
class ContextTree:
    """A tree. N: width of the context window in phones; P: position of the phone in it, from 0."""

    N: int
    P: int
    to_pdf: EventMap

    @cached_property
    def num_pdfs(self) -> int:
        """Return one more than the highest pdf-id in the tree."""
        return 1 + max(_answers(self.to_pdf, {}))

    @cached_property
    def raw(self) -> bytes:
        """Return Kaldi's binary form, with the binary mark."""
        head = b"\0BContextDependency " + integer_bytes(self.N) + integer_bytes(self.P)
        return head + b"ToPdf " + _map_bytes(self.to_pdf) + b"EndContextDependency "

    def compute(self, context_phones: Sequence[int], pdf_class: int) -> int:
        """Return the pdf-id of `pdf_class` of phone `context_phones[P]`; phone 0 is the edge of the utterance.

        Raises KeyError if the tree has no answer (a phone that it was not built for).
        """
        if len(context_phones) != self.N:
            raise ValueError(f"{len(context_phones)} phones for a context window of {self.N}")
        event = {PDF_CLASS_KEY: pdf_class, **dict(enumerate(context_phones))}
        answers = _answers(self.to_pdf, event)
        if len(answers) != 1:
            raise KeyError(f"the tree has no pdf for phones {list(context_phones)}, pdf class {pdf_class}")
        return answers.pop()

    def pdfs_of(self, phone: int, pdf_class: int) -> set[int]:
        """Return all pdf-ids that `pdf_class` of `phone` has in any context (Kaldi's GetPdfInfo)."""
        return _answers(self.to_pdf, {PDF_CLASS_KEY: pdf_class, self.P: phone})

    def pairs_of(
        self, phone: int, forward_class: int, self_loop_class: int, phones: Sequence[int]
    ) -> set[tuple[int, int]]:
        """Return all (pdf of `forward_class`, pdf of `self_loop_class`) that `phone` has in one and the same context.

        A context consists of `phones` and of the edge of the utterance (Kaldi's EnumeratePairs). One pass down the
        tree serves both classes; the phones that remain possible at a position are the bits of a number.
        """
        around = 1 | sum(1 << other for other in phones)
        window = tuple(1 << phone if place == self.P else around for place in range(self.N))
        found: set[tuple[int, int]] = set()
        todo: list[tuple[EventMap, EventMap, tuple[int, ...]]] = [(self.to_pdf, self.to_pdf, window)]
        while todo:
            forward, loop, left = todo.pop()
            if not isinstance(forward, Constant):
                todo += [(child, loop, then) for child, then in self._branches(forward, forward_class, left)]
            elif not isinstance(loop, Constant):
                todo += [(forward, child, then) for child, then in self._branches(loop, self_loop_class, left)]
            else:
                found.add((forward.answer, loop.answer))
        return found

    @cached_property
    def _member_bits(self) -> dict[int, int]:
        """Return the members of questions as bits, by the question's id(); filled when needed."""
        return {}

    def _branches(
        self, node: Split | Table, pdf_class: int, left: tuple[int, ...]
    ) -> list[tuple[EventMap, tuple[int, ...]]]:
        """Return the answers to one question that some context allows, each with the contexts that remain."""
        if node.key == PDF_CLASS_KEY:
            return [(child, left) for child in _answer(node, pdf_class)]
        allowed = left[node.key]
        if isinstance(node, Split):
            yes = self._member_bits.get(id(node))
            if yes is None:
                yes = sum(1 << phone for phone in node.members if 0 <= phone <= MOST_PHONES)
                self._member_bits[id(node)] = yes
            parts = [(node.yes, allowed & yes), (node.no, allowed & ~yes)]
        else:
            bits: dict[int, tuple[EventMap, int]] = {}
            for phone, child in enumerate(node.answers):
                if child is not None and allowed >> phone & 1:
                    bits[id(child)] = (child, bits.get(id(child), (child, 0))[1] | 1 << phone)
            parts = list(bits.values())
        return [(child, (*left[: node.key], bit, *left[node.key + 1 :])) for child, bit in parts if bit]


def _answer(node: Split | Table, value: int) -> list[EventMap]:
    """Return the answer for `value` as a list, which is empty if there is none."""
    if isinstance(node, Split):
        return [node.yes if value in node.members else node.no]
    child = node.answers[value] if 0 <= value < len(node.answers) else None
    return [] if child is None else [child]


def _answers(start: EventMap, event: dict[int, int]) -> set[int]:
    """Return the answers that agree with `event`; a key that is not in `event` may have any value."""
    found: set[int] = set()
    todo: list[EventMap | None] = [start]
    while todo:
        node = todo.pop()
        if isinstance(node, Constant):
            found.add(node.answer)
        elif isinstance(node, Split):
            value = event.get(node.key)
            todo += [node.yes, node.no] if value is None else _answer(node, value)
        elif isinstance(node, Table):
            value = event.get(node.key)
            todo += node.answers if value is None else _answer(node, value)
    return found


def _map_bytes(node: EventMap | None) -> bytes:
    if node is None:
        return b"NULL "
    if isinstance(node, Constant):
        return b"CE " + integer_bytes(node.answer)
    if isinstance(node, Table):
        inner = b"".join(_map_bytes(answer) for answer in node.answers)
        return b"TE " + integer_bytes(node.key) + unsigned_bytes(len(node.answers)) + b"( " + inner + b") "
    members = integers_bytes(sorted(node.members))
    return b"SE " + integer_bytes(node.key) + members + b"{ " + _map_bytes(node.yes) + _map_bytes(node.no) + b"} "


def read_tree(path: str | os.PathLike[str]) -> ContextTree:
    """Read Kaldi's `tree`. Raises InputError if it is another kind of file, cut or damaged."""
    stream = open_stream(path, "ContextDependency")
    stream.expect("ContextDependency")
    width, place = stream.integer(), stream.integer()
    if not 1 <= width <= 20 or not 0 <= place < width:
        stream.refuse(f"context width {width} and central position {place} belong to no tree: damaged")
    if stream.peek() == "ToLength":  # before 2011 the number of states was a map as well
        stream.expect("ToLength")
        _parse_map(stream, width, 0)
    stream.expect("ToPdf")
    to_pdf = _parse_map(stream, width, 0)
    stream.expect("EndContextDependency")
    if to_pdf is None or not _answers(to_pdf, {}):
        stream.refuse("the tree has no pdf")
    return ContextTree(width, place, to_pdf)


def _parse_map(stream: Stream, width: int, depth: int) -> EventMap | None:
    kind = stream.token()
    if kind == "NULL":
        return None
    if depth > DEEPEST:
        stream.refuse(f"the tree is more than {DEEPEST} questions deep: damaged")
    if kind == "CE":
        answer = stream.integer()
        if not 0 <= answer < MOST_PDFS:
            stream.refuse(f"pdf-id {answer}: damaged")
        return Constant(answer)
    if kind not in ("TE", "SE"):
        stream.refuse(f"NULL, CE, TE or SE was expected, found {kind[:40]}")
    key = stream.integer()
    if not -1 <= key < width:
        stream.refuse(f"a question about key {key} in a context of {width}: damaged")
    return _parse_table(stream, key, width, depth) if kind == "TE" else _parse_split(stream, key, width, depth)


def _parse_table(stream: Stream, key: int, width: int, depth: int) -> Table:
    size = stream.integer()
    if not 0 <= size <= stream.size:
        stream.refuse(f"a table of {size} answers: damaged")
    stream.expect("(")
    answers = tuple(_parse_map(stream, width, depth + 1) for _ in range(size))
    stream.expect(")")
    return Table(key, answers)


def _parse_split(stream: Stream, key: int, width: int, depth: int) -> Split:
    members = frozenset(stream.integers())
    stream.expect("{")
    yes, no = _parse_map(stream, width, depth + 1), _parse_map(stream, width, depth + 1)
    stream.expect("}")
    if yes is None or no is None:
        stream.refuse("a question without an answer: damaged")
    return Split(key, members, yes, no)
