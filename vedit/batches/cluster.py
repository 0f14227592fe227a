"""Connecting to a Ray cluster: one that is started on this machine for a batch, or one that is there."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from vedit.errors import DeviceError, first_line


@dataclass(frozen=True)
class Cluster:
    """Where the jobs are made.

    Attributes:
        address: "local" for one that is started here and ends with the batch; "auto" for one that runs on this machine;
            else that of one
        gpus_per_job: how many each task has to itself; 0.5 lets two share one
        workers: tasks at a time on a local cluster; None for as many as there are GPUs, or as fit the CPUs
    """

    address: str
    gpus_per_job: float = 0.0
    workers: int | None = None


@dataclass(frozen=True)
class Connection:
    """A cluster that tasks can be handed to.

    Attributes:
        ray: the library
        workers: tasks that it works on at a time
        gpus_per_job: that each of them has
    """

    ray: Any
    workers: int
    gpus_per_job: float


@contextmanager
def connected(cluster: Cluster) -> Iterator[Connection]:
    """Within the block the cluster is there; one that was started for it is gone afterwards.

    Raises DeviceError where Ray is not installed, or the cluster cannot be reached.
    """
    local = cluster.address == "local"
    for name, value in _environment(local).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise DeviceError("--ray needs Ray, which is not installed; pip install 'vedit[cluster]'.") from error
    # What Ray tells of workers that were lost would be printed among the results; the status tells of them.
    ray._private.worker._worker_logs_enabled = False
    try:
        with _own_sigterm():
            ray.init(**_options(cluster, local))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise DeviceError(f"--ray {cluster.address}: the cluster cannot be used: {first_line(error)}") from error
    try:
        there: Mapping[str, float] = ray.cluster_resources()
        if cluster.gpus_per_job and there.get("GPU", 0) < cluster.gpus_per_job:
            has = there.get("GPU", 0)
            raise DeviceError(f"--gpus-per-job {cluster.gpus_per_job:g}: the cluster has {has:g} GPUs.")
        slots = there["GPU"] / cluster.gpus_per_job if cluster.gpus_per_job else there.get("CPU", 1)
        yield Connection(ray, max(1, int(slots)), cluster.gpus_per_job)
    finally:
        ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """After the block a request to end (SIGTERM) is met as it was before: by Ray's own handler the process would be
    aborted, and the cluster not shut down."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _environment(local: bool) -> dict[str, str]:
    """Variables that Ray heeds, some of them only when it is imported. A cluster that is started here listens on this
    machine alone, to those who know its token; how one that is there is entered is the affair of who started it."""
    common = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if not local:
        return common
    return {
        **common,
        # Without other machines Ray works on the loopback address, and listens there. ``_node_ip_address`` does not do
        # it: Ray replaces a loopback address by the machine's own, and listens on all of them.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # Workers have the priority of this process, not one of the least, at which other work would leave them no time.
        "RAY_worker_niceness": "0",
    }


def _options(cluster: Cluster, local: bool) -> dict[str, Any]:
    """The arguments of ``ray.init``."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    if not local:
        return {"address": cluster.address, **common}
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = torch.cuda.device_count() if cluster.gpus_per_job else 0
    fitting = int(gpus / cluster.gpus_per_job) if gpus else processors // torch.get_num_threads()
    return {
        "address": "local",
        "num_cpus": cluster.workers or max(1, fitting),
        "num_gpus": gpus,
        "include_dashboard": False,
        **common,
    }
