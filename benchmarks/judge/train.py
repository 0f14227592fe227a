"""Train the judge: ``python -m benchmarks.judge.train``, or faster with two workers under ``torchrun``.

On frames of all attribute triples, of one object or two, a third of them in rain or snow, some under a camera that
pans. Two fifths of the objects are broken, so that a star without its points is called broken and not a star; half of
the frames are sent through the VAE (the judge must know what a decoder does to a star's points) or blurred and noised,
so that what it says of generated frames is fair. Its textures and seeds are those of training; its accuracy is reported
on held-out ones.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.judge.judge import WEIGHTS, Judge
from benchmarks.judge.reading import BROKEN
from benchmarks.judge.scenes import Shown, batch, shown
from benchmarks.judge.wear import Wear, worn
from benchmarks.masks import overlap
from benchmarks.table import percent, show
from training.loop import Recipe, start_workers, train
from vedit.backbone.model_files import MINI

BATCH = 32
"""Of each worker."""

POOL_SEEDS = 90_000_000
"""The first seed of the frames that go through the VAE."""

RIM = 5
"""Side in cells of the square around each cell of an object in which an error counts more."""

BESIDE = 4.0
"""How much more errors count on and beside an object."""

Learned = tuple[Tensor, Tensor, Tensor, Tensor]


def error(judge: Judge, frames: Tensor, colours: Tensor, kinds: Tensor, grounds: Tensor) -> Tensor:
    """Cross-entropy of everything that the judge says, in and beside objects above all."""
    with torch.autocast(frames.device.type, torch.bfloat16):
        colour, kind, ground = judge(frames)
    weight = 1 + BESIDE * F.max_pool2d(1 - colours[:, -1:], RIM, 1, RIM // 2)[:, 0]
    maps = sum((weight * F.cross_entropy(found.float(), true, reduction="none")).mean() for found, true in
               ((colour, colours), (kind, kinds)))  # fmt: skip
    return maps + 0.5 * F.cross_entropy(ground.float(), grounds)


def learn(judge: Judge, wear: Wear, recipe: Recipe, pool: int, checkpoint: Path, worker: int, workers: int) -> None:
    """Train the judge, half of its frames from a pool that has gone through the VAE once."""
    seeds = range(POOL_SEEDS + worker, POOL_SEEDS + pool, workers)
    frames, *truth = batch(shown(seed) for seed in seeds)
    kept: tuple[Tensor, ...] = (wear.through_vae(frames), *truth)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        fresh = batch(shown(seed) for seed in torch.randint(0, 2**40, (BATCH // 2,), generator=generator).tolist())
        fresh = (worn(fresh[0], generator), *fresh[1:])
        chosen = torch.randint(0, len(seeds), (BATCH // 2,), generator=generator)
        both = (torch.cat([now, then[chosen]]).to(wear.device) for now, then in zip(fresh, kept, strict=True))
        return error(judge, *both)

    train(judge.train(), loss, recipe, checkpoint)
    judge.eval()


def save(network: nn.Module, file: Path) -> None:
    """Write a judge's weights."""
    save_file({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, file)


def report(judge: Judge, every: list[Shown], pictures: Tensor) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """What the judge makes of held-out frames: each figure of the table, and for each whole shape and each way to break
    one whether it calls an object so broken."""
    found: dict[str, list[float]] = defaultdict(list)
    called: dict[str, list[float]] = defaultdict(list)
    views = [view for some in pictures.split(50) for view in judge.see(some)]
    for each, view in zip(every, views, strict=True):
        found["ground right"].append(view.ground == each.ground)
        found["objects counted"].append(len(view.objects) == len(each.colours))
        for mask, colour, kind, way in zip(each.masks, each.colours, each.kinds, each.breaks, strict=True):
            near = [(float(overlap(seen.mask > 0.5, mask > 0.5)), seen) for seen in view.objects]
            iou, seen = max(near, key=lambda pair: pair[0], default=(0.0, None))
            found["IoU"].append(iou)
            found["colour right"].append(seen is not None and seen.colour == colour)
            is_broken = seen is not None and seen.shape == BROKEN
            called[way].append(is_broken)
            if kind == BROKEN:
                found["broken: caught"].append(is_broken)
            else:
                found["whole: shape right"].append(seen is not None and seen.shape == kind)
                found["whole: called broken"].append(is_broken)
    return found, called


COLUMNS = (
    "ground right", "objects counted", "colour right", "whole: shape right", "whole: called broken", "broken: caught",
)  # fmt: skip


def arguments_of(description: str | None, steps: int, pool: int) -> argparse.Namespace:
    """The arguments that all judges are trained with."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI), help="whose VAE wears frames")
    parser.add_argument("--out", type=Path, default=Path("runs/judge"), help="for checkpoints")
    parser.add_argument("--weights", type=Path, help="where to put the outcome; by default where it is read from")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--pool", type=int, default=pool, help="frames that go through the VAE once")
    parser.add_argument("--test", type=int, default=500, help="held-out frames that accuracy is measured on")
    return parser.parse_args()


def tested(wear: Wear, frames: Tensor) -> Iterable[tuple[str, Tensor]]:
    """Held-out frames as they are drawn, and through the VAE."""
    return (("rendered", frames), ("through the VAE", wear.through_vae(frames)))


def main() -> None:
    arguments = arguments_of(__doc__, steps=2000, pool=4000)
    worker, workers, device = start_workers()
    wear, judge = Wear(arguments.model, device), Judge().to(device, memory_format=torch.channels_last)
    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    recipe = Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3)
    learn(judge, wear, recipe, arguments.pool, arguments.out / "judge.pt", worker, workers)
    if worker:
        return
    save(judge, arguments.weights or WEIGHTS)
    judge.to("cpu")
    every = [shown(seed, "held_out") for seed in range(arguments.test)]
    frames = torch.stack([torch.from_numpy(each.frame) for each in every])
    rows, ways = [], {}
    for title, pictures in tested(wear, frames):
        found, ways[title] = report(judge, every, pictures)
        iou = f"{np.mean(found['IoU']):.3f}, {np.median(found['IoU']):.3f}"
        rows.append([title, *(percent(found[name]) for name in COLUMNS), iou])
    show(f"The judge on {len(every)} held-out frames", ["", *COLUMNS, "IoU: mean, median"], rows)
    lines = [[way, *(percent(called[way]) for called in ways.values())] for way in sorted(ways["rendered"])]
    show("Called broken", ["", *ways], lines)


if __name__ == "__main__":
    main()
