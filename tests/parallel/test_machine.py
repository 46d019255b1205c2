"""The cores and the memory that a process may use."""

from __future__ import annotations

import math
import os

import pytest

from asr.parallel import machine


@pytest.mark.parametrize(
    ("quota", "wanted"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("", 8), ("nonsense", 8)],
)
def test_cores(monkeypatch, tmp_path, quota, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert machine.cores() == wanted


def test_cores_without_control_groups(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "none")
    assert machine.cores() == 2


def test_free_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.free_bytes() == math.inf
    (tmp_path / "meminfo").write_text("MemTotal:  9999 kB\nMemAvailable:   2048 kB\n")
    assert machine.free_bytes() == 2048 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.free_bytes() == 2048 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    assert machine.free_bytes() == 1_000_000


def test_the_machine_is_described(tmp_path):
    found = machine.describe()
    assert found["cores"] == machine.cores() and found["memory_gb"] > 0.1
    assert {"python", "torch", "system"} <= set(found)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nmodel name\t: Some  CPU: 2 GHz\nmodel name\t: other\n")
    assert machine.cpu_model(cpuinfo) == "Some CPU: 2 GHz"
    assert machine.cpu_model(tmp_path / "none") == ""
