"""Finds the joints of the world's walking figures in a frame: ``python -m benchmarks.judge.joints`` trains it.

In a figure of one colour left and right cannot be told apart, so joints are found by name alone: two knees, two wrists.
Eyes and ears cannot be seen in it at all, and are left out. Some of the figures that it learns from lack limbs, so that
it finds no joints where there are none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

import world
from benchmarks.judge.broken import HEAD, LIMBS, figure_without
from benchmarks.judge.network import WIDTHS, Ascent, Descent, convolved
from benchmarks.judge.scenes import any_scene
from benchmarks.judge.train import arguments_of, save, tested
from benchmarks.judge.wear import Wear, worn
from benchmarks.table import percent, show
from training.loop import Recipe, start_workers, train
from world import Object, shapes
from world.render import Array, Distance
from world.scene import Split

WEIGHTS = Path(__file__).with_name("joints.safetensors")
NAMES = ("nose", "neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
ROWS = [[index for index, joint in enumerate(world.JOINTS) if joint.endswith(name)] for name in NAMES]
"""For each name, the joints (of 18) that bear it: one or two."""

CELL = 2
"""Pixels of a heat map's cell."""

WIDTH = 1.5
"""Deviation of a joint's spot on its heat map, in cells."""

FAINTEST = 0.1
"""Least height of a peak that is a joint."""

COVERED = 6.0
"""Pixels within which two joints of one name cover each other, and are found as one."""

LIMBLESS = 0.3
"""Share of the figures that lack limbs."""

NEAR = 6.0
"""Pixels within which a joint counts as found."""

BATCH = 32
POOL_SEEDS = 95_000_000


class Joints(nn.Module):
    """Frames (B, 3, 128, 128) in [0, 1] to heat maps (B, 8, 64, 64), as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.descent, self.ascent = Descent(), Ascent()
        self.read = nn.Sequential(convolved(WIDTHS[0], 32), nn.Conv2d(32, len(NAMES), 1))

    def forward(self, frames: Tensor) -> Tensor:
        return self.read(self.ascent(self.descent(frames)))

    @torch.no_grad()
    def find(self, frames: Tensor) -> list[list[Array]]:
        """For each frame (F, 3, 128, 128), and each of ``NAMES``, the joints (N, 2) as (x, y) in pixels, the surest
        first."""
        maps = self(frames).sigmoid().cpu()
        peaks = (maps == F.max_pool2d(maps, 5, 1, 2)) & (maps > FAINTEST)
        found: list[list[Array]] = []
        for heights, tops in zip(maps, peaks, strict=True):
            named: list[Array] = []
            for height, top in zip(heights, tops, strict=True):
                ys, xs = torch.nonzero(top, as_tuple=True)
                order = height[ys, xs].argsort(descending=True)
                places = torch.stack([xs[order], ys[order]], 1).numpy()
                named.append(places * CELL + (CELL - 1) / 2)
            found.append(named)
        return found

    def distances(self, frames: Tensor, joints: Array) -> Array:
        """How far (B, P, 14), in pixels, from each of the true ``joints`` (B, P, 18, 2) of P figures the found joint of
        its name lies, of no more than the figures have. No found one counts for two, but where these cover each other.
        Infinity where none is found; NaN for joints that are NaN."""
        far = np.empty((*joints.shape[:2], sum(map(len, ROWS))))
        for number, named in enumerate(self.find(frames)):
            figures = int((~np.isnan(joints[number])).any(axis=(1, 2)).sum())
            for person, points in enumerate(joints[number]):
                pairs = zip(ROWS, named, strict=True)
                each = [_distances(points[rows], found[: len(rows) * figures]) for rows, found in pairs]
                far[number, person] = np.concatenate(each)
        return far


def _distances(true: Array, found: Array) -> Array:
    """How far (N) each of the true points (N, 2) of one name is from the found one (M, 2) that is taken for it."""
    far = np.full(len(true), np.nan)
    there = ~np.isnan(true[:, 0])
    far[there] = np.inf
    gaps = np.linalg.norm(true[there][:, None] - found[None], axis=2)
    if not gaps.size:
        return far
    if there.sum() == 2 and np.linalg.norm(true[0] - true[1]) <= COVERED:
        return gaps.min(axis=1)
    one, other = linear_sum_assignment(gaps)
    far[np.flatnonzero(there)[one]] = gaps[one, other]
    return far


def share_found(named: list[Array], mask: Array, rim: float = 4.0) -> float:
    """Share of the eight ``NAMES`` of which a joint was found (``Joints.find``) on the object with this mask (H, W), or
    within ``rim`` pixels of it."""
    rows, columns = np.nonzero(mask > 0.5)
    places = np.stack([columns, rows], axis=1)
    if not len(places):
        return 0.0
    near = [
        len(points) > 0 and float(np.linalg.norm(points[:, None] - places[None], axis=2).min()) <= rim
        for points in named
    ]
    return float(np.mean(near))


def load_joints() -> Joints:
    """The trained finder."""
    finder = Joints()
    finder.load_state_dict(load_file(WEIGHTS))
    return finder.eval()


def drawn(seeds: list[int], split: Split = "train", limbless: float = 0.0) -> tuple[Tensor, Array]:
    """Frames (B, 3, 128, 128) with a figure, some with a second object, and the joints (B, 2, 18, 2) in pixels; NaN of
    what is no figure and of limbs that are missing, as a share ``limbless`` of the figures' are."""
    frames, joints = [], np.full((len(seeds), 2, 18, 2), np.nan)
    for number, seed in enumerate(seeds):
        scene, time = any_scene(seed, split)
        rng = np.random.default_rng([43, seed])
        scene = scene.changed(shape="person")
        missing: dict[Object, list[str]] = {}
        for person, thing in enumerate(scene.objects):
            if thing.shape != "person":
                continue
            limbs = list(rng.permutation([*LIMBS, HEAD])[: rng.integers(1, 4)]) if rng.random() < limbless else []
            missing[thing] = limbs
            points = shapes.joints(thing, time) - time * np.asarray(scene.camera)
            points[[world.JOINTS.index(joint) for limb in limbs for joint in LIMBS.get(limb, ("nose",))]] = np.nan
            joints[number, person] = points

        frame, _ = world.draw_frame(scene, time, scene.intensity, _drawn_without(missing))
        frames.append(frame.astype(np.float32))
    return torch.from_numpy(np.stack(frames)).clamp(0, 1), joints


def _drawn_without(missing: dict[Object, list[str]]) -> Distance:
    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        draw = figure_without(missing[thing]) if missing.get(thing) else shapes.distance
        return draw(thing, x, y, time)

    return distance


def heat(joints: Array) -> Tensor:
    """Heat maps (B, 8, 64, 64): a spot at each joint of (B, P, 18, 2) that is not NaN."""
    line = torch.arange(world.SIZE // CELL) * CELL + (CELL - 1) / 2
    x, y = (torch.from_numpy(joints[..., axis]).float()[..., None] for axis in (0, 1))
    spread = 2 * (WIDTH * CELL) ** 2
    spots = torch.exp(-((y - line) ** 2) / spread)[..., :, None] * torch.exp(-((x - line) ** 2) / spread)[..., None, :]
    return torch.stack([spots.nan_to_num()[:, :, rows].amax((1, 2)) for rows in ROWS], 1)


def main() -> None:
    arguments = arguments_of(__doc__, steps=1500, pool=3000)
    worker, workers, device = start_workers()
    wear, finder = Wear(arguments.model, device), Joints().to(device, memory_format=torch.channels_last)
    seeds = list(range(POOL_SEEDS + worker, POOL_SEEDS + arguments.pool, workers))
    frames, their_joints = drawn(seeds, limbless=LIMBLESS)
    their_frames = wear.through_vae(frames)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        frames, joints = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist(), limbless=LIMBLESS)
        chosen = torch.randint(0, len(their_frames), (half,), generator=generator)
        pictures = torch.cat([worn(frames, generator), their_frames[chosen]])
        wanted = heat(np.concatenate([joints, their_joints[chosen.numpy()]]))
        # Cross-entropy, not squared error, under which a map that has once gone dark stays so.
        with torch.autocast(device.type, torch.bfloat16):
            maps = finder(pictures.to(device))
        return 20 * F.binary_cross_entropy_with_logits(maps.float(), wanted.to(device))

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    recipe = Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3)
    train(finder.train(), loss, recipe, arguments.out / "joints.pt")
    if worker:
        return
    finder.eval().to("cpu")
    save(finder, arguments.weights or WEIGHTS)
    seeds = list(range(arguments.test))
    frames, joints = drawn(seeds, "held_out")
    rows = []
    for title, pictures in tested(wear, frames):
        far = distances(finder, pictures, joints)
        rows.append([title, percent((far[~np.isnan(far)] <= NEAR).tolist()), f"{np.nanmedian(far):.1f}"])
    show(f"Joints of whole figures, {len(seeds)} held-out frames", ["", f"within {NEAR:g} px", "median px"], rows)
    frames, left = drawn(seeds, "held_out", limbless=1.0)
    gone = np.where(np.isnan(left), joints, np.nan)
    rows = []
    for title, pictures in tested(wear, frames):
        there, not_there = (distances(finder, pictures, some) for some in (left, gone))
        # A joint that is there can lie where one of its name is missing.
        near = [(far[~np.isnan(far)] <= NEAR).tolist() for far in (there, not_there)]
        rows.append([title, percent(near[0]), percent(near[1])])
    header = ["", f"joints that are there: found within {NEAR:g} px", "joints of missing limbs: found all the same"]
    show(f"Joints of figures that lack limbs, {len(seeds)} held-out frames", header, rows)


def distances(finder: Joints, frames: Tensor, joints: Array) -> Array:
    """``Joints.distances``, some frames at a time."""
    return np.concatenate([
        finder.distances(frames[at : at + 50], joints[at : at + 50]) for at in range(0, len(frames), 50)
    ])  # fmt: skip


if __name__ == "__main__":
    main()
