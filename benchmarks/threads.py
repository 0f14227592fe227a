"""How many threads, and how they wait, on a machine that is free and one that is not: ``python -m benchmarks.threads``.

Each way is a process of its own that calls the UNet of the model on 8 frames again and again; the ways take turns. The
machine is made busy by one process for each core that only counts. What counts is the wall time on a free machine, and
both times on a busy one, where threads that spin while they wait for each other burn what the others need.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.record import record
from benchmarks.table import show

WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "one for each core, spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "one for each core, as OpenMP does": {},
    "one for each core, waiting (vedit's)": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def work(model: str, calls: int) -> None:
    """Print the wall and the CPU seconds of one call of the UNet."""
    import torch

    import vedit

    backbone = vedit.load_backbone(model)
    x, text = torch.randn(1, 8, 4, 16, 16), backbone.embed([""])
    with torch.no_grad(), backbone.attending("sparse_causal"):
        backbone.predict(x, 500, text)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            backbone.predict(x, 500, text)
    print((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


def measured(way: dict[str, str], model: str, calls: int) -> tuple[float, float]:
    """Wall and CPU seconds of a call, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-m", "benchmarks.threads", "--model", model, "--calls", str(calls), "--work"]
    done = subprocess.run(command, env=kept | way, capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.split()[-2:])
    return wall, cpu


def count() -> None:
    number = 0
    while True:
        number += 1


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Within the block, so many processes do nothing but count."""
    others = [multiprocessing.get_context("spawn").Process(target=count, daemon=True) for _ in range(processes)]
    for each in others:
        each.start()
    try:
        yield
    finally:
        for each in others:
            each.terminate()
            each.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--calls", type=int, default=10, help="of the UNet in each process")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--loads", type=int, nargs="+", default=[0, os.cpu_count() or 1], help="processes that count")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.model, arguments.calls)
        return
    rows, found = [], []
    for load in arguments.loads:
        times: dict[str, list[tuple[float, float]]] = {title: [] for title in WAYS}
        before = os.getloadavg()[0]
        with busy(load):
            for _ in range(arguments.turns):
                for title, way in WAYS.items():
                    times[title].append(measured(way, arguments.model, arguments.calls))
        for title, pairs in times.items():
            wall, cpu = ([pair[which] for pair in pairs] for which in (0, 1))
            found.append({"counting": load, "load_before": before, "way": title, "wall": wall, "cpu": cpu})
            figures = (f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})" for each in (wall, cpu))
            rows.append([title, f"{load} counting, load {before:.1f}", *figures])
            print(*rows[-1], sep=" | ", flush=True)
    if arguments.save:
        record(arguments.save, found)
    show(
        f"Seconds of a UNet call, 8 frames, {arguments.turns} turns: median and range",
        ["", "beside", "wall", "CPU"],
        rows,
    )


if __name__ == "__main__":
    main()
