"""Says how hard it rains or snows in a frame of the world, and over which ground.

``python -m benchmarks.judge.weather`` trains it, on frames of every ground and weather, half of them sent through the
VAE or worn. Its textures and seeds are those of training, and its accuracy is reported on held-out ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

import world
from benchmarks.judge.network import WIDTHS, Descent
from benchmarks.judge.scenes import any_scene
from benchmarks.judge.train import arguments_of, save, tested
from benchmarks.judge.wear import Wear, worn
from benchmarks.table import figure, percent, show
from training.loop import Recipe, start_workers, train
from world.scene import FAINTEST, Split

WEIGHTS = Path(__file__).with_name("weather.safetensors")
BATCH = 32
POOL_SEEDS = 97_000_000


@dataclass(frozen=True)
class Sky:
    """What F frames show: the name of the ground and of the weather in each, and (F,) how hard it falls, 0 to 1."""

    ground: list[str]
    weather: list[str]
    intensity: Tensor


class WeatherJudge(nn.Module):
    """Frames (B, 3, 128, 128) in [0, 1] to logits of the ground (B, 6) and the weather (B, 3), and intensity (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.descent = Descent()
        self.ground = nn.Linear(WIDTHS[-1], len(world.BACKGROUNDS))
        self.weather, self.intensity = nn.Linear(WIDTHS[-1], len(world.WEATHERS)), nn.Linear(WIDTHS[-1], 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = self.descent(frames)[-1].mean((2, 3))
        return self.ground(seen), self.weather(seen), self.intensity(seen)[:, 0]

    @torch.no_grad()
    def see(self, frames: Tensor) -> Sky:
        """What frames (F, 3, 128, 128) show."""
        ground, weather, intensity = self(frames)
        return Sky(
            [world.BACKGROUNDS[index] for index in ground.argmax(1).tolist()],
            [world.WEATHERS[index] for index in weather.argmax(1).tolist()],
            intensity.clamp(0, 1),
        )


def load_weather_judge() -> WeatherJudge:
    """The trained judge."""
    judge = WeatherJudge()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval()


def drawn(seeds: list[int], split: Split = "train") -> tuple[Tensor, Tensor]:
    """Frames (B, 3, H, W), and (B, 3) the indices of ground and weather, and the intensity."""
    frames, labels = [], []
    for seed in seeds:
        rng = np.random.default_rng([37, seed])
        weather = world.WEATHERS[rng.choice(3, p=[0.2, 0.4, 0.4])]
        intensity = 0.0 if weather == "clear" else float(rng.uniform(FAINTEST, 1))
        scene, time = any_scene(seed, split)
        scene = scene.changed(weather=weather)
        frames.append(world.draw_frame(scene, time, intensity)[0])
        labels.append((world.BACKGROUNDS.index(scene.background), world.WEATHERS.index(weather), intensity))
    return torch.from_numpy(np.stack(frames).astype(np.float32)).clamp(0, 1), torch.tensor(labels)


def main() -> None:
    arguments = arguments_of(__doc__, steps=1000, pool=3000)
    worker, workers, device = start_workers()
    wear, judge = Wear(arguments.model, device), WeatherJudge().to(device, memory_format=torch.channels_last)
    their_frames, their_labels = drawn(list(range(POOL_SEEDS + worker, POOL_SEEDS + arguments.pool, workers)))
    their_frames = wear.through_vae(their_frames)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        frames, labels = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist())
        chosen = torch.randint(0, len(their_frames), (half,), generator=generator)
        pictures = torch.cat([worn(frames, generator), their_frames[chosen]])
        with torch.autocast(device.type, torch.bfloat16):
            ground, weather, intensity = (each.float() for each in judge(pictures.to(device)))
        labels = torch.cat([labels, their_labels[chosen]]).to(device)
        named = F.cross_entropy(ground, labels[:, 0].long()) + F.cross_entropy(weather, labels[:, 1].long())
        return named + 10 * F.mse_loss(intensity, labels[:, 2])

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    train(judge.train(), loss, Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3), arguments.out / "weather.pt")
    if worker:
        return
    judge.eval().to("cpu")
    save(judge, arguments.weights or WEIGHTS)
    frames, labels = drawn(list(range(arguments.test)), "held_out")
    rows = []
    for title, pictures in tested(wear, frames):
        with torch.no_grad():
            ground, weather, intensity = (torch.cat(each) for each in zip(*map(judge, pictures.split(50)), strict=True))
        right = [a.argmax(1) == b for a, b in zip((ground, weather), labels.T[:2], strict=True)]
        off = (intensity - labels[:, 2]).abs()
        rows.append([title, *(percent(each.float().tolist()) for each in right), figure(off.tolist(), 3)])
    header = ["", "ground right", "weather right", "intensity off by"]
    show(f"The judge of weather on {arguments.test} held-out frames", header, rows)


if __name__ == "__main__":
    main()
