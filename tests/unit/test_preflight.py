"""The check of a compute node: its findings and messages."""

import sys
from types import SimpleNamespace

import pytest
import torch
from preflight import check_node

H100 = "NVIDIA H100 80GB HBM3, {}, 81559 MiB"


@pytest.mark.parametrize(
    ("listed", "output"),
    [
        (None, "no NVIDIA driver or no GPU"),
        ("", "no NVIDIA driver or no GPU"),
        (H100.format("535.183.06"), "driver 535.183.06 is too old: PyTorch's CUDA 13 builds need 580"),
        (H100.format("580.82.07"), None),
        ("\n".join(H100.format(version) for version in ("590.1", "570.2")), "driver 570.2 is too old"),
    ],
)
def test_drivers(listed, output):
    faults = check_node.driver_faults(listed)
    assert [output in fault for fault in faults] == ([True] if output else [])


def test_compilers(monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    assert check_node.compiler_faults() == []  # this machine has one: vLLM needs it
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho no headers >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    assert "fails: no headers" in check_node.compiler_faults()[0]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no C compiler" in check_node.compiler_faults()[0]
    assert "gxx_linux-64" in check_node.compiler_faults()[0]


def test_scratch(tmp_path):
    assert check_node.scratch_faults(str(tmp_path), 0) == []
    assert "Set `tmpdir`" in check_node.scratch_faults(str(tmp_path), 1e9)[0]


def test_packages():
    assert check_node.import_faults(["torch"]) == []
    assert "no_such_package cannot be imported" in check_node.import_faults(["no_such_package"])[0]


def cards(count, capability=(9, 0)):
    """Return a stand-in for torch with this machine's CPU as its GPUs."""
    cuda = SimpleNamespace(
        device_count=lambda: count,
        get_device_name=lambda device: "Card",
        get_device_capability=lambda device: capability,
    )

    class OnCpu(torch.Tensor):
        def to(self, device, dtype):
            return torch.Tensor.to(self.as_subclass(torch.Tensor), dtype)

    randn = lambda *shape, generator: torch.randn(*shape, generator=generator).as_subclass(OnCpu)  # noqa: E731
    return SimpleNamespace(cuda=cuda, randn=randn, Generator=torch.Generator, bfloat16=torch.bfloat16)


def test_cards():
    assert check_node.card_faults(cards(2), 2) == []
    assert "sees 1 GPUs but requested 2" in check_node.card_faults(cards(1), 2)[0]
    assert "does not compute in bfloat16" in check_node.card_faults(cards(1, (7, 0)), 1)[0]


def test_all_faults_are_one_message(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(check_node, "list_gpus", lambda: None)
    monkeypatch.setenv("CC", "/nowhere/cc")
    output = tmp_path / "engine.txt"
    with pytest.raises(SystemExit):
        check_node.main(
            SimpleNamespace(
                log=[], rule="check_engine_node", output=[output], params=SimpleNamespace(packages=["no_such"], gpus=1)
            )
        )
    printed = capfd.readouterr().err
    assert "no NVIDIA driver" in printed
    assert "/nowhere/cc does not run" in printed
    assert "no_such cannot be imported" in printed
    assert not output.exists()


def test_a_node_that_can_says_always_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(check_node, "list_gpus", lambda: H100.format("580.82.07"))
    monkeypatch.setitem(sys.modules, "torch", cards(1))
    output = tmp_path / "engine.txt"
    check_node.main(
        SimpleNamespace(
            log=[], rule="check_engine_node", output=[output], params=SimpleNamespace(packages=["numpy"], gpus=1)
        )
    )
    assert output.read_text() == "checked\n"
