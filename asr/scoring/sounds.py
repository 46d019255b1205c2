"""Which sounds the errors of a set are of: syllables with and without tone, homophones, initials, finals, tones.

An error rate of syllables is counted as that of characters, over the syllables of both sides (asr.scoring.syllables);
a unit that is no syllable, such as a Latin word, is a unit of its own. Every wrong character is of one kind:

    homophone            another character of the same syllable and tone: not the acoustic model's fault
    tone                 the tone alone differs
    initial, final       the initial or the final alone differs, and perhaps the tone
    initial and final    both differ
    not a syllable       a Latin word, or a character without a reading, on one side
    deletion, insertion

    found = SoundErrors.of([(["金", "天"], ["今", "填"])])
    found.kinds["homophone"], found.kinds["tone"], found.tonal.rate        # 1, 1, 50.0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr.scoring.counts import Counts, align, count
from asr.scoring.scores_file import figures_of
from asr.scoring.syllables import PART_COSTS, Sounded, SoundPair, Syllable, align_sounds, differing

PARTS = tuple(PART_COSTS)
#: most confusions of each part in scores.json
MOST_CONFUSED = 15


@dataclass(frozen=True)
class SoundErrors:
    """The errors of a set by sound.

    tonal, toneless: counts of syllables; kinds: wrong characters of each kind; compared: pairs of syllables in the
    alignment; confused: {part: pairs in which it differs}.
    """

    tonal: Counts
    toneless: Counts
    kinds: Counter[str]
    compared: int
    confused: dict[str, Counter[tuple[str, str]]]

    @classmethod
    def of(cls, texts: Iterable[tuple[Sequence[str], Sequence[str]]]) -> SoundErrors:
        """Count the errors of utterances, (reference units, hypothesis units)."""
        tonal, toneless, kinds, compared = Counts(), Counts(), Counter[str](), 0
        confused: dict[str, Counter[tuple[str, str]]] = {part: Counter() for part in PARTS}
        for reference, hypothesis in texts:
            pairs = align_sounds(reference, hypothesis)
            tonal += _counted(pairs, lambda sound: sound.tonal)
            toneless += _counted(pairs, lambda sound: sound.toneless)
            kinds.update(kind for pair in pairs if (kind := kind_of(pair)))
            for sound, other in filter(None, map(_syllables, pairs)):
                compared += 1
                for part in differing(sound, other):
                    confused[part][getattr(sound, part), getattr(other, part)] += 1
        return cls(tonal, toneless, kinds, compared, confused)

    def record(self) -> dict[str, Any]:
        """Return the counts as scores.json has them."""
        return {
            "tonal": figures_of(self.tonal),
            "toneless": figures_of(self.toneless),
            "kinds": dict(sorted(self.kinds.items(), key=lambda item: (-item[1], item[0]))),
            "compared": self.compared,
            "parts": {part: _part_record(found) for part, found in self.confused.items()},
        }


def sound_lines(name: str, record: Mapping[str, Any]) -> list[str]:
    """Return the lines that the user sees; none if there is no pair of syllables to compare."""
    if not record["compared"] or record["tonal"]["rate"] is None:
        return []
    kinds = ", ".join(f"{number} {kind}" for kind, number in record["kinds"].items())
    return [
        f"{name} as syllables {record['tonal']['rate']:.2f} %, as syllables without tone "
        f"{record['toneless']['rate']:.2f} % wrong",
        *([f"{name} wrong characters by sound: {kinds}"] if kinds else []),
    ]


def kind_of(pair: SoundPair) -> str | None:
    """Return the kind of an error, see above; None if the unit is right."""
    left, right = pair
    if left is None or right is None:
        return "insertion" if left is None else "deletion"
    if left[0] == right[0]:
        return None
    syllables = _syllables(pair)
    if syllables is None:
        return "not a syllable"
    parts = differing(*syllables)
    wrong = [part for part in parts if part != "tone"]
    return " and ".join(wrong) if wrong else "tone" if parts else "homophone"


def _syllables(pair: SoundPair) -> tuple[Syllable, Syllable] | None:
    """Return the syllables of a pair; None if a side has none."""
    left, right = pair
    if left is None or right is None or left[1] is None or right[1] is None:
        return None
    return left[1], right[1]


def _counted(pairs: Iterable[SoundPair], named: Callable[[Syllable], str]) -> Counts:
    """Return the counts of the fewest errors between both sides, each unit under the name of its sound."""

    def name(side: Sounded) -> str:
        unit, sound = side
        return unit if sound is None else named(sound)

    sides = [(left and name(left), right and name(right)) for left, right in pairs]
    return count(align([left for left, _ in sides if left], [right for _, right in sides if right]))


def _part_record(found: Counter[tuple[str, str]]) -> dict[str, Any]:
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST_CONFUSED]
    return {"wrong": found.total(), "confused": [[*pair, number] for pair, number in most]}
