"""What ``--dry-run`` foretells against what an edit takes: ``python -m benchmarks.foretold``.

Edits of the miniature of 8, 60 and 300 frames of 128 x 128 and of 1920 x 1080 pixels, in two steps within a box, each
in a process of its own: the most memory that it held at once, and its seconds. ``--only 8,128`` measures one of
them and keeps the others' figures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import record
from benchmarks.table import show
from vedit.clip.lazy import LazyClip

FRAMES, HEIGHTS = (8, 60, 300), {128: (128, 128), 1080: (1080, 1920)}
SETTINGS = ("--steps", "2", "--no-check-inversion", "--no-cache", "--mask", "box:0.2,0.2,0.4,0.4")
RESULTS = Path(__file__).parent / "results" / "foretold.json"

UNITS = {"MiB": 1, "GiB": 1024, "seconds": 1, "minutes": 60, "hours": 3600}
"""Of the memory in MiB and of the time in seconds."""


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Colours that move under noise that does not, so that an encoder has something to do."""
    height, width = size
    noise = torch.rand((3, height, width), generator=torch.Generator().manual_seed(0)) * 0.1
    across, down = torch.linspace(0, 1, width).expand(height, width), torch.linspace(0, 1, height)[:, None]

    def picture(number: int) -> torch.Tensor:
        moved = (across + number / 50) % 1
        return torch.stack([moved, down.expand(height, width), 1 - moved]) * 0.8 + noise

    LazyClip(lambda numbers: (picture(each) for each in numbers), frames, size, Fraction(30)).save(path, crf=23)


def measured(command: list[str]) -> tuple[str, float, float, float]:
    """A run of vedit: what it printed, the most memory that it held in MiB, its seconds, and those of the CPU."""
    code = (
        "import time; begun = time.monotonic()\n"
        "import sys\n"
        "from vedit.cli import main\n"
        "from vedit.machine.memory import held_memory\n"
        "status = main(sys.argv[1:])\n"
        "print('measured', status, held_memory() / 2**20, time.monotonic() - begun, time.process_time())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    found = re.search(r"measured 0 ([\d.]+) ([\d.]+) ([\d.]+)", ran.stdout)
    if found is None:
        raise SystemExit(f"vedit {' '.join(command)}: {ran.stderr}")
    return ran.stdout, float(found[1]), float(found[2]), float(found[3])


def foretold(said: str) -> tuple[float, float]:
    """Of a dry run's output: memory in MiB, time in seconds."""
    memory = re.search(r"^  memory +([\d,.]+) (\w+)", said, re.MULTILINE)
    time = re.search(r"^  time +([\d,.]+) (\w+)", said, re.MULTILINE)
    assert memory is not None
    assert time is not None
    return tuple(float(each[1].replace(",", "")) * UNITS[each[2]] for each in (memory, time))  # type: ignore[return-value]


def compare(frames: int, height: int, folder: Path) -> dict[str, float]:
    """One edit, foretold and measured."""
    clip = folder / "clip.mp4"
    make_clip(clip, frames, HEIGHTS[height])
    edit = ["edit", str(clip), "a blue star", "--source-prompt", "a red star", *SETTINGS, "-o", str(folder / "out.mp4")]
    said, _, _, asked = measured([*edit, "--dry-run"])
    memory, seconds = foretold(said)
    _, held, took, worked = measured(edit)
    return {
        "frames": frames,
        "height": height,
        "foretold_mib": memory,
        "measured_mib": held,
        "foretold_seconds": seconds,
        "measured_seconds": took,
        "cpu_seconds": worked,
        "dry_run_seconds": asked,
    }


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="frames,height of one edit")
    asked = parser.parse_args().only
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    kept = json.loads(RESULTS.read_text())["figures"] if RESULTS.is_file() else []
    for height in HEIGHTS:
        for frames in FRAMES:
            if asked is not None and asked != f"{frames},{height}":
                continue
            with tempfile.TemporaryDirectory() as folder:
                found = compare(frames, height, Path(folder))
            kept = [each for each in kept if (each["frames"], each["height"]) != (frames, height)] + [found]
            record(RESULTS, kept)
    rows = [
        [
            f"{each['frames']:.0f} frames, {each['height']:.0f} lines",
            f"{each['foretold_mib']:.0f}",
            f"{each['measured_mib']:.0f}",
            f"{100 * (each['foretold_mib'] / each['measured_mib'] - 1):+.0f} %",
            f"{each['foretold_seconds']:.0f}",
            f"{each['measured_seconds']:.0f}",
            f"{each['cpu_seconds']:.0f}",
            f"{each['dry_run_seconds']:.1f}",
        ]
        for each in sorted(kept, key=lambda each: (each["height"], each["frames"]))
    ]
    head = ["edit", "MiB foretold", "measured", "", "seconds foretold", "measured", "of the CPU", "of the dry run"]
    show("Foretold and measured, the miniature on one thread of a CPU", head, rows)
    worst = np.max([abs(each["foretold_mib"] / each["measured_mib"] - 1) for each in kept])
    print(f"memory is foretold within {100 * worst:.0f} %")


if __name__ == "__main__":
    main()
