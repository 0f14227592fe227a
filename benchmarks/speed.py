"""How much quicker each lever makes an edit and a tuning, and what it costs: ``python -m benchmarks.speed``.

Held-out clips of 8 frames, one attribute changed in each. The first table has the default edit beside the original's
own way (Tune-A-Video's: DDIM inversion and guided sampling in 50 steps each, over the whole frame), each lever by
itself, and the bundles; the second clips from fresh noise, where the sampler is free; the third one-shot tuning, by how
well the clip's motion comes back from fresh noise.

Passes are those of the UNet for one branch. A pass of its outermost layers alone, or one with the way back of learning,
counts for what it takes of a whole one by the operations in it. Seconds are the processor's (user and system, of this
process) from frames to frames, without loading, and nothing is kept from edit to edit. Brackets are 95 % bootstrap
intervals over clips.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import vedit
from benchmarks.edit_accuracy import FRESH_GUIDANCE, PLAIN
from benchmarks.held_out import CHANGES, Case, cases, measure
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, interval, percent, show
from vedit.backbone.model import Backbone
from vedit.graph.work import Work
from vedit.network_cost import NetworkCost

Figures = list[dict[str, Any]]

ORIGINAL: Mapping[str, Any] = {**PLAIN, "steps": 50, "inversion_corrections": 0, "attention": "sparse_causal"}
"""Tune-A-Video's settings and branches, restated on the same backbone."""

EDITS: Mapping[str, Mapping[str, Any]] = {
    "the original's way": ORIGINAL,
    "default": {},
    "guidance in 0-0.7 of the steps": {"guidance_interval": "0-0.7"},
    "deep features kept for 2 steps": {"deep_cache": 2},
    "deep features kept for 3 steps": {"deep_cache": 3},
    "mask of half the comparisons": {"mask_samples": 1},
    "15 steps": {"steps": 15},
    "10 steps": {"steps": 10},
    "--fast": {"fast": True},
    "--preview": {"preview": True},
}

FRESH: Mapping[str, Mapping[str, Any]] = {
    "ddpm, 50 steps (default)": {},
    "ddpm, 25 steps": {"steps": 25},
    "ddim, 50 steps": {"sampler": "ddim"},
    "ddim, 25 steps": {"sampler": "ddim", "steps": 25},
    "ddim, 12 steps": {"sampler": "ddim", "steps": 12},
    "dpm++, 25 steps": {"sampler": "dpm++", "steps": 25},
    "dpm++, 12 steps": {"sampler": "dpm++", "steps": 12},
    "dpm++, 8 steps": {"sampler": "dpm++", "steps": 8},
    "--fast": {"fast": True},
    "--preview": {"preview": True},
}

TUNINGS: Mapping[str, Mapping[str, Any]] = {
    "untuned": {"steps": 0},
    "the original's recipe, 500 steps": {"steps": 500, "recipe": "original"},
    "500 steps": {"steps": 500},
    "100 steps": {"steps": 100},
    "stopped once it has learnt": {"steps": 500, "early_stop": True},
    "stopped, up blocks alone": {"steps": 500, "early_stop": True, "tuned_blocks": "up"},
}


@dataclass
class Tally:
    """What one job has taken: passes through the UNet, in whole ones of one branch, and CPU seconds."""

    passes: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Worth:
    """What a run takes of a whole pass forwards: of the outermost layers alone, and one with gradients."""

    outermost: float
    learning: float

    @classmethod
    def of(cls, backbone: Backbone, size: tuple[int, int]) -> Worth:
        """By the operations of the model's own network, for pictures of a ``size`` (H, W)."""
        kinds = {name: Work(name, "", 1) for name in ("unet", "outermost", "learning")}
        network = NetworkCost(backbone.outline(), 1, "per_frame", list(kinds.values()))
        flop = {name: network.of(each, size).flop for name, each in kinds.items()}
        return cls(flop["outermost"] / flop["unet"], flop["learning"] / flop["unet"])


@contextmanager
def counting(backbone: Backbone, worth: Worth) -> Iterator[Tally]:
    """Within the block, what jobs with a backbone take is counted."""
    tally, predict = Tally(), backbone.predict

    def counted(x: Tensor, *others: Any, **named: Any) -> Tensor:
        share = worth.outermost if backbone.outermost_alone else worth.learning if torch.is_grad_enabled() else 1.0
        tally.passes += len(x) * share
        return predict(x, *others, **named)

    begun = time.process_time()
    with patch.object(backbone, "predict", counted):
        yield tally
    tally.seconds = time.process_time() - begun


def edit_of(model: str, case: Case, worth: Worth, settings: Mapping[str, Any]) -> tuple[Tensor, Tally]:
    """The frames (F, 3, H, W) of a case's edit, and what it took."""
    backbone = vedit.load_backbone(model)
    with counting(backbone, worth) as tally:
        frames = vedit.edit(
            backbone, case.clip, case.prompt, source_prompt=case.source_prompt, cache=False, **settings
        ).clip.frames
    return frames, tally


def generated(model: str, case: Case, worth: Worth, settings: Mapping[str, Any]) -> tuple[Tensor, Tally]:
    """A clip of what a case's edit asks for, from words alone."""
    backbone, shown = vedit.load_backbone(model), case.clip
    sides = {"height": shown.size[0], "width": shown.size[1], "frames": len(shown)}
    with counting(backbone, worth) as tally:
        frames = vedit.generate(backbone, case.prompt, **sides, **settings).clip.frames
    return frames, tally


def tuned(model: str, case: Case, worth: Worth, settings: Mapping[str, Any]) -> tuple[Tensor, Tally, int]:
    """The source's clip from fresh noise by a model that was tuned on it, what tuning took, and its steps."""
    backbone, steps = vedit.load_backbone(model), 0
    with counting(backbone, worth) as tally:
        if settings["steps"]:
            adapter = vedit.tune(backbone, case.clip, case.source_prompt, **settings)
            steps = int(adapter.config.get("steps_taken", settings["steps"]))
    if settings["steps"]:
        adapter.apply(backbone)
    result = vedit.edit(
        backbone, case.clip, case.source_prompt, source_prompt=case.source_prompt, prior="gaussian", cache=False,
        attention="sparse_causal", **{**PLAIN, "guidance": FRESH_GUIDANCE},
    )  # fmt: skip
    return result.clip.frames, tally, steps


Way = Callable[[str, Case, Worth, Mapping[str, Any]], tuple[Tensor, Tally]]


def measured(
    ways: Mapping[str, Mapping[str, Any]], way: Way, model: str, chosen: list[Case], judge: Judge, worth: Worth
) -> dict[str, Figures]:
    """Every clip's figures, by the ways' names. The ways take turns on each clip, so that a machine whose speed drifts
    treats them alike."""
    found: dict[str, Figures] = {title: [] for title in ways}
    for case in chosen:
        for title, settings in ways.items():
            frames, tally = way(model, case, worth, settings)
            found[title].append({"change": case.change, **measure(frames, case, judge), **vars(tally)})
            print(title, case.change, f"{tally.passes:.1f} passes, {tally.seconds:.1f} s", sep=" | ", flush=True)
    return found


def tunings(model: str, chosen: list[Case], judge: Judge, worth: Worth, most: int) -> dict[str, Figures]:
    """As ``measured``, of tunings of ``most`` steps at most."""
    found: dict[str, Figures] = {title: [] for title in TUNINGS}
    for case in chosen:
        aim = Case(case.change, case.source, case.source)
        for title, settings in TUNINGS.items():
            frames, tally, steps = tuned(model, case, worth, {**settings, "steps": min(settings["steps"], most)})
            found[title].append({"change": "motion", **measure(frames, aim, judge), **vars(tally), "steps": steps})
            print(title, f"{steps} steps, {tally.seconds:.1f} s", sep=" | ", flush=True)
    return found


HEAD = ["", "passes", "times fewer", "CPU s", "times quicker", "attributes right", "unchanged dB", "track px", "warp"]


def line(title: str, figures: Figures, base: Figures) -> list[str]:
    """A row of the first two tables; how much less than the ``base`` a way takes."""
    values = {name: [each[name] for each in figures] for name in figures[0] if name != "change"}
    attributes = [(each["changed"] + each["kept"] * (len(CHANGES) - 1)) / len(CHANGES) for each in figures]
    return [
        title, f"{interval(values['passes'])[0]:.1f}", times(figures, base, "passes"),
        f"{interval(values['seconds'])[0]:.1f}", times(figures, base, "seconds"), percent(attributes),
        figure(values["unchanged"]), figure(values["track"]), figure(values["warp"], 2),
    ]  # fmt: skip


def times(figures: Figures, base: Figures, name: str) -> str:
    """How many times less than the ``base`` it is, over all clips. Empty where there is nothing to compare."""
    ours, theirs = (sum(each[name] for each in some) for some in (figures, base))
    return f"{theirs / ours:.2f}" if ours else ""


def tuning_line(title: str, figures: Figures, base: Figures) -> list[str]:
    values = {name: [each[name] for each in figures] for name in ("steps", "seconds", "track", "warp")}
    quicker = times(figures, base, "seconds") if any(values["steps"]) else ""
    return [
        title, f"{interval(values['steps'])[0]:.0f}", times(figures, base, "passes"),
        f"{interval(values['seconds'])[0]:.1f}", quicker, figure(values["track"]), figure(values["warp"], 2),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--table", choices=["edits", "fresh", "tuning"], help="one table only")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--tuned-clips", type=int, default=6, help="clips of the last table, those of --clips at most")
    parser.add_argument("--tune", type=int, default=500, help="most steps of a tuning")
    parser.add_argument("--first", type=int, default=900_000, help="seed of the first clip")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    arguments = parser.parse_args()
    chosen, judge = cases(arguments.clips, arguments.first), load_judge()
    worth = Worth.of(vedit.load_backbone(arguments.model), chosen[0].clip.size)
    print(f"outermost layers alone: {worth.outermost:.2f} of a pass, a step of learning: {worth.learning:.2f}")
    given, found, threads = (arguments.model, chosen, judge, worth), {}, torch.get_num_threads()
    about = f"{len(chosen)} held-out clips of 8 frames, {threads} threads"
    for table, ways, way, base in (
        ("edits", EDITS, edit_of, "the original's way"), ("fresh", FRESH, generated, "ddim, 50 steps"),
    ):  # fmt: skip
        if arguments.table in (None, table):
            found[table] = rows = measured(ways, way, *given)
            lines = [line(title, figures, rows[base]) for title, figures in rows.items()]
            show(f"{table}: {about}; times against {base}", HEAD, lines)
    if arguments.table in (None, "tuning"):
        some = chosen[: arguments.tuned_clips]
        found["tuning"] = rows = tunings(arguments.model, some, judge, worth, arguments.tune)
        base = "the original's recipe, 500 steps"
        head = ["", "steps", "times fewer passes", "CPU s", "times quicker", "track px", "warp"]
        lines = [tuning_line(title, figures, rows[base]) for title, figures in rows.items()]
        show(f"tuning: {len(some)} clips, from fresh noise; times against {base}", head, lines)
    if arguments.save:
        record(arguments.save, {"worth": vars(worth), "tables": found})


if __name__ == "__main__":
    main()
