"""What the words say of motion, and that a UNet's features can be taught to know how things move."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

import world
from training.diffusion import build_unet
from training.motion_reading import MOMENTS, MOTIONS, MotionReading, told_motions
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


def test_layers_can_be_taught_to_know_how_things_move() -> None:
    """By cross-attention alone: what is told differs, what is seen does not."""
    torch.manual_seed(0)
    unet: UNet2DConditionModel = build_unet(PRESETS["small"])
    reading = MotionReading(unet)
    assert not any(name.startswith("unet") for name, _ in reading.named_parameters())
    words = torch.randn(2, 4, unet.config.cross_attention_dim)
    pictures = torch.randn(1, 4, 16, 16).expand(2, -1, -1, -1)
    motions, places = torch.zeros(2, 2, len(MOTIONS), dtype=torch.bool), torch.zeros(2, 9, 2, 16, 16, dtype=torch.bool)
    for picture, (word, way) in enumerate((("left", -1), ("right", 1))):
        motions[picture, 0, MOTIONS.index(word)] = True
        for place, moment in zip(places[picture], MOMENTS, strict=True):
            x = 7 + way * moment // 2
            place[0, 6:10, x : x + 3] = True
    # Who did not know the word would pay for two words and for two thirds of the places.
    ignorant = reading_error_of(motions.float().mean(0), places.float().mean(0), motions, places)
    optimizer = torch.optim.Adam([*unet.parameters(), *reading.parameters()], 3e-3)
    errors = []
    with reading.features(unet) as features:
        for _ in range(60):
            features.clear()
            unet(pictures, 500, words)
            error = reading.error(features, motions, places)
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            errors.append(error.item())
    assert errors[-1] < 0.5 * ignorant
    assert not unet.mid_block._forward_hooks


def reading_error_of(told: Tensor, there: Tensor, motions: Tensor, places: Tensor) -> float:
    """The error of one who says the same of both pictures: the shares of the words (2, 18) and places (9, 2, h, w)."""
    words = F.binary_cross_entropy(told[0].expand(2, -1), motions[:, 0].float())
    return float(words + F.binary_cross_entropy(there.expand(2, -1, -1, -1, -1), places.float()))
