"""Tensors in files are like others, and their memory can be freed at any time."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.jobs.edits import edited
from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.clip import read_clip
from vedit.graph import Store
from vedit.mapped import (
    copied,
    drawn_in_chunks,
    file_size,
    in_chunks,
    let_go,
    picked,
    read_tensors,
    read_whole,
    room_for,
    room_in_file,
    same_memory,
    stacked,
    to_disk,
    write_tensors,
)


@pytest.fixture
def _all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every result lies in a file."""
    monkeypatch.setattr(mapped, "LARGE", 0)


@pytest.mark.usefixtures("_all_large")
def test_what_lies_in_a_file_stays_when_it_is_let_go_of() -> None:
    gc.collect()
    before, plain = len(mapped._maps), torch.rand(5, 3, 40, 40)
    tensor = room_for((5, 3, 40, 40))
    tensor.copy_(plain)
    view = tensor[2:4]
    let_go(tensor, plain, None, view)
    assert torch.equal(tensor, plain)
    assert torch.equal(view, plain[2:4])
    assert len(mapped._maps) == before + 1
    del tensor, view
    gc.collect()
    assert len(mapped._maps) == before


def test_small_results_are_held_in_memory() -> None:
    before = len(mapped._maps)
    assert room_for((2, 3), torch.bool).dtype == torch.bool
    assert len(mapped._maps) == before


@pytest.mark.usefixtures("_all_large")
def test_without_room_on_the_disk_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    before = len(mapped._maps)
    assert room_for((4, 4)).shape == (4, 4)
    assert len(mapped._maps) == before


def test_chunks_lie_side_by_side() -> None:
    assert list(in_chunks(19, None, size=8)) == [slice(0, 8), slice(8, 16), slice(16, 19)]


@pytest.mark.usefixtures("_all_large")
def test_rows_are_put_together_as_they_come() -> None:
    rows = [(torch.rand(2, 3), torch.tensor([index % 2 == 0])) for index in range(19)]
    numbers, flags = stacked(iter(rows), len(rows))
    assert torch.equal(numbers, torch.stack([row[0] for row in rows]))
    assert torch.equal(flags, torch.stack([row[1] for row in rows]))
    again = copied(numbers)
    again[0] = 0
    assert torch.equal(again[1:], numbers[1:])
    assert numbers[0].any()


def test_what_is_written_into_a_room_in_a_file_is_in_the_file(tmp_path: Path) -> None:
    path, told = tmp_path / "room.safetensors", {"title": "inversion"}
    room, new = room_in_file(path, "trace", (3, 5), told)
    assert new
    room[:] = torch.arange(15.0).view(3, 5)
    let_go(room)
    to_disk(room, torch.zeros(1))
    found = read_whole(path)
    assert found is not None
    assert torch.equal(found["trace"], room)
    again, new = room_in_file(path, "trace", (3, 5), told)
    assert not new
    assert torch.equal(again, room)
    assert same_memory(room, room.view(3, 5))
    assert not same_memory(room, again)
    assert not same_memory(room, room[:2])
    for other in ((5, 3), (4, 5)):
        assert room_in_file(path, "trace", other, told)[1], "a file of another shape is none of its own"
    assert read_whole(tmp_path / "none.safetensors") is None


def test_files_are_those_of_safetensors(tmp_path: Path) -> None:
    tensors = {
        "frames": torch.rand(3, 2, 5),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "seen": torch.tensor([True, False]),
        "rate": torch.tensor([[30000, 1001]]),
        "figure": torch.tensor(1.5, dtype=torch.float64),
        "none": torch.zeros(0, 2),
    }
    path = tmp_path / "made.safetensors"
    write_tensors(path, tensors, {"title": "flow"})
    assert path.stat().st_size == file_size(tensors, {"title": "flow"})
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"title": "flow"}
    for found in (load_file(path), read_tensors(path)):
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[name], each) and found[name].dtype == each.dtype for name, each in tensors.items())


@pytest.mark.usefixtures("_all_large")
def test_a_store_gives_back_what_lies_in_its_files(tmp_path: Path) -> None:
    store, made = Store(tmp_path), torch.rand(4, 3, 8, 8)
    store.write("key", "flow", {"made": made})
    found = store.read("key")
    assert found is not None
    let_go(found["made"])
    store.empty()
    assert torch.equal(found["made"], made), "a file that is let go of stays for who reads it"


def test_what_is_made_of_a_few_frames_at_a_time_is_put_together() -> None:
    one, other = torch.rand(11, 3, 4, 4), torch.rand(11, 1, 4, 4)
    made = drawn_in_chunks(lambda a, b: (a * b).sum(1) > 0.5, one, other)
    assert torch.equal(made, (one * other).sum(1) > 0.5)
    assert torch.equal(picked(one, [2, 9, 2]), one[[2, 9, 2]])


@pytest.mark.parametrize(
    "settings",
    [
        {"window": 3},
        {"prior": "gaussian", "mask": "box:0,0,0.5,1"},
        {"prior": "flow_warped", "mask": "word:dog", "attention": "first_frame"},
        {"key_frames": 3, "mask": "auto", "attention": "full"},
    ],
)
def test_an_edit_in_files_has_the_same_bytes(
    toy_model: Path, toy_clip: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    told = {"control": "none", "source_prompt": "a dog", "attention": "flow", **settings}
    backbone = load_backbone(toy_model, device="cpu")
    in_memory = edited(backbone, read_clip(toy_clip), **told)
    monkeypatch.setattr(mapped, "LARGE", 0)
    for chunk in (4, 8):
        monkeypatch.setattr(mapped, "CHUNK", chunk)
        in_files = edited(backbone, read_clip(toy_clip), **told)
        assert torch.equal(in_files.clip.frames, in_memory.clip.frames)
        assert in_files.metrics == pytest.approx(in_memory.metrics, rel=1e-4)
