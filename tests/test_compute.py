"""Device, precision and threads: what is asked for, what `auto` becomes, and what is refused."""

import os
import platform
import subprocess
import sys
import threading

import pytest
import timm
import torch

from iad import compute
from iad.compute import available_memory
from iad.errors import IadError
from tests.process_state import process_state, unusual_settings


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def start(**settings):
    return compute.start(**({"device": "cpu", "precision": "fp32", "threads": 1, "seed": 0} | settings))


def test_what_is_asked_for_is_recorded():
    runtime = start(precision="bf16", threads=1)
    assert runtime.record() == {"device": "cpu", "hardware": "cpu", "precision": "bf16", "threads": 1}
    assert runtime.dtype is torch.bfloat16


def test_zero_threads_means_every_core_this_process_may_use():
    assert start(threads=0).threads == len(os.sched_getaffinity(0))


def test_auto_takes_bf16_only_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert start(precision="auto").precision == "fp32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert start(precision="auto").precision == "bf16"


def test_auto_takes_cuda_before_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert start(device="auto", precision="auto").device == "cuda"


def test_float64_is_computed_on_the_device_but_for_mps_which_has_none():
    devices = {name: compute.Runtime(name, "fp32", 1).float64_device for name in ("cpu", "cuda", "mps")}
    assert devices == {"cpu": "cpu", "cuda": "cuda", "mps": "cpu"}


def test_a_missing_device_is_refused_with_those_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(IadError, match=r"compute.device = cuda: not on this machine, which has .*cpu"):
        start(device="cuda")


def test_the_seed_decides_the_random_numbers_and_none_leaves_them():
    start(seed=3)
    first = torch.rand(4)
    start(seed=3)
    assert torch.equal(first, torch.rand(4))
    start(seed=4)
    assert not torch.equal(first, torch.rand(4))
    torch.manual_seed(3)
    start(seed=None)
    assert torch.equal(first, torch.rand(4))


def test_resolving_changes_nothing():
    with unusual_settings():
        before = process_state()
        runtime = compute.resolve(device="cpu", precision="bf16")
        assert process_state() == before
    assert runtime == compute.Runtime("cpu", "bf16", torch.get_num_threads())


def test_what_resolve_says_is_what_start_sets():
    assert start(device="auto", precision="auto") == compute.resolve()
    with pytest.raises(IadError, match=r"compute.device = tpu: not on this machine, which has .*cpu"):
        compute.resolve(device="tpu")


def test_cores_are_counted_without_pytorch():
    code = "import sys; from iad.compute import usable_cores; print(usable_cores(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(os.sched_getaffinity(0))), "False"]


def make(name):
    return timm.create_model(name, pretrained=False, num_classes=0).state_dict()


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "mobilevit_xxs"])
def test_own_random_numbers_are_those_after_a_seed_and_no_one_else_s(name):
    torch.manual_seed(5)
    expected, before = make(name), process_state()
    found = {}

    def own(seed):
        with compute.own_random_numbers(seed):
            found[seed] = make(name)

    threads = [threading.Thread(target=own, args=(seed,)) for seed in (5, 6, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(expected[key], tensor) for key, tensor in found[5].items())
    assert not all(torch.equal(expected[key], tensor) for key, tensor in found[6].items())
    assert process_state() == before


def test_lower_precision_computes_products_in_bf16_and_nothing_in_fp32():
    a = torch.rand(3, 3)
    with start(precision="bf16").lower_precision():
        assert (a @ a).dtype is torch.bfloat16
    with start(precision="fp32").lower_precision():
        assert (a @ a).dtype is torch.float32


KEPT = """
import re, sys, torch
from pathlib import Path
from iad import compute
from iad.compute import available_memory

def private():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

compute.start(device="cpu", precision="fp32", threads=1) if sys.argv[1] == "start" else compute.resolve()
before = private()
torch.ones(16, 2**20).sum()
print(private() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc")
@pytest.mark.parametrize(("call", "kept"), [("start", True), ("resolve", False)])
def test_a_stage_keeps_the_memory_of_a_tensor_for_the_next_one_and_a_library_call_does_not(call, kept):
    done = subprocess.run([sys.executable, "-c", KEPT, call], capture_output=True, text=True, check=True)
    assert (float(done.stdout) > 60) == kept  # MiB, of 64


def system(folder, available_kb, **groups):
    """A `/proc` and `/sys/fs/cgroup` of a process in the group `a/b`."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/meminfo").write_text(f"MemTotal: 9999 kB\nMemAvailable:    {available_kb} kB\n")
    (folder / "proc/self/cgroup").write_text("0::/a/b\n")
    for name, (most, used, cached) in groups.items():
        group = folder / "sys/fs/cgroup" / name.replace("_", "/")
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(f"{most}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    return folder


@pytest.mark.parametrize(
    ("groups", "bytes_left"),
    [
        ({}, 500 * 1024),
        ({"a_b": (100_000, 30_000, 2_000)}, 72_000),
        ({"a_b": ("max", 30_000, 0), "a": (60_000, 50_000, 0)}, 10_000),
        ({"a_b": (100_000, 130_000, 0)}, 0),
    ],
)
def test_memory_is_what_the_machine_and_every_control_group_leave(tmp_path, groups, bytes_left):
    assert available_memory(system(tmp_path, 500, **groups)) == bytes_left


def test_memory_that_no_system_tells_of_is_unknown(tmp_path):
    assert available_memory(tmp_path) is None
