"""What an edit is made of has a name before it is made, is made once, and is found again."""

from __future__ import annotations

import multiprocessing
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

import vedit.annotators
import vedit.stages.flow
from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.config import ControlSettings, EditConfig, cache_folder
from vedit.flow import Flow, estimate_flow
from vedit.graph import Run, Store
from vedit.graph.run import Plan, plan
from vedit.jobs import base
from vedit.jobs.base import Given
from vedit.jobs.edit import Edit
from vedit.session import Model, Session
from vedit.stages.clip import GivenClip
from vedit.stages.conditions import ControlPictures
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.noise import StartingNoise
from vedit.stages.words import Words

FULL: dict[str, Any] = {
    "source_prompt": "a red dog", "steps": 2, "frames": 3, "tune": 2, "mask": "auto", "attention": "flow",
    "inversion_corrections": 0,
}  # fmt: skip


OWN = {"AutoMask": 1, "Doubts": 1, "Denoise": 1, "Decode": 1, "FinishEdit": 1}
"""What each edit makes for itself, of a model in hand."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often each kind of stage is made."""
    made: dict[str, int] = {}
    plain = Run._make

    def make(run: Run, stage: Any) -> Any:
        made[type(stage).__name__] = made.get(type(stage).__name__, 0) + 1
        return plain(run, stage)

    monkeypatch.setattr(Run, "_make", make)
    return made


def edited(backbone: Backbone, clip: Path | Clip, prompt: str = "a blue dog", **settings: Any) -> vedit.EditResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vedit.VeditWarning)  # of an untrained network's inversions
        return vedit.edit(backbone, clip, prompt, **{**FULL, **settings})


def test_each_stage_of_a_full_edit_is_made_once(toy_model: Path, toy_clip: Path, counted: dict[str, int]) -> None:
    edited(load_backbone(toy_model, device="cpu"), toy_clip)
    assert counted == {
        "ReadClip": 1, "FindShots": 1, "EstimateFlow": 1, "Encode": 1, "RoundTrip": 1, "Tune": 1, "ComparePrompts": 1,
        "AutoMask": 1, "StartingNoise": 1, "CheckInversion": 1, "Doubts": 1, "Denoise": 1, "Decode": 1, "FinishEdit": 1,
    }  # fmt: skip


def test_a_flow_is_estimated_once_for_all_that_follow_it(
    toy_model: Path, toy_clip: Path, tmp_path: Path, counted: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control's pictures, the attention kind and the prior."""
    estimated = []

    def counting(*arguments: Any) -> Flow:
        estimated.append(arguments)
        return estimate_flow(*arguments)

    for module in (vedit.annotators, vedit.stages.flow):
        monkeypatch.setattr(module, "estimate_flow", counting)
    backbone = load_backbone(toy_model, device="cpu")
    net = toys.controlnet_folder(backbone.unet, tmp_path / "net", backbone.vae_scale_factor)
    edited(backbone, toy_clip, control=[f"flow:net={net}"], prior="flow_warped", tune=0, mask="none")
    assert len(estimated) == 1
    assert (counted["EstimateFlow"], counted["ControlPictures"]) == (1, 1)


def test_a_flow_of_another_method_is_another_flow() -> None:
    clip = GivenClip.of(Clip(torch.zeros(3, 3, 16, 16), Fraction(8)), (16, 16))
    drawn = {
        method: ControlPictures.of(ControlSettings(kind="flow", options={"method": method}), clip)
        for method in ("dis", "raft")
    }
    assert drawn["dis"].flow == EstimateFlow(clip)
    assert drawn["raft"].flow == EstimateFlow(clip, "raft")
    assert ControlPictures.of(ControlSettings(kind="edge"), clip).flow is None
    before = ControlSettings(kind="flow", file=Path(__file__))
    assert ControlPictures.of(before, clip).flow is None, "what was drawn before needs none"


def test_a_second_edit_of_a_clip_makes_only_what_its_prompt_asks_for(
    toy_model: Path, toy_clip: Path, counted: dict[str, int]
) -> None:
    first = edited(load_backbone(toy_model, device="cpu"), toy_clip)
    counted.clear()
    second = edited(load_backbone(toy_model, device="cpu"), toy_clip, "a green dog")
    assert counted == {"ComparePrompts": 1, **OWN}
    assert not torch.equal(first.clip.frames, second.clip.frames)
    counted.clear()
    again = edited(load_backbone(toy_model, device="cpu"), toy_clip)
    assert counted == OWN
    assert torch.equal(again.clip.frames, first.clip.frames)
    assert again.metrics == first.metrics


def test_what_is_kept_changes_no_byte(toy_model: Path, toy_clip: Path) -> None:
    kept = [edited(load_backbone(toy_model, device="cpu"), toy_clip) for _ in range(2)]
    fresh = edited(load_backbone(toy_model, device="cpu"), toy_clip, cache=False)
    assert all(torch.equal(each.clip.frames, fresh.clip.frames) for each in kept)


def test_a_clip_that_changes_is_another(toy_model: Path, toy_clip: Path, counted: dict[str, int]) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    clip = vedit.read_clip(toy_clip, frames=3)
    del FULL["frames"]
    try:
        edited(backbone, clip)
        counted.clear()
        edited(backbone, replace(clip, frames=clip.frames.flip(-1)))
    finally:
        FULL["frames"] = 3
    assert counted["StartingNoise"] == counted["Tune"] == 1


def noise_of(model: Model, **changed: Any) -> StartingNoise:
    clip = GivenClip(Clip(torch.zeros(2, 3, 64, 64), 8), (64, 64), "content")  # type: ignore[arg-type]
    given: dict[str, Any] = {
        "latents": Encode(clip, model), "tuned": None, "flow": None, "conditions": (), "model": model,
        "attention": "full", "prior": "inversion", "prompt": Words("a cat"), "steps": 4, "corrections": 0,
    }  # fmt: skip
    return StartingNoise(**{**given, **changed})


@pytest.mark.filterwarnings("ignore:.*times slower than float32")
def test_the_name_of_an_inversion_tells_everything_that_matters(sd1: Path, tmp_path: Path) -> None:
    backbone = load_backbone(sd1, device="cpu")
    model = Model.of(backbone.outline())
    assert noise_of(model).key == noise_of(Model.of(load_backbone(sd1, device="cpu").outline())).key
    other = load_backbone(toys.sd_folder(tmp_path / "other", seed=1), device="cpu")
    half = load_backbone(sd1, device="cpu", dtype="bfloat16")
    models = [
        model,
        Model.of(other.outline()),
        Model.of(half.outline()),
        replace(model, kernel="math"),
        replace(model, device="cuda"),
    ]
    backbone.layers.attach_temporal()
    models.append(Model.of(backbone.outline()))
    backbone.layers.positions = True
    models.append(Model.of(backbone.outline()))
    keys = {noise_of(each).key for each in models}
    changes: list[dict[str, Any]] = [
        {"prompt": Words("a dog")}, {"steps": 5}, {"corrections": 1}, {"attention": "per_frame"},
        {"prompt": Words("a cat", ("a cat", "longer"))}, {"prior": "gaussian"}, {"seed": 1},
    ]  # fmt: skip
    keys |= {noise_of(model, **each).key for each in changes}
    assert len(keys) == len(models) + len(changes)


def _edit_at_once(model: Path, clip: Path, together: Any, found: Any) -> None:
    made: list[str] = []
    plain = Run._make

    def make(run: Run, stage: Any) -> Any:
        made.append(type(stage).__name__)
        return plain(run, stage)

    Run._make = make  # type: ignore[method-assign]
    backbone = load_backbone(model, device="cpu")
    together.wait(240)
    result = edited(backbone, clip)
    found.put((sorted(made), result.clip.numpy().tobytes()))


def test_of_two_processes_at_once_one_makes_each_stage(toy_model: Path, toy_clip: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    together, found = spawn.Barrier(2), spawn.Queue()
    both = [
        spawn.Process(target=_edit_at_once, args=(toy_model, toy_clip, together, found), daemon=True) for _ in range(2)
    ]
    for each in both:
        each.start()
    (one, pictures), (other, same) = (found.get(timeout=240) for _ in both)
    for each in both:
        each.join()
    assert pictures == same
    whole = sorted([*one, *other])
    assert sorted([*whole]) == sorted([*set(whole), *OWN])


def test_a_plan_says_what_is_there(toy_model: Path, toy_clip: Path) -> None:
    named = {"clip": toy_clip, "prompt": "a blue dog", "model": str(toy_model), "device": "cpu"}
    config = EditConfig.model_validate({**named, **FULL})
    store = Store(cache_folder())

    def planned(config: EditConfig) -> Plan:
        return plan(Edit().goal(config, Session(), Given()).stage, store=store)

    everything = {
        "reading", "finding cuts", "flow", "encoding", "tuning", "mask", "inversion", "inversion check", "denoising",
        "decoding", "",
    }  # fmt: skip
    assert ({stage.title for stage in planned(config).to_make}, planned(config).there) == (everything, ())
    with warnings.catch_warnings(action="ignore", category=vedit.VeditWarning):  # of an untrained network's inversions
        base.run(Edit(), config)
    assert {stage.title for stage in planned(config).to_make} == {"mask", "decoding", ""}
    other = planned(config.model_copy(update={"prompt": "a green dog"}))
    assert {stage.title for stage in other.to_make} == {"mask", "denoising", "decoding", ""}
    assert {"tuning", "inversion", "reading", "encoding"} <= {stage.title for stage in other.there}
