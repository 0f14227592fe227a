"""Finds the joints of the world's walking figure in a frame: ``python -m benchmarks.judge.joints`` trains it.

In a figure of one colour left and right cannot be told apart, so joints are found by name alone: two knees, two wrists.
Eyes and ears cannot be seen in it at all, and are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

import world
from benchmarks.judge.network import LEVELS, Eyes
from benchmarks.judge.train import any_scene, through, worn
from training.loop import Recipe, start_workers, train
from vedit.backbone.model_files import MINI
from world import shapes
from world.scene import Scene, Split

WEIGHTS = Path(__file__).with_name("joints.safetensors")
NAMES = ("nose", "neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
ROWS = [[index for index, joint in enumerate(world.JOINTS) if joint.endswith(name)] for name in NAMES]
"""For each name, the joints (of 18) that bear it: one or two."""

CELL = 2
"""Pixels of a heat map's cell."""

WIDTH = 1.5
"""Deviation of a joint's spot on its heat map, in cells."""

NEAR = 6.0
"""Pixels from where a joint is, within which it counts as found."""

BATCH = 32


class Joints(Eyes):
    """Frames (B, 3, 128, 128) in [0, 1] to heat maps (B, 8, 64, 64), as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Conv2d(LEVELS[0], 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, len(NAMES), 3, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        return self.read(F.relu(self.fine(self.levels(frames))))

    @torch.no_grad()
    def distances(self, frames: Tensor, joints: np.ndarray) -> np.ndarray:
        """How far (B, 14), in pixels, the nearest found joint of its name lies from each of ``joints`` (B, 18, 2), no
        found one counting twice; infinity where none was found."""
        maps = self(frames).sigmoid()
        peaks = (maps == F.max_pool2d(maps, 7, 1, 3)) & (maps > 0.1)
        far = np.full((len(frames), sum(map(len, ROWS))), np.inf)
        for number in range(len(frames)):
            column = 0
            for name, rows in enumerate(ROWS):
                ys, xs = torch.nonzero(peaks[number, name], as_tuple=True)
                best = maps[number, name, ys, xs].argsort(descending=True)[: len(rows)]
                found = torch.stack([xs[best], ys[best]], 1).numpy() * CELL + (CELL - 1) / 2
                gaps = np.linalg.norm(joints[number, rows][:, None] - found[None], axis=2)
                if len(found) == 1:  # two joints that cover each other are found as one
                    far[number, column : column + len(rows)] = gaps[:, 0]
                elif len(found):
                    one, other = linear_sum_assignment(gaps)
                    far[number, column + one] = gaps[one, other]
                column += len(rows)
        return far


def load_joints() -> Joints:
    """The trained finder."""
    finder = Joints()
    finder.load_state_dict(load_file(WEIGHTS))
    return finder.eval()


def figure(seed: int, split: Split = "train") -> Scene:
    return any_scene(seed, split).changed(shape="person")


def drawn(seeds: list[int], split: Split = "train") -> tuple[Tensor, np.ndarray]:
    """Frames (B, 3, 128, 128) of figures, and their joints (B, 18, 2) in pixels."""
    scenes, times = [figure(seed, split) for seed in seeds], [seed % 8 for seed in seeds]
    frames = [world.draw_frame(scene, time, 0.0)[0] for scene, time in zip(scenes, times, strict=True)]
    joints = [shapes.joints(scene.objects[0], time) for scene, time in zip(scenes, times, strict=True)]
    return torch.from_numpy(np.stack(frames)).clamp(0, 1), np.stack(joints)


def heat(joints: np.ndarray) -> Tensor:
    """Heat maps (B, 8, 64, 64): a spot at each joint of (B, 18, 2)."""
    line = torch.arange(world.SIZE // CELL) * CELL + (CELL - 1) / 2
    x, y = (torch.from_numpy(joints[..., axis]).float()[..., None] for axis in (0, 1))
    spread = 2 * (WIDTH * CELL) ** 2
    spots = torch.exp(-((y - line) ** 2) / spread)[..., :, None] * torch.exp(-((x - line) ** 2) / spread)[..., None, :]
    return torch.stack([spots[:, rows].amax(1) for rows in ROWS], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/judge"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pool", type=int, default=3000, help="frames that go through the VAE once")
    arguments = parser.parse_args()
    start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32).eval()

    pool = [drawn(list(range(95_000_000 + start, 95_000_050 + start))) for start in range(0, arguments.pool, 50)]
    their_frames = torch.cat([through(vae, frames) for frames, _ in pool])
    their_joints = np.concatenate([joints for _, joints in pool])
    finder = Joints()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        frames, joints = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist())
        chosen = torch.randint(0, len(their_frames), (half,), generator=generator)
        pictures = torch.cat([worn(frames, generator), their_frames[chosen]])
        wanted = heat(np.concatenate([joints, their_joints[chosen.numpy()]]))
        # Cross-entropy, not squared error, under which a map that has once gone dark stays so.
        return 20 * F.binary_cross_entropy_with_logits(finder(pictures), wanted)

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    recipe = Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3)
    train(finder.train(), loss, recipe, arguments.out / "joints.pt")
    finder.eval()
    save_file({name: tensor.contiguous() for name, tensor in finder.state_dict().items()}, WEIGHTS)
    frames, joints = drawn(list(range(300)), "held_out")
    for title, pictures in (("rendered", frames), ("through the VAE", through(vae, frames))):
        far = finder.distances(pictures, joints)
        print(f"{title}: {np.mean(far <= NEAR):.1%} within {NEAR:g} px, median {np.median(far):.1f} px")


if __name__ == "__main__":
    main()
