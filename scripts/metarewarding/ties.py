"""Equality of mean scores within a tolerance.

The same judgments summed in another order differ in the last bit, and after judge training scores such as 4.5, 4.75
and 4.9 make equal means common. Every comparison of mean scores, tiers and Elo scores uses this one tolerance.
"""

from collections.abc import Sequence
from itertools import pairwise

TOLERANCE = 1e-9


def compare(a: float, b: float) -> int:
    """Return 1 if ``a`` is higher than ``b``, -1 if it is lower, 0 if they are closer than TOLERANCE."""
    return 0 if abs(a - b) < TOLERANCE else (1 if a > b else -1)


def levels(values: Sequence[float]) -> list[int]:
    """Return for each value its level: 0 for the lowest, the same for neighbours closer than TOLERANCE."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    level_of = [0] * len(values)
    for below, i in pairwise(order):
        level_of[i] = level_of[below] + (compare(values[i], values[below]) != 0)
    return level_of
