"""Estimate a run from its config alone: jobs, requests, tokens, GPU hours, disk, judges' fees.

    envs/run python workflow/plan.py --configfile config/paper.yaml [more.yaml ...] [--card H100] [--config key=value]
        [--explain]

No model is loaded. The lengths of texts are assumed under `plan` in the config, and the speeds of cards in speeds.py.
Where results exist, the measured values are shown with the plan.
"""

import argparse
import json
import math
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "scripts")]
import config_files  # noqa: E402
import forecast  # noqa: E402
import lineage  # noqa: E402
import settings as config_settings  # noqa: E402
from model_size import model_size  # noqa: E402
from plan_benchmarks import benchmarks  # noqa: E402
from plan_inputs import prompt_chars, set_aside  # noqa: E402
from plan_rows import Plan  # noqa: E402
from plan_table import as_text, totals  # noqa: E402
from speeds import CARDS  # noqa: E402

from metarewarding.reporting.measured import measure  # noqa: E402


def plan(settings: dict, card: str | None = None) -> dict:
    """Return {card, rows, totals, arithmetic, parameters} of what ``run`` builds from nothing, by ``settings``.

    These rows are the only list of a run's stages, which the estimate at its start, the measured values, and the
    report's time table and figures use. A row: stage (the rule), kind (fetch, sample, train, save or ask), jobs,
    requests (of an engine or a judge), completions (texts that come back), prompt_tokens (each text counts its prompt),
    distinct_prompt_tokens (what remains when the prefixes that requests share are read once), output_tokens, gpu_hours
    (null without GPUs), disk_gb (kept), cost_usd (judges' fees), files (under the results' root: the stats files and
    manifests that its jobs write).
    """
    card = card or settings["plan"]["card"]
    planned = Plan(settings, card)
    sampling, assumed = settings["sampling"], planned.assumed
    shards = range(sampling["shards"])
    prompts, k, n = settings["prompts"]["per_iteration"], sampling["responses"]["n"], sampling["judgments"]["n"]
    prompt = planned.tokens(prompt_chars(settings))
    response = planned.tokens(assumed["response_chars"], sampling["responses"]["max_tokens"])
    judgment = planned.tokens(assumed["judgment_chars"], sampling["judgments"]["max_tokens"])
    verdict = planned.tokens(assumed["meta_judgment_chars"], sampling["meta_judgments"]["max_tokens"])
    rubric, meta_rubric = planned.template("judge"), planned.template("meta_judge")
    parents = list(dict.fromkeys(planned.parents.values()))
    meta_judges = list(dict.fromkeys(planned.parents[m] for m in planned.trained if lineage.trains_judge(settings, m)))

    planned.add(
        "fetch_seed_model",
        ["seed/manifest.json"],
        0,
        0,
        0,
        0,
        0,
        None,
        2 * assumed["parameters"] / 1e9,
        "the seed's weights, 2 bytes a parameter",
        kind="fetch",
    )

    scored = [m for m in planned.trained if lineage.scored_by(settings, m)]
    places = {lineage.scored_by(settings, m) for m in scored}
    fetched = sorted(filter(None, map(config_files.reward_model_name, places)))  # without local folders
    if fetched:
        files = [f"data/reward_models/{name}/manifest.json" for name in fetched]
        disk = len(files) * 2 * assumed["reward_parameters"] / 1e9
        why = "a reward model's weights, 2 bytes a parameter"
        planned.add("fetch_reward_model", files, 0, 0, 0, 0, 0, None, disk, why, kind="fetch")

    eft, a_prompt = settings["eft"], assumed["eft_replies_per_prompt"]
    candidates = assumed["eft_prompts"] - set_aside(settings)
    replies = round(candidates * a_prompt)
    if eft["annotator"] != "written":
        judgments = eft["judgments"]
        planned.sample(
            "annotate_eft",
            [f"data/eft/judgments/{s}.stats.json" for s in shards],
            replies,
            judgments,
            rubric + prompt + response,
            rubric + replies * (prompt / a_prompt + response),
            judgment,
            f"{candidates:,} prompts that are not set aside x {a_prompt:g} = {replies:,} ranked replies x {judgments} "
            "judgments",
        )
    if settings["prompts"]["source"] == "generate":
        generation = settings["prompts"]["generation"]
        pools = generation["pools"]
        wanted = min(generation["size"] / assumed["accepted_prompts"], generation["rounds"] * generation["per_round"])
        shown = planned.template("generate") + prompt * (
            generation["demonstrations"] + generation["generated_demonstrations"]
        )
        files = [f"data/prompts/generated/{pool}/candidates.stats.json" for pool in range(1, pools + 1)]
        planned.sample(
            "generate_prompts",
            files,
            math.ceil(pools * wanted),
            1,
            shown,
            pools * wanted * shown,
            min(prompt, generation["max_tokens"]),
            f"{pools} x {generation['size']:,} prompts / {assumed['accepted_prompts']:.0%} accepted",
        )
    sft = settings["sft"]
    examples = eft["train_examples"] or replies * (eft["judgments_per_reply"] or eft["judgments"])  # at most
    planned.train(
        "train_sft",
        ["m0"],
        examples * sft["stop_epoch"] * min(rubric + prompt + response + judgment, sft["max_length"]),
        False,
        examples,
        "sft",
        f"{examples:,} examples x {sft['stop_epoch']} epochs",
    )

    def of_models(models, stage):
        return [f"{model}/{stage}/{s}.stats.json" for model in models for s in shards]

    answers, judged = prompts * k, prompts * k * n
    planned.sample(
        "sample_and_judge",
        of_models(parents, "responses"),
        len(parents) * prompts,
        k,
        prompt,
        len(parents) * prompts * prompt,
        response,
        f"{len(parents)} models x {prompts:,} prompts x {k} = {len(parents) * answers:,} responses "
        f"({answers:,} a model)",
    )
    # the rubric is read once, and the prompt once for its k responses
    planned.sample(
        "sample_and_judge",
        of_models(parents, "judgments"),
        len(parents) * answers,
        n,
        rubric + prompt + response,
        len(parents) * (rubric + prompts * prompt + answers * response),
        judgment,
        f"{len(parents)} models x {answers:,} responses x {n} = {len(parents) * judged:,} judgments "
        f"({judged:,} a model), fewer where responses repeat",
        jobs=0,  # those of the responses
    )
    if scored:
        planned.score(
            "score_responses",
            of_models(scored, "rewards"),
            len(scored) * answers,
            prompt + response,
            f"{len(scored)} models x {answers:,} responses of their parents, fewer where responses repeat",
        )
    if meta_judges:
        shown = n * (n - 1) // (2 if sampling["meta_judgments"]["orders"] == "one" else 1)
        again = round(prompts * sampling["meta_judgments"]["repeats"] * n * (n - 1))  # both orders of a share of pairs
        judgments, first = prompts * shown + again, prompts * n
        # read once: the rubric; prompt and response of each prompt; judgment A for all judgments B after it. Repeats
        # are asked after all others, and few of a prompt share a judgment A.
        planned.sample(
            "meta_judge",
            of_models(meta_judges, "meta_judgments"),
            len(meta_judges) * judgments,
            1,
            meta_rubric + prompt + response + 2 * judgment,
            len(meta_judges)
            * (
                meta_rubric
                + (prompts + min(prompts, again)) * (prompt + response)
                + (first + judgments + again) * judgment
            ),
            verdict,
            f"{len(meta_judges)} models x ({prompts:,} prompts x at most {shown} presentations + {again:,} repeats) = "
            f"{len(meta_judges) * judgments:,} meta-judgments ({judgments:,} a model)",
        )
    tokens = pairs = 0
    for model in planned.trained:
        method, number = lineage.split_model(model)
        own = lineage.iterations(settings, method)[number - 1]
        kinds = {"actor": prompt + response, "judge": rubric + prompt + response + judgment}
        for kind in own["train_on"]:
            most = min(prompts, own["max_judge_pairs"] or prompts) if kind == "judge" else prompts
            pairs += most
            tokens += 2 * most * (1 - own["held_out"]) * min(kinds[kind], own["max_length"]) * own["stop_epoch"]
    planned.train(
        "train_dpo",
        planned.trained,
        tokens,
        True,
        pairs,
        "dpo",
        f"at most {pairs:,} pairs in {len(planned.trained)} trainings, one of each kind a prompt, two sides each, "
        "by their epochs",
    )
    rounds = [lineage.iterations(settings, method)[t - 1] for method, t in map(lineage.split_model, planned.trained)]
    planned.save_checkpoints({"sft": [sft["stop_epoch"]], "dpo": [own["stop_epoch"] for own in rounds]})
    benchmarks(planned, rubric, prompt, response, judgment)
    result = {"card": card, "rows": planned.rows, "totals": totals(planned.rows), "arithmetic": planned.arithmetic}
    return result | {"parameters": planned.assumed["parameters"]}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", nargs="+", default=[], help="laid over config/config.yaml, as snakemake does")
    parser.add_argument("--config", nargs="+", default=[], metavar="key=value", help="as snakemake takes it")
    parser.add_argument("--card", choices=CARDS, help="instead of plan.card")
    parser.add_argument(
        "--gpus", type=int, help="GPUs that the wall-clock time is for; default: all that its jobs can use"
    )
    parser.add_argument("--explain", action="store_true", help="with the arithmetic")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    given = parser.parse_args(words)
    try:
        settings = config_settings.resolve(config_settings.load(given.configfile, given.config))
    except config_settings.ConfigError as error:
        sys.exit(str(error))
    # only in this command: in a run, the plan would change once the seed model exists, and the page would be made again
    settings["plan"] |= model_size(Path(settings["pathvars"].get("results", "results"), "seed/weights"))
    result = plan(settings, given.card)
    result = measure(result, settings["pathvars"].get("results", "results"))
    result["left"] = forecast.hours_left(result)
    engine, train = settings["resources"]["engine"]["gpu"], settings["resources"]["train"]["gpu"]
    result["gpus"] = given.gpus or max(train, engine * settings["sampling"]["shards"])
    result["clock_hours"] = forecast.hours_on_the_clock(result, settings, result["gpus"])
    print(json.dumps(result, indent=2) if given.json else as_text(result, given.explain))
    if given.gpus and result["clock_hours"] is None and not given.json:
        print(f"It cannot run on {given.gpus} GPUs: a job needs more, or no job requests one.")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends this program without a traceback
    main(sys.argv[1:])
