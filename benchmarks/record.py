"""Figures kept as JSON, with what they were measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def record(path: Path, figures: Any) -> None:
    """Write ``figures`` with the commit, the machine and the versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"commit": commit(), "machine": machine(), "torch": str(torch.__version__), "figures": figures}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """The commit of this checkout; with a plus where files differ from it. Empty outside of one."""
    place = Path(__file__).parent.parent
    try:
        head, changes = (
            subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head}+" if changes else head


def machine() -> str:
    """The processor, how many cores of it there are, and the GPU if there is one."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{names[0] if names else platform.processor()}, {cores} cores{gpu}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
