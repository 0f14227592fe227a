"""What the words say of motion, and that it can be read off a UNet's features and taught to be there."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

import world
from training.diffusion import build_unet
from training.motion_words import MOTIONS, MotionReading, told_motions
from training.presets import PRESETS
from world import Scene


def said(scene: Scene, text: str) -> list[set[str]]:
    return [{motion for motion, there in zip(MOTIONS, row, strict=True) if there} for row in told_motions(scene, text)]


def test_each_thing_is_said_to_move_as_its_own_words_say() -> None:
    scene = world.sample_clip(8, objects=2, path="turning", pans=True)
    first, second = scene.objects
    assert first.then
    expected = [{"moving", each.direction, f"then {each.then}"} for each in (first, second)]
    for each, thing in zip(expected, (first, second), strict=True):
        each |= set() if thing.pace == "plain" else {thing.pace}
        each.add(f"pans {scene.pan}")
    assert said(scene, scene.caption) == expected


def test_what_is_left_unsaid_is_not_told() -> None:
    scene = world.sample_clip(3, path="bouncing")
    assert said(scene, f"a {scene.objects[0].shape} over {scene.background}") == [set(), set()]
    told = said(scene, scene.caption)[0]
    assert "bouncing" in told
    assert told & set(world.DIRECTIONS) in ({"left", "right"}, {"up", "down"})


def test_layers_can_be_taught_to_pass_on_what_words_say() -> None:
    """Cross-attention alone learns it: what is told differs, what is seen does not."""
    torch.manual_seed(0)
    unet: UNet2DConditionModel = build_unet(PRESETS["small"])
    reading = MotionReading(unet)
    assert not any(name.startswith("unet") for name, _ in reading.named_parameters())
    words, pictures = (
        torch.randn(2, 4, unet.config.cross_attention_dim),
        torch.randn(1, 4, 16, 16).expand(2, -1, -1, -1),
    )
    motions, places = torch.zeros(2, 2, len(MOTIONS), dtype=torch.bool), torch.zeros(2, 2, 16, 16, dtype=torch.bool)
    motions[0, 0, MOTIONS.index("left")] = motions[1, 0, MOTIONS.index("right")] = True
    places[:, 0, 4:8, 4:8] = True
    optimizer = torch.optim.Adam([*unet.parameters(), *reading.parameters()], 3e-3)
    errors = []
    for _ in range(25):
        with reading.features(unet) as features:
            unet(pictures, 500, words)
        error = reading.error(features, motions, places)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    # Who knew only that it is left or right would pay for both words: 2 log 2, shared by all of them.
    assert errors[-1] < 0.5 * 2 * 0.693 / len(MOTIONS)
    assert not unet.mid_block._forward_hooks
