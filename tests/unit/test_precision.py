"""The rule `dtype: auto`, on simulated CPUs and GPUs."""

import pytest

from metarewarding.engines import precision
from metarewarding.engines.precision import cpu_flags, resolve_dtype
from metarewarding.errors import UserError

AVX2 = {"fma", "avx2"}


@pytest.fixture
def machine(monkeypatch):
    """Set the flags of the CPU and the number of GPUs."""
    import torch

    def set_up(flags, gpus=0):
        monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    return set_up


@pytest.mark.parametrize(
    ("flags", "gpus", "dtype"),
    [
        (AVX2, 0, "float32"),
        (AVX2 | {"avx512f", "avx512_vnni"}, 0, "float32"),
        (AVX2 | {"avx512f", "avx512_bf16"}, 0, "bfloat16"),
        (AVX2 | {"amx_bf16", "amx_tile"}, 0, "bfloat16"),
        (AVX2, 1, "bfloat16"),
        ((), 8, "bfloat16"),
        ((), 0, "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_hardware_computes_it(machine, flags, gpus, dtype):
    machine(flags, gpus)
    assert resolve_dtype("auto") == dtype


def test_work_on_the_cpu_of_a_machine_with_gpus_follows_the_cpu(machine):
    machine(AVX2, gpus=1)
    assert resolve_dtype("auto", gpu=False) == "float32"
    machine(AVX2)
    assert resolve_dtype("auto", gpu=True) == "bfloat16"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_named_type_overrides_the_rule(machine, dtype):
    for flags in (AVX2, {"avx512_bf16"}):
        machine(flags)
        assert resolve_dtype(dtype) == dtype


@pytest.mark.parametrize("dtype", ["bf16", "", "Auto"])
def test_an_unknown_type_is_refused(dtype):
    with pytest.raises(UserError, match=r"is not supported\. Use auto, bfloat16, float16 or float32\."):
        resolve_dtype(dtype)


def test_flags_are_read_as_whole_words_of_the_first_cpu(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2 avx512_bf16\nbugs\t\t: amx_bf16\n"
        "processor\t: 1\nflags\t\t: fpu\n"
    )
    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "avx512_bf16"}
    cpuinfo.write_text("processor\t: 0\n")
    assert cpu_flags(cpuinfo) == frozenset()
    assert cpu_flags(tmp_path / "absent") == frozenset()
