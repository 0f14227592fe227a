"""The procedural world of the miniature: scenes from seeds, frames from scenes, and exact ground truth."""

from vedit.miniature.world.clips import sample_clip
from vedit.miniature.world.paths import DIRECTIONS, PACES, PATHS, Direction, Pace, Path
from vedit.miniature.world.render import PALETTE, Rendered, draw_frame, exact_flow, render
from vedit.miniature.world.scene import (
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
from vedit.miniature.world.shapes import JOINTS

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "DIRECTIONS",
    "Direction",
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
