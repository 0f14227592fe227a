"""Held-out prompts of things that move, each with a scene that it is true of.

Things go straight, stand still, bounce, turn or circle, slowly or fast, two at once, or before a camera that pans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import world
from world import PACES, PATHS, Pace, Path, Scene

FRAMES = 16
SEED = 1_100_000
"""Of the first prompt."""

KINDS = (*PATHS, "two", "panning")

PANNING: tuple[Path, ...] = ("straight", "still", "turning", "circling")
"""The paths that are seen by a camera that pans; what bounces does so between the sides of a picture that stands."""

PACED: tuple[Path, ...] = ("straight", "bouncing", "circling")
"""The paths whose speeds are measured."""

PACED_EVERY = 8
"""One in so many prompts is also told slowly, plainly and fast."""


@dataclass(frozen=True)
class Case:
    """A prompt and a scene that it is true of."""

    number: int
    """Which is the seed of what is made, too."""
    kind: str
    prompt: str
    scene: Scene


def case(number: int) -> Case:
    """The prompt of this number; the kinds take turns."""
    kind, seed = KINDS[number % len(KINDS)], SEED + number
    if kind == "two":
        scene = world.sample_clip(seed, "held_out", frames=FRAMES, objects=2)
    elif kind == "panning":
        path = PANNING[number // len(KINDS) % len(PANNING)]
        scene = world.sample_clip(seed, "held_out", frames=FRAMES, path=path, pans=True)
    else:
        scene = world.sample_clip(seed, "held_out", frames=FRAMES, path=PATHS[number % len(KINDS)])
    return Case(number, kind, scene.caption, scene)


def paced(number: int) -> dict[Pace, Case]:
    """One prompt at every pace; the scenes are alike but for where their thing is, which way it goes, and how fast."""
    path = PACED[number // PACED_EVERY % len(PACED)]
    scenes = {pace: world.sample_clip(SEED + number, "held_out", frames=FRAMES, path=path, pace=pace) for pace in PACES}
    return {pace: Case(number, path, told(scenes["plain"], pace), scene) for pace, scene in scenes.items()}


def told(scene: Scene, pace: Pace) -> str:
    """The caption of a scene, at another pace."""
    return replace(scene, objects=tuple(replace(thing, pace=pace) for thing in scene.objects)).caption
