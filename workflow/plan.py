"""What a run will take, from its config alone: jobs, requests, tokens, GPU hours, disk, judges' fees.

    envs/run python workflow/plan.py --configfile config/paper.yaml [more.yaml ...] [--card H100] [--config key=value]
        [--explain]

No model is loaded. What the config cannot know (how long texts are, how fast a card is) is assumed: lengths under
`plan` in the config, speeds below. Where results are there, they stand beside the plan.
"""

import argparse
import json
import math
import sys
from itertools import islice
from pathlib import Path

import yaml

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "scripts")]
import config_files  # noqa: E402
import forecast  # noqa: E402
import lineage  # noqa: E402
import plan_preferences  # noqa: E402
import settings as config_settings  # noqa: E402
from model_size import model_size  # noqa: E402
from speeds import (  # noqa: E402
    CARDS,
    COLD_START,
    DISK,
    ENGINE_START,
    READING,
    TRAINING,
    WRITING,
    reading_rate,
    writing_step,
)

from metarewarding import templates  # noqa: E402
from metarewarding.evaluation import registry  # noqa: E402
from metarewarding.reporting import scoreboard  # noqa: E402
from metarewarding.reporting.measured import measure  # noqa: E402

ROW_BYTES = 250  # of a JSONL row beside its text
CATEGORY_NAMES = 254  # characters of the list of categories that an instruction is sorted into
COUNTS = ("jobs", "requests", "completions", "prompt_tokens", "distinct_prompt_tokens", "output_tokens")


class Plan:
    """Rows, one a stage, as the settings ask for them; see ``plan``."""

    def __init__(self, settings: dict, card: str):
        self.settings, self.card = settings, CARDS[card]
        self.assumed, self.rows, self.arithmetic = dict(settings["plan"]), [], []
        if settings["model"]["source"] == "path":
            self.assumed |= model_size(settings["model"]["path"])
        self.started = False  # whether an engine has started before
        self.models = lineage.models(settings, settings["run"])
        self.trained = self.models[2:]
        self.parents = {m: lineage.parent(settings, *lineage.split_model(m)) for m in self.trained}

    def tokens(self, chars: float, most: int | None = None) -> float:
        tokens = chars / self.assumed["chars_per_token"]
        return tokens if most is None else min(tokens, most)

    def template(self, role: str) -> float:
        """Tokens of a template without its placeholders."""
        text = templates.load(config_files.template_files(self.settings, role), role)
        for name in ("prompt", "response", "judgment_a", "judgment_b", "demonstrations", "next"):
            text = text.replace("{" + name + "}", "")
        return self.tokens(len(text))

    def sample(self, stage, files, requests, n, each, distinct, out, why, jobs=None, starts=None):
        """A stage that an engine samples: ``n`` texts a request, ``each`` tokens in and ``out`` tokens out a text.

        ``jobs`` is 0 where the jobs of an earlier part of the stage do it too; by default there is one a file.
        ``starts`` is how many of them ask the engine anything, by default all.
        """
        jobs = len(files) if jobs is None else jobs
        texts, gpus = requests * n, self.settings["resources"]["engine"]["gpu"]
        parameters, kv = self.assumed["parameters"], self.assumed["kv_bytes_per_token"]
        starts, engine = jobs if starts is None else starts, self.settings["engine"]
        at_once, step = writing_step(parameters, kv, each + out, self.card, engine)
        seconds = 2 * parameters * distinct / reading_rate(self.card, engine) + texts * out / at_once * step
        # the jobs of the first stage start side by side, before any of them has filled the caches
        cold = 0 if self.started else starts
        self.started |= starts > 0
        starting = starts * ENGINE_START + cold * COLD_START
        hours = (seconds + starting * gpus) / 3600 if gpus else None  # more GPUs share the work
        self.add(
            stage,
            files,
            requests,
            texts,
            texts * each,
            distinct,
            texts * out,
            hours,
            2 * texts * (out * self.assumed["chars_per_token"] + ROW_BYTES) / 1e9,  # rows, and the completion store
            why,
            jobs=jobs,
            kind="sample",
        )
        if gpus:
            self.arithmetic.append(
                f"{stage}: reading 2 x {parameters:.3g} FLOP x {distinct:.3g} distinct tokens at {READING:.0%} of "
                f"{self.card['flops']:.3g} FLOP/s; writing {texts * out:.3g} tokens, {at_once:.0f} at once, "
                f"{at_once / step:,.0f} tokens/s ({WRITING:.0%} of {self.card['bandwidth']:.3g} bytes/s); "
                f"{starts} engine starts of {ENGINE_START} s"
                + (f", {COLD_START} s more with cold caches." if cold else ".")
            )

    def score(self, stage, files, texts, each, why):
        """A stage in which a reward model reads ``texts`` of ``each`` tokens and writes none."""
        gpus, parameters = self.settings["resources"]["engine"]["gpu"], self.assumed["reward_parameters"]
        seconds = 2 * parameters * texts * each / (READING * self.card["flops"]) + len(files) * ENGINE_START
        hours = gpus * seconds / 3600 if gpus else None  # it computes on one GPU and holds those of an engine's job
        tokens, disk = texts * each, texts * ROW_BYTES / 1e9
        self.add(stage, files, texts, texts, tokens, tokens, 0, hours, disk, why, kind="sample")
        if gpus:
            self.arithmetic.append(
                f"{stage}: reading 2 x {parameters:.3g} FLOP x {tokens:.3g} tokens at {READING:.0%} of "
                f"{self.card['flops']:.3g} FLOP/s; {len(files)} starts of {ENGINE_START} s."
            )

    def train(self, stage, models, tokens, reference, pairs, section, why):
        """A training stage; ``tokens`` are those of all its epochs together."""
        recipe = yaml.safe_load(Path(self.settings[section]["recipe"]).read_text(encoding="utf-8"))
        # forward 2, backward 4 (2 where only an adapter learns, as the weights need no gradient), forward again where
        # activations are not kept; the reference reads once
        adapter = bool(recipe.get("use_peft"))
        flop = 6 - 2 * adapter + 2 * bool(recipe.get("gradient_checkpointing")) + 2 * reference
        parameters = self.assumed["parameters"]
        gpus = self.settings["resources"]["train"]["gpu"]
        hours = flop * parameters * tokens / (TRAINING * self.card["flops"]) / 3600 if gpus else None
        files = [f"{model}/manifest.json" for model in models]
        engine = self.settings["resources"]["engine"]["gpu"] and self.settings["engine"]["dtype"] != "float32"
        each = 6 if engine else 4  # float32 to go on from, and for engines on GPUs a bfloat16 copy
        self.add(stage, files, 0, 0, tokens, tokens, 0, hours, len(models) * each * parameters / 1e9, why, kind="train")
        self.rows[-1] |= {
            "examples": pairs,
            # forward 1, backward 2 (1 where only an adapter learns), and the reference's forward
            "passes": 3 - adapter + reference,
            # an adapter's checkpoints are a few hundredths of that
            "most_disk_gb": 2 * 16 * parameters / 1e9 * (recipe.get("save_strategy") != "no" and not adapter),
        }
        if gpus:
            self.arithmetic.append(
                f"{stage}: {flop} x {parameters:.3g} FLOP x {tokens:.3g} tokens at {TRAINING:.0%} of "
                f"{self.card['flops']:.3g} FLOP/s a GPU, on {gpus} GPUs; weights of {each} bytes a parameter stay"
                + (
                    "."
                    if adapter
                    else ", and while one trains two checkpoints of 16 bytes a parameter where the recipe saves any."
                )
            )

    def save_checkpoints(self, epochs: dict[str, list[int]]) -> None:
        """The hours in which GPUs wait for checkpoints; ``epochs``: {sft or dpo: those of each training}."""
        gpus, each = self.settings["resources"]["train"]["gpu"], 16 * self.assumed["parameters"]
        written = 0
        for section, trained in epochs.items():
            recipe = yaml.safe_load(Path(self.settings[section]["recipe"]).read_text(encoding="utf-8"))
            if recipe.get("save_strategy") != "no" and not recipe.get("use_peft"):  # an adapter's are small
                # none after the last epoch
                written += sum((of_one - 1) // recipe.get("checkpoint_epochs", 1) for of_one in trained)
        if gpus and written:
            why = f"{written} checkpoints of {each / 1e9:,.0f} GB at {DISK / 1e9:g} GB/s, removed when training ends"
            hours = written * each / DISK * gpus / 3600
            self.add("save_checkpoints", [], 0, 0, 0, 0, 0, hours, 0, why, jobs=0, kind="save")

    def ask(self, stage, files, judge, requests, tokens, out):
        """Verdicts of a judge: ``tokens`` in and ``out`` tokens out a request."""
        found = self.settings["benchmarks"]["judges"][judge]
        cost = requests * (tokens * found["price_in"] + out * found["price_out"]) / 1e6
        served = found["weights"] is not None
        self.add(
            stage,
            files,
            requests,
            requests,
            requests * tokens,
            requests * tokens,
            requests * out,
            None,
            requests * (out * self.assumed["chars_per_token"] + ROW_BYTES) / 1e9,
            f"{requests:,} verdicts of {judge}" + (", served here: its hours are not in the plan" if served else ""),
            None if served else cost,
        )
        if not served:
            self.arithmetic.append(
                f"{stage}: {requests:,} x ({tokens:,.0f} tokens x ${found['price_in']:g} + {out:,.0f} x "
                f"${found['price_out']:g}) a million = ${cost:,.2f}."
            )

    def add(
        self, stage, files, requests, texts, tokens, distinct, out, hours, disk, why, cost=None, jobs=None, kind="ask"
    ):
        row = {
            "stage": stage,
            "kind": kind,
            "jobs": len(files) if jobs is None else jobs,
            "requests": round(requests),
            "completions": round(texts),
            "prompt_tokens": round(tokens),
            "distinct_prompt_tokens": round(distinct),
            "output_tokens": round(out),
            "gpu_hours": hours and round(hours, 3),
            "disk_gb": round(disk, 3),
            "cost_usd": cost and round(cost, 2),
            "files": files,
        }
        same = [other for other in self.rows if other["stage"] == stage]  # one stage, several benchmarks
        if same:
            for key, value in row.items():
                if key not in ("stage", "kind") and value is not None:
                    same[0][key] = value if same[0][key] is None else same[0][key] + value
        else:
            self.rows.append(row)
        self.arithmetic.append(f"{stage}: {why}.")


def plan(settings: dict, card: str | None = None) -> dict:
    """{card, rows, totals, arithmetic} of what ``run`` builds from nothing, with resolved ``settings``.

    These rows are the one list of a run's stages: the estimate at its start, what was measured, and the report's time
    table and figures follow it. A row: stage (the rule), kind (fetch, sample, train, save or ask), jobs, requests (of
    an engine or a judge), completions (texts that come back), prompt_tokens (each text counts its prompt),
    distinct_prompt_tokens (what remains when the prefixes that requests share are read once), output_tokens,
    gpu_hours (null without GPUs), disk_gb (kept), cost_usd (judges' fees), files (under the results' root: the stats
    files and manifests that its jobs write).
    """
    card = card or settings["plan"]["card"]
    made = Plan(settings, card)
    sampling, assumed = settings["sampling"], made.assumed
    shards = range(sampling["shards"])
    prompts, k, n = settings["prompts"]["per_iteration"], sampling["responses"]["n"], sampling["judgments"]["n"]
    prompt = made.tokens(prompt_chars(settings))
    response = made.tokens(assumed["response_chars"], sampling["responses"]["max_tokens"])
    judgment = made.tokens(assumed["judgment_chars"], sampling["judgments"]["max_tokens"])
    verdict = made.tokens(assumed["meta_judgment_chars"], sampling["meta_judgments"]["max_tokens"])
    rubric, meta_rubric = made.template("judge"), made.template("meta_judge")
    parents = list(dict.fromkeys(made.parents.values()))
    meta_judges = list(dict.fromkeys(made.parents[m] for m in made.trained if lineage.trains_judge(settings, m)))

    made.add(
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

    scored = [m for m in made.trained if lineage.scored_by(settings, m)]
    places = {lineage.scored_by(settings, m) for m in scored}
    fetched = sorted(filter(None, map(config_files.reward_model_name, places)))  # the others are folders
    if fetched:
        files = [f"data/reward_models/{name}/manifest.json" for name in fetched]
        disk = len(files) * 2 * assumed["reward_parameters"] / 1e9
        why = "a reward model's weights, 2 bytes a parameter"
        made.add("fetch_reward_model", files, 0, 0, 0, 0, 0, None, disk, why, kind="fetch")

    eft, a_prompt = settings["eft"], assumed["eft_replies_per_prompt"]
    candidates = assumed["eft_prompts"] - set_aside(settings)
    replies = round(candidates * a_prompt)
    if eft["annotator"] != "written":
        asked = eft["judgments"]
        made.sample(
            "annotate_eft",
            [f"data/eft/judgments/{s}.stats.json" for s in shards],
            replies,
            asked,
            rubric + prompt + response,
            rubric + replies * (prompt / a_prompt + response),
            judgment,
            f"{candidates:,} prompts that are not set aside x {a_prompt:g} = {replies:,} ranked replies x {asked} "
            "judgments",
        )
    if settings["prompts"]["source"] == "generate":
        generation = settings["prompts"]["generation"]
        pools = generation["pools"]
        wanted = min(generation["size"] / assumed["accepted_prompts"], generation["rounds"] * generation["per_round"])
        shown = made.template("generate") + prompt * (
            generation["demonstrations"] + generation["generated_demonstrations"]
        )
        files = [
            f"data/prompts/generated/{pool}/{turn}/candidates/{s}.stats.json"
            for pool in range(1, pools + 1)
            for turn in range(1, generation["rounds"] + 1)
            for s in range(generation["shards"])
        ]
        made.sample(
            "generate_prompts",
            files,
            math.ceil(pools * wanted),
            1,
            shown,
            pools * wanted * shown,
            min(prompt, generation["max_tokens"]),
            f"{pools} x {generation['size']:,} prompts / {assumed['accepted_prompts']:.0%} accepted",
            # rounds that come after the pool is full ask nothing
            starts=pools * math.ceil(wanted / generation["per_round"]) * generation["shards"],
        )
    sft = settings["sft"]
    examples = eft["train_examples"] or replies * (eft["judgments_per_reply"] or eft["judgments"])  # at most
    made.train(
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
    made.sample(
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
    # the rubric is read once, the instruction once for its k responses
    made.sample(
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
        made.score(
            "score_responses",
            of_models(scored, "rewards"),
            len(scored) * answers,
            prompt + response,
            f"{len(scored)} models x {answers:,} responses of their parents, fewer where responses repeat",
        )
    if meta_judges:
        shown = n * (n - 1) // (2 if sampling["meta_judgments"]["orders"] == "one" else 1)
        asked, first = prompts * shown, prompts * n
        # rubric once; prompt and response once a prompt; judgment A once for the judgments B that follow it
        made.sample(
            "meta_judge",
            of_models(meta_judges, "meta_judgments"),
            len(meta_judges) * asked,
            1,
            meta_rubric + prompt + response + 2 * judgment,
            len(meta_judges) * (meta_rubric + prompts * (prompt + response) + (first + asked) * judgment),
            verdict,
            f"{len(meta_judges)} models x {prompts:,} prompts x at most {shown} presentations = "
            f"{len(meta_judges) * asked:,} meta-judgments ({asked:,} a model)",
        )
    tokens = pairs = 0
    for model in made.trained:
        method, number = lineage.split_model(model)
        own = lineage.iterations(settings, method)[number - 1]
        kinds = {"actor": prompt + response, "judge": rubric + prompt + response + judgment}
        for kind in own["train_on"]:
            most = min(prompts, own["max_judge_pairs"] or prompts) if kind == "judge" else prompts
            pairs += most
            tokens += 2 * most * (1 - own["held_out"]) * min(kinds[kind], own["max_length"]) * own["stop_epoch"]
    made.train(
        "train_dpo",
        made.trained,
        tokens,
        True,
        pairs,
        "dpo",
        f"at most {pairs:,} pairs in {len(made.trained)} trainings, one of each kind a prompt, two sides each, "
        "by their epochs",
    )
    rounds = [lineage.iterations(settings, method)[t - 1] for method, t in map(lineage.split_model, made.trained)]
    made.save_checkpoints({"sft": [sft["stop_epoch"]], "dpo": [own["stop_epoch"] for own in rounds]})
    benchmarks(made, rubric, prompt, response, judgment)
    return {"card": card, "rows": made.rows, "totals": totals(made.rows), "arithmetic": made.arithmetic}


def benchmarks(made: Plan, rubric, prompt, response, judgment) -> None:
    """The rows of what every model is measured on."""
    settings, models = made.settings, made.models
    measured = settings["benchmarks"]
    held_out = held_out_prompts(settings["eft"])
    replies = round(held_out * made.assumed["eft_replies_per_prompt"])
    asked = measured["judge_agreement"]["judgments"]
    made.sample(
        "evaluate_model",
        [f"{m}/benchmarks/judge_agreement/judgments.stats.json" for m in models],
        len(models) * replies,
        asked,
        rubric + prompt + response,
        len(models) * (rubric + held_out * prompt + replies * response),
        judgment,
        f"{len(models)} models x {replies:,} ranked replies x {asked}",
    )
    plan_preferences.preferences(made, held_out, count_lines, prompt, response, judgment)
    for name in [name for name in measured["run"] if not registry.get(name).read_rows]:
        own, folder = measured[name], f"benchmarks/{name}"
        if name == "arena_laptop":
            count = count_lines(own["prompts"])
            made.sample(
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
            made.sample(
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
            made.sample(
                "answer_held_out",
                [f"seed/{folder}/responses.stats.json"],
                held_out,
                k,
                prompt,
                held_out * prompt,
                response,
                f"{held_out} prompts x {k} responses of the seed",
            )
            made.sample(
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
            shown = made.tokens(2000) + prompt + 2 * response  # the instructions of AlpacaEval's judge, two responses
            made.ask(
                "compare_fixed_responses",
                [f"seed/{folder}/gpt4_chosen.stats.json"],
                own["judge"],
                2 * held_out,
                shown,
                1,
            )
            made.ask(
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
            text, other = made.tokens(facts["prompt"]), made.tokens(facts["response"])
            made.sample(
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
            asked = len(models) * questions
            question = made.tokens(facts["question"])
            answer = made.tokens(facts["answer"], own.get("max_tokens"))
            made.sample(
                "evaluate_model",
                [f"{m}/{folder}/answers.stats.json" for m in models],
                asked * turns,
                1,
                question,
                asked * turns * question,
                answer,
                f"{name}, {len(models)} models x {questions} questions" + " x 2 turns" * (turns == 2),
                jobs=0,
            )
            if name == "alpaca_eval" and own["categories"] == "judge":
                made.ask(
                    "label_alpaca_eval",
                    ["data/benchmarks/alpaca_eval_categories.stats.json"],
                    own["judge"],
                    questions,
                    made.tokens(len(Path(own["category_template"]).read_text(encoding="utf-8")) + CATEGORY_NAMES)
                    + question,
                    3,
                )
            written = facts.get("verdict", made.assumed["api_verdict_chars"])
            out = made.tokens(written, own.get("judge_max_tokens"))
            stats = known.verdict_file.rsplit(".", 1)[0]
            made.ask(
                f"judge_{name}",
                [f"{m}/{folder}/{stats}.stats.json" for m in models],
                own["judge"],
                asked * facts["requests"],
                made.tokens(facts["beside"]) + question + answer,
                out,
            )


def held_out_prompts(eft: dict) -> int:
    return count_lines(eft["eval_ids"]) if eft["eval_ids"] else eft["eval_prompts"]


def set_aside(settings: dict) -> int:
    """Ranked prompts that EFT does not train on: the held-out ones, those of table 3, IFT's where it is excluded."""
    held_out = max(held_out_prompts(settings["eft"]), settings["benchmarks"]["judge_vs_gpt4"]["prompts"])
    return held_out + (settings["eft"]["ift_prompts"] if settings["eft"]["exclude_ift_prompts"] else 0)


def totals(rows: list[dict]) -> dict:
    """The sums of the rows' numbers; null where no row has one."""
    sums = {}
    for key in (*COUNTS, "gpu_hours", "disk_gb", "cost_usd"):
        values = [row[key] for row in rows if row.get(key) is not None]
        sums[key] = round(sum(values), 3) if values else None
    return sums | {"most_disk_gb": round(sums["disk_gb"] + max(row.get("most_disk_gb", 0) for row in rows), 3)}


def prompt_chars(settings: dict) -> float:
    """Mean characters of a prompt: of a thousand of each file of the pool, or what is assumed of generated ones."""
    if settings["prompts"]["source"] == "generate":
        return settings["plan"]["prompt_chars"]
    lengths = []
    for path in settings["prompts"]["path"]:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in islice(file, 1000):
                try:
                    lengths.append(len(json.loads(line)["text"]))
                except (ValueError, KeyError, TypeError):  # rule build_prompts names the faulty line
                    continue
    return sum(lengths) / max(len(lengths), 1)


def count_lines(path: str) -> int:
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())


def number(value) -> str:
    if value is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if letter == 'k' else size):,.1f}{letter}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def shown(found: dict, arithmetic: bool = True) -> str:
    """Return the plan as text, planned beside measured where a stage has been run."""
    heads = [
        "stage",
        "jobs",
        "requests",
        "texts",
        "tokens in",
        "distinct",
        "out",
        "GPU hours",
        "disk, GB",
        "US dollars",
    ]
    keys = (*COUNTS, "gpu_hours", "disk_gb", "cost_usd")
    rows = []
    for row in [*found["rows"], {"stage": "together"} | found["totals"]]:
        rows.append([row["stage"], *(number(row.get(key)) for key in keys)])
        if row.get("measured"):
            rows.append(["  measured", *(number(row["measured"].get(key)) for key in keys)])
    lines = scoreboard.table(heads, rows)
    if found.get("left"):
        times = ", ".join(f"{kind} {factor} times" for kind, factor in found["left"]["times_planned"].items())
        lines.append(f"Left: {found['left']['gpu_hours']:,.1f} GPU hours, as finished jobs took of the plan: {times}.")
    lines.append(f"GPU hours on {found['card']}; most disk at one time {found['totals']['most_disk_gb']:,.1f} GB.")
    if found.get("clock_hours"):
        lines.append(f"Wall-clock time on {found['gpus']} GPUs: {found['clock_hours']:,.1f} hours.")
    return "\n".join([*lines, "", *found["arithmetic"]] if arithmetic else [*lines, "--explain shows the arithmetic."])


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
    # only here: in a run, a plan that changed when the seed model is there would make its page anew
    settings["plan"] |= model_size(Path(settings["pathvars"].get("results", "results"), "seed/weights"))
    found = plan(settings, given.card)
    found = measure(found, settings["pathvars"].get("results", "results"))
    found["left"] = forecast.hours_left(found)
    engine, train = settings["resources"]["engine"]["gpu"], settings["resources"]["train"]["gpu"]
    found["gpus"] = given.gpus or max(train, engine * settings["sampling"]["shards"])
    found["clock_hours"] = forecast.hours_on_the_clock(found, settings, found["gpus"])
    print(json.dumps(found, indent=2) if given.json else shown(found, given.explain))
    if given.gpus and found["clock_hours"] is None and not given.json:
        print(f"On {given.gpus} GPUs it cannot run: a job needs more, or none is asked for.")


if __name__ == "__main__":
    main(sys.argv[1:])
