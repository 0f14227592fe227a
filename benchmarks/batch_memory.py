"""Whether a long batch grows: ``python -m benchmarks.batch_memory``.

Hundreds of tiny edits in one process, of several clips, each with another seed and so tuned anew: the resident memory
and the open files of the process after each job. The slope is that of a straight line through the memory after a
warm-up, in which libraries set up what they keep.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import yaml

import world
from benchmarks.record import record
from benchmarks.table import show
from vedit import Clip
from vedit.batches.batch import run_batch
from vedit.batches.prepare import open_batch
from vedit.batches.view import View

BAR = 0.1
"""MB that each job may add to the resident memory."""

MEGABYTE = 2**20


def resident() -> float:
    """MB of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def open_files() -> int:
    """Descriptors that this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def jobs_file(folder: Path, model: str, clips: int, jobs: int) -> Path:
    """A file of tiny edits, equally many of each clip."""
    paths = []
    for number in range(clips):
        scene = world.sample_scene(920_000 + number, "held_out", frames=2)
        frames = torch.from_numpy(world.render(scene, 2).frames).clamp(0, 1)
        paths.append(folder / f"clip{number}.mp4")
        Clip(frames=frames, rate=Fraction(8)).save(paths[-1])
    settings = {"model": model, "device": "cpu", "size": 64, "steps": 2, "tune": 1}
    said = {"source_prompt": "a red star over sand", "prompt": "a blue star over sand"}
    product = {"clip": [str(path) for path in paths], "seed": list(range(jobs // clips))}
    path = folder / "jobs.yaml"
    path.write_text(yaml.safe_dump({"defaults": settings | said, "jobs": [{"product": product}]}), encoding="utf-8")
    return path


def measured(jobs: Path, folder: Path) -> list[tuple[float, int]]:
    """Resident memory (MB) and open files after each job of a batch. Raises RuntimeError where one fails."""
    found = []
    plain = View.end

    def end(view: View, *others: Any) -> None:
        plain(view, *others)
        found.append((resident(), open_files()))

    with patch.object(View, "end", end):
        failed = run_batch(open_batch(jobs, folder)).failed
    if failed:
        raise RuntimeError(f"{len(failed)} jobs failed: {next(iter(failed.values()))}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=50, metavar="JOBS", help="that the slope leaves out")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["VEDIT_CACHE"] = str(folder / "cache")
        jobs = jobs_file(folder, arguments.model, arguments.clips, arguments.jobs)
        found = measured(jobs, folder / "batch")
    memory = np.asarray([each for each, _ in found[arguments.warm_up :]])
    files = [each for _, each in found[arguments.warm_up :]]
    slope = float(np.polyfit(np.arange(len(memory)), memory, 1)[0])
    if arguments.save:
        figures = {
            "slope": slope,
            "memory": [round(each, 1) for each, _ in found],
            "files": [each for _, each in found],
        }
        record(arguments.save, figures)
    show(
        f"{len(found)} tiny edits in one process; a job may add {BAR} MB",
        ["", "MB", "open files"],
        [
            ["after the first job", f"{found[0][0]:.0f}", str(found[0][1])],
            [f"after job {arguments.warm_up + 1}", f"{memory[0]:.0f}", str(files[0])],
            ["after the last", f"{memory[-1]:.0f}", str(files[-1])],
            ["most, after the warm-up", f"{memory.max():.0f}", str(max(files))],
            ["added by each job", f"{slope:.3f}", f"{(files[-1] - files[0]) / len(files):.3f}"],
        ],
    )


if __name__ == "__main__":
    main()
