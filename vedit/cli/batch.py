"""``vedit batch``: the jobs of a file, made one after the other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedit import printing
from vedit.cli.flags import AsJson, Quiet, Verbose
from vedit.cli.interrupted import InterruptedWorkError
from vedit.config.merge import assignments
from vedit.errors import ConfigError

if TYPE_CHECKING:
    from vedit.batches.batch import BatchResult
    from vedit.batches.prepare import Batch


Jobs = Annotated[
    Path, typer.Argument(metavar="JOBS", help="A file of jobs (.yaml, .csv, .jsonl), or a folder of sidecars.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where to write; by default a folder named like the file."),
]
Check = Annotated[bool, typer.Option("--check", help="List all that is wrong with the jobs; run nothing.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the jobs, what they share and what they would cost; run nothing.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Make this job alone; * stands for anything. May be repeated."),
]
Preview = Annotated[
    bool,
    typer.Option("--preview", help="First make quick looks at each: a first frame, four frames, a small version."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try those again that failed in an earlier run.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist and this batch did not make.")]
OnRay = Annotated[
    str | None,
    typer.Option("--ray", metavar="WHERE", help="Make them on a Ray cluster: local, auto, or the address of one."),
]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", min=1, help="With --ray local: jobs at a time.")]
GpusPerJob = Annotated[
    float, typer.Option("--gpus-per-job", metavar="N", min=0, help="With --ray: GPUs that each job has to itself.")
]
Assign = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of all jobs.")]


def batch(
    jobs: Jobs,
    output: Output = None,
    check: Check = False,
    dry_run: DryRun = False,
    only: Only = None,
    preview: Preview = False,
    retry_failed: RetryFailed = False,
    overwrite: Overwrite = False,
    ray: OnRay = None,
    workers: Workers = None,
    gpus_per_job: GpusPerJob = 0.0,
    assign: Assign = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int | None:
    """Make many results from one file: clips x prompts x seeds. What is there already is not made again.

    Beside the outputs lie index.html, which shows them all, and status.jsonl, which says what became of each job. The
    exit status is 0 where all are done, 1 where some failed, and 2 where nothing could start."""
    from vedit.batches.batch import run_batch
    from vedit.batches.cluster import Cluster
    from vedit.batches.prepare import chosen, open_batch

    if ray is None and (workers is not None or gpus_per_job):
        flag = "--workers" if workers is not None else "--gpus-per-job"
        raise ConfigError(f"{flag} goes with --ray; without it jobs are made here, one after the other")
    report = printing.report
    progress = report.progress if sys.stderr.isatty() else None
    opened = open_batch(jobs, output, assignments(assign or ()), overwrite=overwrite, progress=progress)
    report.display.close()
    if check:
        _tell_check(opened, jobs)
        return None
    if opened.faults:
        _tell_faults(opened.faults, jobs)
    if dry_run:
        from vedit.batches.cost import tables

        for title, head, rows in tables(opened, chosen(opened, only or ())):
            report.table(rows, title=title, head=head)
        return None
    said = not (report.quiet or report.as_json)
    cluster = None if ray is None else Cluster(ray, gpus_per_job, workers)
    try:
        result = run_batch(
            opened, only=only or (), retry_failed=retry_failed, overwrite=overwrite, cluster=cluster,
            previews=preview, said=said,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise InterruptedWorkError(str(opened.folder)) from None
    _tell_result(result)
    return 1 if result.failed else None


def _tell_faults(faults: Sequence[str], jobs: Path) -> None:
    """All that is wrong with a file, each in a line; then the error that says that nothing was run."""
    printing.report.add_data(faults=faults)
    if len(faults) == 1:
        raise ConfigError(f"{faults[0]}; nothing was run.")
    for fault in faults:
        printing.report.display.say(fault)
    raise ConfigError(f"{jobs} has {len(faults)} faults, listed above; nothing was run.")


def _tell_check(opened: Batch, jobs: Path) -> None:
    """What ``--check`` finds; raises ConfigError where that is a fault."""
    if faults := opened.all_faults():
        _tell_faults(faults, jobs)
    printing.report.say(f"{len(opened.jobs)} job{'s' * (len(opened.jobs) != 1)}, no faults")
    printing.report.add_data(jobs=[job.job.name for job in opened.jobs])


def _tell_result(result: BatchResult) -> None:
    report = printing.report
    for name, reason in result.failed.items():
        report.warn(f"{name} failed: {reason}")
    if result.failed:
        report.say(f"{len(result.failed)} failed; --retry-failed tries them again")
    left = f", {len(result.left)} left" if result.left else ""
    report.file(result.page, f"{len(result.done)} done, {len(result.failed)} failed{left}")
    report.add_data(folder=str(result.folder), done=result.done, failed=result.failed, left=result.left)
