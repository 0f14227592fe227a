"""Says how hard it rains or snows in a frame of the world, and over which ground.

``python -m benchmarks.judge.weather`` trains it, on frames of every ground and weather, half of them sent through the
VAE or worn. Its textures and seeds are those of training, and its accuracy is reported on held-out ones.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import world
from benchmarks.judge.network import stage
from benchmarks.judge.train import any_scene, through, worn
from training.loop import Recipe, start_workers, train
from vedit.backbone.model_files import MINI
from world.scene import FAINTEST, Split

WEIGHTS = Path(__file__).with_name("weather.safetensors")
BATCH = 48


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
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            stage(16, 32, 2), stage(32, 64, 2), stage(64, 96, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.ground, self.weather = nn.Linear(96, len(world.BACKGROUNDS)), nn.Linear(96, len(world.WEATHERS))
        self.intensity = nn.Linear(96, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = self.body(frames * 2 - 1)
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
        scene = any_scene(seed, split).changed(weather=weather)
        frames.append(world.draw_frame(scene, seed % 8, intensity)[0])
        labels.append((world.BACKGROUNDS.index(scene.background), world.WEATHERS.index(weather), intensity))
    return torch.from_numpy(np.stack(frames).astype(np.float32)).clamp(0, 1), torch.tensor(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/judge"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pool", type=int, default=3000, help="frames that go through the VAE once")
    arguments = parser.parse_args()
    start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32).eval()

    pool = [drawn(list(range(95_000_000 + at, 95_000_050 + at))) for at in range(0, arguments.pool, 50)]
    through_vae, their_labels = (
        torch.cat([through(vae, frames) for frames, _ in pool]),
        torch.cat([each for _, each in pool]),
    )
    judge = WeatherJudge()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        frames, labels = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist())
        chosen = torch.randint(0, len(through_vae), (half,), generator=generator)
        ground, weather, intensity = judge(torch.cat([worn(frames, generator), through_vae[chosen]]))
        labels = torch.cat([labels, their_labels[chosen]])
        named = F.cross_entropy(ground, labels[:, 0].long()) + F.cross_entropy(weather, labels[:, 1].long())
        return named + 10 * F.mse_loss(intensity, labels[:, 2])

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    train(judge.train(), loss, Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3), arguments.out / "weather.pt")
    judge.eval()
    save_file({name: tensor.contiguous() for name, tensor in judge.state_dict().items()}, WEIGHTS)
    frames, labels = drawn(list(range(500)), "held_out")
    for title, pictures in (("rendered", frames), ("through the VAE", through(vae, frames))):
        with torch.no_grad():
            ground, weather, intensity = judge(pictures)
        right = [float((a.argmax(1) == b).float().mean()) for a, b in zip((ground, weather), labels.T[:2], strict=True)]
        error = float((intensity - labels[:, 2]).abs().mean())
        print(f"{title}: ground {right[0]:.3f} weather {right[1]:.3f}, intensity off by {error:.3f}")


if __name__ == "__main__":
    main()
