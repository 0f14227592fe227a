"""Running a network in less memory: layers that treat each frame by itself take a few frames at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

FRAMES_PER_CHUNK = 4
"""Frames, of all branches, that such a layer takes at a time."""

T = TypeVar("T")


class ChunkedOnOutOfMemory:
    """Runs one network whole, and in chunks of frames where the memory of its device does not suffice for that."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._too_large: float = math.inf

    def __call__(self, size: int, run: Callable[[], T]) -> T:
        """``run``, which runs the network on an input of so many numbers and has no effect but its result.

        What was once too large is not tried again. With gradients it runs once, whole: pieces would save nothing, since
        each keeps its activations. Raises OutOfMemoryError where the pieces are too large as well.
        """
        if torch.is_grad_enabled():
            return run()
        if size < self._too_large:
            try:
                return run()
            except torch.OutOfMemoryError:
                self._too_large = size
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
        with in_chunks(self._net):
            return run()


@contextmanager
def in_chunks(net: nn.Module) -> Iterator[None]:
    """Within the block, the layers of ``net`` that hold most memory take ``ROWS`` of a batch at a time: resnets,
    feed-forward layers and resampling, none of which looks from one frame to another. A layer with hooks inside, such
    as those that take a norm's statistics over the clip, stays whole.
    """
    from diffusers.models.attention import FeedForward
    from diffusers.models.downsampling import Downsample2D
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.upsampling import Upsample2D

    kinds = (ResnetBlock2D, FeedForward, Upsample2D, Downsample2D)
    cut = [each for each in net.modules() if isinstance(each, kinds) and not _hooked(each)]
    before = [vars(module).get("forward") for module in cut]
    try:
        for module in cut:
            vars(module)["forward"] = partial(_by_rows, module.forward, FRAMES_PER_CHUNK)
        yield
    finally:
        for module, own in zip(cut, before, strict=True):
            if own is None:
                vars(module).pop("forward", None)
            else:
                vars(module)["forward"] = own


def _hooked(module: nn.Module) -> bool:
    inner = (each for each in module.modules() if each is not module)
    return any(each._forward_hooks or each._forward_pre_hooks for each in inner)


def _by_rows(forward: Callable[..., Tensor], rows: int, x: Tensor, *others: Any, **named: Any) -> Tensor:
    """``forward`` of a batch ``x`` (B, ...), and of what else has B rows, a few rows at a time."""
    count, whole = len(x), None
    for start in range(0, count, rows):
        few = slice(start, start + rows)

        def cut(value: Any, few: slice = few) -> Any:
            return value[few] if isinstance(value, Tensor) and value.ndim and len(value) == count else value

        part = forward(x[few], *map(cut, others), **{name: cut(value) for name, value in named.items()})
        if whole is None:
            whole = part.new_empty(count, *part.shape[1:])
        whole[few] = part
    assert whole is not None
    return whole
