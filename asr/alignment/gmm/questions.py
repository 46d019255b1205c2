"""The questions of the decision tree about phones: Mandarin's classes, and classes found by clustering.

Mandarin phones are initials (b zh y ...) and finals with a tone (ang4, uo3, ve2); word-position marks (_B) and the
spellings of other lexicons (ix1, iii4, van3, aa) are understood. Initials are grouped by manner and place, finals by
medial, nucleus and coda, and all phones by tone.

    questions = phone_questions({3: "a1", 26: "b"}, extra=[[3, 4]])        # sets of phone-ids
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from asr.lang.positions import plain

MANNER = {
    "stop": "b p d t g k",
    "unaspirated": "b d g z zh j",
    "aspirated": "p t k c ch q",
    "affricate": "z c zh ch j q",
    "fricative": "f s sh x h r",
    "nasal": "m n",
    "lateral": "l",
    "sonorant": "m n l r y w",
    "glide": "y w",
    "voiceless": "b p d t g k z c zh ch j q f s sh x h",
}
PLACE = {
    "labial": "b p m f w",
    "bilabial": "b p m",
    "alveolar": "d t n l z c s",
    "dental": "z c s",
    "retroflex": "zh ch sh r",
    "palatal": "j q x y",
    "velar": "g k h",
}
#: finals by their spelling, one regular expression each
FINALS = {
    "medial_i": r"i(a|e|o|u).*|iong",
    "medial_u": r"u(a|e|i|n|o).*",
    "medial_v": r"v.+",
    "nucleus_a": r"[iuv]?a.*",
    "nucleus_e": r"[iuv]?e.*|ui|un|[uv]n",
    "nucleus_o": r"[iu]?o.*",
    "nucleus_i": r"i|in|ing|i[xyz]|ii+",
    "nucleus_u": r"u+|iu|ou|iou",
    "nucleus_v": r"v|vn|yu",
    "apical": r"i[xyz]|ii+",
    "coda_n": r".*[^n]n|n",
    "coda_ng": r".*ng",
    "nasal": r".*n|.*ng",
    "coda_i": r".*[aeu]i",
    "coda_u": r".*ao|.*ou|iu",
    "open": r".*[aeo]|i|u|v|ie|ve|ue|uo|ia|ua",
    "rhotic": r".*r",
    "simple": r"[aeiouv]|er",
}
#: each tone, all tones, and tones with a similar beginning or end (high or low)
TONES = ("1", "2", "3", "4", "5", "12345", "14", "23", "35", "24", "12")
TONE = re.compile(r"(.*?)([1-5])")


def parts(phone: str) -> tuple[str, str]:
    """Return (spelling without position mark and tone, tone or ""): ("ang", "4") for `ang4_E`."""
    bare = plain(phone).lower()
    match = TONE.fullmatch(bare)
    return (match[1], match[2]) if match else (bare, "")


def phone_questions(names: Mapping[int, str], extra: Iterable[Sequence[int]] = ()) -> list[frozenset[int]]:
    """Return sets of phone-ids without repetition, the empty set and the set of all phones.

    names: {phone-id: phone}, silence phones too. extra: more sets, such as a lang directory's extra_questions.
    """
    split = {number: parts(name) for number, name in names.items()}
    toneless = {number: bare for number, (bare, tone) in split.items() if not tone}
    finals = {number: bare for number, (bare, tone) in split.items() if tone}
    groups = [group.split() for group in (*MANNER.values(), *PLACE.values())]
    groups.append([initial for group in groups for initial in group])
    found = [frozenset(number for number, bare in toneless.items() if bare in group) for group in groups]
    for pattern in FINALS.values():
        found.append(frozenset(number for number, bare in finals.items() if re.fullmatch(pattern, bare)))
    for tones in TONES:
        found.append(frozenset(number for number in finals if split[number][1] in tones))
    for bare in sorted({bare for bare, _ in split.values()}):
        found.append(frozenset(number for number, (own, _) in split.items() if own == bare))
    found += [frozenset({number}) for number in names]
    found += [frozenset(set(members) & names.keys()) for members in extra]
    return distinct(found, set(names))


def distinct(sets: Iterable[frozenset[int]], everything: set[int]) -> list[frozenset[int]]:
    """Return the sets that divide `everything`, each once, in the order of their first occurrence."""
    kept = dict.fromkeys(members for members in sets if members and members != everything)
    return list(kept)


def clustered_questions(groups: Sequence[Sequence[int]], sums: np.ndarray) -> list[frozenset[int]]:
    """Return questions from the data: the groups of phones are merged pair by pair, and every set is a question.

    sums: float64 (groups, 1 + 2 dim), frames, features and squares of each group; groups without frames are left out.
    The pair whose joint Gaussian loses least likelihood is merged first (bottom-up; Kaldi's cluster-phones splits
    top-down).
    """
    from asr.alignment.gmm.tree_building import gaussian_log_likelihood

    sets = [frozenset(group) for group, row in zip(groups, sums, strict=True) if row[0] > 0]
    rows = sums[sums[:, 0] > 0].copy()
    own = gaussian_log_likelihood(rows)
    loss = np.full((len(sets), len(sets)), np.inf)
    for one in range(len(sets)):
        loss[one, :one] = own[one] + own[:one] - gaussian_log_likelihood(rows[one] + rows[:one])
    found = list(sets)
    for _ in range(len(sets) - 2):  # the last merge would be the set of all phones
        one, two = divmod(int(np.argmin(loss)), len(sets))
        sets[one] |= sets[two]
        found.append(sets[one])
        rows[one] += rows[two]
        own[one] = gaussian_log_likelihood(rows[one : one + 1])[0]
        loss[two, :], loss[:, two] = np.inf, np.inf
        own[two] = -np.inf
        alive = np.flatnonzero(np.isfinite(own))
        fresh = own[one] + own[alive] - gaussian_log_likelihood(rows[one] + rows[alive])
        for other, value in zip(alive.tolist(), fresh.tolist(), strict=True):
            if other != one:
                loss[max(one, other), min(one, other)] = value
    return found
