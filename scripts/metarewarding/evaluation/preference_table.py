"""The preference benchmarks, by the name that `benchmarks.run` gives them."""

from metarewarding.evaluation import (
    held_out_preferences,
    judgebench,
    llmbar,
    own_preferences,
    pandalm,
    reward_bench_2,
)

PREFERENCES = {
    module.PREFERENCE.name: module.PREFERENCE
    for module in (llmbar, judgebench, pandalm, reward_bench_2, own_preferences, held_out_preferences)
}
SOURCES = {name: where for benchmark in PREFERENCES.values() for name, where in benchmark.sources.items()}
