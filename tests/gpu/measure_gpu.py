"""Sample and train on one GPU, measure it, and write the table to tests/bench/RESULTS.md. Not run on a GPU yet.

    python tests/gpu/measure_gpu.py                             # every section, about ten minutes on a card of 80 GB
    python tests/gpu/measure_gpu.py dpo_lora vllm               # some of them; the others' results stay
    python tests/gpu/measure_gpu.py --size tiny --device cpu    # the same steps with a tiny model; writes nothing

The environment needs what envs/train.in and envs/snakemake.in list, and vLLM for the section `vllm`. The model has
random weights in the shape of Llama 3 8B: 16 GB in a temporary folder. Full fine-tuning trains as many of its 32 layers
as the card has memory for. Each section runs in a process of its own.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / name) for name in ("bench", "support")]
sys.path.append(str(HERE.parent.parent / "workflow"))
import bench  # noqa: E402
import yaml  # noqa: E402
from bench_training import examples, preferences, run_ours  # noqa: E402
from measure import ROOT, peak_memory_mb, quiet, text  # noqa: E402
from model_size import model_size  # noqa: E402
from speeds import training_flop  # noqa: E402

from metarewarding.records import write_jsonl  # noqa: E402

LLAMA_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
}
TINY = {"max_position_embeddings": 2048}
FULL_BYTES = 16  # a parameter's in full fine-tuning: weight, gradient and two moments in float32
BATCH = 8
SMOKE_RESULTS = "results/measure_gpu"


def row(what: str, seconds: float | None, note: str, tokens_per_second=None, memory_gb=None, share=None) -> dict:
    """Return one row of the table; ``share``: of the rate of bfloat16 matrix products on the same device."""
    return {
        "what": what,
        "seconds": seconds,
        "tokens_per_second": tokens_per_second,
        "memory_gb": memory_gb,
        "share": share,
        "note": note,
    }


def matrix_rate(device: str) -> float:
    """Return the FLOP/s of bfloat16 matrix products, large ones on a GPU."""
    import torch

    size, rounds = (8192, 50) if device == "cuda" else (512, 5)
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(rounds):
            product = a @ b
        product[0, 0].item()  # waits for the device
        return time.perf_counter() - start

    seconds()
    return 2 * size**3 * rounds / seconds()


def matrix(given) -> list[dict]:
    rate = matrix_rate(given.device)
    return [row("bfloat16 matrix product", None, f"{rate / 1e12:.3g} TFLOP/s")]


def smoke(given) -> list[dict]:
    """Run the smoke config with the transformers engine: completely, or up to M0's weights for the tiny size."""
    shutil.rmtree(ROOT / SMOKE_RESULTS, ignore_errors=True)
    words = [
        sys.executable,
        "-m",
        "snakemake",
        *(["all"] if given.size == "8b" else [f"{SMOKE_RESULTS}/m0/weights"]),
    ]
    words += ["--nolock", "--configfile", "config/smoke.yaml", "--config", f"pathvars={{results: {SMOKE_RESULTS}}}"]
    if given.device == "cuda":
        words += [
            f"{stage}={{recipe: config/trl/{stage}.yaml, accelerate: config/accelerate/gpu.yaml}}"
            for stage in ("sft", "dpo")
        ]
    start = time.perf_counter()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the smoke run failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    seconds = time.perf_counter() - start
    manifest = json.loads((ROOT / SMOKE_RESULTS / "m0/manifest.json").read_text())
    if not manifest["device"].startswith(given.device):
        sys.exit(f"the smoke run trained on {manifest['device']}, not on {given.device}")
    return [row("config/smoke.yaml", seconds, f"transformers engine, trained on {manifest['device']}")]


def part_of_model(model: Path, folder: Path, layers: int) -> Path:
    """Write the first ``layers`` layers of ``model`` to ``folder``: its files with another config.json."""
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).symlink_to(path.resolve())
    config = json.loads((model / "config.json").read_text()) | {"num_hidden_layers": layers}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def size_of(model: Path) -> tuple[float, float, int]:
    """Return (parameters of the model, of one of its layers, the number of layers that are trained)."""
    config = json.loads((model / "config.json").read_text())
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    head = config["hidden_size"] // config["num_attention_heads"]
    attention = 2 * width * (width + head * config["num_key_value_heads"])
    return model_size(model)["parameters"], attention + 3 * width * config["intermediate_size"], layers


def training(given, stage: str, adapter: bool) -> list[dict]:
    """Train with the recipe for one GPU, from a start to the last step; nothing is saved, which would take minutes."""
    import torch

    from train import train_dpo, train_sft

    module = {"sft": train_sft, "dpo": train_dpo}[stage]
    module.train = lambda trainer, *others: trainer.train()
    rate = matrix_rate(given.device)
    tiny = given.size == "tiny"
    rows = {"sft": examples, "dpo": preferences}[stage](*((2 * BATCH, 40) if tiny else (6 * BATCH, 300)))
    recipe = f"config/trl/{stage}{'_lora' if adapter else ''}.yaml"
    options = {"save_strategy": "no", "use_cpu": given.device == "cpu"}
    # the reference's weights would need the memory of a second model
    options |= {"precompute_ref_log_probs": True} if stage == "dpo" and not adapter else {}
    parameters, of_layer, layers = size_of(given.model)
    with tempfile.TemporaryDirectory() as scratch:
        folder, model = Path(scratch), given.model
        write_jsonl(folder / "rows.jsonl", rows)
        if given.device == "cuda" and not adapter:
            room = 0.85 * torch.cuda.get_device_properties(0).total_memory / FULL_BYTES
            trained = min(layers, int(layers - (parameters - room) / of_layer))
            model = part_of_model(model, folder / "model", trained)
            parameters, layers = parameters - (layers - trained) * of_layer, trained
        start = time.perf_counter()
        with quiet():
            steps = run_ours(stage, folder, config=ROOT / recipe, model=model, batch_size=BATCH, **options)
        seconds = time.perf_counter() - start
    memory = torch.cuda.max_memory_allocated() / 1e9 if given.device == "cuda" else peak_memory_mb() / 1e3
    speed = steps.tokens_per_second(skipped=BATCH)
    reference = stage == "dpo" and adapter  # else it was read before the first step
    flop = training_flop(yaml.safe_load((ROOT / recipe).read_text()), reference) * parameters * speed
    note = (
        f"{recipe}, {layers} layers, {parameters / 1e9:.3g}e9 parameters, {steps.tokens / len(rows):.0f} tokens a row"
    )
    what = f"{stage.upper()}, {'LoRA' if adapter else 'full'}"
    return [row(what, seconds, note, speed, memory, flop / rate)]


def vllm(given) -> list[dict]:
    """Sample answers of a fixed length; return no row where vLLM is not installed."""
    from metarewarding.engines import sampling
    from metarewarding.engines.engine import open_engine

    if find_spec("vllm") is None:
        return []
    count, tokens = (4, 8) if given.size == "tiny" else (1024, 512)
    rate = matrix_rate(given.device)
    engine = open_engine(given.model, "vllm", max_model_len=1024, dtype="bfloat16", cpu_cache_gb=1)
    drawn = sampling.Decoding(0.8, 0.95, tokens)
    requests = [sampling.Request(str(i), sampling.chat(text(300, f"{i}")), 1, i, drawn) for i in range(count)]
    with quiet():
        _, facts = sampling.sample(engine, requests)
    share = 2 * model_size(given.model)["parameters"] * facts["tokens_per_second"] / rate
    note = f"{count} answers of {tokens} tokens, engine start {engine.start_seconds:.0f} s more"
    return [row("vLLM, answers", facts["seconds"], note, facts["tokens_per_second"], None, share)]


SECTIONS = {
    "matrix": matrix,
    "smoke": smoke,
    "sft_lora": lambda given: training(given, "sft", adapter=True),
    "sft_full": lambda given: training(given, "sft", adapter=False),
    "dpo_lora": lambda given: training(given, "dpo", adapter=True),
    "dpo_full": lambda given: training(given, "dpo", adapter=False),
    "vllm": vllm,
}


def machine(device: str) -> dict:
    import torch

    name = "CPU"
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        name = f"{card.name}, {card.total_memory / 1e9:.0f} GB"
    return bench.machine() | {"gpu": name}


def save_model(folder: Path, size: str, device: str) -> Path:
    import llama3

    shape = LLAMA_8B if size == "8b" else TINY
    with quiet():
        return llama3.save_model(folder, device=device, dtype="bfloat16", **shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of: {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--size", choices=("8b", "tiny"), default="8b")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)  # the folder that the process of a section reads
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)  # and the file that it writes
    given = parser.parse_args()
    unknown = sorted(set(given.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"unknown section {', '.join(unknown)}; choose from {', '.join(SECTIONS)}")
    if given.rows:
        given.rows.write_text(json.dumps(SECTIONS[given.sections[0]](given)))
        return
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the trainers would share a batch out over several
        import torch

        if not torch.cuda.is_available():
            sys.exit(
                "PyTorch finds no GPU. Run this on a machine with one (`nvidia-smi`) and a CUDA build of PyTorch, or "
                "try its steps with --size tiny --device cpu."
            )
    results = bench.stored_results()
    with tempfile.TemporaryDirectory() as scratch:
        model = save_model(Path(scratch) / "model", given.size, given.device)
        words = ["--size", given.size, "--device", given.device, "--model", str(model)]
        for name in given.sections or SECTIONS:
            measured = bench.in_a_process(__file__, name, words)
            measured["machine"] = machine(given.device)
            print("\n".join(bench.gpu_rows(name, measured)), flush=True)
            if given.size == "8b" and given.device == "cuda":
                results.setdefault("gpu", {})[name] = measured
                bench.store(results)


if __name__ == "__main__":
    main()
