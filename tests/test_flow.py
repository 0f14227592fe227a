"""Flow: estimated, told where it hides, and followed."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from vedit import mapped
from vedit.errors import MediaError, PartError
from vedit.flow import (
    Flow,
    centres,
    disagreement,
    estimate_flow,
    first_seen,
    resized_flow,
    sample,
    tracks,
    ways_to_ends,
)


def moving(shift: tuple[int, int], frames: int = 4, size: tuple[int, int] = (48, 64)) -> Tensor:
    """A smooth random picture that moves by whole pixels (x, y) per frame, all of it."""
    room = 64
    noise = torch.rand(1, 3, (size[0] + room) // 8, (size[1] + room) // 8, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(noise, (size[0] + room, size[1] + room), mode="bicubic").clamp(0, 1)[0]
    x, y = room // 2, room // 2
    return torch.stack(
        [picture[:, y - n * shift[1] :, x - n * shift[0] :][:, : size[0], : size[1]] for n in range(frames)]
    )


def uniform(shift: tuple[float, float], frames: int, size: tuple[int, int]) -> Flow:
    """The exact flow of a picture that moves as a whole."""
    one = torch.tensor(shift, dtype=torch.float32)[None, :, None, None].expand(frames - 1, 2, *size).contiguous()
    return Flow.both_ways(one, -one)


def test_a_picture_that_moves_is_followed_both_ways() -> None:
    flow = estimate_flow(moving((3, -2)))
    expected = torch.tensor([3.0, -2.0])[:, None]
    inside = (slice(None), slice(None), slice(10, -10), slice(10, -10))
    assert (flow.forward[inside].flatten(2) - expected).abs().mean() < 0.1
    assert (flow.backward[inside].flatten(2) + expected).abs().mean() < 0.1
    assert not flow.hidden[:, 10:-10, 10:-10].any()
    # What leaves at the right is hidden, what enters at the left has appeared.
    assert flow.hidden[:, 10:-10, -2:].all()
    assert flow.appeared[:, 10:-10, :2].all()
    assert len(flow) == 4
    assert flow.size == (48, 64)


def test_objects_of_the_world_are_followed_within_a_pixel() -> None:
    errors = []
    for seed in (20_000, 20_001, 20_002, 20_003):
        made = world.render(world.sample_scene(seed, "train", moving_camera=seed % 2 == 1), 3)
        found = estimate_flow(torch.from_numpy(made.frames)).forward.numpy()
        inside = made.masks[:-1, 0] > 0.5
        errors.append(np.linalg.norm(found - made.flow, axis=1)[inside].mean())
    assert np.mean(errors) < 1.0


def test_estimates_repeat_and_do_not_depend_on_later_frames() -> None:
    frames = moving((2, 1))
    flow, again, cut = estimate_flow(frames), estimate_flow(frames), estimate_flow(frames[:3])
    parts = ("forward", "backward", "hidden", "appeared")
    assert all(torch.equal(getattr(flow, part), getattr(again, part)) for part in parts)
    assert torch.equal(flow.forward[:2], cut.forward)
    assert torch.equal(flow.hidden[:2], cut.hidden)
    assert (len(flow), len(cut)) == (len(frames), 3)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (13, 90), (46, 30)])
def test_any_size_and_one_frame(size: tuple[int, int]) -> None:
    frames = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    flow = estimate_flow(frames)
    assert flow.forward.shape == flow.backward.shape == (1, 2, *size)
    assert flow.hidden.shape == flow.appeared.shape == (1, *size)
    alone = estimate_flow(frames[:1])
    assert len(alone) == 1
    assert alone.forward.shape == (0, 2, *size)


def test_where_the_ways_disagree_is_hidden() -> None:
    there, back = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    there[0, 0, 2, 2] = 3.0  # leads to a pixel whose way back is no way at all
    back[0, 0, 6, 6] = -2.0
    there[0, 0, 6, 4] = 2.0  # and this one comes back
    expected = torch.zeros(1, 8, 8, dtype=torch.bool)
    expected[0, 2, 2] = True
    expected[0, 6, 6] = True  # stands still, and the way back leads away
    assert torch.equal(disagreement(there, back), expected)


def test_places_between_pixels_are_interpolated() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 4, 6)
    positions = torch.tensor([[[0.0, 0.0], [2.25, 1.5], [-3.0, 0.0], [9.0, 2.0]]])
    assert torch.allclose(sample(ramp, positions)[0, 0], torch.tensor([0.0, 2.25, 0.0, 5.0]), atol=1e-6)
    assert torch.equal(centres((2, 2), (16, 16))[0, 1], torch.tensor([11.5, 3.5]))


def test_tracks_chain_the_flow_and_end_at_the_border() -> None:
    found = tracks(uniform((4.0, 0.0), 5, (32, 64)), (4, 8))
    start = centres((4, 8), (4, 8)).reshape(-1, 2)
    for now in range(5):
        for then in range(5):
            expected = start + torch.tensor([0.5, 0.0]) * (then - now)  # 4 pixels are half a cell
            assert torch.allclose(found.positions[now, then], expected, atol=1e-4)
            beyond = (expected[:, 0] - 3.5).abs() - 4  # the border itself may be either
            assert found.seen[now, then][beyond < -0.1].all()
            assert not found.seen[now, then][beyond > 0.1].any()
    assert found.seen.diagonal().all()


def test_ways_to_the_ends_are_those_of_the_tracks() -> None:
    flow = estimate_flow(moving((3, -2), frames=5))
    every, (positions, seen) = tracks(flow, (6, 8)), ways_to_ends(flow, (6, 8))
    for side, end in enumerate((0, -1)):
        assert torch.equal(positions[side], every.positions[:, end])
        assert torch.equal(seen[side], every.seen[:, end])


@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_what_is_seen_first_is_as_the_tracks_have_it(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    flow, cells = estimate_flow(moving((3, -2), frames=5)), (6, 8)
    every, own = tracks(flow, cells), torch.arange(48)
    monkeypatch.setattr(mapped, "CHUNK", chunk)
    reached = []
    for cut, first, places in first_seen(flow, cells):
        assert len(first) == len(places) == cut.stop - cut.start
        for row, frame in enumerate(range(cut.start, cut.stop)):
            assert torch.equal(first[row], every.seen[frame, : frame + 1].int().argmax(0))
            assert torch.equal(places[row], every.positions[frame, first[row], own])
            reached.append(frame)
    assert reached == list(range(5))


def test_what_was_hidden_once_stays_lost() -> None:
    still = torch.zeros(3, 2, 8, 8)
    hidden, none = torch.zeros(3, 8, 8, dtype=torch.bool), torch.zeros(3, 8, 8, dtype=torch.bool)
    hidden[1, 3, 5] = True
    seen = tracks(Flow(still, still, hidden, none), (8, 8)).seen.view(4, 4, 8, 8)
    assert seen[0, :, 3, 5].tolist() == [True, True, False, False]
    assert seen[2, :, 3, 5].tolist() == [True, True, True, True]
    assert seen[0, :, 3, 4].all()


def test_flow_is_written_whole_and_not_over_another(tmp_path: Path) -> None:
    flow = estimate_flow(moving((1, 0), frames=2))
    path = tmp_path / "flow.npz"
    flow.save(path)
    kept = np.load(path, allow_pickle=False)
    assert set(kept.files) == {"forward", "backward", "hidden", "appeared"}
    assert np.array_equal(kept["forward"], flow.forward.numpy())
    assert np.array_equal(kept["hidden"], flow.hidden.numpy())
    with pytest.raises(MediaError, match="exists already"):
        flow.save(path)
    with pytest.raises(MediaError, match=r"\.npz"):
        flow.save(tmp_path / "flow.txt")
    assert [each.name for each in tmp_path.iterdir()] == ["flow.npz"]


def test_what_cannot_be_says_so() -> None:
    with pytest.raises(PartError, match="dis or raft"):
        estimate_flow(torch.rand(2, 3, 16, 16), "farneback")  # type: ignore[arg-type]
    try:
        import_module("torchvision.models.optical_flow")
    except (ImportError, RuntimeError):
        with pytest.raises(PartError, match=r"pip install 'vedit\[annotators\]'"):
            estimate_flow(torch.rand(2, 3, 16, 16), "raft")


def test_a_flow_at_another_size_is_in_its_pixels() -> None:
    flow = torch.zeros(1, 2, 32, 32)
    flow[:, 0, 10:20, 10:20] = 8.0
    half = resized_flow(flow, (16, 16))
    assert half.shape == (1, 2, 16, 16)
    assert half[0, 0, 7, 7] == pytest.approx(4.0)
    assert resized_flow(flow, (32, 32)) is flow
