"""LoRA and QLoRA: an adapter is trained, and merged into plain weights when training ends.

The recipe's keys are those of TRL's ``ModelConfig``: ``use_peft``, ``lora_r``, ``load_in_4bit`` and others.
"""

import math
import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from metarewarding.errors import UserError

BITSANDBYTES = "needs bitsandbytes, which is in the environment for CUDA (envs/train.yaml). Install it, or change"


def adapter_arguments(config, args) -> dict:
    """Return the arguments of a TRL trainer for the recipe's adapter; both values are None in full fine-tuning.

    ``config`` is TRL's ModelConfig, ``args`` an SFTConfig or DPOConfig. The type of the weights, ``dtype``, and
    ``attn_implementation`` go to ``args.model_init_kwargs``, whose own entries come first. Raise UserError where the
    options exclude each other.
    """
    from trl import get_peft_config, get_quantization_config

    own = {"dtype": config.dtype}
    if config.attn_implementation is not None:
        own["attn_implementation"] = config.attn_implementation
    args.model_init_kwargs = own | (args.model_init_kwargs or {})
    _check(config, args)
    return {"peft_config": get_peft_config(config), "quantization_config": get_quantization_config(config)}


def _check(config, args) -> None:
    quantized = config.load_in_4bit or config.load_in_8bit
    dtype = args.model_init_kwargs["dtype"]
    if not config.use_peft and quantized:
        raise UserError("load_in_4bit and load_in_8bit need an adapter: set use_peft: true in the recipe.")
    if not config.use_peft and dtype != "float32":
        raise UserError(
            f"the recipe loads the weights as {dtype}: rounding would lose the steps of small learning rates. Set "
            "dtype: float32 (bf16: true still computes in bfloat16), or use_peft: true."
        )
    if config.use_peft and os.environ.get("ACCELERATE_USE_FSDP") == "true":
        raise UserError(
            "use_peft does not work with FSDP here. Take config/accelerate/gpu.yaml, or set use_peft: false."
        )
    if quantized and args.device.type == "cpu":
        raise UserError(
            "load_in_4bit and load_in_8bit need a GPU: on a CPU bitsandbytes computes no gradient through quantized "
            "weights. Remove these keys from the recipe."
        )
    if find_spec("bitsandbytes") is None:
        if quantized:
            raise UserError(f"load_in_4bit or load_in_8bit {BITSANDBYTES} that key in the recipe.")
        if "8bit" in args.optim or "paged" in args.optim:
            raise UserError(f"optim: {args.optim.value} {BITSANDBYTES} optim in the recipe.")


def adapter_settings(config) -> dict:
    """Return the adapter's options, part of the identity of a run's checkpoints; {} in full fine-tuning."""
    return {"adapter": asdict(config)} if config.use_peft else {}


def keep_in_float32(model) -> None:
    """Keep the trained weights of ``model`` in float32.

    TRL rounds an adapter on quantized weights to bfloat16, whose steps are larger than many updates.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def merge(base: str, adapter: Path, folder: Path) -> None:
    """Write the model directory ``base`` with ``adapter`` merged into its weights, in float32, to ``folder``."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged = PeftModel.from_pretrained(plain, adapter).merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    AutoTokenizer.from_pretrained(adapter).save_pretrained(folder)


def quantization_error(model, base: str) -> float | None:
    """Return how far the quantized weights of ``model`` are from those of ``base``, or None without quantized ones.

    It is the root mean square of the differences divided by that of the weights. The adapter was trained on the
    quantized weights and is merged into the plain ones, so this is the change of its base.
    """
    import torch
    from peft.utils.integrations import dequantize_module_weight
    from transformers import AutoModelForCausalLM

    quantized = {
        name.removeprefix("base_model.model.").removesuffix(".base_layer"): module
        for name, module in model.named_modules()
        if type(getattr(module, "weight", None)).__name__ in ("Params4bit", "Int8Params")
    }
    if not quantized:
        return None
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    difference = size = 0.0
    with torch.no_grad():
        for name, module in quantized.items():
            weight = plain.get_submodule(name).weight
            difference += (dequantize_module_weight(module).float().cpu() - weight).square().sum().item()
            size += weight.square().sum().item()
    return math.sqrt(difference / size)
