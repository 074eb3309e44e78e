"""The plan's rows of the preference benchmarks: the judgments and verdicts of every model."""

import config_files
from plan_inputs import count_lines

from metarewarding import templates
from metarewarding.evaluation import registry

ROWS = {"llmbar": (419, 2), "judgebench": (620, 2), "pandalm": (999, 2), "reward_bench_2": (1865, 4)}  # rows, responses


def preferences(planned, held_out: int, prompt: float, response: float, judgment: float) -> None:
    """Add a row for each preference benchmark of ``planned.settings``; ``held_out`` prompts have ranked replies."""
    settings, models = planned.settings, planned.models
    for name in settings["benchmarks"]["run"]:
        if not registry.get(name).read_rows:
            continue
        own, folder = settings["benchmarks"][name], f"benchmarks/{name}"
        if name == "held_out_preferences":
            rows, responses = held_out, planned.assumed["eft_replies_per_prompt"]
        else:
            rows, responses = ROWS.get(name) or (count_lines(own["path"]), 2)
        rows = min(rows, own["subset"] or rows)
        # the judgments of the held-out replies are already in the engine's store
        known = (
            name == "held_out_preferences"
            and own["judgments"] <= settings["benchmarks"]["judge_agreement"]["judgments"]
        )
        replies = 0 if known else round(rows * responses)
        template = planned.template("judge")
        planned.sample(
            "evaluate_model",
            [f"{m}/{folder}/judgments.stats.json" for m in models],
            len(models) * replies,
            own["judgments"],
            template + prompt + response,
            len(models) * (template + rows * prompt + replies * response),
            judgment,
            f"{name}, {len(models)} models x {replies:,} responses x {own['judgments']}",
            jobs=0,
        )
        if own["pairwise"]:
            text = templates.load(config_files.template_files(settings, "pairwise"), "pairwise")
            each = planned.tokens(len(text)) + prompt + 2 * response
            planned.sample(
                "evaluate_model",
                [f"{m}/{folder}/verdicts.stats.json" for m in models],
                len(models) * 2 * rows,
                1,
                each,
                len(models) * 2 * rows * each,
                min(judgment, own["max_tokens"]),
                f"{name}, {len(models)} models x {rows:,} pairs x 2 orders",
                jobs=0,
            )
