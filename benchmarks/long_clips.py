"""Whether a long edit is as good at its end as at its beginning: ``python -m benchmarks.long_clips``.

Held-out clips of 96 frames whose object turns and stays in view, one attribute changed in each, judged against the
exact counterfactual, window by window. The ways compared are vedit's windows; all frames at once; key frames with what
lies between carried along the motion, or with their tokens; windows without anchors whose seams stay in place; short
edits put one behind the other; and hand-over, where each stretch begins with the last frames of the one before it,
decoded and encoded again, as other tools go on. Seams are where windows of the first step meet; in other steps they
meet elsewhere, so "anywhere" has the worst of all frames. "Warp" is the change along exact motion, in hundredths of the
range, and the last column the processor's seconds. Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

import vedit
import world
from benchmarks.held_out import CHANGES, Case, decibels, other_value, warp_error
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, interval, percent, show
from vedit.attention.kinds import SparseCausal
from vedit.config.groups import NO_MOTION
from vedit.windows import Window, Windows

FRAMES = 96
STAYING: tuple[world.Path, ...] = ("bouncing", "circling")
"""Paths that keep a thing in view for as long as one likes."""

FIRST = 960_000
"""Seed of the first clip."""

Edit = Callable[[Case], Tensor]


def cases(count: int, frames: int = FRAMES, first: int = FIRST) -> list[Case]:
    """So many held-out edits of long clips, a third of each change."""
    found = []
    for number, change, path in zip(range(count), cycle(CHANGES), cycle(STAYING), strict=False):
        scene = world.sample_clip(first + number, "held_out", frames=frames, path=path)
        wanted = scene.changed(**{change: other_value(scene, change, first + number)})
        found.append(Case(change, world.render(scene, frames), world.render(wanted, frames)))
    return found


def whole(model: str, **settings: Any) -> Edit:
    """One edit of all frames."""

    def run(case: Case) -> Tensor:
        return edited(model, case, case.clip, **settings)

    return run


def edited(model: str, case: Case, clip: vedit.Clip, **settings: Any) -> Tensor:
    told = {"source_prompt": case.source_prompt, "check_inversion": False, "cache": False, **settings}
    motion = NO_MOTION if "key_frames" in settings else None
    backbone = vedit.load_backbone(model, motion_adapter=motion)
    return vedit.edit(backbone, clip, case.prompt, **told).clip.frames


def plain_windows(model: str, windows: Windows) -> Edit:
    """Windows that lie alike in every step, each of which takes its own first frame for the clip's."""
    one = whole(model, window=windows.size, overlap=windows.overlap)

    def run(case: Case) -> Tensor:
        with fixed_and_unanchored():
            return one(case)

    return run


@contextmanager
def fixed_and_unanchored() -> Iterator[None]:
    """Within the block, windows do not move, and sparse-causal attention begins anew in each of them."""
    of_step = Windows.of_step

    def of_first_step(self: Windows, frames: int, step: int) -> list[Window]:
        return of_step(self, frames, 0)

    Windows.of_step, SparseCausal.anchored = of_first_step, False  # type: ignore[method-assign]
    try:
        yield
    finally:
        Windows.of_step, SparseCausal.anchored = of_step, True  # type: ignore[method-assign]


def one_after_the_other(model: str, size: int, shared: int = 0) -> Edit:
    """Stretches of a ``size``, edited each by itself; each begins with so many frames, ``shared``, of what has been
    made of the one before it."""

    def run(case: Case) -> Tensor:
        source = case.clip
        made = edited(model, case, source[:size])
        while len(made) < len(source):
            fresh = source.frames[len(made) : len(made) + size - shared]
            stretch = torch.cat([made[len(made) - shared :], fresh])
            made = torch.cat([made, edited(model, case, vedit.Clip(stretch, source.rate))[shared:]])
        return made

    return run


def ways(model: str, windows: Windows, key_frames: str) -> Mapping[str, Edit]:
    """The rows of the table; ``key_frames``: how many, or "auto"."""
    return {
        "windows": whole(model, window=windows.size, overlap=windows.overlap),
        "all frames at once": whole(model, window=FRAMES),
        "key frames, carried": whole(model, key_frames=key_frames, fill="flow"),
        "key frames, tokens": whole(model, key_frames=key_frames, fill="tokens"),
        "windows that stay, without anchors": plain_windows(model, windows),
        "short edits": one_after_the_other(model, windows.size),
        "handed over": one_after_the_other(model, windows.size, windows.overlap),
    }


def chosen_rows(titles: Iterable[str], asked: Sequence[str]) -> list[str]:
    """The ``titles`` that are asked for: by a whole name, or by a beginning that is nobody's whole name."""
    titles = list(titles)
    return [
        title
        for title in titles
        if any(title == each or (each not in titles and title.startswith(each)) for each in asked)
    ]


def timed(way: Edit, case: Case) -> tuple[Tensor, float]:
    """What a way makes of a case (F, 3, H, W), and the processor's seconds for it."""
    begun = time.process_time()
    return way(case), time.process_time() - begun


def measure(frames: Tensor, case: Case, windows: Windows, judge: Judge) -> dict[str, float]:
    """Everything that the table shows of one edited clip (F, 3, H, W)."""
    stretches = list(windows.chunks(len(frames)))
    seen, scene = judge.see(frames), case.wanted.scene
    wanted = {"shape": scene.objects[0].shape, "colour": scene.objects[0].colour, "background": scene.background}
    right = {name: np.array([each == value for each in getattr(seen, name)]) for name, value in wanted.items()}
    kept = np.mean([right[name] for name in CHANGES if name != case.change], axis=0)
    unchanged = [decibels(frames[each], case.clip.frames[each], case.unchanged[each]) for each in stretches]
    inside = torch.from_numpy(case.wanted.masks[:, :1]) > 0.99
    exact = torch.from_numpy(case.wanted.frames).clamp(0, 1)
    away = [lab_difference(frames[each], case.clip.frames[each], case.unchanged[each] > 0.99) for each in stretches]
    of_thing = [lab_difference(frames[each], exact[each], inside[each]) for each in stretches]
    seconds = len(frames) / float(case.clip.rate)
    ratios = seam_ratios(frames, exact, [window.start for window in windows.of_step(len(frames), 0)[1:]])
    return {
        "changed": float(right[case.change].mean()),
        "worst window": min(float(right[case.change][each].mean()) for each in stretches),
        "kept": float(kept.mean()),
        "unchanged": float(np.mean(unchanged)),
        "unchanged slope": slope(unchanged) * (len(stretches) - 1),
        "drift": float(np.linalg.norm(away[-1] - away[0])),
        # Of a new shape the prompt leaves size and rotation open, so that other pixels of it are looked at as it turns.
        "thing's drift": float("nan") if case.change == "shape" else float(np.linalg.norm(of_thing[-1] - of_thing[0])),
        "drift a second": float(np.linalg.norm([slope(list(each)) for each in np.transpose(away)]))
        * (len(stretches) - 1)
        / seconds,
        "warp": warp_error(frames, case.wanted),
        "seam": float(np.median(ratios)),
        "worst seam": float(np.max(ratios)),
        "worst change": max(seam_ratios(frames, exact)),
    }


def lab_difference(frames: Tensor, exact: Tensor, where: Tensor) -> np.ndarray:
    """The mean difference of two clips (F, 3, H, W) in CIE L*a*b* (3,), over the pixels ``where`` (F, 1, H, W)."""
    gaps = [
        (_lab(ours) - _lab(theirs))[here[0].numpy()] for ours, theirs, here in zip(frames, exact, where, strict=True)
    ]
    every = np.concatenate(gaps)
    return every.mean(0) if len(every) else np.zeros(3)


def _lab(frame: Tensor) -> np.ndarray:
    """(H, W, 3) of a frame (3, H, W) in [0, 1]."""
    pixels = np.ascontiguousarray(frame.clamp(0, 1).float().permute(1, 2, 0).numpy())
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)


def slope(values: list[float]) -> float:
    """By how much a figure rises from stretch to stretch, by least squares."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else 0.0


def seam_ratios(frames: Tensor, exact: Tensor, seams: Sequence[int] = ()) -> list[float]:
    """How many times more what is wrong with a clip (F, 3, H, W) changes at each of the ``seams`` than it mostly does;
    of every frame but the first where none are named.

    A seam is the index of the first frame behind it. What is wrong is the difference to the ``exact`` clip.
    """
    jumps = (frames - exact).diff(dim=0).abs().mean((1, 2, 3))  # of frame 1, 2, ...
    others = [index for index in range(len(jumps)) if index + 1 not in seams]
    usual = float(jumps[others].median().clamp(min=1e-6))
    return [float(jumps[seam - 1]) / usual for seam in seams or range(1, len(frames))]


HEADER = [
    "", "changed", "worst window", "others kept", "unchanged dB", "its slope", "drift dE", "of the thing", "a second",
    "warp", "seam: median", "worst", "worst anywhere", "s",
]  # fmt: skip


def summary(title: str, figures: list[dict[str, float]]) -> list[str]:
    values = {name: [each[name] for each in figures] for name in figures[0]}
    low_and_high = interval(values["unchanged slope"])
    holds = "" if low_and_high[1] <= 0 <= low_and_high[2] else " !"
    return [
        title,
        percent(values["changed"]),
        percent(values["worst window"]),
        percent(values["kept"]),
        figure(values["unchanged"]),
        figure(values["unchanged slope"], 2) + holds,
        figure(values["drift"], 2),
        figure(values["thing's drift"], 2),
        figure(values["drift a second"], 2),
        figure(values["warp"], 2),
        f"{np.median(values['seam']):.2f}",
        f"{max(values['worst seam']):.2f}",
        f"{max(values['worst change']):.2f}",
        f"{np.mean(values['seconds']):.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--overlap", type=int, default=4)
    parser.add_argument("--key-frames", default="auto", help="how many, or auto")
    parser.add_argument("--rows", nargs="*", default=[""], help="some rows only, by their names or the starts of these")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    arguments = parser.parse_args()
    windows = Windows(arguments.window, arguments.overlap)
    chosen, judge = cases(arguments.clips, arguments.frames), load_judge()
    found: dict[str, list[dict[str, float]]] = {}
    every = ways(arguments.model, windows, arguments.key_frames)
    for title in chosen_rows(every, arguments.rows):
        made = (timed(every[title], case) for case in chosen)
        found[title] = [
            {**measure(frames, case, windows, judge), "seconds": seconds}
            for case, (frames, seconds) in zip(chosen, made, strict=True)
        ]
        print(*summary(title, found[title]), sep=" | ", flush=True)
        if arguments.save:
            record(arguments.save, found)
    lines = [summary(title, figures) for title, figures in found.items()]
    show(f"{len(chosen)} held-out clips of {arguments.frames} frames, in windows of {windows.size}", HEADER, lines)


if __name__ == "__main__":
    main()
