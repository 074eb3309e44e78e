"""The rows of a plan: tokens, GPU hours, disk and fees of each kind of stage."""

from pathlib import Path

import config_files
import lineage
import yaml
from model_size import model_size
from speeds import (
    CARDS,
    COLD_START,
    DISK,
    ENGINE_START,
    READING,
    TRAINING,
    WRITING,
    reading_rate,
    training_flop,
    writing_step,
)

from metarewarding import templates

ROW_BYTES = 250  # of a JSONL row, without its text


class Plan:
    """The rows of a plan, one for each stage of the settings; see ``plan``."""

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
        """Return the tokens of a template without its placeholders."""
        text = templates.load(config_files.template_files(self.settings, role), role)
        for name in ("prompt", "response", "judgment_a", "judgment_b", "demonstrations", "next"):
            text = text.replace("{" + name + "}", "")
        return self.tokens(len(text))

    def sample(self, stage, files, requests, n, each, distinct, out, why, jobs=None):
        """Add a stage of an engine: ``n`` texts a request, ``each`` tokens in and ``out`` tokens out a text.

        ``jobs`` is 0 where the jobs of an earlier row of the stage include it; by default there is one for each file.
        """
        jobs = len(files) if jobs is None else jobs
        texts, gpus = requests * n, self.settings["resources"]["engine"]["gpu"]
        parameters, kv = self.assumed["parameters"], self.assumed["kv_bytes_per_token"]
        engine = self.settings["engine"]
        at_once, step = writing_step(parameters, kv, each + out, self.card, engine)
        seconds = 2 * parameters * distinct / reading_rate(self.card, engine) + texts * out / at_once * step
        # the jobs of the first stage start side by side, before any of them has filled the caches
        cold = 0 if self.started else jobs
        self.started |= jobs > 0
        starting = jobs * ENGINE_START + cold * COLD_START
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
            2 * texts * (out * self.assumed["chars_per_token"] + ROW_BYTES) / 1e9,  # rows and completion store
            why,
            jobs=jobs,
            kind="sample",
        )
        if gpus:
            self.arithmetic.append(
                f"{stage}: reading 2 x {parameters:.3g} FLOP x {distinct:.3g} distinct tokens at {READING:.0%} of "
                f"{self.card['flops']:.3g} FLOP/s; writing {texts * out:.3g} tokens, {at_once:.0f} at once, "
                f"{at_once / step:,.0f} tokens/s ({WRITING:.0%} of {self.card['bandwidth']:.3g} bytes/s); "
                f"{jobs} engine starts of {ENGINE_START} s"
                + (f", {COLD_START} s more with cold caches." if cold else ".")
            )

    def score(self, stage, files, texts, each, why):
        """Add a stage in which a reward model reads ``texts`` of ``each`` tokens and writes none."""
        gpus, parameters = self.settings["resources"]["engine"]["gpu"], self.assumed["reward_parameters"]
        seconds = 2 * parameters * texts * each / (READING * self.card["flops"]) + len(files) * ENGINE_START
        # it computes on one GPU, but its job has as many as an engine's
        hours = gpus * seconds / 3600 if gpus else None
        tokens, disk = texts * each, texts * ROW_BYTES / 1e9
        self.add(stage, files, texts, texts, tokens, tokens, 0, hours, disk, why, kind="sample")
        if gpus:
            self.arithmetic.append(
                f"{stage}: reading 2 x {parameters:.3g} FLOP x {tokens:.3g} tokens at {READING:.0%} of "
                f"{self.card['flops']:.3g} FLOP/s; {len(files)} starts of {ENGINE_START} s."
            )

    def train(self, stage, models, tokens, reference, pairs, section, why):
        """Add a training stage; ``tokens`` are those of all its epochs together."""
        recipe = yaml.safe_load(Path(self.settings[section]["recipe"]).read_text(encoding="utf-8"))
        adapter = bool(recipe.get("use_peft"))
        flop = training_flop(recipe, reference)
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
        """Add the hours in which GPUs wait for checkpoints; ``epochs``: {sft or dpo: those of each training}."""
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
        """Add the verdicts of a judge: ``tokens`` in and ``out`` tokens out a request."""
        settings_of_judge = self.settings["benchmarks"]["judges"][judge]
        cost = requests * (tokens * settings_of_judge["price_in"] + out * settings_of_judge["price_out"]) / 1e6
        served = settings_of_judge["weights"] is not None
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
                f"{stage}: {requests:,} x ({tokens:,.0f} tokens x ${settings_of_judge['price_in']:g} + {out:,.0f} x "
                f"${settings_of_judge['price_out']:g}) a million = ${cost:,.2f}."
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
