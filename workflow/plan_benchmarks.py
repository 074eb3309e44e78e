"""The plan's rows of the evaluation of every model."""

import math
from pathlib import Path

import plan_preferences
from plan_inputs import count_lines, held_out_prompts
from plan_rows import Plan

from metarewarding.evaluation import registry

TASK_ROWS = {"ifeval": 541, "gsm8k": 1319}  # of the tasks that config/judge_benchmarks.yaml names
OTHER_ROWS = 1000  # assumed for every other task
CATEGORY_NAMES = 254  # characters of the list of categories that an instruction is sorted into


def benchmarks(planned: Plan, rubric, prompt, response, judgment) -> None:
    """Add the rows of the evaluation of every model."""
    settings, models = planned.settings, planned.models
    measured = settings["benchmarks"]
    held_out = held_out_prompts(settings["eft"])
    replies = round(held_out * planned.assumed["eft_replies_per_prompt"])
    judgments = measured["judge_agreement"]["judgments"]
    planned.sample(
        "evaluate_model",
        [f"{m}/benchmarks/judge_agreement/judgments.stats.json" for m in models],
        len(models) * replies,
        judgments,
        rubric + prompt + response,
        len(models) * (rubric + held_out * prompt + replies * response),
        judgment,
        f"{len(models)} models x {replies:,} ranked replies x {judgments}",
    )
    plan_preferences.preferences(planned, held_out, prompt, response, judgment)
    regressions(planned, prompt, response)
    for name in [name for name in measured["run"] if not registry.get(name).read_rows]:
        own, folder = measured[name], f"benchmarks/{name}"
        if name == "arena_laptop":
            count = count_lines(own["prompts"])
            planned.sample(
                "evaluate_model",
                [f"{m}/{folder}/answers.stats.json" for m in models],
                len(models) * count,
                1,
                prompt,
                len(models) * count * prompt,
                response,
                f"{len(models)} models x {count} prompts",
                jobs=0,
            )
            planned.sample(
                "judge_answers",
                [f"{m}/{folder}/verdicts.stats.json" for m in models],
                len(models) * count,
                own["judgments"],
                rubric + prompt + response,
                len(models) * (rubric + count * (prompt + response)),
                judgment,
                f"{len(models)} models x {count} answers x {own['judgments']}",
            )
        elif name == "judge_vs_gpt4":
            held_out = own["prompts"]
            k, n = settings["sampling"]["responses"]["n"], settings["sampling"]["judgments"]["n"]
            planned.sample(
                "answer_held_out",
                [f"seed/{folder}/responses.stats.json"],
                held_out,
                k,
                prompt,
                held_out * prompt,
                response,
                f"{held_out} prompts x {k} responses of the seed",
            )
            planned.sample(
                "evaluate_model",
                [f"{m}/{folder}/judgments.stats.json" for m in models],
                len(models) * held_out * k,
                n,
                rubric + prompt + response,
                len(models) * (rubric + held_out * (prompt + k * response)),
                judgment,
                f"{len(models)} models x {held_out * k:,} responses x {n}",
                jobs=0,
            )
            # the instructions of AlpacaEval's judge, two responses
            shown = planned.tokens(2000) + prompt + 2 * response
            planned.ask(
                "compare_fixed_responses",
                [f"seed/{folder}/gpt4_chosen.stats.json"],
                own["judge"],
                2 * held_out,
                shown,
                1,
            )
            planned.ask(
                "compare_best_and_worst",
                [f"{m}/{folder}/self_chosen.stats.json" for m in models],
                own["judge"],
                2 * held_out * len(models),
                shown,
                1,
            )
        elif registry.get(name).kind == registry.PREFERENCE:
            facts, n = registry.get(name).volume, settings["sampling"]["judgments"]["n"]
            prompts, responses = facts["prompts"], facts["responses"]
            text, other = planned.tokens(facts["prompt"]), planned.tokens(facts["response"])
            planned.sample(
                "evaluate_model",
                [f"{m}/{folder}/judgments.stats.json" for m in models],
                len(models) * responses,
                n,
                rubric + text + other,
                len(models) * (rubric + prompts * text + responses * other),
                judgment,
                f"{name}, {len(models)} models x {responses:,} responses x {n}",
                jobs=0,
            )
        else:
            known = registry.get(name)
            facts, turns = known.volume, known.turns
            questions = min(own.get("subset") or facts["questions"], facts["questions"])
            judgments = len(models) * questions
            question = planned.tokens(facts["question"])
            answer = planned.tokens(facts["answer"], own.get("max_tokens"))
            planned.sample(
                "evaluate_model",
                [f"{m}/{folder}/answers.stats.json" for m in models],
                judgments * turns,
                1,
                question,
                judgments * turns * question,
                answer,
                f"{name}, {len(models)} models x {questions} questions" + " x 2 turns" * (turns == 2),
                jobs=0,
            )
            if name == "alpaca_eval" and own["categories"] == "judge":
                planned.ask(
                    "label_alpaca_eval",
                    ["data/benchmarks/alpaca_eval_categories.stats.json"],
                    own["judge"],
                    questions,
                    planned.tokens(len(Path(own["category_template"]).read_text(encoding="utf-8")) + CATEGORY_NAMES)
                    + question,
                    3,
                )
            written = facts.get("verdict", planned.assumed["api_verdict_chars"])
            out = planned.tokens(written, own.get("judge_max_tokens"))
            stats = known.verdict_file.rsplit(".", 1)[0]
            planned.ask(
                f"judge_{name}",
                [f"{m}/{folder}/{stats}.stats.json" for m in models],
                own["judge"],
                judgments * facts["requests"],
                planned.tokens(facts["context"]) + question + answer,
                out,
            )


def regressions(planned: Plan, prompt, response) -> None:
    """Add the rows of lm-evaluation-harness: a request for each row of a task, as long as those of the loop."""
    own, models = planned.settings["benchmarks"]["lm_eval"], planned.models
    if not own["tasks"]:
        return
    rows = sum(min(TASK_ROWS.get(task, OTHER_ROWS), own["limit"] or math.inf) for task in own["tasks"])
    requests = len(models) * rows
    tasks = ", ".join(own["tasks"])
    planned.sample(
        "measure_regressions",
        [f"{m}/benchmarks/lm_eval/score.json" for m in models],
        requests,
        1,
        prompt,
        requests * prompt,
        response,
        f"{len(models)} models x about {rows:,} rows of {tasks}, in prompts and answers as long as those of the loop",
    )
