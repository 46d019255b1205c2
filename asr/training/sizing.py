"""Settings that suit the size of the data.

    suited = suit(hours=20.0, hours_seen=60.0)      # Suited(layers=5, width=896, minibatch=256, dropout=0.0, ...)

The rules, h the hours of distinct speech and s the hours that the pass sees (perturbed copies count):

    layers       4, from 10 h on 5, from 50 h on 6
    width        512 up to 3 h, then 512 (h / 3)^0.3, in steps of 64, at most 2048
    minibatch    64 √h, to the nearest power of two, 64 to 512: few data want many small steps
    dropout      0.2 up to 3 h if s is at least 2 h: what is seen several times is learnt by heart; else none
    eta0 auto    begins at 0.1 √(minibatch / 64) and doubles or halves from there, 16 times either way at most
    averaging    the best of twenty windows on held-out frames, whatever the hours
    states       (asr align) 500 h^0.4

4 × 512 with minibatches of 64 at 0.85 h, with and without copies, and of 128 at 3 h are measured (RESULTS.md). Sizes
then grow towards those of recipes for larger corpora (Kaldi's nnet1: 6 × 1024), as far as CPUs can train them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Suited:
    """The sizes by the rules; eta0_first is where `--eta0 auto` begins."""

    layers: int
    width: int
    minibatch: int
    dropout: float
    eta0_first: float


def suit(hours: float, hours_seen: float) -> Suited:
    """Return the sizes for `hours` of distinct speech, of which the pass sees `hours_seen` with all copies."""
    layers = 4 + (hours >= 10) + (hours >= 50)
    width = 512 if hours <= 3 else min(2048, 64 * round(512 * (hours / 3) ** 0.3 / 64))
    minibatch = 2 ** min(9, max(6, round(6 + math.log2(max(hours, 1e-3)) / 2)))
    dropout = 0.2 if hours <= 3 and hours_seen >= 2 * hours > 0 else 0.0
    return Suited(layers, width, minibatch, dropout, eta0_first(minibatch))


def eta0_first(minibatch: int) -> float:
    """Return where the search for eta0 begins: a minibatch's gradient noise falls with the root of its size."""
    return round(0.1 * math.sqrt(minibatch / 64), 2)
