"""The 95 % interval of a share, of independent questions or of questions in clusters."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

from metarewarding.ties import TOLERANCE

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


def clustered_interval(values: Sequence[float], clusters: Sequence) -> tuple[float | None, float | None]:
    """Return a 95 % interval, in percent, of the mean of ``values`` in [0, 1] that are dependent within a cluster.

    Mean +- 1.96 cluster-robust standard errors, with the factor G / (G - 1) for G clusters, cut at 0 and 100. Where the
    clusters do not vary at all (all right, or all wrong) the standard error is 0 and has no meaning, so the Wilson
    interval of G independent clusters is used instead. (None, None) with fewer than two clusters.
    """
    count = len(set(clusters))
    if count < 2:
        return None, None
    mean = fmean(values)
    sums: dict = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    error = sqrt(count / (count - 1) * sum(of**2 for of in sums.values())) / len(values)
    if error < TOLERANCE:
        return share_interval(mean, count)
    return 100 * max(0.0, mean - Z * error), 100 * min(1.0, mean + Z * error)
