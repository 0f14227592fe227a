"""The key of a result: a hash of what it is made of, known before it is made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from pydantic import BaseModel

from vedit.graph.files import File

DIGEST = 16
"""Bytes of a key."""


@runtime_checkable
class HasIdentity(Protocol):
    """Settings of which not all count as they are."""

    def identity(self) -> Mapping[str, Any]:
        """What of them a result depends on."""


def digest(value: Any) -> str:
    """A hash of plain data, the same in every process. Raises TypeError for what has no plain form."""
    told = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=True)
    return blake2b(told.encode(), digest_size=DIGEST).hexdigest()


def plain(value: Any) -> Any:
    """``value`` as JSON can tell it without loss: numbers, texts, sequences, mappings, dataclasses, settings (pydantic
    models); tensors and arrays by a hash of their bytes; a path of what is there by a hash of what it holds. Raises
    TypeError for anything else."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}  # 1.0 is not 1, and no digit is lost
    if isinstance(value, Path):
        return {"file": File.of(value).digest} if value.exists() else {"path": str(value)}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted(json.dumps(plain(each), sort_keys=True) for each in value)}
    if isinstance(value, dict):
        return {"items": [[plain(key), plain(each)] for key, each in value.items()]}
    if isinstance(value, BaseModel):
        told = value.identity() if isinstance(value, HasIdentity) else dict(value)
        return {"settings": type(value).__name__, "of": plain(told)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.compare}
        return {"record": type(value).__name__, "of": plain(fields)}
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        return {"tensor": _bytes(value.flatten().view(torch.uint8).numpy()), "of": [*value.shape, str(value.dtype)]}
    if isinstance(value, np.ndarray) and value.dtype != object:
        return {"array": _bytes(np.ascontiguousarray(value)), "of": [*value.shape, str(value.dtype)]}
    if isinstance(value, (torch.dtype, torch.device)):
        return {"torch": str(value)}
    raise TypeError(f"{type(value).__name__} cannot be part of a stage's recipe; give it as numbers, texts or tensors")


def _bytes(array: np.ndarray) -> str:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return blake2b(flat.data, digest_size=DIGEST).hexdigest()  # its memory itself, of which no copy is made
