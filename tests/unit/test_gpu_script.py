"""The script for a machine with a GPU: all its steps with a tiny model on the CPU, and its table."""

import subprocess
import sys

import pytest
from conftest import ROOT

sys.path[:0] = [str(ROOT / "tests/bench"), str(ROOT / "tests/gpu")]
import bench  # noqa: E402
import measure_gpu  # noqa: E402


def run(*words):
    script = ROOT / "tests/gpu/measure_gpu.py"
    return subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_every_section_runs_with_a_tiny_model_on_the_cpu():
    before = (ROOT / "tests/bench/results.json").read_bytes()
    done = run("--size", "tiny", "--device", "cpu")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line[0] for line in lines] == list(measure_gpu.SECTIONS)
    measured = {line[0]: float(line[4].replace(",", "")) for line in lines if line[4]}
    assert set(measured) == {"sft_lora", "sft_full", "dpo_lora", "dpo_full", "vllm"}
    assert min(measured.values()) > 0
    assert (ROOT / "tests/bench/results.json").read_bytes() == before


def test_a_machine_without_a_gpu_is_named_in_one_line(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = run()
    assert done.returncode == 1
    assert done.stderr.startswith("PyTorch finds no GPU.")
    assert done.stderr.count("\n") == 1
    assert "--size tiny --device cpu" in done.stderr


def test_a_part_of_a_model_has_its_first_layers_and_their_share_of_the_parameters(tmp_path):
    whole = measure_gpu.save_model(tmp_path / "whole", "tiny", "cpu")
    part = measure_gpu.part_of_model(whole, tmp_path / "part", 1)
    from transformers import AutoModelForCausalLM

    parameters, of_layer, layers = measure_gpu.size_of(whole)
    norms = 2 * 64
    assert layers == 2
    assert AutoModelForCausalLM.from_pretrained(part).num_parameters() == parameters - of_layer - norms


def test_the_page_has_a_table_of_the_gpu_or_says_that_there_is_none():
    assert "Not run yet" in bench.render({})
    row = measure_gpu.row("DPO, LoRA", 60.0, "32 layers", tokens_per_second=4321.0, memory_gb=25.04, share=0.412)
    section = {"rows": [row], "date": "2026-01-02", "machine": {"gpu": "H100, 85 GB", "versions": {"torch": "2.13"}}}
    text = bench.render({"gpu": {"dpo_lora": section}})
    assert "| dpo_lora | DPO, LoRA | H100, 85 GB | 60 | 4,321 | 25 GB | 41% | 32 layers |" in text
    assert "2026-01-02 to 2026-01-02; torch 2.13." in text
