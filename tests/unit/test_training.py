"""Batch arithmetic, recipes, and whole runs of a tiny model: killed, in two processes, sharded, on bad input."""

import json
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT

from data import fetch_seed_model
from metarewarding.engines import precision
from metarewarding.errors import UserError
from metarewarding.training import adapters, checkpoints, measure_pairs, shared_prompts
from metarewarding.training import run as training_run
from metarewarding.training.arguments import RunArguments, accumulation_steps, auto_precision, compute_dtype
from metarewarding.training.examples import inert_rows, within_limit
from train import train_dpo


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    fetch_seed_model.from_random(0, folder)
    return folder


@pytest.mark.parametrize(("batch", "per_device", "devices", "steps"), [(32, 4, 8, 1), (32, 1, 1, 32), (32, 2, 8, 2)])
def test_the_global_batch_is_kept_whatever_the_number_of_devices(batch, per_device, devices, steps):
    assert accumulation_steps(batch, per_device, devices) == steps


@pytest.mark.parametrize(("batch", "per_device", "devices"), [(32, 3, 1), (32, 4, 16), (8, 1, 3)])
def test_an_impossible_split_is_refused(batch, per_device, devices):
    with pytest.raises(UserError, match="multiple of"):
        accumulation_steps(batch, per_device, devices)


def chat(text):
    return [{"role": "assistant", "content": text}]


def test_a_pair_is_too_long_when_one_side_is(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [
        {"prompt": [{"role": "user", "content": "p"}], "chosen": chat("c" * c), "rejected": chat("r" * r)}
        for c, r in ((5, 5), (6, 5), (5, 6))
    ]
    # bytes are tokens: <|user|> p <|end|> <|assistant|> ccccc <|end|> are 10
    assert within_limit(rows, tokenizer, 10, "prompt", ("chosen", "rejected")) == rows[:1]


def test_inert_rows_leave_ids_out_and_text_in(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    row = {"prompt_id": "p", "prompt": [{"role": "user", "content": "a<|end|>b"}]}
    (built,) = inert_rows([row], tokenizer, ("prompt",))
    assert built == {"prompt": [{"role": "user", "content": "a<\u200b|end|>b"}]}


PAIR = {
    "prompt_id": "p",
    "kind": "actor",
    "prompt": [{"role": "user", "content": "Say hi."}],
    "chosen": chat("Hi."),
    "rejected": chat("No."),
    "chosen_id": "p/r0",
    "rejected_id": "p/r1",
    "chosen_by": 5.0,
    "rejected_by": 1.0,
}


# -- recipes


def parsed(recipe, *words):
    """Return the arguments that a training program makes of a recipe, on the CPU."""
    from trl import DPOConfig, ModelConfig, SFTConfig, TrlParser

    config = auto_precision(DPOConfig if recipe.name.startswith("dpo") else SFTConfig)
    words = ["--config", str(recipe), "--output_dir", "none", "--use_cpu", "true", *words]
    words += ["--model", "m", "--data", "d", "--weights", "w", "--stats", "s", "--manifest", "m", "--batch_size", "8"]
    words += ["--stop_epoch", "1", "--token_limit", "64"]
    run, *of_trl = TrlParser((RunArguments, config, ModelConfig)).parse_args_and_config(words)  # an unknown key raises
    assert run.checkpoint_epochs == yaml.safe_load(recipe.read_text()).get("checkpoint_epochs", 1)
    return of_trl


RECIPES = sorted((ROOT / "config/trl").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_recipes_are_read_whole_by_trl(recipe):
    args, adapter = parsed(recipe)
    assert (args.lr_scheduler_type, args.warmup_steps, args.weight_decay) == ("cosine", 0, 0)
    assert args.optim == "adamw_torch_fused"
    assert args.report_to == []
    for key, value in yaml.safe_load(recipe.read_text()).items():
        assert value is None or hasattr(args, key) or hasattr(adapter, key) or key == "checkpoint_epochs"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_the_papers_recipes_name_bf16_and_those_without_it_follow_the_hardware(recipe, monkeypatch):
    named = not recipe.name.endswith("_laptop.yaml")
    for flags, dtype in (("avx2", "float32"), ("avx512_bf16", "bfloat16"), ("amx_bf16", "bfloat16")):
        monkeypatch.setattr(precision, "cpu_flags", lambda flags=flags: frozenset({flags}))
        assert compute_dtype(parsed(recipe)[0]) == ("bfloat16" if named else dtype)
        assert compute_dtype(parsed(recipe, "--bf16", "false")[0]) == "float32"
        assert compute_dtype(parsed(recipe, "--bf16", "true")[0]) == "bfloat16"


@pytest.mark.parametrize("path", sorted((ROOT / "config/accelerate").glob("*.yaml")), ids=lambda path: path.name)
def test_accelerate_takes_its_configs(path):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    read = load_config_from_file(str(path))  # an unknown key raises
    assert read.mixed_precision == "no"  # the recipe's bf16 decides
    options = {option.dest for option in launch_command_parser()._actions}
    assert set(read.to_dict().get("fsdp_config") or {}) <= options


# -- whole runs of the tiny model

LN2 = 0.6931471805599453


def pairs(prompts):
    """Return two pairs of each prompt, of different lengths."""
    draw = random.Random(0)

    def text(most):
        return "".join(draw.choice("abcdefgh ") for _ in range(draw.randint(4, most)))

    for i in range(prompts):
        for kind in ("actor", "judge"):
            ids = {"prompt_id": f"p{i}", "kind": kind, "chosen_id": f"p{i}/{kind}/a", "rejected_id": f"p{i}/{kind}/b"}
            chats = {"chosen": chat(text(30)), "rejected": chat(text(30))}
            yield PAIR | ids | chats | {"prompt": [{"role": "user", "content": text(15)}]}


LAUNCH = ["-m", "accelerate.commands.launch", "--config_file", "config/accelerate/cpu.yaml"]


class Run:
    """A training program on the tiny model, and what it writes, in ``folder``."""

    def __init__(self, folder, model, rows, script="train_dpo.py", launch=None, **options):
        folder.mkdir(exist_ok=True)
        self.folder, self.model, self.script = folder, model, f"scripts/train/{script}"
        data = folder / "data.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = {"config": ROOT / "config/trl/dpo_laptop.yaml", "model": model, "data": data}
        words |= {"weights": folder / "weights", "stats": folder / "stats.json", "manifest": folder / "manifest.json"}
        words |= {"output_dir": folder / "c", "batch_size": 4, "stop_epoch": 1, "num_train_epochs": 1}
        words |= {"token_limit": 200} | options
        self.words = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
        launch = LAUNCH if launch is None else launch
        self.command = [sys.executable, *map(str, launch), self.script, *self.words]
        self.environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def __call__(self):
        """Run as a job does, in processes of its own."""
        done = subprocess.run(self.command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.read(done.stdout + done.stderr)

    def quick(self):
        """Run in this process, which has imported TRL already."""
        status, printed, errors = self.here()
        assert status == 0, printed + errors
        return self.read(printed + errors)

    def here(self):
        """Return (exit status, what was printed, what was printed on stderr) of a run in this process."""
        import torch

        printed, errors, threads = StringIO(), StringIO(), torch.get_num_threads()
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(errors):
            patch.setattr(sys, "argv", [self.script, *self.words])
            try:
                runpy.run_path(str(ROOT / self.script), run_name="__main__")
            except SystemExit as end:
                return end.code, printed.getvalue(), errors.getvalue()
            finally:
                torch.set_num_threads(threads)
        return 0, printed.getvalue(), errors.getvalue()

    def read(self, printed):
        self.printed, self.stats = printed, json.loads((self.folder / "stats.json").read_text())
        self.manifest = json.loads((self.folder / "manifest.json").read_text())
        return self

    def start(self):
        """Start the run in its own process group, as the launcher starts the training program as its child."""
        return subprocess.Popen(
            self.command, cwd=ROOT, env=self.environment, stdout=-3, stderr=-3, start_new_session=True
        )

    @property
    def weights(self):
        from safetensors.torch import load_file

        return load_file(self.folder / "weights/model.safetensors")

    def first_step(self):
        return next(entry for entry in self.stats["log"] if "loss" in entry)

    def kill_after_checkpoint(self, step):
        """Start the run, and kill it once it has a complete checkpoint of ``step`` or later."""
        killed = self.start()
        while whole_checkpoint(self.folder / "c", step) is None:
            assert killed.poll() is None, "the run ended before it could be killed"
            time.sleep(0.005)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()


@pytest.mark.parametrize(
    ("options", "change", "output"),
    [
        ({"token_limit": 5}, {}, "no pair has at most 5 tokens a side (dpo.max_length)"),
        ({"stop_epoch": 2}, {}, "stop_epoch 2 is after the end of the schedule"),
        ({}, {"chosen_by": "high"}, "data.jsonl, line 1: the field 'chosen_by'"),
    ],
)
def test_bad_input_gets_one_message(tmp_path, model, options, change, output):
    run = Run(tmp_path, model, [PAIR | change], **options)
    status, _, errors = run.here()
    assert status == 1
    assert output in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "weights").exists()


DPO = {"bf16": "false", "stop_epoch": 3, "num_train_epochs": 4, "learning_rate": 1e-3, "held_out": 0.15}
DPO |= {"measured_pairs": 3, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 1}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, model):
    """Return a run as the workflow starts it; bf16 is false, as other runs must come to the same weights."""
    return Run(tmp_path_factory.mktemp("undisturbed"), model, pairs(12), **DPO)()


def sft_rows(count):
    """Return examples of different lengths."""
    for i, pair in enumerate(pairs(count)):
        yield {"prompt_id": f"p{i}", "response_id": f"p{i}/r0", "prompt": pair["prompt"], "score": 5} | {
            "completion": pair["chosen"]
        }


SFT = {"script": "train_sft.py", "config": ROOT / "config/trl/sft_laptop.yaml", "learning_rate": 1e-3}


@pytest.mark.parametrize(("flags", "dtype"), [("avx2", "float32"), ("avx512_bf16", "bfloat16")])
def test_the_dtype_of_the_hardware_is_computed_in_and_recorded(tmp_path, model, monkeypatch, flags, dtype):
    from accelerate.state import AcceleratorState

    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({flags}))
    run = Run(tmp_path, model, sft_rows(2), **SFT).quick()
    assert AcceleratorState().mixed_precision == {"float32": "no", "bfloat16": "bf16"}[dtype]
    assert run.stats["dtype"] == run.manifest["dtype"] == dtype
    assert f"dtype: {dtype} on cpu" in run.printed


def test_accumulated_examples_make_the_step_that_a_batch_makes(tmp_path, model):
    runs = [
        Run(tmp_path / str(size), model, sft_rows(6), **SFT, bf16="false", per_device_train_batch_size=size).quick()
        for size in (1, 4)
    ]
    assert [run.manifest["settings"]["gradient_accumulation_steps"] for run in runs] == [4, 1]
    assert [run.stats["steps"] for run in runs] == [3, 3]
    assert furthest(*(run.weights for run in runs)) < 1e-5


def test_the_reference_reads_a_pair_once(tmp_path, model, monkeypatch):
    forwards, pack = [], shared_prompts.pack
    monkeypatch.setattr(shared_prompts, "pack", lambda *words: forwards.append(1) or pack(*words))
    options = {"bf16": "false", "stop_epoch": 2, "num_train_epochs": 2, "measured_pairs": 4}
    run = Run(tmp_path, model, pairs(4), **options).quick()
    assert run.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)
    # 8 pairs: by the reference once, by the model in each of two epochs, and measured after each
    assert len(forwards) == 8 + 2 * 8 + 2 * 8


def test_a_run_goes_on_from_checkpoints_of_its_own_settings_alone(tmp_path, model, monkeypatch):
    options = SFT | {"stop_epoch": 2, "num_train_epochs": 2, "save_strategy": "epoch"}
    runs = {bf16: Run(tmp_path, model, sft_rows(2), **options, bf16=bf16) for bf16 in ("false", "true")}
    other = Run(tmp_path, model, sft_rows(2), **options, bf16="true", adam_beta2=0.9)
    monkeypatch.setattr(training_run, "write_json", None)  # so that a run ends before it removes its checkpoints
    assert [runs["false"].here()[0] for _ in range(2)] == [1, 1]
    assert "resuming from" in runs["false"].here()[2]
    assert "resuming from" not in runs["true"].here()[2]
    assert "resuming from" not in other.here()[2]


@pytest.mark.parametrize(
    ("counts", "tokens"),
    [([], 0), ([10, 25, 40], 40), ([10, 25, 12, 30], 55), ([10, 10, 5, 5, 2], 17)],
    ids=["nothing", "one go", "resumed", "resumed twice"],
)
def test_tokens_of_a_resumed_run_are_those_of_all_its_steps(counts, tokens):
    log = [{"num_tokens": count, "loss": 1.0} for count in counts] + [{"train_runtime": 1.0}]
    assert training_run.trained_tokens(log) == tokens


def test_each_epoch_is_measured_by_set_and_kind(undisturbed):
    rows = undisturbed.stats["epochs"]
    counted = {(row["set"], row["kind"]): row["pairs"] for row in rows}
    assert counted == {(s, k): n for s, n in (("trained", 3), ("held_out", 2)) for k in ("actor", "judge")}
    assert [row["epoch"] for row in rows] == [epoch for epoch in range(4) for _ in range(4)]
    assert undisturbed.stats["actor"] == {"pairs": 12, "held_out": 2, "trained_on": 10}
    assert undisturbed.stats["judge_share"] == 0.5
    assert undisturbed.stats["steps"] == 15
    assert all(row["loss"] == pytest.approx(LN2, abs=1e-9) for row in rows[:4])
    assert all(row["margin"] > 0 for row in rows[4:] if row["set"] == "trained")


def test_a_measurement_is_what_the_model_says(undisturbed):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(undisturbed.model)
    _, measured = measure_pairs.split(list(pairs(12)), 42, held_out=0.15)

    def logps(folder):
        model = AutoModelForCausalLM.from_pretrained(folder)
        for pair in (pair for pair in measured if pair["kind"] == "judge"):
            for side in ("chosen", "rejected"):
                start, ids = (
                    tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True, add_generation_prompt=g)
                    for chat, g in ((pair["prompt"], True), (pair["prompt"] + pair[side], False))
                )
                ids, start = ids["input_ids"], start["input_ids"].shape[1]
                with torch.no_grad():
                    every = torch.log_softmax(model(ids).logits[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
                yield every[start - 1 :].sum().item()

    now, then = (list(logps(folder)) for folder in (undisturbed.folder / "weights", undisturbed.model))
    row = undisturbed.stats["epochs"][-1]
    assert (row["set"], row["kind"], row["pairs"]) == ("held_out", "judge", len(now) / 2)
    assert row["chosen_logp"] == pytest.approx(sum(now[::2]) / 2, abs=1e-3)
    assert row["rejected_reward"] == pytest.approx(0.1 * (sum(now[1::2]) - sum(then[1::2])) / 2, abs=1e-4)


def test_the_divergence_is_that_of_both_models_over_the_vocabulary(undisturbed):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(undisturbed.model)
    _, measured = measure_pairs.split(list(pairs(12)), 42, held_out=0.15)
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(folder) for folder in (undisturbed.folder / "weights", undisturbed.model)
    )
    divergences = []
    for pair in (pair for pair in measured if pair["kind"] == "judge"):
        for side in ("chosen", "rejected"):
            start = len(tokenizer.apply_chat_template(pair["prompt"], add_generation_prompt=True)["input_ids"])
            ids = torch.tensor([tokenizer.apply_chat_template(pair["prompt"] + pair[side])["input_ids"]])
            with torch.no_grad():
                p, q = (model(ids).logits[0, start - 1 : -1].double().softmax(-1) for model in (policy, reference))
            divergences += (p * (p.log() - q.log())).sum(-1).tolist()
    first, last = undisturbed.stats["epochs"][0], undisturbed.stats["epochs"][-1]
    assert (last["set"], last["kind"], last["kl_pairs"]) == ("held_out", "judge", 2)
    assert last["kl"] == pytest.approx(sum(divergences) / len(divergences), rel=1e-3)
    assert last["kl"] > 1e-6
    assert first["kl"] == 0


def whole_checkpoint(folder, step):
    """Return a complete checkpoint of ``step`` or later, or None; one may be removed during the search."""
    for path in folder.glob("checkpoint-*/trainer_state.json"):
        with suppress(FileNotFoundError):
            if path.stat().st_size and int(path.parent.name.split("-")[1]) >= step:
                return path.parent
    return None


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, model, undisturbed):
    run = Run(tmp_path / "killed", model, pairs(12), **DPO)
    # in the second epoch, so that the first one's measurement is from before the kill
    run.kill_after_checkpoint(6)
    half = run.folder / "c/checkpoint-999"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    run()
    assert f"resuming from {run.folder}/c/checkpoint-" in run.printed
    assert "checkpoint-999" not in run.printed
    names = [folder / "weights/model.safetensors" for folder in (run.folder, undisturbed.folder)]
    assert names[0].read_bytes() == names[1].read_bytes()
    assert run.stats["epochs"] == undisturbed.stats["epochs"]
    assert run.manifest["tokens"] == undisturbed.manifest["tokens"]
    assert sorted(path.name for path in run.folder.iterdir()) == [
        ".kept",
        "data.jsonl",
        "manifest.json",
        "stats.json",
        "weights",
    ]


def furthest(one, other):
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.mark.slow
def test_two_processes_train_the_weights_that_one_does(tmp_path, model, undisturbed):
    # accelerate launch starts one on a CPU
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]
    run = Run(tmp_path / "two", model, pairs(12), launch=launch, **DPO)()
    assert run.manifest["devices"] == 2
    assert run.stats["steps"] == undisturbed.stats["steps"]
    assert furthest(undisturbed.weights, run.weights) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("bf16", ["false", "true"])
def test_sharded_processes_train_the_weights_that_one_does(tmp_path, model, undisturbed, bf16):
    config = yaml.safe_load((ROOT / "config/accelerate/fsdp_8gpu.yaml").read_text())
    (tmp_path / "fsdp.yaml").write_text(yaml.safe_dump(config | {"num_processes": 2, "use_cpu": True}))
    program = "tests/support/fsdp_on_cpu.py"
    launch = ["-m", "accelerate.commands.launch", "--config_file", tmp_path / "fsdp.yaml", program]
    options = DPO | {"config": "config/trl/dpo.yaml", "use_cpu": "true", "bf16": bf16}
    run = Run(tmp_path / "sharded", model, pairs(12), launch=launch, **options)()
    # the reference is whole in every process, and rounds as the policy does
    assert run.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)
    assert run.first_step()["logps/chosen"] % 0.125 != 0  # a mean of four that are bf16, above 64
    if bf16 == "false":
        assert furthest(undisturbed.weights, run.weights) < 1e-5
        divergences = [[row["kl"] for row in of.stats["epochs"]] for of in (run, undisturbed)]
        assert divergences[0] == pytest.approx(divergences[1], rel=1e-2)
    else:
        for row, exact in zip(run.stats["epochs"], undisturbed.stats["epochs"], strict=True):
            assert row["chosen_logp"] == pytest.approx(exact["chosen_logp"], abs=0.2)


@pytest.mark.parametrize(("bf16", "per_device"), [("true", 1), ("false", 2)])
def test_precomputed_references_are_exact(tmp_path, model, bf16, per_device):
    options = {"precompute_ref_log_probs": "true", "per_device_train_batch_size": per_device, "bf16": bf16}
    run = Run(tmp_path / "run", model, pairs(4), **options).quick()
    assert run.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, False),
        ({"bf16": False, "per_device_train_batch_size": 4}, False),
        ({"per_device_train_batch_size": 4}, True),
        ({"precompute_ref_batch_size": 4}, True),
        ({"bf16": False, "world_size": 2}, True),
        ({"precompute_ref_log_probs": False, "world_size": 2, "per_device_train_batch_size": 4}, False),
    ],
)
def test_precomputed_references_are_refused_where_they_are_not_exact(change, refused):
    args = {"precompute_ref_log_probs": True, "bf16": True, "world_size": 1}
    args |= {"per_device_train_batch_size": 1, "precompute_ref_batch_size": None} | change
    with pytest.raises(UserError, match="needs one process") if refused else nullcontext():
        train_dpo.check_reference(SimpleNamespace(**args))


def test_a_step_at_the_papers_rate_moves_float32_weights_and_would_not_move_bf16_ones(tmp_path, model, monkeypatch):
    import torch
    from safetensors.torch import load_file

    row = {"prompt_id": "p", "response_id": "p/r0", "prompt": PAIR["prompt"], "completion": chat("a longer reply.")}
    row |= {"score": 5}
    options = {"script": "train_sft.py", "config": "config/trl/sft_laptop.yaml", "learning_rate": 5e-8}
    monkeypatch.setattr(adapters, "_check", lambda *given: None)  # which refuses bfloat16 for this reason
    start, shares = load_file(model / "model.safetensors"), {}
    for dtype in ("float32", "bfloat16"):
        more = {} if dtype == "float32" else {"model_init_kwargs": '{"dtype": "bfloat16"}'}
        run = Run(tmp_path / dtype, model, [row] * 4, **options, **more).quick()
        assert run.stats["steps"] == 1
        assert set(run.stats["epochs"][0]) == {"epoch", "loss", "token_accuracy"}
        weights = run.weights
        assert {weight.dtype for weight in weights.values()} == {getattr(torch, dtype)}
        moved = sum((weights[name] != start[name].to(weights[name].dtype)).sum().item() for name in start)
        shares[dtype] = moved / sum(weight.numel() for weight in start.values())
    assert shares["float32"] > 0.9
    assert shares["bfloat16"] < 0.01


@pytest.mark.parametrize(("own", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(own, policy):
    code = (
        "import os, sys, metarewarding.training.arguments; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | own
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT / "scripts", env=environment, text=True)
    assert printed.split() == [policy, "False"]  # set before torch reads it


# -- checkpoints and logs


def test_the_newest_whole_checkpoint_is_taken_and_half_written_ones_are_removed(tmp_path):
    for step, state in ((9, "{}"), (20, "{}"), (100, "{"), (110, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state:
            (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text(state)
    assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-20"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-9", "checkpoint-20"}
    assert checkpoints.last_checkpoint(tmp_path / "none") is None


def test_losses_are_averaged_by_epoch():
    log = [{"epoch": e, "loss": x, "mean_token_accuracy": x / 4} for e, x in ((0.5, 3), (1.0, 1), (1.5, 1), (2.0, 0))]
    assert training_run.loss_by_epoch([*log, {"epoch": 2.0, "train_loss": 9}]) == [
        {"epoch": 1, "loss": 2, "token_accuracy": 0.5},
        {"epoch": 2, "loss": 0.5, "token_accuracy": 0.125},
    ]


def test_the_disk_space_of_checkpoints_is_logged_and_too_little_is_refused(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "metarewarding")
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3/weights").write_bytes(b"0" * 1000)  # of an earlier try: its room will be free
    args = SimpleNamespace(
        save_strategy="epoch", output_dir=str(tmp_path), save_total_limit=1, num_train_epochs=10, process_index=0
    )
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda folder: SimpleNamespace(free=239_999_999_000))
    checkpoints.check_disk(args, 10_000_000_000)
    assert "checkpoints take 120.0 GB each, 240.0 GB at most" in caplog.text
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match=r"take 160.0 GB each, 320.0 GB at most.*240.0 GB free. Make room"):
        checkpoints.check_disk(args, 10_000_000_000)
    args.save_strategy = "no"
    checkpoints.check_disk(args, 10_000_000_000)
