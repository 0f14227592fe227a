"""What is free of a machine's memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vedit.machine import memory as machine_memory


def test_a_process_holds_something_and_some_is_free() -> None:
    assert machine_memory.held_memory() > 10 * 2**20
    free = machine_memory.free_memory()
    assert free is None or free > 0


def test_what_started_a_process_had_held_does_not_count() -> None:
    held = bytearray(200 * 2**20)
    ask = "from vedit.machine.memory import held_memory; print(held_memory())"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert int(said) < len(held) < machine_memory.held_memory()


def test_a_control_groups_limit_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   8000000 kB\n")
    monkeypatch.setattr(machine_memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine_memory, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine_memory, "OWN_GROUPS", tmp_path / "cgroup")
    assert machine_memory.free_memory() == 8_000_000 * 1024, "no group at all"

    (tmp_path / "cgroup").write_text("0::/outer/inner\n")
    for name, limit in {"": "max", "outer": "3000000000", "outer/inner": "max"}.items():
        folder = tmp_path / "groups" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text("1000000000")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    assert machine_memory.free_memory() == 2_500_000_000, "what is only cached counts as free"

    (tmp_path / "cgroup").write_text("4:cpu,memory:/box\n0::/\n")
    folder = tmp_path / "groups" / "memory" / "box"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("1000")
    (folder / "memory.usage_in_bytes").write_text("2000")
    (folder / "memory.stat").write_text("total_inactive_file 10\n")
    assert machine_memory.free_memory() == 0
