"""The public names, and what importing them costs."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import vedit
from vedit.annotators.pose.keypoints import Keypoints
from vedit.audio import extract_features
from vedit.flow import Flow


def test_each_name_has_a_home() -> None:
    assert set(vedit.__all__) - {"__version__"} == set(vedit._HOMES)


@pytest.mark.parametrize("name", vedit.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(vedit, name) is not None
    assert name in dir(vedit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'edti'"):
        _ = vedit.edti  # type: ignore[attr-defined]


@pytest.mark.parametrize("statement", ["import vedit", "import vedit.cli", "import vedit; vedit.EditConfig"])
def test_importing_brings_in_nothing_heavy(statement: str) -> None:
    heavy = "{'torch', 'numpy', 'diffusers', 'transformers', 'av', 'PIL'}"
    code = f"{statement}\nimport sys\nprint(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_shown_as_numbers(toy_model: Path, toy_clip: Path) -> None:
    clip = vedit.read_clip(toy_clip, frames=2)
    assert clip.audio is not None
    backbone = vedit.load_backbone(toy_model, device="cpu")
    name = str(toy_model)
    adapter = vedit.tune(backbone, clip, "red", steps=1)
    adapter.apply(backbone)
    zero = torch.zeros(1, 2, 8, 8)
    shown = {
        repr(backbone): f"Backbone({name}, cpu, float32, sdpa, temporal, learned 'red')",
        repr(adapter): f"Adapter('red' on {name}, 1 steps, {len(adapter.tensors)} tensors, ",
        repr(backbone.schedule(10)): "Schedule(10 steps, timesteps 901 to 1, epsilon)",
        repr(Flow.both_ways(zero, zero)): "Flow(2 frames, 8x8)",
        repr(Keypoints(np.zeros((2, 1, 18, 2)), np.zeros((2, 1, 18)), (8, 8), Fraction(8))): "Keypoints(2 frames, 1 p",
        repr(extract_features(clip.audio, Fraction(8), 2)): "AudioFeatures(2 frames, 8 fps, 0 BPM, 0 beats)",
    }
    for found, expected in shown.items():
        assert found.startswith(expected)
        assert "\n" not in found


def test_threads_wait_without_spinning_unless_the_user_says_otherwise() -> None:
    code = "import os, vedit; print(os.environ['OMP_WAIT_POLICY'])"
    for given, wanted in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        others = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment = others | ({} if given is None else {"OMP_WAIT_POLICY": given})
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == wanted
