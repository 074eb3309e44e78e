"""The scores of the benchmarks, importable from one module."""

from metarewarding.evaluation.alpaca_scores import alpaca_eval_scores
from metarewarding.evaluation.arena_hard import arena_hard_score
from metarewarding.evaluation.mt_bench import mt_bench_score
from metarewarding.evaluation.preference import pairwise_scores, preference_scores

__all__ = ["alpaca_eval_scores", "arena_hard_score", "mt_bench_score", "pairwise_scores", "preference_scores"]
