"""Figures 3, 4 and 5 from score files: drawn, with axes named, without a name of the machine or the day in them."""

import json

import plot_benchmarks
from conftest import ROOT
from test_scripts import job


def score(k, lc):
    return {
        "judge": "<j>",
        "judge_model": "J",
        "win_rate": 20.0 + k,
        "win_rate_se": 1.0,
        "lc_win_rate": 21.0 + k if lc else None,
        "lc_win_rate_se": 0.5 if lc else None,
        "categories": {"Science": {"win_rate": 10.0 + k, "n": 3}} | ({"Music": {"win_rate": 5.0, "n": 1}} if k else {}),
        "scores": {"4.0": 3, "4.5": k} if k < 3 else {},
        "mean_score": 4.1 if k < 3 else None,
    }


def draw(tmp_path, lc):
    models = ["seed", "m0", "meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1"]
    files = []
    for k in range(len(models)):
        file = tmp_path / f"{k}.json"
        file.write_text(json.dumps(score(k, lc)))
        files.append(file)
    inputs = {"alpaca_eval": files, "judge_vs_gpt4": files, "paper": ROOT / "workflow/report/paper.csv"}
    names = [f"figure_{n}.{kind}" for n in (3, 4, 5) for kind in ("svg", "png")]
    made = job(tmp_path, inputs, dict(zip(names, names, strict=True)), {"models": models})
    made.output = [str(tmp_path / name) for name in names]
    plot_benchmarks.main(made)
    for name in names:
        assert (tmp_path / name).stat().st_size > 5000
    return {n: (tmp_path / f"figure_{n}.svg").read_bytes() for n in (3, 4, 5)}


def test_all_three_are_drawn_and_come_out_the_same_twice(tmp_path):
    first = draw(tmp_path, lc=True)
    assert draw(tmp_path, lc=True) == first
    assert draw(tmp_path, lc=False)[3] != first[3]  # a subset has win rates only


def test_methods_start_from_the_seed_and_m0():
    models = {"seed": 0, "m0": 0, "meta-rewarding/m2": 0, "meta-rewarding/m1": 0, "self-rewarding/m1": 0}
    assert plot_benchmarks.by_method(models) == {
        "meta-rewarding": [(-1, "seed"), (0, "m0"), (1, "meta-rewarding/m1"), (2, "meta-rewarding/m2")],
        "self-rewarding": [(-1, "seed"), (0, "m0"), (1, "self-rewarding/m1")],
    }
    assert plot_benchmarks.by_method({"seed": 0, "m0": 0}) == {"m0": [(-1, "seed"), (0, "m0")]}
