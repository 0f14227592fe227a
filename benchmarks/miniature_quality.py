"""How good the miniature is on its own, on held-out scenes: ``python -m benchmarks.miniature_quality``.

Three tables: the VAE's round trip, and what it leaves of objects' outlines; text to image, judged, for seen and unseen
attribute triples; DDIM inversion and back, beside the VAE's round trip.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

import world
from benchmarks.judge import load_judge
from benchmarks.masks import overlap
from benchmarks.matte import matte
from benchmarks.table import figure, middle_and_worst, percent, show
from vedit import load_backbone
from vedit.backbone.model import Backbone
from vedit.priors.inversion import invert, reconstruct
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree


def decibels(a: Tensor, b: Tensor, where: Tensor | None = None) -> float:
    """PSNR of two clips (F, 3, H, W) in [0, 1], inside ``where`` (F, 1, H, W) if given."""
    error = (a - b).square()
    mean = error.mean() if where is None else (error * where).sum() / (3 * where.sum())
    return float(-10 * mean.clamp(min=1e-10).log10())


def vae_table(backbone: Backbone, count: int) -> None:
    """Of scenes with one object, and half as many with two smaller ones, whose outlines are the hardest to keep."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for title, scenes in (
        ("one object", [world.sample_scene(number, "held_out") for number in range(count)]),
        ("two objects", [world.sample_clip(number, "held_out", objects=2) for number in range(count // 2)]),
    ):
        for scene in scenes:
            frame, masks = world.draw_frame(scene, 3, 0.0)
            picture = torch.from_numpy(frame)[None].clamp(0, 1)
            again = backbone.decode(backbone.encode(picture))
            whole = decibels(again, picture)
            for number, (thing, mask) in enumerate(zip(scene.objects, masks, strict=True)):
                inside = decibels(again, picture, torch.from_numpy(mask > 0.5)[None, None].float())
                kept = overlap(matte(again[0].numpy(), scene, 3, number), mask > 0.5)
                for group in (title, f"{title}: {thing.shape}"):
                    found[group].append((whole, inside, float(kept)))
    rows = []
    for group in sorted(found):
        whole, inside, kept = zip(*found[group], strict=True)
        rows.append([group, str(len(kept)), figure(whole), figure(inside), figure(kept, 3), middle_and_worst(kept)])
    header = ["", "objects", "whole dB", "object dB", "outline IoU", "median, worst"]
    show(f"VAE round trip, {count} held-out frames, and {count // 2} of two objects", header, rows)


def text_table(backbone: Backbone, prompts: int, steps: int, guidance: float) -> None:
    judge = load_judge()
    rows = []
    for title, unseen in (("seen triples", False), ("unseen triples", True)):
        right: list[tuple[bool, bool, bool]] = []
        for start in range(0, prompts, 16):
            scenes = [
                world.sample_scene(700_000 + start + k, "held_out", unseen=unseen)
                for k in range(min(16, prompts - start))
            ]
            text = backbone.embed([scene.caption for scene in scenes])
            empty = backbone.embed([""]).expand_as(text)
            # Every picture is a clip of one frame here, without motion: the prompts are the branches' frames.
            guider = ClassifierFree(Prompt(text[None]), Prompt(empty[None]), guidance)
            x = noise(start + 1, len(scenes), (4, 16, 16))
            frames = backbone.decode(denoise(backbone, x, backbone.schedule(steps), guider))
            seen = judge.see(frames)
            for k, scene in enumerate(scenes):
                thing = scene.objects[0]
                right.append(
                    (
                        seen.shape[k] == thing.shape,
                        seen.colour[k] == thing.colour,
                        seen.background[k] == scene.background,
                    )
                )
        columns = list(zip(*right, strict=True))
        rows.append([title, *(percent(column) for column in columns), percent([all(each) for each in right])])
    show(
        f"Text to image, {prompts} prompts each, {steps} steps, guidance {guidance:g} "
        f"(chance: shape 20 %, colour 12 %, background 17 %)",
        ["", "shape", "colour", "background", "all three"],
        rows,
    )


def inversion_table(backbone: Backbone, count: int, steps: int) -> None:
    ceiling, back = [], []
    for number in range(count):
        scene = world.sample_scene(800_000 + number, "held_out", frames=8)
        frames = torch.from_numpy(world.render(scene, 8).frames).clamp(0, 1)
        latents = backbone.encode(frames)
        text = backbone.embed([scene.caption])
        with backbone.attending("sparse_causal"):
            trace = invert(backbone, latents, text, steps)
            again = reconstruct(backbone, trace, text, steps)
        ceiling.append(decibels(backbone.decode(latents), frames))
        back.append(decibels(backbone.decode(again), frames))
    gap = np.array(ceiling) - np.array(back)
    show(
        f"Inversion and back, guidance 1, {steps} steps, {count} held-out clips of 8 frames",
        ["", "dB", "below the VAE, median dB"],
        [["VAE round trip", figure(ceiling), ""], ["inverted and back", figure(back), f"{np.median(gap):.2f}"]],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, default=5.0)
    arguments = parser.parse_args()
    started = time.monotonic()
    backbone = load_backbone(arguments.model)
    vae_table(backbone, arguments.frames)
    inversion_table(backbone, arguments.clips, arguments.steps)
    backbone.layers.detach_motion()
    text_table(backbone, arguments.prompts, arguments.steps, arguments.guidance)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
