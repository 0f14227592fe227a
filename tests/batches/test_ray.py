"""Batches on a Ray cluster of this machine: workers and drivers that are killed, inputs that cannot be used."""

from __future__ import annotations

import ipaddress
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from tests.batches import desks
from tests.batches.desks import Desk
from vedit.batches.batch import run_batch
from vedit.batches.prepare import open_batch
from vedit.stages.between import TOGETHER

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

LOCAL = "local", "--workers", "2"
"""Where most of these batches run."""

BETWEEN = 5.0
"""Seconds from one kill to the next."""

KILLS = 10
"""Of workers, at least."""

PATIENCE = 2400
"""Seconds in which a batch ends, however much else this machine does."""


@dataclass
class Place:
    """A desk for batches on clusters of their own, of two workers each."""

    desk: Desk
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, jobs: Path, where: Sequence[str] = LOCAL, **variables: str) -> subprocess.Popen[bytes]:
        """``vedit batch`` in a session of its own; ``variables`` of its environment."""
        given = "-o", str(self.desk.out), "--ray", *where, "--quiet"
        command = [sys.executable, "-m", "vedit", "batch", str(jobs), *given]
        environment = os.environ | {"VEDIT_CACHE": str(self.desk.cache)} | variables
        with (self.desk.folder / "said.txt").open("ab") as said:
            driver = subprocess.Popen(
                command,
                stdout=said,
                stderr=said,
                env=environment,
                cwd=self.desk.folder,
                start_new_session=True,
                preexec_fn=heed_interruptions,
            )
        self.drivers.append(driver)
        return driver

    def wait_until_gone(self) -> None:
        """Processes of a cluster notice that their driver has ended, and end too. Where it was killed, its agents
        try for a minute to tell a server that has ended as well."""
        until = time.monotonic() + 120
        while (found := self.left()) and time.monotonic() < until:
            time.sleep(0.5)
        assert not [told(psutil.Process(each)) for each in found]

    def left(self) -> list[int]:
        return [process for driver in self.drivers for process in desks.processes_of(driver.pid)]


def heed_interruptions() -> None:
    """SIGINT ends a process also where the tests run in the background of a shell, which has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cluster_of(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All processes that a driver has begun, and they have."""
    try:
        return psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def told(process: psutil.Process) -> str:
    """The command line of a process; empty for one that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill_workers(driver: subprocess.Popen[bytes], desk: Desk, enough: int = 10**9) -> int:
    """Kill one of the workers again and again, until so many jobs are done or the batch ends; how many were killed.

    One every ``BETWEEN`` seconds, but none before something was made since the last: on a slow machine a worker takes
    longer than that to start, and a cluster would never come to work.
    """
    chance, killed, following, made = random.Random(3), 0, time.monotonic() + BETWEEN, 0
    while driver.poll() is None and len(told_of(desk, "done")) < enough:
        time.sleep(0.1)
        workers = [each for each in cluster_of(driver) if told(each).startswith("ray::work")]
        if workers and time.monotonic() >= following and (now := len(told_of(desk, "made"))) > made:
            chance.choice(workers).kill()
            killed, following, made = killed + 1, time.monotonic() + BETWEEN, now
    return killed


def told_of(desk: Desk, event: str) -> list[str]:
    """The jobs of which the status tells this."""
    return [each["job"] for each in desk.events() if each["event"] == event]


def poison(folder: Path, count: int) -> list[Path]:
    """Clips of which only the first picture can be decoded: found when they are read, not when they are planned."""
    folder.mkdir()
    found = desks.clips(folder, count, frames=5)
    for clip in found:
        with av.open(str(clip)) as file:
            packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
        content = bytearray(clip.read_bytes())
        for begin, size in packets[1:]:
            content[begin : begin + size] = bytes([255]) * size
        clip.write_bytes(content)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Of whose clusters nothing may be left."""
    place = Place(Desk.new(tmp_path / "cluster"))
    yield place
    for driver in place.drivers:
        driver.kill()  # where a test has failed
        driver.wait()
    place.wait_until_gone()


def test_a_cluster_ends_with_its_batch_and_listens_on_this_machine_alone(
    toy_model: Path, tmp_path: Path, place: Place
) -> None:
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", desks.clips(tmp_path, 1), ["a blue dog"], desks.tiny(toy_model))
    driver = place.begin(jobs)
    listening, tokens = dict[tuple[str, int], str](), set[str]()
    while driver.poll() is None:
        for process in [psutil.Process(driver.pid), *cluster_of(driver)]:
            try:
                connections, variables = process.net_connections("inet"), process.environ()
            except psutil.Error:
                continue
            listening |= {each.laddr: told(process) for each in connections if each.status == psutil.CONN_LISTEN}
            if "raylet" in told(process) or "gcs_server" in told(process):
                tokens.add(variables.get("RAY_AUTH_MODE", "") + variables.get("RAY_AUTH_TOKEN", ""))
        time.sleep(0.2)
    assert driver.returncode == 0, place.desk.said
    assert len(listening) >= 3, "of the driver, the server of the cluster's state, and the worker's node"
    plain = {address: ipaddress.ip_address(address[0].removeprefix("::ffff:")) for address in listening}
    assert not [(address, listening[address]) for address, ip in plain.items() if not ip.is_loopback]
    (token,) = tokens
    assert token.startswith("token")
    assert len(token) == len("token") + 64


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a cluster of one worker that somebody else has started, without a token."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1", "--include-dashboard=false"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *given]
    with (tmp_path / "cluster.txt").open("wb") as said:
        environment = os.environ | {"RAY_worker_niceness": "0"}  # else other work would leave workers no time
        head = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
    until = time.monotonic() + 120
    while "started" not in (tmp_path / "cluster.txt").read_text() and time.monotonic() < until:
        time.sleep(0.2)
    yield f"127.0.0.1:{port}"
    assert head.poll() is None, "it is left running"
    begun = cluster_of(head)
    head.terminate()
    head.wait()
    psutil.wait_procs(begun, timeout=120)


def test_a_cluster_that_is_there_is_used_and_left(toy_model: Path, tmp_path: Path, place: Place, cluster: str) -> None:
    clips, prompts = desks.clips(tmp_path, 1), ["a blue dog", "a green dog"]
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", clips, prompts, desks.tiny(toy_model))
    assert place.begin(jobs, [cluster]).wait(PATIENCE) == 0, place.desk.said
    assert sorted(told_of(place.desk, "done")) == ["clip0/a-blue-dog", "clip0/a-green-dog"]
    assert not place.desk.hidden()


def test_a_batch_outlives_its_workers_and_tells_of_each_input_that_cannot_be_used(
    toy_model: Path, tmp_path: Path, place: Place
) -> None:
    prompts = [f"a {word} dog" for word in ("blue", "green", "grey", "white", "black", "pink")]
    good, bad = desks.clips(tmp_path, 9), poison(tmp_path / "bad", 6)
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", good, prompts, desks.tiny(toy_model))
    own = "    prompt: a blue dog\n    output: bad/{clip}.mp4\n"
    jobs.write_text(jobs.read_text() + "".join(f"  - clip: '{clip}'\n{own}" for clip in bad))

    plain = Desk.new(tmp_path / "plain")
    environment = pytest.MonkeyPatch()
    environment.setenv("VEDIT_CACHE", str(plain.cache))
    try:
        alone = run_batch(open_batch(jobs, plain.out), said=False)
    finally:
        environment.undo()
    assert len(alone.done) == 54
    assert len(alone.failed) == 6

    driver = place.begin(jobs)
    killed = kill_workers(driver, place.desk, enough=20)
    assert driver.poll() is None, place.desk.said
    driver.kill()  # in the middle
    driver.wait()
    place.wait_until_gone()
    assert place.desk.outputs().items() <= plain.outputs().items(), "what is there is whole"

    driver = place.begin(jobs)
    killed += kill_workers(driver, place.desk)
    assert driver.wait(PATIENCE) == 1, place.desk.said
    assert killed >= KILLS
    assert place.desk.outputs() == plain.outputs()
    assert not place.desk.hidden()
    assert sorted(told_of(place.desk, "done")) == sorted(alone.done), (
        "each once, those that were done before the driver was killed too"
    )
    failed = {each["job"]: each["reason"] for each in place.desk.events() if each["event"] == "failed"}
    assert failed == alone.failed
    assert all(f"bad/clip{number}.mp4" in " ".join(failed.values()) for number in range(6))


def test_an_input_that_kills_its_worker_each_time_is_told_of_and_left(
    toy_model: Path, tmp_path: Path, place: Place
) -> None:
    (clip,) = desks.clips(tmp_path, 1)
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", [clip], ["a blue dog"], desks.tiny(toy_model))
    jobs.write_text(jobs.read_text() + f"  - clip: '{clip}'\n    prompt: a green dog\n    condition: [deadly]\n")
    plugin = tmp_path / "plugin"
    (plugin / "deadly-1.0.dist-info").mkdir(parents=True)
    (plugin / "deadly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (plugin / "deadly-1.0.dist-info" / "entry_points.txt").write_text("[vedit.conditioners]\ndeadly = deadly:Deadly\n")
    (plugin / "deadly.py").write_text(DEADLY)
    path = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    driver = place.begin(jobs, PYTHONPATH=path)
    assert driver.wait(PATIENCE) == 1, place.desk.said
    events = place.desk.events()
    assert told_of(place.desk, "done") == ["clip0/a-blue-dog"]
    (failed,) = (each for each in events if each["event"] == "failed")
    assert failed["job"] == "clip0/a-green-dog"
    assert "workers were lost while they made it" in failed["reason"]
    losses = [each["losses"] for each in events if each["event"] == "lost"]
    assert losses == list(range(1, len(losses) + 1))
    outputs = [name for name in place.desk.outputs() if name.startswith("clip0/")]
    assert sorted(outputs) == ["clip0/a-blue-dog.mp4", "clip0/a-blue-dog.yaml"]
    assert not place.desk.hidden()


DEADLY = """
import os, signal

import torch

from vedit.conditioners import Conditioner


class Deadly(Conditioner):
    \"\"\"Ends its process, as a library may that has a fault.\"\"\"

    def prepare(self, clip, moments):
        os.kill(os.getpid(), signal.SIGKILL)

    def condition(self, prepared, backbone):
        raise AssertionError
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_batch_that_is_interrupted_takes_its_cluster_with_it(
    toy_model: Path, tmp_path: Path, place: Place, number: signal.Signals
) -> None:
    prompts = [f"a {word} dog" for word in ("blue", "green", "grey", "white")]
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", desks.clips(tmp_path, 3), prompts, desks.tiny(toy_model))
    driver = place.begin(jobs)
    while driver.poll() is None and not told_of(place.desk, "done"):
        time.sleep(0.1)
    assert driver.poll() is None, place.desk.said
    driver.send_signal(number)
    assert driver.wait(60) in (130, 143), place.desk.said
    place.wait_until_gone()
    assert [each["event"] for each in place.desk.events()][-1] == "interrupted"
    again = place.begin(jobs)
    assert again.wait(PATIENCE) == 0, place.desk.said
    assert not place.desk.hidden()


def test_parts_of_one_long_clip_are_made_side_by_side(toy_model: Path, tmp_path: Path, place: Place) -> None:
    (clip,) = desks.clips(tmp_path, 1, frames=2 * TOGETHER)
    jobs = desks.jobs_file(tmp_path / "jobs.yaml", [clip], ["a blue dog"], desks.tiny(toy_model))
    own = f"    frames: {2 * TOGETHER}\n    key_frames: 9\n    fill: recursive\n    check_inversion: false\n"
    jobs.write_text(jobs.read_text() + own)
    plain = Desk.new(tmp_path / "plain")
    plain.finish(plain.begin(jobs))
    driver = place.begin(jobs)
    assert driver.wait(PATIENCE) == 0, place.desk.said
    assert place.desk.outputs() == plain.outputs()
    parts = [each for each in place.desk.events() if each["event"] == "made" and each["stage"] == "filling in"]
    assert len({each["key"] for each in parts}) == len(parts) == 2
