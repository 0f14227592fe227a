"""How well an edit does what it was asked, and nothing else: ``python -m benchmarks.edit_accuracy``.

Held-out clips of 8 frames, one attribute changed in each, judged against the exact counterfactual. The first table
compares ways of editing; the second what the source's edges add to a tuned model where only colour or ground change;
the third shows the dial between changing and keeping (guidance); the fourth what one-shot tuning buys where noise is
fresh. Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import vedit
from benchmarks.held_out import CHANGES, Case, best_guess, cases, measure
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, middle_and_worst, percent, show

Figures = list[dict[str, Any]]
Edit = Callable[[Case], Tensor]

PLAIN: Mapping[str, Any] = {
    "mask": "none", "strength": 1.0, "inject": 0.0, "apg_eta": 1.0, "guidance": 7.5, "guidance_interval": "0-1",
    "check_inversion": False, "control": "none",
}  # fmt: skip
"""Stable Diffusion's usual guidance against the empty prompt, over the whole frame, from full noise: the original's
way."""


def editing(model: str, *, away_from_source: bool = False, **settings: Any) -> Edit:
    """An edit with these settings, on a fresh backbone each time (tuning changes it).

    ``away_from_source``: guidance leads away from the source's prompt, not from the empty one.
    """

    def run(case: Case) -> Tensor:
        backbone = vedit.load_backbone(model)
        negative = case.source_prompt if away_from_source else ""
        result = vedit.edit(
            backbone, case.clip, case.prompt, source_prompt=case.source_prompt, negative_prompt=negative, **settings
        )
        return result.clip.frames

    return run


def rows(model: str, steps: int, tuning: int) -> dict[str, Edit]:
    """The ways of editing that the first table compares."""
    plain = {**PLAIN, "steps": steps}
    return {
        "no edit": lambda case: case.clip.frames,
        "the best guess": best_guess,
        "exact, through the VAE": lambda case: _through_vae(model, case),
        "per frame": editing(model, attention="per_frame", **plain),
        "sparse causal": editing(model, attention="sparse_causal", **plain),
        "negative = source": editing(model, attention="sparse_causal", away_from_source=True, **plain),
        f"tuned ({tuning} steps)": editing(model, tune=tuning, **plain),
        "default of vedit edit": editing(model),
        f"default, tuned ({tuning} steps)": editing(model, tune=tuning),
        "default, --attention flow": editing(model, attention="flow"),
    }


def shaped_rows(model: str, steps: int, tuning: int) -> dict[str, Edit]:
    """Ways of editing what leaves the shape as it is."""
    tuned = {**PLAIN, "steps": steps, "tune": tuning}
    return {
        f"tuned ({tuning} steps)": editing(model, **tuned),
        f"tuned ({tuning} steps) + edge": editing(model, **{**tuned, "control": ("edge",)}),
    }


def _through_vae(model: str, case: Case) -> Tensor:
    backbone = vedit.load_backbone(model)
    return backbone.decode(backbone.encode(torch.from_numpy(case.wanted.frames).clamp(0, 1)))


def compared(ways: Mapping[str, Edit], chosen: list[Case], judge: Judge, only: tuple[str, ...]) -> dict[str, Figures]:
    """Every clip's figures of the ways whose names start like one of ``only``, printed as they come."""
    found = {}
    for title, way in ways.items():
        if title.startswith(only):
            found[title] = measured(way, chosen, judge)
            print(*summary(title, found[title]), sep=" | ", flush=True)
    return found


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
        middle_and_worst(values["overlap"]),
        f"{sum(values['seconds']) / len(figures):.1f}",
    ]


FRESH_GUIDANCE = 3.0
"""From fresh noise, where the prompt alone must make the picture."""

HEADER = [
    "", *(f"{change} right" for change in CHANGES), "others kept", "track px", "unchanged dB", "warp",
    "IoU: median, worst", "s",
]  # fmt: skip


def fresh_noise(
    model: str, chosen: list[Case], judge: Judge, steps: int, tuning: int, only: tuple[str, ...]
) -> dict[str, Figures]:
    """From fresh noise only tuning can know the clip: its motion, and with the same words its looks."""
    everything = {}
    ways: dict[str, Mapping[str, Any]] = {
        "untuned": {},
        f"the original's recipe, {tuning} steps": {"steps": tuning, "recipe": "original"},
        f"tuned, {tuning} steps": {"steps": tuning},
    }
    for title, tuned in ways.items():
        if not title.startswith(only):
            continue
        figures: dict[str, Figures] = {"source": [], "edited": []}
        for case in chosen:
            backbone = vedit.load_backbone(model)
            if tuned:
                vedit.tune(backbone, case.clip, case.source_prompt, **tuned).apply(backbone)
            for words, found in figures.items():
                aim = Case(case.change, case.source, case.source if words == "source" else case.wanted)
                result = vedit.edit(
                    backbone, aim.clip, aim.prompt, prior="gaussian", attention="sparse_causal", steps=steps,
                    **{**PLAIN, "guidance": FRESH_GUIDANCE},
                )  # fmt: skip
                found.append({"change": case.change, **measure(result.clip.frames, aim, judge)})
        for words, found in figures.items():
            everything[f"{title}, {words} prompt"] = found
            print(*fresh_summary(f"{title}, {words} prompt", found), sep=" | ", flush=True)
    return everything


def fresh_summary(title: str, found: Figures) -> list[str]:
    track, right, kept, warp = ([each[name] for each in found] for name in ("track", "changed", "kept", "warp"))
    return [title, figure(track), percent(right), percent(kept), figure(warp, 2)]


def frontier(model: str, chosen: list[Case], judge: Judge, steps: int, only: tuple[str, ...]) -> dict[str, Figures]:
    """The dial between changing and keeping, for three ways of holding on to the source."""
    ways: dict[str, Mapping[str, Any]] = {
        "whole frame, full noise": PLAIN,
        "the default without injection": {"inject": 0.0, "check_inversion": False},
        "the default": {"check_inversion": False},
    }
    edits = {
        f"{title}, guidance {scale:g}": editing(model, steps=steps, **{**settings, "guidance": scale})
        for title, settings in ways.items()
        for scale in (2.0, 4.0, 6.0, 12.0)
    }
    return compared(edits, chosen, judge, only)


def lines(found: Mapping[str, Figures]) -> list[list[str]]:
    return [summary(title, figures) for title, figures in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=["edits", "shaped", "frontier", "fresh"], help="one table only")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=42)
    parser.add_argument("--first", type=int, default=900_000, help="seed of the first clip")
    parser.add_argument("--some-clips", type=int, default=12, help="clips of the last two tables")
    parser.add_argument("--steps", type=int, default=50, help="of all rows but the defaults, which have their own")
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--fresh-tune", type=int, default=500, help="tuning steps of the last table")
    parser.add_argument("--rows", nargs="*", default=[""], help="some rows only, by the starts of their names")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    arguments = parser.parse_args()
    chosen, judge = cases(arguments.clips, arguments.first), load_judge()
    some, only = chosen[: arguments.some_clips], tuple(arguments.rows)
    everything: dict[str, Figures] = {}
    if arguments.table in (None, "edits"):
        found = compared(rows(arguments.model, arguments.steps, arguments.tune), chosen, judge, only)
        everything |= found
        show(f"{len(chosen)} held-out clips of 8 frames", HEADER, lines(found))
    if arguments.table in (None, "shaped"):
        same = [case for case in chosen if case.change != "shape"]
        ways = shaped_rows(arguments.model, arguments.steps, arguments.tune)
        found = compared(ways, same, judge, only)
        everything |= found
        show(f"Only colour or ground changed, {len(same)} clips, {arguments.steps} steps", HEADER, lines(found))
    if arguments.table in (None, "frontier"):
        found = frontier(arguments.model, some, judge, arguments.steps, only)
        everything |= found
        show(f"Changing against keeping, {len(some)} clips, {arguments.steps} steps", HEADER, lines(found))
    if arguments.table in (None, "fresh"):
        found = fresh_noise(arguments.model, some, judge, arguments.steps, arguments.fresh_tune, only)
        everything |= found
        columns = ["", "track px to the source's motion", "the changed attribute right", "the others right", "warp"]
        table = [fresh_summary(title, figures) for title, figures in found.items()]
        show(f"From fresh noise, {len(some)} clips, {arguments.steps} steps", columns, table)
    if arguments.save:
        record(arguments.save, everything)


if __name__ == "__main__":
    main()
