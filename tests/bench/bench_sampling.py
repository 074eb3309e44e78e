"""Sampling: our requests against a naive loop on the same engine; overhead beyond the engine; the engine's start."""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import yaml
from measure import ROOT, alternate, quiet, row, text

from metarewarding import judging, meta_judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.records import Prompt, Response, read_jsonl, write_jsonl

PAPER = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
CHARS = PAPER["plan"]  # mean lengths of prompts, responses, judgments and meta-judgments
ENGINE = {"name": "vllm", "max_model_len": 2048, "dtype": "float32", "cpu_cache_gb": 2}


class Recorder:
    """An engine that answers nothing and keeps the requests."""

    def generate(self, requests):
        self.requests = list(requests)
        return [[] for _ in requests]

    def usage(self):
        return 0, 0


def shrunk(name: str, scale: float) -> str:
    """The template ``name`` of the paper's config with each stretch of its own words cut to ``scale`` of its length."""
    template = templates.load([ROOT / PAPER["templates"][role] for role in (name, "rubric")], name)
    parts = re.split(r"(\{[a-z_]+\})", template)
    return "".join(part if part.startswith("{") else part[: max(2, int(len(part) * scale))] for part in parts)


def rows(prompts: int, responses: int, judgments: int, scale: float) -> tuple[list, list, list]:
    """(prompts, responses, judgments) whose texts have ``scale`` of the paper's mean lengths."""

    def chars(name: str) -> int:
        return int(CHARS[f"{name}_chars"] * scale)

    requests = [{"prompt_id": f"p{i}", "text": text(chars("prompt"), f"p{i}")} for i in range(prompts)]
    answers = [
        {"prompt_id": p["prompt_id"], "response_id": f"{p['prompt_id']}/r{k}", "tokens": 1, "finish_reason": "stop"}
        | {"text": text(chars("response"), f"{p['prompt_id']}/r{k}")}
        for p in requests
        for k in range(responses)
    ]
    judged = [
        {key: r[key] for key in ("prompt_id", "response_id")}
        | {"judgment_id": f"{r['response_id']}/j{n}", "score": float(n % 6), "finish_reason": "stop"}
        | {"text": text(chars("judgment"), f"{r['response_id']}/j{n}") + f"\nScore: {n % 6}"}
        for r in answers
        for n in range(judgments)
    ]
    return requests, answers, judged


def decoding(stage: str, tokens: int) -> sampling.Decoding:
    return sampling.Decoding(PAPER["sampling"][stage]["temperature"], PAPER["sampling"][stage]["top_p"], tokens)


def llm_of(engine):
    """vLLM's own LLM behind an engine."""
    return engine.started().llm.llm


def naive_loop(llm, requests) -> tuple[int, int, int]:
    """(prompt tokens, cached prompt tokens, output tokens) of n copies of each request, shuffled, no prefix cache."""
    import vllm

    copies = [(request, k) for request in requests for k in range(request.n)]
    random.Random(0).shuffle(copies)
    outputs = llm.chat(
        [request.messages for request, _ in copies],
        [
            vllm.SamplingParams(
                temperature=request.decoding.temperature,
                top_p=request.decoding.top_p,
                max_tokens=request.decoding.max_tokens,
                seed=request.seed + k,
                skip_reading_prefix_cache=True,
            )
            for request, k in copies
        ],
        use_tqdm=False,
    )
    return (
        sum(len(output.prompt_token_ids) for output in outputs),
        sum(output.num_cached_tokens or 0 for output in outputs),
        sum(len(completion.token_ids) for output in outputs for completion in output.outputs),
    )


def compare(engine, stage, rounds: int = 2) -> dict:
    """Wall time and prompt tokens of ``stage(engine)``, a function that returns facts, ours against the naive loop."""
    recorder = Recorder()
    stage(recorder)

    def ours():
        llm_of(engine).reset_prefix_cache()
        return stage(engine)

    with quiet():
        naive_loop(llm_of(engine), recorder.requests[:2])  # the first requests compile kernels
        a, b, facts, naive = alternate(ours, lambda: naive_loop(llm_of(engine), recorder.requests), rounds)
    if naive[0][1]:
        raise RuntimeError(f"the naive loop read {naive[0][1]} tokens from the prefix cache")
    return {
        "ours": a,
        "naive": b,
        "completions": facts[0]["completions"],
        "prompt_tokens": facts[0]["prompt_tokens"],
        "computed": facts[0]["prompt_tokens"] - facts[0]["cached_prompt_tokens"],
        "cached": facts[0]["cached_prompt_tokens"] / facts[0]["prompt_tokens"],
        "naive_computed": naive[0][0],
        "output_tokens": facts[0]["output_tokens"],
        "naive_output_tokens": naive[0][2],
    }


def report(name: str, result: dict, floor: float, target: str, note: str) -> list[dict]:
    """Two rows: wall time, and prompt tokens computed."""
    per = result["prompt_tokens"] / result["completions"]
    ratio = result["naive"] / result["ours"]
    note = (
        f"{note}; {result['completions']} completions, {per:.0f} prompt tokens each, {result['cached']:.0%} of them "
        f"cached; {result['output_tokens']} output tokens (naive {result['naive_output_tokens']})"
    )
    return [
        row(
            f"{name}: wall time",
            result["ours"],
            result["naive"],
            "naive loop",
            target=target,
            met=ratio >= floor,
            note=note,
        ),
        row(
            f"{name}: prompt tokens computed", result["computed"], result["naive_computed"], "naive loop", unit="tokens"
        ),
    ]


def responses(quick: bool, model: Path) -> list[dict]:
    """Seven responses a prompt."""
    scale, prompts = (0.05, 2) if quick else (0.1, 12)
    requests, _, _ = rows(prompts, 0, 0, 1)
    tokens = int(CHARS["response_chars"] / CHARS["chars_per_token"] * scale)
    engine = open_engine(model, **ENGINE)
    result = compare(
        engine,
        lambda e: sampling.respond(e, requests, PAPER["sampling"]["responses"]["n"], decoding("responses", tokens), 0)[
            1
        ],
    )
    note = f"{prompts} prompts of the paper's length, answers of {scale} of it"
    return report("responses", result, 0.97, "no slower", note)


def judgments(quick: bool, model: Path) -> list[dict]:
    """Eleven judgments of each response."""
    scale, count = (0.1, 2) if quick else (0.25, 4)
    requests, answers, _ = rows(1, count, 0, scale)
    texts = {prompt["prompt_id"]: prompt["text"] for prompt in requests}
    tokens = int(CHARS["judgment_chars"] / CHARS["chars_per_token"] * scale)
    template, n = shrunk("judge", scale), PAPER["sampling"]["judgments"]["n"]
    engine = open_engine(model, **ENGINE)
    result = compare(
        engine,
        lambda e: judging.judge(e, texts, answers, template, n, decoding("judgments", tokens), 0)[1],
    )
    return report(
        f"judgments (N = {n})", result, 1.5, ">= 1.5x", f"{count} responses, all lengths {scale} of the paper's"
    )


def meta_stage(scale: float, judged: int, tokens: int):
    """A function (engine) -> facts: both orders of all pairs of ``judged`` judgments of one response."""
    requests, answers, built = rows(1, 1, judged, scale)
    texts, template = {prompt["prompt_id"]: prompt["text"] for prompt in requests}, shrunk("meta_judge", scale)
    drawn = decoding("meta_judgments", tokens)
    return lambda engine: meta_judging.meta_judge(engine, texts, answers, built, template, drawn, 0)[1]


def meta_judgments(quick: bool, model: Path) -> list[dict]:
    """55 pairs in both orders: wall time at a part of the paper's lengths."""
    scale, judged = (0.2, 3) if quick else (0.2, 11)
    tokens = int(CHARS["meta_judgment_chars"] / CHARS["chars_per_token"] * scale)
    engine = open_engine(model, **ENGINE)
    result = compare(engine, meta_stage(scale, judged, tokens))
    # what prefix caching can save: the prompts alone
    prompts = compare(engine, meta_stage(scale, judged, 1), rounds=1)
    name = f"meta-judgments ({judged * (judged - 1) // 2} pairs, both orders)"
    block = llm_of(engine).llm_engine.vllm_config.cache_config.block_size
    return [
        *report(
            name,
            result,
            2,
            ">= 2x",
            f"one response, all lengths {scale} of the paper's, cache blocks of {block} tokens",
        ),
        row(
            f"{name}: with one output token",
            prompts["ours"],
            prompts["naive"],
            "naive loop",
            note="what is left of the wall time without the output tokens, which both ways have to draw: "
            "they limit the ratio of the whole; one round",
        ),
    ]


def meta_cache(quick: bool, model: Path) -> list[dict]:
    """55 pairs in both orders at the paper's full lengths: the share of cached tokens, with two tiny layers."""
    judged = 3 if quick else 11
    with TemporaryDirectory() as folder:
        engine = open_engine(tiny_model(model, Path(folder)), **ENGINE)
        result = compare(engine, meta_stage(1, judged, 4))
    per = result["prompt_tokens"] / result["completions"]
    return [
        row(
            "meta-judgments, the paper's full lengths: prompt tokens computed",
            result["computed"],
            result["naive_computed"],
            "naive loop",
            unit="tokens",
            target=">= 70 % cached",
            met=result["cached"] >= 0.7,
            note=f"{result['cached']:.1%} cached; {result['completions']} presentations of {per:.0f} tokens; "
            "two tiny layers with the model's tokenizer, as the share depends on the tokens alone",
        )
    ]


def tiny_model(model: Path, folder: Path) -> Path:
    """Two random layers behind the tokenizer of ``model``, in ``folder``."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(model)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# -- beyond the engine


class Busy:
    """Adds up the seconds that ``holder.name`` (a method of the engine's library) takes."""

    def __init__(self, holder, name: str):
        self.seconds, method = 0.0, getattr(holder, name)

        def timed(*args, **settings):
            start = time.perf_counter()
            try:
                return method(*args, **settings)
            finally:
                self.seconds += time.perf_counter() - start

        setattr(holder, name, timed)


def overhead(quick: bool, model: Path) -> list[dict]:
    """A stage from reading its files to writing its rows, over the seconds inside the engine; smoke model, vLLM."""
    from data import fetch_seed_model

    prompts = 10 if quick else 500
    smoke = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["sampling"]
    result = []
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with quiet():
            fetch_seed_model.from_random(0, folder / "weights")
            engine = open_engine(folder / "weights", **ENGINE | {"max_model_len": 1024})
        busy = Busy(engine.started().llm, "run")
        requests, _, _ = rows(prompts, 0, 0, 0.1)
        write_jsonl(folder / "prompts.jsonl", requests)
        drawn = sampling.Decoding(0.8, 0.95, smoke["responses"]["max_tokens"])
        judge, meta_judge = (
            templates.load([ROOT / f"config/smoke/{file}.txt" for file in (name, "rubric")], name)
            for name in ("judge", "meta_judge")
        )
        _, answers, built = rows(prompts, 1, 3, 0.02)
        write_jsonl(folder / "responses.jsonl", answers)

        def respond():
            read = read_jsonl(folder / "prompts.jsonl", Prompt)
            return sampling.respond(engine, read, smoke["responses"]["n"], drawn, 0)[0]

        def judged():
            texts = {prompt["prompt_id"]: prompt["text"] for prompt in read_jsonl(folder / "prompts.jsonl", Prompt)}
            read = sampling.distinct(read_jsonl(folder / "responses.jsonl", Response))
            return judging.judge(engine, texts, read, judge, smoke["judgments"]["n"], drawn, 0)[0]

        def compared():
            texts = {prompt["prompt_id"]: prompt["text"] for prompt in read_jsonl(folder / "prompts.jsonl", Prompt)}
            read = read_jsonl(folder / "responses.jsonl", Response)
            return meta_judging.meta_judge(engine, texts, read, built, meta_judge, drawn, 0)[0]

        for name, stage in (("responses", respond), ("judgments", judged), ("meta-judgments", compared)):
            walls, engines = [], []
            with quiet():
                for _ in range(2):
                    llm_of(engine).reset_prefix_cache()
                    before, start = busy.seconds, time.perf_counter()
                    count = write_jsonl(folder / "out.jsonl", stage())
                    walls.append(time.perf_counter() - start)
                    engines.append(busy.seconds - before)
            wall, inside = median(walls), median(engines)
            result.append(
                row(
                    f"overhead, {name}: stage's wall time",
                    wall,
                    inside,
                    "engine busy",
                    target="<= 10 % beyond the engine",
                    met=wall / inside <= 1.1,
                    note=f"{wall / inside - 1:.1%} beyond the engine; {prompts} prompts, {count} rows, vLLM",
                )
            )
    return result


START = """
import json, sys, time
start = time.perf_counter()
def lap():
    global start
    now = time.perf_counter(); start, seconds = now, now - start
    return round(seconds, 2)
sys.path.insert(0, sys.argv[2])
from metarewarding.engines.engine import open_engine
from metarewarding.engines.sampling import Decoding, Request, chat, sample
name, laps = sys.argv[3], {}
import torch, transformers
if name == "vllm":
    import vllm
laps["imports"] = lap()
engine = open_engine(sys.argv[1], name, 2048, dtype="float32")
engine.started()
laps["engine"] = lap()
sample(engine, [Request("a", chat("Why?"), 1, 0, Decoding(0.8, 0.95, 2))])
laps["first request"] = lap()
print("LAPS" + json.dumps(laps))
"""


def start(quick: bool, model: Path, results: Path | None = None) -> list[dict]:
    """A fresh process up to its first completion; and the starts' share of a finished run."""

    def begin(name: str) -> dict:
        words = [sys.executable, "-c", START, str(model), str(ROOT / "scripts"), name]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        return json.loads(done.stdout[done.stdout.index("LAPS") + 4 :].splitlines()[0])

    rounds = 1 if quick else 2
    vllm, plain, laps, _ = alternate(lambda: begin("vllm"), lambda: begin("transformers"), rounds)
    parts = ", ".join(f"{part} {median(lap[part] for lap in laps):.1f} s" for part in laps[0])
    result = [row("engine start to first completion", vllm, plain, "transformers engine", note=parts)]
    if results is not None:
        result += share_of_run(results)
    return result


def share_of_run(results: Path) -> list[dict]:
    """What engines' starts took of all engine and training jobs of a finished results root; no row without one."""
    sampled = [json.loads(path.read_text()) for path in sorted(results.rglob("*.stats.json"))]
    sampled = [facts for facts in sampled if "process_seconds" in facts and "seconds" in facts]
    if not sampled or not (results / "report/index.html").is_file():
        return []
    trained = sum(json.loads(path.read_text())["seconds"] for path in results.rglob("training.json"))
    process = sum(facts["process_seconds"] for facts in sampled)
    jobs = len({facts["log"] for facts in sampled})  # several stages may belong to one job
    starts = sum(max(0.0, facts["process_seconds"] - facts["seconds"]) for facts in sampled)
    return [
        row(
            "finished run: engine jobs beside their sampling",
            starts,
            process + trained,
            "engine and training jobs in all",
            note=f"{jobs} engine jobs, {starts / (process + trained):.0%} of the jobs' time",
        )
    ]
