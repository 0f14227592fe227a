"""One ``attend`` over three kernels: xformers, PyTorch's scaled_dot_product_attention, and plain arithmetic."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.errors import DeviceError

Kernel = Literal["xformers", "sdpa", "math"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)

LARGEST_GRID = 65_535
"""CUDA kernels fail when batch x heads reaches 65,536 (a grid dimension); longer batches are cut below it."""

AGREEMENT = 2e-2
"""Largest difference, relative to the largest value, at which a kernel in half precision counts as agreeing."""


def attend(query: Tensor, key: Tensor, value: Tensor, kernel: Kernel = "sdpa") -> Tensor:
    """softmax(q k^T / sqrt(d)) v.

    ``query`` (B, heads, T, d); ``key`` and ``value`` (B, heads, S, d). Returns (B, heads, T, d) in the query's dtype.
    """
    if kernel not in KERNELS:
        raise DeviceError(f"unknown attention kernel '{kernel}'; expected one of {', '.join(KERNELS)}.")
    run = {"xformers": _xformers, "sdpa": _sdpa, "math": _math}[kernel]
    batch, heads = query.shape[:2]
    most = max(1, LARGEST_GRID // heads)
    if batch <= most:
        return run(query, key, value)
    pieces = zip(query.split(most), key.split(most), value.split(most), strict=True)
    return torch.cat([run(*piece) for piece in pieces])


def _sdpa(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def _math(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (weights(query, key) @ value.float()).to(query.dtype)


def weights(query: Tensor, key: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) in float32, (B, heads, T, S).

    ``query`` (B, heads, T, d); ``key`` (B, heads, S, d).
    """
    return (query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(dim=-1)


def _xformers(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    from xformers.ops import memory_efficient_attention

    heads_last = (tensor.transpose(1, 2).contiguous() for tensor in (query, key, value))
    try:
        return memory_efficient_attention(*heads_last).transpose(1, 2)
    except NotImplementedError as error:
        raise DeviceError(
            f"xformers has no kernel for {query.dtype} with heads of {query.shape[-1]} on {query.device.type}; "
            "use --kernel sdpa."
        ) from error


def disagreement(kernel: Kernel, device: torch.device, dtype: torch.dtype) -> float:
    """Largest difference from plain float32 arithmetic, relative to the largest value, on one small random case.

    A build of xformers that does not fit the torch beside it can give wrong numbers without an error, so a kernel is
    compared once before it is trusted.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (2, 8, 77, 40)
    query, key, value = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3))
    expected = _math(query.float(), key.float(), value.float())
    found = attend(query, key, value, kernel).float()
    return float((found - expected).abs().max() / expected.abs().max())


@cache
def best_kernel(device: torch.device, dtype: torch.dtype) -> Kernel:
    """xformers on CUDA when it is installed and agrees numerically, else sdpa."""
    if device.type == "cuda" and find_spec("xformers") is not None:
        try:
            if disagreement("xformers", device, dtype) <= AGREEMENT:
                return "xformers"
        except (DeviceError, ImportError, RuntimeError):
            # Installed but unusable here is an ordinary state of this machine; `vedit doctor` shows the reason.
            return "sdpa"
    return "sdpa"


def choose_kernel(wanted: str, device: torch.device, dtype: torch.dtype) -> Kernel:
    """The kernel to use for "auto" or a name.

    Raises DeviceError for an unknown name and for xformers where it cannot run.
    """
    if wanted == "auto":
        return best_kernel(device, dtype)
    for kernel in KERNELS:
        if kernel == wanted:
            if kernel == "xformers" and (device.type != "cuda" or find_spec("xformers") is None):
                raise DeviceError(
                    "the kernel xformers needs a CUDA device and `pip install vedit[xformers]`; "
                    f"this is {device.type}: use --kernel sdpa."
                )
            return kernel
    raise DeviceError(f"unknown attention kernel '{wanted}'; expected auto, {', '.join(KERNELS)}.")
