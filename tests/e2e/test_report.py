"""The page's texts: noise, warnings, settings that differ, the terminal's table; and the summaries."""

import copy
import json

import pytest
import settings as config_settings
import yaml
from conftest import ROOT
from differences import differences
from jobs import job

from metarewarding.intervals import share_interval
from metarewarding.judges import asking
from metarewarding.reporting import (
    alerts,
    comparison,
    exports,
    job_times,
    metrics,
    page,
    paper,
    scoreboard,
    summary,
    tables,
)
from metarewarding.reporting.figures import charts, cost
from metarewarding.reporting.figures import training as training_figures
from metarewarding.reporting.figures.judges import BIASES, meta_judge_bias
from metarewarding.reporting.figures.outcome import categories
from metarewarding.reporting.measured import measure
from report import summarise_iteration

PAPER = ROOT / "config/paper.yaml"


def resolved(name):
    return config_settings.resolve(yaml.safe_load((ROOT / "config" / name).read_text()))


def row(model, parent=None, **facts):
    empty = dict.fromkeys(("training", "pairs", "elo", "bias", "summary", "arena", "manifest"))
    agreement = {"parse_rate": 0.97, "agreement": 0.6, "spearman": 0.3, "pairs": 640, "ties": 0}
    return {"model": model, "parent": parent, "agreement": agreement, "judged": {}} | empty | facts


# -- the paper beside ours


@pytest.mark.parametrize(
    ("share", "n", "low", "high"), [(0.5, 100, 40.38, 59.62), (1.0, 3, 43.85, 100.0), (0.0, 10, 0.0, 27.75)]
)
def test_the_interval_of_a_share_is_wilsons(share, n, low, high):
    assert share_interval(share, n) == pytest.approx((low, high), abs=0.01)


def test_a_difference_is_noise_when_both_intervals_explain_it():
    printed = {"place": "Table 7", "benchmark": "judge_agreement", "metric": "agreement", "unit": "%", "model": "m0"}
    printed |= {"value": 63.2, "ci_low": None, "ci_high": None, "source": "printed", "n": 640}
    result = {"models": [row("m0")]}
    near = paper.beside_the_paper(result, [printed])[0]
    assert near["ours"] == 60
    assert near["difference"] == pytest.approx(-3.2)
    assert near["noise"] == pytest.approx(5.3, abs=0.1)  # 640 pairs on both sides, +-3.7 each
    assert paper.verdict(near) == "within noise"
    far = paper.beside_the_paper(result, [printed | {"value": 80.0}])[0]
    assert paper.verdict(far) == "beyond noise"
    assert "0 of 1 differences lie within noise. Farthest beyond it: agreement of m0, 20.00 below" in paper.sentence(
        [far]
    )
    nothing = paper.beside_the_paper({"models": [row("seed")]}, [printed])[0]
    assert nothing["ours"] is nothing["difference"] is None
    assert paper.verdict(nothing) == ""


def test_the_papers_intervals_are_of_as_many_pairs_as_its_percentages_imply():
    printed = {
        (row["model"], row["metric"]): row
        for row in paper.targets(ROOT / "workflow/report/paper.csv")
        if row["benchmark"] == "judge_vs_gpt4"
    }
    n = {key: row["n"] for key, row in printed.items()}
    assert n["seed", "gpt4_chosen.agreement"] == 168
    # 55.95 % and 56.49 % of 168: 87 right, 67 wrong and 14 ties; Meta-Rewarding 4: 78 right, 53 wrong, 37 ties
    assert n["seed", "gpt4_chosen.agreement_without_ties"] == 87 + 67
    assert n["meta-rewarding/m4", "gpt4_chosen.agreement_without_ties"] == 78 + 53
    assert n["seed", "self_chosen.agreement"] == 366
    assert n["meta-rewarding/m4", "self_chosen.agreement_without_ties"] == 181  # half of the pairs are ties
    low, high = paper.paper_interval(printed["seed", "self_chosen.agreement"])
    assert (high - low) / 2 == pytest.approx(5.06, abs=0.02)  # 1.96 sqrt(0.558 x 0.442 / 366)
    of = {(row["benchmark"], row["metric"]): row["n"] for row in paper.targets(ROOT / "workflow/report/paper.csv")}
    assert of["alpaca_eval", "lc_win_rate"] == 805
    assert of["alpaca_eval", "avg_length"] is of["alpaca_eval", "categories.Science.win_rate"] is None


def test_a_subset_stands_beside_nothing():
    score = {"judge": "j", "judge_model": "J", "score": 50.0, "ci_low": 40, "ci_high": 60, "complete": False}
    assert paper.ours(score, "arena_hard", "score") is None
    assert paper.ours(score | {"complete": True}, "arena_hard", "score") == (50, 40, 60)


def test_a_claim_says_when_ours_is_noise():
    def agreement(share):
        return {"agreement": share, "parse_rate": 1, "spearman": 0, "pairs": 640, "ties": 0}

    def verdict_of(share):
        result = {"models": [row("m0"), row("meta-rewarding/m2", agreement=agreement(share))]}
        return paper.claims(result, paper.targets(ROOT / "workflow/report/paper.csv"))[0]["verdict"]

    assert "noise" in verdict_of(0.62)
    assert verdict_of(0.75) == "the same direction as the paper"
    assert verdict_of(0.40) == "the opposite direction"


# -- settings that differ


def test_the_paper_differs_in_nothing_from_itself_and_the_laptop_in_much():
    assert differences(resolved("paper.yaml"), PAPER) == []
    differing = {key: (theirs, ours) for key, theirs, ours in differences(resolved("config.yaml"), PAPER)}
    assert differing["prompts.per_iteration"][0] == "5000"
    assert differing["model.package"][0] == "—"
    assert differing["methods.meta-rewarding.iterations[0].held_out"] == ("0.0", "0.1")
    assert not [key for key in differing if key.startswith(("gates", "engine.batch", "pathvars", "benchmarks.judges"))]


def test_a_changed_iteration_is_named_and_another_method_is_not():
    config = yaml.safe_load(PAPER.read_text())
    config["methods"]["meta-rewarding"]["iterations"][2]["rho"] = 0.5
    config["methods"]["other"] = copy.deepcopy(config["methods"]["self-rewarding"])
    config["run"] = ["meta-rewarding", "other"]
    result = differences(config_settings.resolve(config), PAPER)
    assert result == [["methods.meta-rewarding.iterations[2].rho", "0.32", "0.5"]]


# -- warnings


def pairs(**changes):
    actor = {"prompts": 5000, "pairs": 4000, "outcome": {"pair": 4000}, "distinct_responses": 1000}
    actor |= {"truncated_responses": 10, "mean_length": 1900} | changes
    return {"actor": actor, "judgments": {"parse_rate": changes.get("parse_rate", 0.97)}}


def measured(which, n, accuracy):
    entry = {"set": which, "kind": "actor", "pairs": n, "accuracy": accuracy, "epoch": 2}
    entry |= {"chosen_logp": -100, "chosen_tokens": 500}
    return {"epochs": [entry | {"epoch": 1, "accuracy": 0.9}, entry]}


def degenerate(**changes):
    return {"degeneration": {"responses": 35000, "repeated_8grams": 0.1, "empty": 0.0, "distinct_2": 0.4} | changes}


def chosen_sides(*logps):
    """Return measurements of texts of 500 tokens, before training and after each epoch."""
    entry = {"set": "trained", "kind": "actor", "pairs": 100, "accuracy": 0.8, "chosen_tokens": 500}
    return {"epochs": [entry | {"epoch": epoch, "chosen_logp": logp} for epoch, logp in enumerate(logps)]}


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({"pairs": pairs(parse_rate=0.5)}, "Parse rate below"),
        ({"summary": {"scores_given": {"4.0": 90, "3.0": 10}}}, "Scores have collapsed"),
        ({"pairs": pairs(mean_length=2200)}, "Length grows"),
        ({"bias": {"position_bias": 0.71, "pairs": 100}}, "Position bias"),
        ({"pairs": pairs(pairs=900)}, "Few pairs"),
        ({"pairs": pairs(truncated_responses=60)}, "More than 5 %"),
        ({"training": measured("held_out", 100, 0.55)}, "Reward accuracy is not above chance on held-out"),
        ({"training": measured("held_out", 10, 0.9)}, "Too few held-out pairs"),
        ({"training": measured("trained", 100, 0.55)}, "Reward accuracy is not above chance on pairs that were tr"),
        ({"summary": degenerate(repeated_8grams=0.21)}, "More than 20 % of the responses repeat"),
        ({"summary": degenerate(empty=0.011)}, "More than 1 % of the responses are empty"),
        ({"summary": degenerate(distinct_2=0.31)}, "Distinct-2 fell"),
        ({"training": chosen_sides(-100, -140, -151)}, "The chosen side's log-probability falls"),
    ],
)
def test_each_warning_comes_when_it_should(facts, title):
    before = row("m/m1", "m0", pairs=pairs(), summary=degenerate())
    result = alerts.alerts({"models": [row("m0"), before, row("m/m2", "m/m1", **facts)]})
    assert [alert["title"].startswith(title) for alert in result] == [True]
    assert "m/m2" in result[0]["cases"][0]


def test_a_good_run_has_no_warning():
    good = {"pairs": pairs(mean_length=2000), "summary": {"scores_given": {"4.0": 79, "3.0": 21}}}
    good["summary"] |= degenerate(repeated_8grams=0.2, empty=0.01, distinct_2=0.33)
    good |= {"bias": {"position_bias": 0.69, "pairs": 100}}
    before = row("m/m1", "m0", pairs=pairs(), summary=degenerate())
    for training in (measured("held_out", 100, 0.7), measured("trained", 200, 0.9)):  # or with none held out
        epochs = training["epochs"] + chosen_sides(-100, -180, -149)["epochs"]
        models = [row("m0"), before, row("m/m2", "m/m1", **good | {"training": {"epochs": epochs}})]
        assert alerts.alerts({"models": models}) == []


def test_a_slow_fall_of_distinct_2_is_compared_with_the_first_iteration():
    values = {"m/m1": ("m0", 0.40), "m/m2": ("m/m1", 0.36), "m/m3": ("m/m2", 0.31), "other/m1": ("m0", 0.40)}
    rows = [row(model, parent, summary=degenerate(distinct_2=value)) for model, (parent, value) in values.items()]
    (result,) = alerts.alerts({"models": [row("m0"), *rows]})
    assert result["cases"] == ["m/m2: 0.310 in the responses for m/m3, 0.400 in the first"]


# -- the terminal


@pytest.mark.parametrize("width", [30, 60, 80, 120, 300])
def test_the_scoreboard_fits_any_width(width):
    arena = {"win_rate": 48.2, "ci_low": 40.0, "ci_high": 56.5, "mean_length": 210.0}
    result = {"models": [row("seed", arena=arena), row("meta-rewarding/m1", "m0", arena=arena, pairs=pairs())]}
    result["stages"] = {"train_dpo": {"jobs": 1, "seconds": 300}, "meta_judge": {"jobs": 2, "seconds": 100}}
    result["alerts"] = [{"title": "Few pairs", "cases": ["meta-rewarding/m1: 8 actor pairs from 8 prompts"] * 4}]
    text = scoreboard.render(result, "A note of several words. " * 5, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\033" not in text
    for needed in ("meta-rewarding/m1", "48.2", "4000/-", "75 %", "Few pairs", "A note"):
        assert needed in " ".join(text.split())  # a line may end between 75 and %
    assert "\033[1m" in scoreboard.render(result, None, width, colour=True)


# -- small things of the page


def test_texts_in_the_page_are_escaped():
    assert page.visible("<b>&\r\0") == "&lt;b&gt;&amp;&#13;␀"
    assert "</script" not in page.in_script("'</script>'")
    assert page.json_in_script({"a": "</script><!--"}) == '{"a":"\\u003c/script>\\u003c!--"}'


def test_methods_that_start_from_another_carry_its_chain():
    models = [("seed", None), ("m0", None), ("a/m1", "m0"), ("a/m2", "a/m1"), ("b/m1", "a/m1")]
    result = metrics.chains({"models": [{"model": model, "parent": parent} for model, parent in models]})
    assert result == {"a": ["seed", "m0", "a/m1", "a/m2"], "b": ["seed", "m0", "a/m1", "b/m1"]}
    assert metrics.chains({"models": [{"model": m, "parent": None} for m in ("seed", "m0")]}) == {"m0": ["seed", "m0"]}


def test_prompts_to_look_into_are_cut_by_budget_and_never_inside():
    prompts = [
        {"prompt_id": str(i), "responses": [], "ranking": [], "verdicts": [], "text": "x" * 1000} for i in range(5)
    ]
    shown = page.select_examples({"a/m1": prompts, "a/m2": prompts}, budget=5000)
    assert [(len(of["prompts"]), of["left_out"]) for of in shown] == [(2, 3), (2, 3)]
    assert len(page.select_examples({"a/m1": prompts}, budget=1)[0]["prompts"]) == 1


def test_both_orders_of_a_pair_stand_together():
    def verdict(first, second, winner):
        return {"first": first, "second": second, "winner": winner, "text": ""}

    a, b, c = (f"p/r0/j{n}" for n in (1, 2, 3))
    rows = [verdict(b, a, "second"), verdict(a, b, "first"), verdict(a, c, "first"), verdict(c, a, "first")]
    prompt = {"ranking": ["p/r0/j1", "p/r0/j2", "p/r0/j3"], "verdicts": [*rows, verdict("p/r0/j2", "p/r0/j3", None)]}
    result = page.presentations(prompt)
    assert [[cell["text"] for cell in row["cells"]] for row in result["rows"]] == [
        ["", "1", "½"],
        ["0", "", "?"],
        ["½", "?", ""],
    ]
    assert (result["flips"], result["unread"]) == (1, 1)
    assert result["rows"][0]["cells"][1] == {"text": "1", "means": "r0/j1 against r0/j2: wins", "places": [0, 1]}


def test_no_zero_has_a_sign_and_no_minute_is_a_thousandth():
    assert page.number(-0.0001, 3) == "0.000"
    assert page.signed(-0.001) == "+0.00"
    assert page.number(-0.5) == "−0.5"
    result = {"stages": {"train_sft": {"seconds": 48, "gpu_hours": 0}}, "plan": {"rows": [{"stage": "train_sft"}]}}
    (chart,) = (figure["chart"].to_dict() for figure in [cost.hours(result)])
    assert chart["encoding"]["x"]["axis"]["format"] == ",~r"  # 0.8, not 800m


def test_a_claim_of_equal_length_is_about_closeness():
    def verdict_of(length):
        score = {"judge": "j", "judge_model": "J", "complete": True, "lc_win_rate": 40.0, "lc_win_rate_se": 1.0}
        judged = {"m0": 2000, "meta-rewarding/m4": length}
        rows = [row(model, judged={"alpaca_eval": score | {"avg_length": value}}) for model, value in judged.items()]
        claims = paper.claims({"models": rows}, paper.targets(ROOT / "workflow/report/paper.csv"))
        return next(of["verdict"] for of in claims if of["claim"] == "while answers stay as long")

    assert verdict_of(1900) == "-5 %: within 10 % of the same length"  # shorter, and still as long
    assert verdict_of(2600) == "+30 %: not within 10 % of the same length"


def test_the_verdict_says_whether_the_last_model_is_better():
    def verdict_of(low, high, progress=None):
        arena = {"win_rate": (low + high) / 2, "ci_low": low, "ci_high": high}
        result = {"models": [row("seed", arena=arena), row("m0", arena=arena), row("a/m1", "m0", arena=arena)]}
        return summary.verdict(result, progress)

    assert verdict_of(12.5, 62.5).startswith(
        "Completed. No measurable change from the seed: win rate 37.5 %, 95 % CI 12.5"
    )
    assert verdict_of(51, 60).startswith("Completed. Better than the seed")
    assert verdict_of(40, 49, "M2 of M4").startswith("In progress, M2 of M4. Worse than the seed")


def test_decisive_settings_come_first_and_iterations_that_agree_are_one_row():
    differs = [["templates.judge", "a", "b"], ["methods.m.iterations[0].rho", "0", "1"]]
    differs += [["methods.m.iterations[1].rho", "0", "1"], ["model.repo", "x", "—"]]
    first, rest = summary.settings_in_order(differs)
    assert first == [["model.repo", "x", "—"], ["methods.m.iterations[0, 1].rho", "0", "1"]]
    assert rest == [("templates", [["templates.judge", "a", "b"]])]


def test_a_log_says_which_job_it_was_and_when_it_ran(tmp_path):
    for name, text in (
        ("sample_and_judge/meta-rewarding/m1/0", "2026-01-01 10:00:00 INFO sample_and_judge: done in 12 s\n"),
        ("train_sft", "{'loss': '0.5', 'epoch': '1'}\n"),
        ("fit_elo/a/m2", "2026-01-01 10:00:00 ERROR fit_elo: no rows\n"),
        ("score_benchmark/alpaca_eval/seed", "2026-01-01 10:00:00 INFO score_benchmark: done in 1 s\n"),
    ):
        path = tmp_path / f"logs/{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    result = {job["stage"]: job for job in job_times.jobs(tmp_path)}
    sampled = result["sample_and_judge"]
    assert (sampled["model"], sampled["shard"], sampled["state"]) == ("meta-rewarding/m1", "0", "done")
    assert sampled["end"] - sampled["start"] == 12
    assert (result["train_sft"]["model"], result["train_sft"]["state"]) == ("m0", "running")
    assert (result["fit_elo"]["model"], result["fit_elo"]["state"]) == ("a/m2", "failed")
    scored = result["score_benchmark"]
    assert (scored["model"], scored["shard"]) == ("seed", "alpaca_eval")
    assert {job["stage"] for job in job_times.finished(tmp_path)} == {"sample_and_judge", "score_benchmark"}


def test_the_first_and_the_last_loss_are_those_of_steps_however_long_the_run():
    log = [{"epoch": i / 1000, "loss": float(i)} for i in range(1000)]
    result = metrics.thinned({"log": log})
    assert len(result["log"]) <= metrics.STEPS_SHOWN
    assert (result["first_loss"], result["last_loss"]) == (0, 999)
    assert result["log"][0]["loss"] > 0
    assert metrics.thinned({"log": []})["last_loss"] is None
    (figure,) = training_figures({"models": [{"model": "m0", "training": result | {"epochs": []}}]})
    assert figure["description"] == "First and last loss: m0 from 0.000 to 999.000."


def test_the_time_line_has_only_the_pages_models():
    jobs = [
        {"stage": "train_dpo", "model": model, "shard": None, "start": 0.0, "end": 60.0}
        for model in (None, "m0", "gone/m1")
    ]
    figure = cost.timeline({"models": [{"model": "seed"}, {"model": "m0"}], "jobs": jobs})
    assert {row["model"] for row in figure["rows"]} == {"data", "m0"}
    assert figure["chart"].to_dict()["encoding"]["color"]["scale"]["domain"] == ["data", "m0"]


def test_the_texts_of_figures_keep_the_papers_values_apart():
    score = {"judge": "j", "judge_model": "j", "categories": {"Science": {"win_rate": 40.0, "n": 9}}}
    bias = dict.fromkeys(BIASES) | {"position_bias": 0.25, "pairs": 8}
    result = {"models": [row("m0", judged={"alpaca_eval": score}, bias=bias)]}
    printed = [
        {"place": "Figure 4", "metric": "categories.Science.win_rate", "model": "m0", "value": 35.0},
        {"place": "Table 5", "metric": "position_bias", "model": "m0", "value": 30.0},
    ]
    by_category = categories(result, printed, {"m0": ["m0"]})
    assert by_category["description"] == "m0 (this run): Science 40 %. m0 (paper): Science 35 %."
    bias_figure = meta_judge_bias(result, printed, {"m0": ["m0"]})
    kind = BIASES["position_bias"]
    assert bias_figure["description"] == f"{kind} (this run): m0 25 %. {kind} (paper): m0 30 %."


def test_a_models_shade_is_the_same_in_every_figure():
    def colours(*models):
        return dict(zip(models, charts.models_scale(list(models)).range, strict=True))

    every = colours("seed", "m0", *(f"a/m{t}" for t in range(1, 7)))
    assert colours("a/m4") == {"a/m4": every["a/m4"]}
    assert colours("m0", "a/m1", "a/m2")["a/m2"] == every["a/m2"]
    assert len(set(every.values())) == 7  # the sixth iteration shares the darkest shade


def arena(score):
    return {"win_rate": score, "ci_low": score - 5, "ci_high": score + 5}


def hard(score, judge, **more):
    return {"score": score, "ci_low": score - 2, "ci_high": score + 2, "judge": judge, "judge_model": judge} | more


def scored(*scores):
    rows = [
        {"model": model, "parent": None, "arena": arena(50.0), "judged": {"arena_hard": score}}
        | {"agreement": None, "bias": None, "pairs": None}
        for model, score in zip(("seed", "m0"), scores, strict=True)
    ]
    return {"models": rows}


def test_scores_of_different_judges_are_named_and_not_subtracted():
    runs = {"one": scored(hard(20.0, "old"), hard(30.0, "old")), "two": scored(hard(20.0, "old"), hard(50.0, "old"))}
    (table,) = (of for of in comparison.scoreboard(runs) if "Arena-Hard" in of["title"])
    assert table["heads"] == ["Model", "one", "two", "two − one"]
    assert table["rows"][1][-1] == "+20.0 ± 2.8 †"
    runs["two"] = scored(hard(20.0, "new"), hard(50.0, "new"))
    (table,) = (of for of in comparison.scoreboard(runs) if "Arena-Hard" in of["title"])
    assert table["heads"] == ["Model", "one (judge: old)", "two (judge: new)"]
    assert [len(row) for row in table["rows"]] == [3, 3]
    (table,) = (of for of in comparison.scoreboard(runs) if "own seed" in of["title"])
    assert table["heads"] == ["Model", "one (judge: its M0)", "two (judge: its M0)"]
    (figure,) = (of for of in comparison.figures(runs) if of["id"] == "compare_arena_hard_score")
    assert {row["method"] for row in figure["rows"]} == {"one (judge: old): m0", "two (judge: new): m0"}
    assert "Not comparable: one (judge: old); two (judge: new)." in figure["caption"]


def test_no_judge_gives_a_length():
    runs = {name: scored(None, None) for name in ("one", "two")}
    for of, length in (("one", 100.0), ("two", 150.0)):
        for model in runs[of]["models"]:
            model["arena"] = model["arena"] | {"mean_length": length}
            model["judged"] = {}
    (table,) = (of for of in comparison.scoreboard(runs) if of["title"].startswith("Mean characters"))
    assert table["heads"] == ["Model", "one", "two", "two − one"]
    assert table["rows"][0] == ["seed", "100.0", "150.0", "+50.0"]


def test_the_score_of_a_subset_is_marked():
    heads, rows = scoreboard.board(scored(hard(20.0, "j", complete=True), hard(30.0, "j", complete=False)))
    place = heads.index("Arena-Hard, %")
    assert [row[place] for row in rows] == ["20.0", "30.0 (subset)"]
    alpaca = {"judge": "j", "judge_model": "j", "win_rate": 40.0, "lc_win_rate": None, "complete": False}
    subsets = scored(None, None)
    for model in subsets["models"]:
        model["judged"] = {"alpaca_eval": alpaca}
    heads, rows = scoreboard.board(subsets)
    assert "LC win rate, %" not in heads  # a subset has none
    assert rows[0][heads.index("win rate, %")] == "40.00 (subset)"
    card = exports.model_card(
        "m0", {}, None, {"arena_hard": hard(30.0, "j", complete=False), "arena_laptop": arena(40.0) | {"judge": "m0"}}
    )
    assert "| arena_hard | score | 30 | j | a part of them: not comparable |" in card
    assert "| arena_laptop | win_rate | 40 | m0 | all |" in card


def test_a_judge_that_is_served_here_costs_gpu_hours_and_one_behind_an_api_dollars(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "host", lambda: {"gpus": ["H200"] * 4})
    files = {
        "here": asking.job_facts(served_here=True) | {"process_seconds": 1800},
        "api": asking.job_facts(served_here=False) | {"process_seconds": 600, "cost": 1.25},
    }
    for name, facts in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(facts | {"asked": 9, "from_store": 1}))
    plan = {"totals": {}, "rows": [{"stage": name, "files": [f"{name}.json"]} for name in files]}
    here, api = (stage["measured"] for stage in measure(plan, tmp_path)["rows"])
    assert (here["gpu_hours"], here["cost_usd"]) == (2, None)
    assert (api["gpu_hours"], api["cost_usd"], api["seconds"]) == (None, 1.25, 600)
    result = {"models": [row("seed"), row("m0")], "stages": {"here": here, "api": api}, "jobs": [], "judged": []}
    assert summary.tiles(result, [])[-1]["compared"] == "and 1.25 US dollars for judges"


def test_one_iteration_is_not_plural():
    run = {"configfiles": [], "root": "r", "model": {}, "per_iteration": 5000, "seed": 0, "date": ""}
    models = [row("seed"), row("m0"), row("a/m1", "m0"), row("a/m2", "a/m1")]
    for count, text in ((3, "1 iteration of 5,000 prompts"), (4, "2 iterations of 5,000 prompts")):
        result = {"models": models[:count], "stages": {}, "jobs": []}
        assert dict(summary.facts(result, run))["Size"] == text


def test_stages_are_those_of_the_plan():
    result = {
        "stages": {"meta_judge": {"jobs": 1}},
        "plan": {"rows": [{"stage": "meta_judge"}, {"stage": "train_dpo"}]},
    }
    assert [(name, bool(is_), bool(plan)) for name, is_, plan in tables.stages(result)] == [
        ("meta_judge", True, True),
        ("train_dpo", False, True),
    ]


def test_stages_are_measured_from_the_files_that_the_plan_names(tmp_path):
    def put(name, value):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(value))
        return [str(tmp_path / name)]

    log = tmp_path / "logs/evaluate_model/seed.log"
    log.parent.mkdir(parents=True)
    columns = ("s", "max_rss", "io_in", "io_out", "cpu_time")
    for path, values in ((log, (9, 2048.5, "-", 7, 80)), (log.with_stem("m0"), (9, 1024, 3, "NA", 20.5))):
        path.with_suffix(".tsv").write_text("\t".join(columns) + "\n" + "\t".join(map(str, values)) + "\n")
    facts = {"rule": "evaluate_model", "requests": 9, "prompt_tokens": 50, "cached_prompt_tokens": 20}
    facts |= {"output_tokens": 5, "seconds": 4, "process_seconds": 6}
    for name, of in (("seed/a", log), ("seed/b", log), ("m0/a", log.with_stem("m0"))):  # seed: two files of one job
        put(f"{name}.stats.json", facts | {"log": str(of)})
    manifests = put("seed/manifest.json", {"rule": "fetch_seed_model", "seconds": 7200, "host": {"gpus": ["H100"] * 2}})
    plan = {
        "totals": {},
        "rows": [
            {"stage": "fetch_seed_model", "files": ["seed/manifest.json"]},
            {"stage": "evaluate_model", "files": [f"{name}.stats.json" for name in ("seed/a", "seed/b", "m0/a")]},
            {"stage": "train_dpo", "files": ["x/m1/manifest.json"]},
        ],
    }
    inputs = {"plan": put("plan.json", measure(plan, tmp_path)), "eft": put("eft.json", {}), "judged": []}
    inputs |= {"manifests": manifests, "agreement": put("seed/benchmarks/a/score.json", {})}
    result = metrics.collect(inputs, str(tmp_path), ["seed"], {})["stages"]
    assert list(result) == ["fetch_seed_model", "evaluate_model"]
    assert (result["fetch_seed_model"]["gpu_hours"], result["fetch_seed_model"]["cpu_seconds"]) == (4, None)
    took = result["evaluate_model"]
    assert (took["jobs"], took["requests"], took["distinct_prompt_tokens"], took["engine_seconds"]) == (2, 27, 90, 12)
    assert (took["cpu_seconds"], took["max_memory_mb"], took["read_mb"], took["written_mb"]) == (100.5, 2048.5, 3, 7)


# -- the summary of an iteration


def test_signs_of_degeneration_are_counted_by_response():
    eight = "one two three four five six seven eight"
    texts = {"p/r0": f"{eight} and {eight}", "p/r1": eight, "p/r2": " \n", "q/r0": "word " * 9, "q/r1": "a b a b"}
    rows = [{"prompt_id": key[0], "response_id": key, "text": text} for key, text in texts.items()]
    result = summarise_iteration.degenerate(iter(rows), {"q"})
    assert result["responses"] == 5
    assert result["repeated_8grams"] == 2 / 5  # p/r0, and the nine words of q/r0, which hold a run twice
    assert result["empty"] == 1 / 5
    # q: "word word" 8 times, "a b" twice, "b a" once
    assert result["distinct_2"] == pytest.approx(3 / 11)
    assert summarise_iteration.degenerate(iter(rows[2:3]), {"p"})["distinct_2"] is None
    assert summarise_iteration.degenerate(iter([]), set()) is None


def test_tiers_and_places_are_those_of_the_pairs():
    scores = [{"response_id": str(i), "score": score} for i, score in enumerate([5.0, 4.0, 3.0, 1.0])]
    assert [(of["place"], of["tier"]) for of in summarise_iteration.in_tiers(scores, 0.25)] == [
        (1.0, "top"),
        (0.75, "top"),
        (0.5, "none"),
        (0.0, "bottom"),
    ]
    assert summarise_iteration.in_tiers([{"response_id": "0", "score": 4.0}] * 3, 0.3) == []


def test_a_summary_joins_by_id(tmp_path):
    """Rows in any order, over two shards; the judge's and the actor's pairs among the prompt's texts."""

    def put(name, *rows):
        file = tmp_path / name
        file.write_text("".join(json.dumps(of) + "\n" for of in rows))
        return file

    r0, r1 = ({"prompt_id": "p", "response_id": f"p/r{k}"} for k in (0, 1))
    judgments = [
        of
        | {"judgment_id": f"{of['response_id']}/j{n}", "text": f"said {score}", "score": score, "finish_reason": "stop"}
        for of, n, score in ((r1, 1, 4.0), (r0, 0, 2.0), (r1, 0, 5.0), (r0, 1, None))
    ]
    pair = {"prompt_id": "p", "prompt": [], "chosen": [], "rejected": [], "chosen_by": 1.0, "rejected_by": 0.0}
    inputs = {
        "prompts": put("prompts.jsonl", {"prompt_id": "p", "text": "Why?"}),
        "responses": [
            put("r1.jsonl", r1 | {"text": "long answer", "tokens": 2, "finish_reason": "stop"}),
            put("r0.jsonl", r0 | {"text": "short", "tokens": 1, "finish_reason": "length"}),
        ],
        "judgments": [put("j0.jsonl", *judgments[:2]), put("j1.jsonl", *judgments[2:])],
        "scores": put(
            "scores.jsonl",
            *(
                of | {"score": score, "judgments": 1, "length": length, "finish_reason": "stop"}
                for of, score, length in ((r0, 2.0, 5), (r1, 4.5, 11))
            ),
        ),
        "elo": put("elo.jsonl", *(r1 | {"judgment_id": f"p/r1/j{n}", "elo": elo} for n, elo in ((1, -0.5), (0, 0.5)))),
        "meta_judgments": [
            put("m.jsonl", r1 | {"first": "p/r1/j1", "second": "p/r1/j0", "text": "B", "winner": "second"})
        ],
        "actor_pairs": put("a.jsonl", pair | {"kind": "actor", "chosen_id": "p/r1", "rejected_id": "p/r0"}),
        "judge_pairs": put("b.jsonl", pair | {"kind": "judge", "chosen_id": "p/r1/j0", "rejected_id": "p/r1/j1"}),
    }
    outputs = {"summary": "summary.json", "examples": "look.json"}
    summarise_iteration.main(job(tmp_path, inputs, outputs, {"rho": 0.1, "seed": 0}))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["scores_given"] == {"2.0": 1, "4.0": 1, "5.0": 1}
    assert summary["lengths"]["n"] == 2
    assert {(of["response_id"], of["role"], of["tier"], of["length"]) for of in summary["points"]} == {
        ("p/r1", "chosen", "top", 11),
        ("p/r0", "rejected", "bottom", 5),
    }
    assert summary["degeneration"] == {"responses": 2, "repeated_8grams": 0, "empty": 0, "distinct_2": 1}
    assert sum(summary["elo"]["counts"]) == 2
    assert summary["elo"]["range"]["p50"] == 1
    looked = json.loads((tmp_path / "look.json").read_text())["prompts"][0]
    best, worst = looked["responses"]
    assert (best["text"], best["role"], best["score"]) == ("long answer", "chosen", 4.5)
    assert {of["judgment_id"]: of["role"] for of in best["judgments"]} == {"p/r1/j1": "rejected", "p/r1/j0": "chosen"}
    assert [of["score"] for of in worst["judgments"]] == [2.0, None]
    assert (looked["meta_judged"], looked["ranking"]) == ("p/r1", ["p/r1/j0", "p/r1/j1"])
    assert looked["verdicts"][0]["winner"] == "second"


# -- the export


def test_answers_are_exported_in_each_benchmarks_own_format():
    requests = [{"prompt_id": "81", "category": "writing", "turns": ["Hi?", "Again?"]}]
    answers = {"81": ["one", "two"]}
    assert exports.alpaca_eval(requests, answers, "m4") == [
        {"dataset": "writing", "instruction": "Hi?", "output": "one", "generator": "m4"}
    ]
    (row,) = exports.arena_hard(requests, answers, "m4")
    assert (row["uid"], row["model"], row["messages"][-1]["content"]) == ("81", "m4", {"answer": "one"})
    (row,) = exports.mt_bench(requests, answers, "m4")
    assert (row["question_id"], row["model_id"], row["choices"][0]["turns"]) == (81, "m4", ["one", "two"])
    assert exports.alpaca_eval(requests, {}, "m4") == []


def test_measurements_of_epochs_are_exported_and_an_unmeasured_kl_is_empty():
    rows = [
        {"epoch": 0, "set": "trained", "kind": "actor", "margin": 0.0, "kl": 0.0},
        {"epoch": 1, "set": "trained", "kind": "actor", "margin": 0.25, "kl": None},
    ]
    assert exports.epochs({"epochs": rows}).splitlines() == [
        "epoch,set,kind,margin,kl",
        "0,trained,actor,0.0,0.0",
        "1,trained,actor,0.25,",
    ]
