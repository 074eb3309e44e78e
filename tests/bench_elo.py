"""How long the Elo fit of an iteration takes, beside scipy and scikit-learn; run by hand:

envs/run python tests/bench_elo.py            # 5,000 matrices of 11 x 11, one core
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from metarewarding import elo

L2 = 1e-3


def matrices(count: int, n: int, rng) -> np.ndarray:
    """Battles as the loop makes them: each pair in both orders, a verdict for nine presentations of ten."""
    strength = rng.normal(0, rng.uniform(0.3, 3, (count, 1)), (count, n))
    omega1, omega2 = 0.4, 0.6
    first_wins = rng.random((count, n, n)) < 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
    parsed = (rng.random((count, n, n)) < 0.9) & ~np.eye(n, dtype=bool)
    return omega1 * (first_wins & parsed) + omega2 * (~first_wins & parsed).transpose(0, 2, 1)


def by_scipy(wins: np.ndarray) -> np.ndarray:
    games = wins + wins.T

    def loss(scores):
        difference = scores[:, None] - scores[None, :]
        gradient = L2 * scores - (wins - games / (1 + np.exp(-difference))).sum(axis=1)
        return (wins * np.logaddexp(0, -difference)).sum() + L2 / 2 * (scores**2).sum(), gradient

    return minimize(loss, np.zeros(len(wins)), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}).x


def by_sklearn(wins: np.ndarray) -> np.ndarray:
    m, n = np.nonzero(wins)
    rows = np.arange(len(m))
    design = np.zeros((2 * len(m), len(wins)))  # each win once from either side, at half its weight
    design[rows, m] = design[len(m) + rows, n] = 1
    design[rows, n] = design[len(m) + rows, m] = -1
    won = np.repeat([1, 0], len(m))
    model = LogisticRegression(C=1 / L2, fit_intercept=False, solver="lbfgs", tol=1e-9, max_iter=1000)
    return model.fit(design, won, sample_weight=np.tile(wins[m, n] / 2, 2)).coef_[0]


def main(count: int = 5000, others: int = 200) -> None:
    battles = matrices(count, 11, np.random.default_rng(0))
    start = time.perf_counter()
    scores = elo.fit(battles, L2)
    ours = (time.perf_counter() - start) / count
    print(f"elo.fit       {count} matrices in {ours * count:.2f} s, {ours * 1e6:.0f} us each")
    for name, solve in (("scipy", by_scipy), ("scikit-learn", by_sklearn)):
        start = time.perf_counter()
        theirs = np.array([solve(wins) for wins in battles[:others]])
        seconds = (time.perf_counter() - start) / others
        apart = np.abs(theirs - theirs.mean(axis=1, keepdims=True) - scores[:others]).max()
        print(
            f"{name:13} {seconds * 1e6:.0f} us each: {seconds / ours:.0f} times as long; "
            f"scores differ by {apart:.0e} at most"
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
