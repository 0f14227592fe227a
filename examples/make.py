"""Make the examples from the procedural world: ``python -m examples.make``. Overwrites those that are there.

Beside the walking figure lie its joints, which no detector of poses would find in it.
"""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from training.poses import exact
from vedit import Clip
from world import Object, Scene, render
from world.sounds import RATE, sound

FOLDER = Path(__file__).parent
FRAMES = 8

# Textures from 2000 on are neither trained on nor measured on.
SCENES = {
    "star": Scene((Object("star", "red", "left", (84, 62), 3.5, 25, 0.1),), "grass", 2000, (30, 90)),
    "walker": Scene((Object("person", "yellow", "right", (34, 66), 4.0, 27, phase=0.6),), "brick", 2001, (7, 60)),
    "triangle": Scene((Object("triangle", "orange", "down", (66, 44), 3.5, 26, 0.2),), "water", 2003, (60, 200)),
    "circle": Scene((Object("circle", "blue", "up", (60, 80), 3.5, 24),), "sand", 2002, (120, 18)),
}


STORM = np.array([0.2, 0.25, 0.5, 0.9, 1.0, 0.7, 0.3, 0.2])
"""How hard it rains over the grass, at points half a second apart."""


def storm(path: Path) -> None:
    samples = sound("grass", "rain", STORM, len(STORM) / 2, seed=123_456)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def main() -> None:
    for name, scene in SCENES.items():
        frames = torch.from_numpy(render(scene, FRAMES).frames).clamp(0, 1)
        path = FOLDER / f"{name}.mp4"
        Clip(frames=frames, rate=Fraction(8)).save(path, overwrite=True)
        if scene.objects[0].shape == "person":
            exact(scene, frames=FRAMES).save(path.with_suffix(".json"), overwrite=True)
        print(f"{path.relative_to(FOLDER.parent)}: {scene.caption}")
    storm(FOLDER / "storm.wav")


if __name__ == "__main__":
    main()
