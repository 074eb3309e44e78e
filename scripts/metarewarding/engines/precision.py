"""Which floating-point type the engine and training compute in."""

from pathlib import Path

from metarewarding.errors import UserError

DTYPES = ("bfloat16", "float16", "float32")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def resolve_dtype(dtype: str, gpu: bool | None = None) -> str:
    """Return the name of the type that ``dtype`` means on this machine.

    "auto" is bfloat16 on a GPU and on a CPU that multiplies bfloat16 matrices in hardware, float32 elsewhere: a CPU
    with AVX2 alone computes bfloat16 at 1/60 of the speed of float32. Any other type is returned as it is.
    ``gpu``: whether the work runs on a GPU; with None, whether PyTorch finds one. Raise UserError where
    ``dtype`` is not the name of a type.
    """
    if dtype in DTYPES:
        return dtype
    if dtype != "auto":
        raise UserError(f"dtype: {dtype!r} is not supported. Use auto, {', '.join(DTYPES[:-1])} or {DTYPES[-1]}.")
    if gpu is None:
        import torch

        # not is_available(), which initialises CUDA, so that vLLM's forked workers could not use it
        gpu = torch.cuda.device_count() > 0
    return "bfloat16" if gpu or cpu_flags() & _BFLOAT16_FLAGS else "float32"


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the instruction sets of the CPU by their Linux names; empty where they are unknown."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
