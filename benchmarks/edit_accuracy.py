"""How well an edit does what it was asked, and nothing else: ``python -m benchmarks.edit_accuracy``.

Held-out clips of 8 frames, one attribute changed in each, judged against the exact counterfactual. The first table
compares ways of editing; the second shows the dial between changing and keeping (guidance); the third what one-shot
tuning buys where noise is fresh. Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vedit
from benchmarks.held_out import CHANGES, Case, cases, measure
from benchmarks.judge import Judge, load_judge
from benchmarks.table import figure, percent, show

Figures = list[dict[str, Any]]
Edit = Callable[[Case], Tensor]

PLAIN: Mapping[str, Any] = {"negative": "", "mask": "none", "tune": 0, "gate": False, "cache": True}
"""Guidance against the empty prompt, over the whole frame: the setting of the original."""


def editing(model: str, **settings: Any) -> Edit:
    """An edit with these settings, on a fresh backbone each time (tuning changes it)."""

    def run(case: Case) -> Tensor:
        backbone = vedit.load_backbone(model)
        result = vedit.edit(backbone, case.clip, case.prompt, source_prompt=case.source_prompt, **settings)
        return result.clip.frames

    return run


def rows(model: str, steps: int, tuning: int) -> dict[str, Edit]:
    """The ways of editing that the first table compares."""
    plain = {**PLAIN, "steps": steps}
    return {
        "no edit": lambda case: case.clip.frames,
        "exact, through the VAE": lambda case: _through_vae(model, case),
        "per frame": editing(model, attention="per_frame", **plain),
        "sparse causal": editing(model, attention="sparse_causal", **plain),
        "negative = source": editing(model, attention="sparse_causal", **{**plain, "negative": None}),
        f"tuned ({tuning} steps)": editing(model, **{**plain, "negative": None, "tune": tuning}),
        "default of vedit edit": editing(model, steps=steps, gate=False),
    }


def _through_vae(model: str, case: Case) -> Tensor:
    backbone = vedit.load_backbone(model)
    return backbone.decode(backbone.encode(torch.from_numpy(case.wanted.frames).clamp(0, 1)))


def measured(edit: Edit, chosen: list[Case], judge: Judge) -> Figures:
    found = []
    for case in chosen:
        started = time.monotonic()
        frames = edit(case)
        seconds = time.monotonic() - started
        found.append({"change": case.change, **measure(frames, case, judge), "seconds": seconds})
    return found


def summary(title: str, figures: Figures) -> list[str]:
    by = defaultdict(list)
    for each in figures:
        by[each["change"]].append(each["changed"])
    values = {name: [each[name] for each in figures] for name in figures[0] if name != "change"}
    return [
        title,
        *(percent(by[change]) for change in CHANGES),
        percent(values["kept"]),
        figure(values["track"]),
        figure(values["unchanged"]),
        figure(values["warp"], 2),
        f"{sum(values['seconds']) / len(figures):.1f}",
    ]


HEADER = ["", *(f"{change} right" for change in CHANGES), "others kept", "track px", "unchanged dB", "warp", "s"]


def fresh_noise(model: str, chosen: list[Case], judge: Judge, steps: int, tuning: int) -> list[list[str]]:
    """From fresh noise only tuning can know the clip: its motion, and with the same words its looks."""
    table = []
    for title, tune in (("untuned", 0), (f"tuned ({tuning} steps)", tuning)):
        for words in ("source", "edited"):
            figures = []
            for case in chosen:
                aim = Case(case.change, case.source, case.source if words == "source" else case.wanted)
                backbone = vedit.load_backbone(model)
                result = vedit.edit(
                    backbone, aim.clip, aim.prompt, source_prompt=case.source_prompt, prior="gaussian", mask="none",
                    negative="", tune=tune, steps=steps, gate=False, attention="sparse_causal",
                )  # fmt: skip
                figures.append({"change": case.change, **measure(result.clip.frames, aim, judge)})
            right = [each["changed"] for each in figures]
            kept = [each["kept"] for each in figures]
            track, warp = ([each[name] for each in figures] for name in ("track", "warp"))
            table.append([f"{title}, {words} prompt", figure(track), percent(right), percent(kept), figure(warp, 2)])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=42)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--frontier-clips", type=int, default=12)
    parser.add_argument("--fresh-clips", type=int, default=12)
    parser.add_argument("--only", help="one row of the first table, by the start of its name")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    arguments = parser.parse_args()
    chosen, judge = cases(arguments.clips), load_judge()
    ways = rows(arguments.model, arguments.steps, arguments.tune)
    if arguments.only:
        ways = {title: way for title, way in ways.items() if title.startswith(arguments.only)}
    everything = {}
    for title, way in ways.items():
        everything[title] = measured(way, chosen, judge)
        print(*summary(title, everything[title]), sep=" | ", flush=True)
    show(
        f"{len(chosen)} held-out clips, {arguments.steps} steps", HEADER, [summary(t, f) for t, f in everything.items()]
    )
    if arguments.save:
        arguments.save.write_text(json.dumps(everything, indent=1))
    if arguments.only:
        return
    some = chosen[: arguments.frontier_clips]
    lines = []
    for scale in (1.5, 3.0, 5.0, 8.0):
        for title, settings in (("whole frame", {"mask": "none"}), ("default", {})):
            edit = editing(arguments.model, steps=arguments.steps, gate=False, guidance=scale, **settings)
            lines.append(summary(f"guidance {scale:g}, {title}", measured(edit, some, judge)))
    show(f"Changing against keeping, {len(some)} clips", HEADER, lines)
    table = fresh_noise(arguments.model, chosen[: arguments.fresh_clips], judge, arguments.steps, arguments.tune)
    show(
        f"What tuning buys from fresh noise, {arguments.fresh_clips} clips",
        ["", "track px to the source's motion", "attribute right", "others right", "warp"],
        table,
    )


if __name__ == "__main__":
    main()
