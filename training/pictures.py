"""Pictures with captions: of the world, each beside another that differs in one thing, or of a folder of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import world
from training.data import FRAMES, draw_scene
from vedit.clip.images import PICTURES
from world.scene import Scene

WHOLE_SCENES = 0.6
"""Variety of the scenes: more of them than for the UNet have weather, another look or a second object."""

CHANGED = ("shape", "colour", "background", "weather", "look")
"""What of a scene can be seen to differ in one frame. Where things move to cannot."""

Bytes = NDArray[np.uint8]


def seen(scene: Scene) -> str:
    """What one frame of a scene shows, in words: its caption without motions, which no single frame tells."""
    things = " and ".join(f"{'an' if each.colour[0] in 'aeiou' else 'a'} {each.colour} {each.shape}"
                          for each in scene.objects)  # fmt: skip
    return replace(scene, pan=None).said(f"{things} over {scene.background}")


def another(scene: Scene, chance: np.random.Generator) -> Scene:
    """The same scene with one thing changed that a frame shows; no triple that training holds out."""
    kinds = {
        "shape": world.SHAPES,
        "colour": world.COLOURS,
        "background": world.BACKGROUNDS,
        "weather": world.WEATHERS,
        "look": world.LOOKS,
    }
    taken = {each.colour for each in scene.objects[1:]}
    while True:
        what = CHANGED[chance.integers(len(CHANGED))]
        value = str(kinds[what][chance.integers(len(kinds[what]))])
        changed = scene.changed(**{what: value})
        if what == "weather":
            there = 0.0 if value == "clear" else float(chance.uniform(0.3, 1.0))
            changed = replace(changed, intensity=there)
        first = changed.objects[0]
        held_out = world.held_out_triple(first.shape, first.colour, changed.background)
        if seen(changed) != seen(scene) and not held_out and first.colour not in taken:
            return changed


def frame(scene: Scene, time: int) -> Bytes:
    """(3, H, W)."""
    picture, _ = world.draw_frame(scene, time, scene.intensity)
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


def contrasted(seed: int, count: int) -> tuple[Bytes, list[str]]:
    """``count`` frames, each followed by one that differs in one thing: (2 count, 3, H, W), and what they show."""
    chance = np.random.default_rng([31, seed])
    frames, captions = [], []
    for _ in range(count):
        number = int(chance.integers(2**40))
        scene = draw_scene(number, WHOLE_SCENES)
        for each in (scene, another(scene, chance)):
            frames.append(frame(each, number % FRAMES))
            captions.append(seen(each))
    return np.stack(frames), captions


def captioned(folder: Path) -> list[tuple[Path, str]]:
    """The pictures of a folder that have a caption in a .txt of their name."""
    found = []
    for path in sorted(folder.iterdir()):
        caption = path.with_suffix(".txt")
        if path.suffix.lower() in PICTURES and caption.is_file():
            found.append((path, caption.read_text(encoding="utf-8").strip()))
    if len(found) < 2:
        raise SystemExit(f"{folder}: {len(found)} pictures with captions; expected two at least, a.png beside a.txt")
    return found
