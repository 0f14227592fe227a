"""Results of long clips in files rather than in memory: tensors whose pages come when they are looked at, and go again.

A tensor that ``room_for`` makes is like any other. Where it is large it lies in a file without a name, which is gone
with it, also when the process is killed. The system brings in what is looked at and lets go of it where memory is
wanted; ``let_go`` does so at once, and ``in_chunks`` as it goes.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakValueDictionary

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

LARGE = 4 * 2**20
"""Bytes from which on a result lies in a file."""

CHUNK = 8
"""Frames that are worked on at a time."""

PART = 8 * 2**20
"""Bytes that are written, or looked through, at a time."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Kinds of numbers by their names in safetensors files."""

CPU = torch.device("cpu")

_maps: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()
"""What lies in files, by where in memory each tensor begins."""


def scratch_folder() -> str:
    """Where such files lie: $TMPDIR, else /var/tmp, which unlike /tmp is never in memory."""
    large = os.environ.get("TMPDIR") or "/var/tmp"
    return large if os.access(large, os.W_OK | os.X_OK) else tempfile.gettempdir()


def is_large(size: int) -> bool:
    """Whether a result of so many bytes is not read into memory whole."""
    return size >= LARGE


def lies_in_file(size: int) -> bool:
    """Whether a tensor of so many bytes, on the CPU, lies in a file while it is worked on."""
    return is_large(size) and hasattr(os, "posix_fallocate")


def room_for(shape: Sequence[int], dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Tensor:
    """An empty tensor to be filled; on the CPU in a file, where it is large and the disk has room for it."""
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or not lies_in_file(size):
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    try:
        with tempfile.TemporaryFile(dir=scratch_folder()) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # what is not there would be missed when it is written
            mapped = mmap.mmap(file.fileno(), size)
    except OSError:
        return torch.empty(tuple(shape), dtype=dtype)
    return _tensor(mapped, 0, shape, dtype)


def room_in_file(path: Path, name: str, shape: Sequence[int], metadata: Mapping[str, str]) -> tuple[Tensor, bool]:
    """A tensor of float32 in a safetensors file of its own, which holds whatever is written into it; and whether the
    file is new. A file that was made for just this before is taken as it is. Raises OSError."""
    if not hasattr(os, "posix_fallocate"):
        raise OSError("files of this system cannot be given room before they are written")
    beginning = _beginning({name: torch.empty(tuple(shape), device="meta")}, metadata)
    size = len(beginning) + math.prod(shape) * 4
    try:
        there = path.stat().st_size == size
    except FileNotFoundError:
        there = False
    with path.open("r+b" if there else "w+b") as file:
        if new := not (there and file.read(len(beginning)) == beginning):
            file.truncate(0)
            os.posix_fallocate(file.fileno(), 0, size)
            file.seek(0)
            file.write(beginning)
            file.flush()
        mapped = mmap.mmap(file.fileno(), size)
    return _tensor(mapped, len(beginning), shape, torch.float32), new


def let_go(*tensors: Tensor | None) -> None:
    """Free the memory of what lies in files; it stays there. Nothing happens to other tensors."""
    for tensor in tensors:
        mapped = None if tensor is None else _map_of(tensor)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def to_disk(*tensors: Tensor) -> None:
    """See that what lies in files of their own is on the disk, also for a machine that loses its power."""
    for tensor in tensors:
        if (mapped := _map_of(tensor)) is not None:
            mapped.flush()


def same_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one, number by number."""
    return (one.data_ptr(), one.shape, one.stride(), one.dtype) == (
        other.data_ptr(), other.shape, other.stride(), other.dtype,
    )  # fmt: skip


def _map_of(tensor: Tensor) -> mmap.mmap | None:
    """The file that a tensor, or what it is a view of, lies in."""
    return _maps.get(tensor.untyped_storage().data_ptr()) if tensor.device.type == "cpu" else None


def in_chunks(frames: int, *looked_at: Tensor | None, size: int | None = None) -> Iterator[slice]:
    """A clip's frames in stretches side by side; after each, what is looked at is let go of where it lies in a file."""
    size = size or CHUNK
    for first in range(0, frames, size):
        yield slice(first, min(first + size, frames))
        let_go(*looked_at)


def drawn_in_chunks(draw: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """What ``draw`` makes of the same few frames of each of the tensors (F, ...), put together again: (F, ...). Its
    result has to be the same however many these are."""
    made: Tensor | None = None
    for cut in in_chunks(len(given[0]), *given):
        part = draw(*(each[cut] for each in given))
        if made is None:
            made = room_for((len(given[0]), *part.shape[1:]), part.dtype, part.device)
        made[cut] = part
        let_go(made)
    assert made is not None, "a clip has a frame"
    return made


def stacked(rows: Iterable[Sequence[Tensor]], count: int) -> tuple[Tensor, ...]:
    """The tensors of so many frames, one or more of each frame, put together as they come: (F, ...) each."""
    rooms: tuple[Tensor, ...] = ()
    for index, row in enumerate(rows):
        rooms = rooms or tuple(room_for((count, *each.shape), each.dtype) for each in row)
        for room, each in zip(rooms, row, strict=True):
            room[index] = each
        if index % CHUNK == 0:
            let_go(*rooms)
    return rooms


def picked(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """The frames of a tensor (F, ...) that have these indices: (K, ...)."""
    found = room_for((len(rows), *tensor.shape[1:]), tensor.dtype, tensor.device)
    for number, row in enumerate(rows):
        found[number] = tensor[row]
        if number % CHUNK == 0:
            let_go(found, tensor)
    return found


def copied(tensor: Tensor) -> Tensor:
    """A copy of a tensor (F, ...), to be changed."""
    (copy,) = stacked(((each,) for each in tensor), len(tensor))
    return copy


def read_whole(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a safetensors file, which large ones stay in; None for one that is not there, or is damaged, which
    is then removed."""
    try:
        with safe_open(path, "pt") as file:  # which finds what is damaged
            if is_large(path.stat().st_size):
                return read_tensors(path)
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError):
        with suppress(OSError):
            path.unlink()
        return None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file that was found to be whole; they stay in it."""
    with path.open("rb") as file:
        told, begin = _header(file)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    told.pop("__metadata__", None)
    return {
        name: _tensor(mapped, begin + each["data_offsets"][0], each["shape"], DTYPES[each["dtype"]])
        for name, each in told.items()
    }


def file_size(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """Bytes of the file that ``write_tensors`` writes."""
    return len(_beginning(tensors, metadata)) + sum(tensor.nbytes for tensor in tensors.values())


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file bit by bit, so that it is never whole in memory. Raises OSError."""
    with path.open("wb") as file:
        file.write(_beginning(tensors, metadata))
        for _, tensor in _in_order(tensors):
            content = tensor.detach().contiguous().flatten().view(torch.uint8)
            for part in content.split(PART):
                file.write(part.numpy().data)
                let_go(tensor)


def _in_order(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The widest numbers first, so that each begins at a multiple of its width."""
    return sorted(tensors.items(), key=lambda each: (-each[1].dtype.itemsize, each[0]))


def _beginning(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What a safetensors file says it holds, with its length before it."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    told: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in _in_order(tensors):
        begin, end = end, end + tensor.nbytes
        told[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    header = json.dumps(told, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """What a safetensors file says it holds, and where in it that begins."""
    length = int.from_bytes(file.read(8), "little")
    return json.loads(file.read(length)), 8 + length


def _tensor(mapped: mmap.mmap, begin: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    count = math.prod(shape)
    if count == 0:
        return torch.empty(tuple(shape), dtype=dtype)
    tensor = torch.frombuffer(mapped, dtype=dtype, count=count, offset=begin).view(tuple(shape))
    _maps[tensor.untyped_storage().data_ptr()] = mapped
    return tensor
