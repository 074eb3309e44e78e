"""The 95 % interval of a share."""

from math import sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


def share_interval(share: float, n: int | None) -> tuple[float | None, float | None]:
    """Return Wilson's 95 % interval, in percent, of a share in [0, 1] of ``n``; it is valid for small n too.

    (None, None) without ``n``.
    """
    if not n:
        return None, None
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)
