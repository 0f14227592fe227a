"""How exactly a clip comes back from its inversion, in how many passes: ``python -m benchmarks.inversion_accuracy``.

Each clip is inverted with its words, sampled back without guidance, decoded, and compared with the source; the VAE's
round trip is the limit. The ways: plain DDIM inversion (``refine`` 0); each step corrected after a pass where it is
(twice the passes: how it is told by Pan et al. 2023, restated here as the baseline); and vedit's own ``refine``, whose
steps begin with the noise that the step before was told. Beside held-out clips of the world stand hard ones: no words,
the examples, a thing that moves fast, and one that is not of the world at all.

``--save`` keeps every figure as JSON; ``strain`` in it is the size of the corrections, by which ``vedit edit`` decides
whether to check.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vedit
from benchmarks.record import record
from benchmarks.table import show
from vedit.backbone.model import Backbone
from vedit.priors.inversion import correction_size, invert, reconstruct
from vedit.quality import fidelity
from world import Object, Scene, render, sample_scene

FRAMES = 8
EXAMPLES = Path(__file__).parent.parent / "examples"

Invert = Callable[[Backbone, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class Case:
    """Frames (F, 3, H, W) in [0, 1], and what they show."""

    name: str
    frames: Tensor
    words: str


def held_out(count: int, first: int) -> Iterator[Case]:
    for seed in range(first, first + count):
        scene = sample_scene(seed, "held_out", frames=FRAMES)
        yield Case(str(seed), _drawn(scene), scene.caption)


def hard() -> Iterator[Case]:
    for name, words in {
        "star": "a red star moving left over grass",
        "walker": "a yellow person moving right over brick",
    }.items():
        frames = vedit.read_clip(EXAMPLES / f"{name}.mp4").frames
        yield Case(name, frames, words)
        yield Case(f"{name}, no words", frames, "")
        yield Case(f"{name}, wrong words", frames, "a blue circle over water")
    fast = Scene((Object("square", "green", "right", (20, 70), 12.0, 18),), "stone", 2003, (40, 40))
    yield Case("fast", _drawn(fast), fast.caption)
    turning = Scene((Object("star", "orange", "up", (64, 90), 9.0, 22, 0.4),), "night", 2004, (10, 20), (6.0, 3.0))
    yield Case("fast, camera too", _drawn(turning), turning.caption)
    line = torch.linspace(0, 1, 128)
    rings = [((line[:, None] - 0.5) ** 2 + (line - 0.3 - index / 20) ** 2) * 300 for index in range(FRAMES)]
    yield Case("rings", torch.stack([ring.sin().add(1).div(2).expand(3, -1, -1) for ring in rings]), "")


def _drawn(scene: Scene) -> Tensor:
    return torch.from_numpy(render(scene, FRAMES).frames).clamp(0, 1)


@torch.no_grad()
def corrected_anew(backbone: Backbone, latents: Tensor, text: Tensor, steps: int) -> Tensor:
    """Each step twice: with the noise where it is, then with that where it led. (S + 1, F, 4, h, w)."""
    schedule, trace = backbone.schedule(steps), [latents]
    for index in reversed(range(steps)):
        x, t = trace[-1], int(schedule.timesteps[index])
        there = schedule.invert(x, backbone.predict(x[None], t, text)[0], index)
        trace.append(schedule.invert_as(x, backbone.predict(there[None], t, text)[0], there, index))
    return torch.stack(trace)


def refined(times: int) -> Invert:
    return lambda backbone, latents, text, steps: invert(backbone, latents, text, steps, corrections=times)


WAYS: dict[str, Invert] = {
    "plain": refined(0),
    "corrected anew": corrected_anew,
    "refine 1": refined(1),
    "refine 2": refined(2),
}


def measured(backbone: Backbone, case: Case, steps: list[int], ways: dict[str, Invert]) -> Iterator[dict[str, Any]]:
    """The figures of one clip, for each count of steps and each way."""
    latents, text = backbone.encode(case.frames), backbone.embed([case.words])
    limit = fidelity(backbone.decode(latents), case.frames)
    calls = 0

    def counted(_: Any, __: Any) -> None:
        nonlocal calls
        calls += 1

    for count in steps:
        for title, way in ways.items():
            calls, handle = 0, backbone.unet.register_forward_pre_hook(counted)
            with backbone.attending("sparse_causal"):
                trace = way(backbone, latents, text, count)
                handle.remove()
                again = reconstruct(backbone, trace, text, count)
            found = fidelity(backbone.decode(again), case.frames)
            yield {
                "clip": case.name, "steps": count, "way": title, "passes": calls, "vae_db": limit.db,
                "vae_worst_db": limit.worst, "db": found.db, "worst_db": found.worst,
                "strain": correction_size(trace, backbone.schedule(count)),
            }  # fmt: skip


def summary(rows: list[dict[str, Any]], steps: int, way: str) -> list[str]:
    """Over the clips of one count of steps and one way."""
    chosen = [row for row in rows if row["steps"] == steps and row["way"] == way]
    below = np.array([row["vae_db"] - row["db"] for row in chosen])
    worst = np.array([row["vae_worst_db"] - row["worst_db"] for row in chosen])
    mean = np.mean([row["db"] for row in chosen])
    return [
        f"{way}, {steps} steps", str(chosen[0]["passes"]), f"{mean:.2f}", f"{np.median(below):.2f}",
        f"{below.max():.2f}", f"{worst.max():.2f}", f"{max(row['strain'] for row in chosen):.4f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=20, help="held-out clips")
    parser.add_argument("--first", type=int, default=1_000_000, help="seed of the first")
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 25])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--no-hard", action="store_true", help="leave the hard clips out")
    parser.add_argument("--save", type=Path, help="also write every figure as JSON")
    arguments = parser.parse_args()
    backbone, ways = vedit.load_backbone(arguments.model), {name: WAYS[name] for name in arguments.ways}
    groups = {"held-out clips": list(held_out(arguments.clips, arguments.first))}
    if not arguments.no_hard:
        groups["hard clips"] = list(hard())
    found: dict[str, list[dict[str, Any]]] = {}
    for title, cases in groups.items():
        rows = found[title] = []
        for case in cases:
            for row in measured(backbone, case, arguments.steps, ways):
                rows.append(row)
                print(
                    " | ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()),
                    flush=True,
                )
            if arguments.save:
                record(arguments.save, found)
        show(
            f"{len(cases)} {title} of {FRAMES} frames",
            ["", "passes", "dB", "below the VAE: median", "most", "most of a frame", "largest strain"],
            [summary(rows, steps, way) for steps in arguments.steps for way in ways],
        )


if __name__ == "__main__":
    main()
