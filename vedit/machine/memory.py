"""The memory of this machine: the most that this process has held of it, and how much more it may take."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STATUS = Path("/proc/self/status")
MEMINFO, CGROUPS, OWN_GROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def held_memory() -> int:
    """Bytes that this process has held at most, its program and libraries included."""
    try:
        # Not what getrusage says: there a process begins with what that which started it had held.
        return int(_told(STATUS)["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory() -> int | None:
    """Bytes that this process may take beside those it has: what the machine has left, and where it runs in a container
    or under a limit (Linux control groups), what that has left. None where neither can be told.
    """
    found = [each for each in (_of_machine(), _of_group()) if each is not None]
    return max(0, min(found)) if found else None


def free_gpu_memory(device: torch.device) -> int:
    """Bytes that this process may take of a CUDA device: what is free there, and what PyTorch holds on to for later."""
    import torch  # seconds to import

    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def _of_machine() -> int | None:
    try:
        return int(_told(MEMINFO)["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _told(file: Path) -> dict[str, str]:
    """What a file of lines says, by the names that they begin with."""
    return dict(line.split(":", 1) for line in file.read_text().splitlines())


def _of_group() -> int | None:
    """What the tightest of the control groups that this process is in has left."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        lines = []
    left = []
    for line in lines or ["0::/"]:
        _, kinds, own = line.split(":", 2)
        if kinds == "":
            root, limit, usage, cache = CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in kinds.split(","):
            root = CGROUPS / "memory"
            limit, usage, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        inner = root / own.lstrip("/")
        folders = [each for each in (inner, *inner.parents) if each.is_relative_to(root)]
        left += [_left(folder, limit, usage, cache) for folder in folders]
    return min((each for each in left if each is not None), default=None)


def _left(folder: Path, limit: str, usage: str, cache: str) -> int | None:
    """Of one control group; its page cache counts as left, since it gives way."""
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return most - used + int(told.get(cache, 0))
    except (OSError, ValueError):  # "max": no limit
        return None
