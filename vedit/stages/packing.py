"""Results as tensors, for the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vedit.mapped import in_chunks, room_for


def json_tensor(value: Any) -> Tensor:
    """Plain data as the bytes of its JSON (L,) uint8."""
    return torch.tensor(list(json.dumps(value, sort_keys=True).encode()), dtype=torch.uint8)


def from_json_tensor(packed: Tensor) -> Any:
    return json.loads(bytes(packed.tolist()))


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under longer names."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the tensors whose names begin so, under their own names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def narrow(frames: Tensor) -> Tensor:
    """Frames (F, 3, H, W) of 8 bits as such, which most are; others as they are."""
    levels = room_for(frames.shape, torch.uint8)
    for chunk in in_chunks(len(frames), frames, levels):
        levels[chunk] = (frames[chunk] * 255).round().to(torch.uint8)
        if not torch.equal(levels[chunk].float() / 255, frames[chunk]):
            return frames
    return levels


def wide(packed: Tensor) -> Tensor:
    """What ``narrow`` was given, to the bit."""
    if packed.dtype != torch.uint8:
        return packed
    frames = room_for(packed.shape)
    for chunk in in_chunks(len(packed), packed, frames):
        frames[chunk] = packed[chunk].float() / 255
    return frames
