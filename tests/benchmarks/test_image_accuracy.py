"""What the benchmark of pictures sees by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import world
from benchmarks.held_out import cases
from benchmarks.image_accuracy import FLIPPED, by_spreading, correlation, first_figures, flipped, judged_marked, marked
from benchmarks.image_accuracy import seen_words as words
from benchmarks.judge import load_judge
from world.scene import Shape

SCENE = world.sample_scene(900_005, "held_out")


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "star"])
def test_a_mark_is_seen_where_it_is_and_leaves_the_rest_as_it_is(shape: Shape) -> None:
    scene = replace(SCENE, objects=(replace(SCENE.objects[0], shape=shape, colour="yellow", tilt=0.0),))
    plain = torch.from_numpy(world.draw_frame(scene, 0, 0.0)[0].copy()).clamp(0, 1)
    rest = {"shape": 1.0, "colour": 1.0, "background": 1.0}
    assert judged_marked(marked(scene)[None], scene, load_judge()) == rest | {"mark": 1.0}
    assert judged_marked(plain[None], scene, load_judge()) == rest | {"mark": 0.0}
    other = scene.changed(shape="circle" if shape != "circle" else "square")
    assert judged_marked(plain[None], other, load_judge())["shape"] == 0


@pytest.mark.parametrize("kind", FLIPPED)
def test_one_attribute_is_wrong_in_words(kind: str) -> None:
    assert words(flipped(SCENE, kind, 3)) != words(SCENE)


def test_places_that_go_together_correlate() -> None:
    found = [{"x": float(i), "own x": 2.0 * i, "y": float(i % 2), "own y": float(i < 2)} for i in range(4)]
    assert correlation(found) == "1.00, 0.00"
    assert correlation(found[:2]) == ""


def test_a_first_frame_that_is_spread_is_judged_in_the_last(tmp_path: Path) -> None:
    case = cases(1)[0]
    figures = first_figures(case, by_spreading(case, "mini", tmp_path), load_judge())
    assert figures["last"] == 1
    assert figures["overlap"] > 0.8
    assert figures["unchanged"] > 40
