"""The order of the frames of a block: a random permutation that takes no memory, however many frames there are.

    order = FrameOrder(252_000_000, seed=[1, 1, 0, 0])
    order.at(np.arange(512, 1024))      # which frames stand at these places

A permutation of 252 million frames as a list takes a gigabyte in every worker, and seconds until the first minibatch.
Here each place is computed: multiplications by odd numbers, additions and shifts are permutations of the k-bit
numbers; a place whose image is not below the number of frames is sent through again until it is (cycle walking: Black
and Rogaway 2002, Ciphers with Arbitrary Finite Domains, section 3).
"""

from __future__ import annotations

import numpy as np

#: after so many rounds every bit of a place has changed every bit of its image several times
ROUNDS = 6


class FrameOrder:
    """A permutation of 0 .. count - 1 that depends on `count` and `seed` alone."""

    def __init__(self, count: int, seed: list[int]) -> None:
        bits = max(1, (count - 1).bit_length())
        self.count = count
        self.mask = np.uint64((1 << bits) - 1)
        self.shift = np.uint64(-(-bits // 2))
        self.keys = np.random.default_rng(seed).integers(0, 1 << 64, size=(ROUNDS, 2), dtype=np.uint64)

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the frames at some places, int64."""
        found = self._once(places.astype(np.uint64))
        while len(out := np.flatnonzero(found >= self.count)):
            found[out] = self._once(found[out])
        return found.astype(np.int64)

    def _once(self, numbers: np.ndarray) -> np.ndarray:
        """Permute the numbers of so many bits."""
        for factor, added in self.keys:
            numbers = (numbers * (factor | np.uint64(1)) + added) & self.mask
            numbers ^= numbers >> self.shift
        return numbers
