"""Whether memory is flat and time linear in the frames of a clip: ``python -m benchmarks.memory``.

For each length a clip of the procedural world is written to a file and edited by the command, in a process of its own,
in windows and with an empty cache. Shown are the most memory that the process held (its program and libraries, and
pages of files that it had in hand, included), how much more that is than for the shortest clip, what ``--dry-run``
foretold, and the seconds of computing for each frame.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

import vedit
import world
from benchmarks.record import record
from benchmarks.table import show

FRAMES = (16, 64, 256, 1024)
FIRST = 970_000
"""Seed of the clip: the longer ones begin as the shorter do."""

MIB = 2**20


@dataclass(frozen=True)
class Taken:
    """What an edit took: bytes at most, bytes foretold, and seconds of the processor."""

    peak: int
    foretold: str
    seconds: float


def write_clip(path: Path, frames: int) -> None:
    """A clip in whose every frame its thing is in view."""
    scene = world.sample_clip(FIRST, "held_out", frames=frames, path="bouncing")
    drawn = torch.from_numpy(world.render(scene, frames).frames).clamp(0, 1).float()
    vedit.Clip(drawn, 8).save(path)


def edit(clip: Path, folder: Path, flags: list[str]) -> Taken:
    """Edit a clip in a process of its own, after its cost was asked for."""
    command = [sys.executable, "-m", "vedit", "edit", str(clip), "a blue star", *flags]
    environment = {**os.environ, "VEDIT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    told = subprocess.run([*command, "--dry-run"], env=environment, check=True, capture_output=True, text=True).stdout
    foretold = next((" ".join(line.split()[1:4]) for line in told.splitlines() if line.split()[:1] == ["memory"]), "")
    process = subprocess.Popen([*command, "-o", str(folder / "out.mp4"), "--quiet"], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the edit of {clip} failed with status {os.waitstatus_to_exitcode(status)}")
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
    return Taken(peak, foretold, used.ru_utime + used.ru_stime)


def measure(frames: int, flags: list[str]) -> Taken:
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        # In a process of its own: what this one has held would count as held by those that it starts.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            apart.submit(write_clip, clip, frames).result()
        return edit(clip, Path(name), flags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--frames", type=int, nargs="+", default=FRAMES)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--source-prompt", default="a red star")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    flags = ["--model", arguments.model, "--window", str(arguments.window), "--steps", str(arguments.steps)]
    flags += ["--source-prompt", arguments.source_prompt]
    lines, found, least = [], {}, 0
    for frames in arguments.frames:
        taken = measure(frames, flags)
        least = least or taken.peak
        more = f"{taken.peak / least - 1:+.1%}"
        each = f"{taken.seconds / frames:.2f}"
        lines.append([str(frames), f"{taken.peak / MIB:.0f} MiB", more, taken.foretold, f"{taken.seconds:.0f}", each])
        print(*lines[-1], sep=" | ", flush=True)
        found[str(frames)] = [{"peak": taken.peak, "seconds": taken.seconds}]
    if arguments.save:
        record(arguments.save, found)
    title = f"edits in windows of {arguments.window}, {arguments.steps} steps"
    show(title, ["frames", "most memory", "more", "foretold", "CPU s", "a frame"], lines)


if __name__ == "__main__":
    main()
