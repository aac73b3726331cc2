"""What the machine has and what follows from it, on this machine and on made-up ones."""

from pathlib import Path

import psutil
import pytest
import torch

from engine.errors import ParameterError
from engine.models import hardware
from engine.models.hardware import Accelerator


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "accelerators", tuple)


def with_card(monkeypatch: pytest.MonkeyPatch, *cards: Accelerator) -> None:
    monkeypatch.setattr(hardware, "accelerators", lambda: cards)


def test_the_machine_has_cores_and_memory() -> None:
    machine = hardware.describe()
    assert machine.cpu_cores >= 1
    assert 0 < machine.memory_free_bytes <= machine.memory_bytes <= psutil.virtual_memory().total


def test_a_containers_limit_counts_rather_than_the_hosts_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("400000\n")
    monkeypatch.setattr(hardware, "_CGROUP_LIMITS", (tmp_path / "max",))
    monkeypatch.setattr(hardware, "_CGROUP_USES", (tmp_path / "current",))
    machine = hardware.describe()
    assert (machine.memory_bytes, machine.memory_free_bytes) == (1_000_000, 600_000)


def test_no_limit_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "max").write_text("max\n")
    monkeypatch.setattr(hardware, "_CGROUP_LIMITS", (tmp_path / "max", tmp_path / "absent"))
    assert hardware.describe().memory_bytes == psutil.virtual_memory().total


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("flag", "name"), [("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512")])
def test_a_cpu_with_bfloat16_instructions_uses_them_and_says_so(
    flag: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware._best_on_cpu.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True})
    choice = hardware.choose()
    hardware._best_on_cpu.cache_clear()
    assert choice.precision == "bfloat16"
    assert name in choice.reason


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("bfloat16_seconds", "precision"), [(0.5, "bfloat16"), (0.95, "float32"), (1.0, "float32"), (2.0, "float32")]
)
def test_another_cpu_runs_a_race_that_bfloat16_must_win_clearly(
    bfloat16_seconds: float, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware._best_on_cpu.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(hardware, "_race", {torch.float32: 1.0, torch.bfloat16: bfloat16_seconds}.__getitem__)
    choice = hardware.choose()
    hardware._best_on_cpu.cache_clear()
    assert choice.precision == precision


def test_free_memory_is_asked_of_the_kind_of_device_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    free = hardware.describe().memory_free_bytes
    assert hardware.free_bytes(torch.device("cpu")) == pytest.approx(free, rel=0.2)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 5_000)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2_000)
    assert hardware.free_bytes(torch.device("mps")) == 3_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (700, 9_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert hardware.free_bytes(torch.device("cuda:1")) == 730  # what torch holds and does not use is free too


def test_the_first_of_several_gpus_is_not_called_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Accelerator(f"cuda:{i}", f"Card {i}", 10**9, (8 + i, 0)) for i in range(2))
    with_card(monkeypatch, first, second)
    assert hardware.choose().reason.startswith("On Card 0, the first GPU of this machine")
    with_card(monkeypatch, first)
    assert hardware.choose().reason.startswith("On Card 0, the GPU of this machine")


def test_the_race_is_short() -> None:
    assert hardware._race(torch.float32) < 1.0


@pytest.mark.usefixtures("no_gpu")
def test_the_choice_is_the_same_each_time() -> None:
    assert len({hardware.choose().precision for _ in range(5)}) == 1


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "bfloat16"), ((7, 5), "float32")])
def test_a_gpu_is_preferred_and_its_age_decides_the_precision(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_card(monkeypatch, Accelerator("cuda:0", "Some GPU", 80_000_000_000, capability))
    choice = hardware.choose()
    assert (str(choice.device), choice.precision) == ("cuda:0", precision)
    assert "Some GPU" in choice.reason


def test_the_second_gpu_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Accelerator(f"cuda:{number}", f"GPU {number}", 1, (9, 0)) for number in range(2)]
    with_card(monkeypatch, *cards)
    assert str(hardware.choose(device="cuda:1").device) == "cuda:1"
    assert str(hardware.choose(device="cuda").device) == "cuda:0"


@pytest.mark.usefixtures("no_gpu")
def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    with pytest.raises(ParameterError, match=r"no device 'cuda'\. It has cpu"):
        hardware.choose(device="cuda")


def test_quantised_layers_are_refused_where_they_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with_card(monkeypatch, Accelerator("mps", "Apple GPU", 1, None))
    with pytest.raises(ParameterError, match="nf4 does not run on an Apple GPU"):
        hardware.choose("nf4")
    assert hardware.choose("nf4", "cpu").precision == "nf4"


@pytest.mark.usefixtures("no_gpu")
def test_a_precision_that_was_asked_for_is_given_and_the_reason_says_so() -> None:
    assert hardware.choose("float32").reason.endswith("float32 was asked for.")
    with pytest.raises(ParameterError, match="Choose auto, float32, bfloat16, int8, nf4"):
        hardware.choose("float16")


@pytest.mark.gpu
def test_a_real_gpu_is_found_and_used() -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    assert hardware.choose().device.type == "cuda"
    assert hardware.accelerators()[0].memory_bytes > 0
