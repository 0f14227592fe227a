"""The procedural world of the miniature: scenes from seeds, frames from scenes, and exact ground truth."""

from world.clips import sample_clip
from world.paths import DIRECTIONS, PACES, PATHS, Direction, Pace, Path
from world.render import PALETTE, Rendered, draw_frame, exact_flow, render
from world.scene import (
    BACKGROUNDS,
    COLOURS,
    LOOKS,
    SHAPES,
    SIZE,
    STRENGTHS,
    WEATHERS,
    Background,
    Object,
    Scene,
    Weather,
    held_out_triple,
    sample_scene,
)
from world.shapes import JOINTS

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "DIRECTIONS",
    "JOINTS",
    "LOOKS",
    "PACES",
    "PALETTE",
    "PATHS",
    "SHAPES",
    "SIZE",
    "STRENGTHS",
    "WEATHERS",
    "Background",
    "Direction",
    "Object",
    "Pace",
    "Path",
    "Rendered",
    "Scene",
    "Weather",
    "draw_frame",
    "exact_flow",
    "held_out_triple",
    "render",
    "sample_clip",
    "sample_scene",
]
