"""What is learnt of strokes: pairs whose flow is right, strokes that are drawn for them, and both networks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import world
from tests.backbone import toys
from tests.conftest import Ran
from training.control import build_control
from training.data import draw_scene
from training.drawn_strokes import ANYWHERE, MOVING, drawn_strokes, moved_by_camera
from training.pairs import of_clips, pair_of, stroked
from training.splat import inverted
from training.strokes import flow_loss, fresh_control, main
from vedit import Clip, load_backbone
from vedit.backbone.notes import read_notes
from vedit.motion.learnt.folder import COMPLETION, CONTROL
from vedit.motion.learnt.next_frame import motion_pictures
from vedit.motion.network_folder import WEIGHTS

Train = Callable[..., None]


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    def run(*arguments: object) -> None:
        given = ["training.strokes", "--out", tmp_path / "runs", *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        main()

    return run


def clips(folder: Path) -> Path:
    """A square that goes to the right, with a caption, and one that goes to the left, without."""
    folder.mkdir()
    for name, way in (("right", 3), ("left", -3)):
        frames = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).repeat(6, 1, 1, 1) * 0.3
        for number, frame in enumerate(frames):
            frame[:, 20:40, 24 + way * number : 40 + way * number] = 0.9
        Clip(frames, Fraction(8)).save(folder / f"{name}.mp4")
    (folder / "right.txt").write_text("a square moving right")
    return folder


@pytest.mark.parametrize("number", [0, 3, 5, 8, 11])
def test_what_is_visible_in_a_pair_is_in_the_first_frame_where_the_flow_says(number: int) -> None:
    scene = draw_scene(number, 0.0)
    first, second, forward, backward, visible = (torch.from_numpy(each) for each in pair_of(scene, 2, 7))
    shown = motion_pictures(first.float() / 255, backward.float()[None], visible[None])[0]
    error = (shown[:3] - second.float() / 255).abs().mean(0)
    assert error[visible].mean() < 0.02
    assert visible.float().mean() > 0.7
    assert forward.float().norm(dim=0).max() == pytest.approx(float(backward.float().norm(dim=0).max()), rel=0.4)


def test_flow_turned_round_is_that_back_again() -> None:
    scene = world.sample_clip(3, frames=16, path="straight")
    _, _, forward, backward, visible = (torch.from_numpy(each) for each in pair_of(scene, 2, 5))
    found, seen = inverted(forward.float()[None])
    both = seen[0] & visible
    assert both.float().mean() > 0.7
    assert (found[0] - backward.float()).norm(dim=0)[both].median() < 0.01
    assert (found[0] - backward.float()).norm(dim=0)[both].mean() < 0.2


def test_gradients_lead_through_a_flow_that_is_turned_round() -> None:
    flow = torch.full((1, 2, 8, 8), 0.4).requires_grad_()
    backward, seen = inverted(flow)
    backward[0, :, 4, 4].sum().backward()
    assert seen[0, 4, 4]
    assert flow.grad is not None
    assert flow.grad.abs().max() > 0.1


def square_moves(camera: float = 0.0) -> Tensor:
    """Flow (2, 2, 32, 32): a square that goes to the right by 8 pixels, under a camera."""
    flow = torch.full((2, 2, 32, 32), camera)
    flow[:, 0, 10:20, 10:20] += 8
    return flow


def strokes_on(flow: Tensor, draws: int = 32) -> list[tuple[Tensor, Tensor]]:
    """Points, and how far pixels move as it is computed of them, drawn often on a picture of the square alone."""
    picture, chance = torch.full((3, 32, 32), 0.1), np.random.default_rng(0)
    picture[:, 10:20, 10:20] = 0.9
    every = (drawn_strokes(picture, flow, chance) for _ in range(draws))
    return [(points, computed * held) for points, computed, held in every]


def moves_of(flow: Tensor, points: Tensor) -> Tensor:
    """How far to the right the points go that are drawn."""
    return flow.flatten(1)[0, points[points >= 0]]


def test_strokes_are_drawn_where_things_move_and_some_anywhere() -> None:
    flow = square_moves()[0]
    found = [moves_of(flow, points) for points, _ in strokes_on(flow)]
    assert all((each == 8).any() for each in found), "each has a stroke on what moves"
    assert all(1 <= len(each) <= MOVING + ANYWHERE for each in found)
    share = sum(bool((each == 0).any()) for each in found) / len(found)
    assert 0.2 < share < 0.9, "anchors in some"
    assert torch.equal(strokes_on(flow)[5][0], strokes_on(flow)[5][0])


def test_what_is_computed_of_strokes_is_their_motion_within_their_reach() -> None:
    flow = square_moves()[0]
    computed = torch.stack([each for _, each in strokes_on(flow)])  # (N, 2, 32, 32)
    longest = computed[:, 0].amax((1, 2))
    assert longest.median() == pytest.approx(8.0, abs=0.1)
    assert (longest > 7.9).float().mean() > 0.8, "the least reach is hardly a pixel of so small a picture"
    assert longest.max() < 12, "strokes that disagree turn what is between them"
    assert computed[:, 0, :4].abs().mean() < 0.1 * computed[:, 0, 10:20, 10:20].mean(), "it ends near the square"


def test_strokes_are_drawn_as_if_the_camera_stood_still() -> None:
    assert moved_by_camera(square_moves(camera=3.0)[0]).tolist() == [3, 3]
    assert not moved_by_camera(square_moves()[0]).any()
    flow, picture = square_moves(camera=3.0)[0], torch.full((3, 32, 32), 20, dtype=torch.uint8)
    camera, points, computed, _ = stroked(picture, flow, np.random.default_rng(0))
    assert camera.tolist() == [3, 3]
    assert (moves_of(flow, points) == 11).any()
    assert computed[0].max() > 7


def test_where_nothing_moves_points_are_drawn_all_the_same() -> None:
    for points, computed in strokes_on(torch.zeros(2, 32, 32), draws=4):
        assert (points >= 0).any()
        assert computed.abs().max() == 0


def test_errors_count_more_where_things_move_and_alike_at_all_speeds() -> None:
    target = square_moves()
    inside, outside = target.clone(), target.clone()
    inside[:, 1, 12, 12] += 1
    outside[:, 1, 2, 2] += 1
    assert flow_loss(target, target) == 0
    assert flow_loss(inside, target) > 5 * flow_loss(outside, target)
    torch.testing.assert_close(flow_loss(2 * inside, 2 * target), flow_loss(inside, target))


def test_clips_of_ones_own_are_pairs_with_estimated_flow(toy_model: Path, tmp_path: Path) -> None:
    pairs = of_clips(clips(tmp_path / "clips"), load_backbone(toy_model), 6, gap=3)
    assert len(pairs) == 6
    assert pairs.first.shape == (6, 3, 64, 64)
    assert pairs.latents.shape == (6, 4, 8, 8)
    assert (pairs.forward[:, 0].abs().amax((1, 2)) > 1).all()
    assert len(pairs.states) == 2, "the caption, and none"
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="no clip of two frames"):
        of_clips(tmp_path / "empty", load_backbone(toy_model), 1)


def test_ones_own_clips_teach_both_for_any_model(
    toy_model: Path, tmp_path: Path, train: Train, vedit: Callable[..., Ran]
) -> None:
    made = tmp_path / "made"
    asked = ("--model", toy_model, "--clips", clips(tmp_path / "clips"), "--strokes", made, "--side", 64)
    small = ("--pool", 4, "--batch", 2)
    train(*asked, *small, "--steps", 2)
    weights = made / COMPLETION / WEIGHTS, made / CONTROL / "diffusion_pytorch_model.safetensors"
    begun = [load_file(each) for each in weights]
    train(*asked, *small, "--steps", 3)  # goes on from the checkpoints
    for before, path in zip(begun, weights, strict=True):
        after = load_file(path)
        assert any(not torch.equal(after[name], before[name]) for name in after)
    picture = tmp_path / "clip"
    Clip(torch.rand(1, 3, 64, 64), Fraction(8)).save(picture)
    strokes = tmp_path / "strokes.yaml"
    strokes.write_text("version: 1\nsize: [64, 64]\nstrokes: [{points: [[15, 23], [39, 23]]}]\n")
    ran = vedit("animate", picture / "00000.png", "--motion-strokes", strokes, "--model", toy_model, "--motion-model",
                made, "--frames", 2, "--steps", 2, "-o", tmp_path / "out.mp4")  # fmt: skip
    assert ran.status == 0, ran.err


def test_the_world_teaches_what_a_model_then_brings(toy_model: Path, tmp_path: Path, train: Train) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_model, model)
    train("--model", model, "--pool", 4, "--batch", 1, "--steps", 1)
    assert read_notes(model).motion_strokes == "strokes"
    assert (model / "strokes" / COMPLETION / WEIGHTS).is_file()
    assert (model / "strokes" / CONTROL / "config.json").is_file()


def test_the_control_net_may_begin_as_another_but_for_its_eyes(toy_model: Path, tmp_path: Path) -> None:
    backbone = load_backbone(toy_model)
    other = build_control(backbone.unet)
    for block in other.controlnet_down_blocks:
        torch.nn.init.normal_(block.weight)
    other.save_pretrained(tmp_path / "edges")
    net = fresh_control(backbone, tmp_path / "edges")
    assert net.controlnet_cond_embedding.conv_in.in_channels == 6
    for own, known in zip(net.controlnet_down_blocks, other.controlnet_down_blocks, strict=True):
        assert torch.equal(own.weight, known.weight)
    assert not any(each.weight.any() for each in fresh_control(backbone, None).controlnet_down_blocks)


def test_it_does_not_begin_as_one_of_other_layers(toy_model: Path, tmp_path: Path) -> None:
    backbone = load_backbone(toy_model)
    other = toys.controlnet_folder(backbone.unet, tmp_path / "other", backbone.vae_scale_factor)
    with pytest.raises(SystemExit, match="has other layers than G"):
        fresh_control(backbone, other)
