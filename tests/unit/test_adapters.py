"""LoRA: a merged model is base plus adapter, the reference is the base, and a killed run resumes."""

import json
import math
from types import SimpleNamespace

import pytest
from conftest import ROOT
from test_training import DPO, LN2, SFT, Run, furthest, model, pairs, sft_rows  # noqa: F401

from metarewarding.errors import UserError
from metarewarding.training import adapters

LORA = {"use_peft": "true", "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "lora_target_modules": "all-linear"}
LORA |= {"learning_rate": 1e-2}
TEXT = "Any text, as long as it is read."


@pytest.fixture(scope="module")
def dpo(tmp_path_factory, model):  # noqa: F811
    return Run(tmp_path_factory.mktemp("dpo"), model, pairs(12), **(DPO | LORA))()


def logits(weights, adapter=None):
    """Return a model directory's logits for a text, in float32, with an adapter where one is given."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    if adapter:
        from peft import PeftModel

        result = PeftModel.from_pretrained(result, adapter)
    with torch.no_grad():
        return result(AutoTokenizer.from_pretrained(weights)(TEXT, return_tensors="pt")["input_ids"]).logits


def apart(one, other):
    return (one - other).abs().max().item()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_merged_model_is_the_base_with_its_adapter(tmp_path, model, dtype):  # noqa: F811
    run = Run(tmp_path, model, sft_rows(6), **(SFT | LORA), dtype=dtype, bf16="false").quick()
    merged, base = logits(tmp_path / "weights"), logits(model)
    assert apart(merged, logits(model, tmp_path / "adapter")) < 1e-5
    assert apart(merged, base) > 1e-2  # something was learned
    assert run.stats["adapter_parameters"] == 8704  # 2 layers of 4 x (64 + 64) x 4 and 3 x (64 + 128) x 4
    assert run.stats["quantization_error"] is None


@pytest.mark.slow
def test_the_merged_folder_is_that_of_an_ordinary_model(dpo):
    import torch

    plain, merged = (json.loads((folder / "config.json").read_text()) for folder in (dpo.model, dpo.folder / "weights"))
    assert merged == plain | {"dtype": "float32"}
    assert {weight.dtype for weight in dpo.weights.values()} == {torch.float32}
    names = {path.name for path in dpo.folder.joinpath("weights").iterdir()}
    assert names == {path.name for path in dpo.model.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {p.name for p in (dpo.folder / "adapter").iterdir()}
    assert dpo.manifest["settings"]["adapter"]["lora_r"] == 4


@pytest.mark.parametrize(("dtype", "bf16"), [("float32", "false"), ("bfloat16", "true")])
def test_the_first_loss_is_ln_2_as_the_reference_is_the_base(tmp_path, model, dtype, bf16):  # noqa: F811
    first = Run(tmp_path / "1", model, pairs(4), **LORA, dtype=dtype, bf16=bf16, stop_epoch=1).quick()
    assert first.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)
    assert abs(first.stats["log"][-2]["loss"] - LN2) > 1e-3  # of the second step: the adapter is no longer 0
    # the next iteration starts from the merged weights, and has them for its reference
    second = Run(tmp_path / "2", tmp_path / "1/weights", pairs(4), **LORA, dtype=dtype, bf16=bf16).quick()
    assert second.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)


@pytest.mark.slow
def test_what_is_measured_is_the_model_with_its_adapter(dpo):
    from test_training import test_a_measurement_is_what_the_model_says as check
    from test_training import test_the_divergence_is_that_of_both_models_over_the_vocabulary as check_divergence

    check(dpo)
    check_divergence(dpo)
    before, after = dpo.stats["epochs"][0], dpo.stats["epochs"][-1]
    assert before["loss"] == pytest.approx(LN2, abs=1e-9)
    assert after["loss"] != pytest.approx(LN2, abs=1e-3)


@pytest.mark.slow
def test_precomputed_references_are_those_of_the_base(tmp_path, model):  # noqa: F811
    runs = [
        Run(tmp_path / given, model, pairs(4), **LORA, bf16="false", precompute_ref_log_probs=given).quick()
        for given in ("true", "false")
    ]
    assert furthest(*(run.weights for run in runs)) < 1e-6


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, model, dpo):  # noqa: F811
    run = Run(tmp_path / "killed", model, pairs(12), **(DPO | LORA))
    run.kill_after_checkpoint(6)
    run()
    assert f"resuming from {run.folder}/c/checkpoint-" in run.printed
    for name in ("weights/model.safetensors", "adapter/adapter_model.safetensors"):
        assert (run.folder / name).read_bytes() == (dpo.folder / name).read_bytes()
    assert run.stats["epochs"] == dpo.stats["epochs"]


@pytest.mark.slow
def test_an_adapter_of_an_earlier_run_does_not_stay(tmp_path, model):  # noqa: F811
    Run(tmp_path, model, sft_rows(2), **(SFT | LORA)).quick()
    assert (tmp_path / "adapter").is_dir()
    Run(tmp_path, model, sft_rows(2), **SFT).quick()
    assert not (tmp_path / "adapter").exists()


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, LORA])
def test_gradient_checkpointing_is_exact(tmp_path, model, given):  # noqa: F811
    runs = [
        Run(tmp_path / on, model, pairs(4), **(DPO | given | {"stop_epoch": 1, "gradient_checkpointing": on})).quick()
        for on in ("true", "false")
    ]
    assert furthest(*(run.weights for run in runs)) < 1e-7


# -- options that exclude each other


def check(fsdp=None, device="cuda", optim="adamw_torch_fused", **recipe):
    from transformers.training_args import OptimizerNames
    from trl import ModelConfig

    args = SimpleNamespace(model_init_kwargs=None, device=SimpleNamespace(type=device), optim=OptimizerNames(optim))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapters, "find_spec", lambda name: None)
        if fsdp:
            patch.setenv("ACCELERATE_USE_FSDP", "true")
        return adapters.adapter_arguments(ModelConfig(**recipe), args), args


def test_full_fine_tuning_has_neither_adapter_nor_quantized_weights():
    result, args = check()
    assert result == {"peft_config": None, "quantization_config": None}
    assert args.model_init_kwargs == {"dtype": "float32"}


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"load_in_4bit": True}, "set use_peft: true"),
        ({"dtype": "bfloat16"}, "steps of small learning rates. Set dtype: float32"),
        ({"use_peft": True, "fsdp": True}, "use_peft does not work with FSDP"),
        ({"use_peft": True, "load_in_4bit": True}, "load_in_4bit or load_in_8bit needs bitsandbytes"),
        ({"use_peft": True, "load_in_4bit": True, "device": "cpu"}, "load_in_4bit and load_in_8bit need a GPU"),
        ({"optim": "paged_adamw_8bit"}, "optim: paged_adamw_8bit needs bitsandbytes"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, output):
    with pytest.raises(UserError, match=output):
        check(**options)


def test_the_quantization_error_is_measured(tmp_path, model):  # noqa: F811
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is only in the environment for CUDA")
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    quantized = AutoModelForCausalLM.from_pretrained(model, quantization_config=settings, dtype=torch.float32)
    adapted = get_peft_model(quantized, LoraConfig(r=4, target_modules="all-linear"))
    # nf4 of normal weights: about 9 % by the arithmetic of its 16 levels; the largest of 64 is exact
    assert 0.05 < adapters.quantization_error(adapted, str(model)) < 0.2
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        difference = apart(adapted(ids).logits, logits(model))
    assert math.isfinite(difference)
    assert difference > 1e-3


@pytest.mark.parametrize("name", ["sft_lora.yaml", "dpo_lora.yaml"])
def test_the_recipes_for_one_gpu_are_those_of_the_paper_but_for_the_adapter(name):
    import yaml

    ours, papers = (
        yaml.safe_load((ROOT / f"config/trl/{file}").read_text()) for file in (name, name.replace("_lora", ""))
    )
    only_sharded = {"accelerator_config", "ddp_timeout", "checkpoint_epochs"}
    assert {key: ours[key] for key in papers.keys() - only_sharded} == {
        key: papers[key] for key in papers.keys() - only_sharded
    }
    of_adapter = {"use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "dtype", "load_in_4bit"}
    assert ours.keys() - papers.keys() == of_adapter
