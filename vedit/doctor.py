"""``vedit doctor``: what this machine has, and whether its attention kernels can be trusted."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

from vedit import __version__
from vedit.attention.kernels import AGREEMENT, KERNELS, best_kernel, disagreement
from vedit.backbone.dtypes import slowdown
from vedit.backbone.loading import DTYPES, choose_device, choose_dtype
from vedit.backbone.model_files import MINI
from vedit.config import cache_folder, default_model
from vedit.errors import VeditError

Rows = list[list[str]]

LIBRARIES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "av", "pydantic")

EXTRAS = {
    "xformers": ("xformers",),
    "cluster": ("ray",),
    "annotators": ("controlnet_aux", "timm", "torchvision"),
    "rtmpose": ("rtmlib",),
    "pose": ("mediapipe",),
}
"""Extras of the package, and what each brings."""


def examine() -> Iterator[tuple[str, Rows]]:
    """One table after another: title, rows. Nothing found here is an error; what does not work says why."""
    yield "versions", [["vedit", __version__], ["python", platform.python_version()], *_versions()]
    yield "devices", _devices()
    yield "attention kernels", _kernels()
    yield "extras", [[name, _extra(packages)] for name, packages in EXTRAS.items()]
    yield "models", [["default", _default_model()], ["mini", _mini()]]
    yield "cache", [[str(cache_folder()), _size(cache_folder())], ["free there", _free(cache_folder())]]


def _versions() -> Rows:
    return [[name, _version(name)] for name in LIBRARIES]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> Rows:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rows = [
        ["cpu", f"{cores} cores, {_memory():.0f} GiB, {torch.backends.cpu.get_cpu_capability()}"],
        ["threads", f"{torch.get_num_threads()} (OMP_NUM_THREADS), {_waiting()} (OMP_WAIT_POLICY)"],
        ["time there", f"{', '.join(_times(dtype) for dtype in DTYPES.values())} times as long as float32"],
    ]
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        free = torch.cuda.mem_get_info(index)[0] / 2**30
        rows.append([f"cuda:{index}", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB ({free:.0f} free)"])
    if torch.backends.mps.is_available():
        rows.append(["mps", "Apple GPU"])
    device = choose_device("auto")
    return [*rows, ["auto is", f"{device}, {_plain(choose_dtype('auto', device))}"]]


def _times(dtype: torch.dtype) -> str:
    return f"{_plain(dtype)} {slowdown(dtype):.1f}"


def _waiting() -> str:
    """What a thread does that has nothing to do while others work."""
    policy = os.environ.get("OMP_WAIT_POLICY", "").lower()
    return {"passive": "waiting without spinning", "active": "spinning while they wait"}.get(policy, "as OpenMP does")


def _memory() -> float:
    """GiB of main memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return 0.0


def _kernels() -> Rows:
    """Each kernel's largest difference from plain float32 arithmetic, in the numbers it would be used with."""
    device = choose_device("auto")
    dtype = choose_dtype("auto", device)
    rows = []
    for kernel in KERNELS:
        if kernel == "xformers" and find_spec("xformers") is None:
            rows.append([kernel, "not installed"])
            continue
        try:
            found = disagreement(kernel, device, dtype)
        except (VeditError, ImportError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:90]
            rows.append([kernel, f"does not run here: {reason}"])
            continue
        verdict = "agrees" if found <= AGREEMENT else f"DISAGREES (more than {AGREEMENT:g}): not used"
        rows.append([kernel, f"off by {found:.1e} in {_plain(dtype)} on {device}: {verdict}"])
    return [*rows, ["auto is", best_kernel(device, dtype)]]


def _extra(packages: tuple[str, ...]) -> str:
    present = [f"{name} {_version(name)}" for name in packages if find_spec(name) is not None]
    lacking = [name for name in packages if find_spec(name) is None]
    return ", ".join([*present, *(f"no {name}" for name in lacking)])


def _default_model() -> str:
    try:
        return default_model()
    except VeditError as error:
        return str(error)


def _mini() -> str:
    return f"present, {_size(MINI)}" if (MINI / "unet").is_dir() else f"missing from {MINI}: install vedit again"


def _size(folder: Path) -> str:
    try:
        if not folder.is_dir():
            return "not there yet"
        return f"{sum(each.stat().st_size for each in folder.rglob('*') if each.is_file()) / 1e6:.1f} MB"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _free(folder: Path) -> str:
    # os.path: unlike Path.exists, no for what lies in a closed folder
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.exists(each))  # noqa: PTH110
    return f"{shutil.disk_usage(there).free / 1e9:.0f} GB"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
