"""Runs odd cases: each in a forked process, watched from outside, and judged by what it says and leaves.

``python -m tests.odd.running FAMILY [NUMBER ...] [--keep]``
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import vedit

SECONDS = 45
"""Of the clock, that a case may take."""

MOST = 2 * 2**30
"""Bytes of memory that it may hold."""

LONGEST_LINE = 400

FAMILIES = {"settings": 300, "models": 300, "media": 300}
"""Modules of this package that draw cases, and how many of each are run: each has ``cases(count)``."""

Snapshot = dict[str, bytes | None]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: nothing is wrong where ``faults`` is empty."""

    name: str
    status: int
    seconds: float
    bytes: int
    said: str
    faults: list[str]


def snapshot(*folders: Path) -> Snapshot:
    """Everything below folders and what plain files hold; of large ones only the beginning and the size."""
    found: Snapshot = {}
    for each in (each for folder in folders for each in folder.rglob("*")):
        if each.is_file() and not each.is_symlink():
            with each.open("rb") as file:
                found[str(each)] = file.read(2**20) + str(each.stat().st_size).encode()
        else:
            found[str(each)] = None
    return found


def judged(status: int, out: str, err: str) -> list[str]:
    """What is wrong with an exit status and with what was printed."""
    faults = []
    lines = [line for line in err.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if status not in (0, 2):
        faults.append(f"exit status {status}")
    if status == 2 and len(errors) != 1:
        faults.append(f"{len(errors)} error lines")
    if status == 0 and errors:
        faults.append("an error line beside success")
    if "Traceback" in err or "fault of vedit's own" in err:
        faults.append("not a fault of the user's")
    if longest := [line for line in (*lines, *out.splitlines()) if len(line) > LONGEST_LINE]:
        faults.append(f"a line of {len(longest[0])} characters")
    if any(not each.isprintable() for line in lines for each in line.replace("\r", "").replace("\t", "")):
        faults.append("what a terminal obeys")
    ours = ("error: ", "warning: ", "hint: ")
    if odd := [line for line in lines if not line.startswith(ours) and not _progress(line)]:
        faults.append(f"a line of a library's: {odd[0][:120]}")
    return faults


def _progress(line: str) -> bool:
    return line.rstrip().endswith((" s", "left")) or "%" in line or "\r" in line


def run(cases: Sequence[object], keep: bool = False) -> list[Outcome]:
    """Make the good things and run cases, each in its own folders. In a process of its own: it forks."""
    from tests.odd.case import Case, Desk, made_good

    for module in pkgutil.walk_packages(vedit.__path__, "vedit."):  # once, and not in every fork
        if module.name != "vedit.__main__":
            importlib.import_module(module.name)
    place = Path(tempfile.mkdtemp(prefix="vedit-odd-"))
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(place / "hub"),
        "VEDIT_CACHE": str(place / "cache"),
        "XDG_CONFIG_HOME": str(place / "config"),
    }.items():
        os.environ[name] = value
    os.environ.pop("VEDIT_MODEL", None)
    (place / "good").mkdir()
    good = made_good(place / "good")
    at_first = snapshot(place / "good")
    outcomes = []
    for number, case in enumerate(cases):
        assert isinstance(case, Case)
        desk = Desk(good, place / str(number) / "given", place / str(number) / "out")
        desk.given.mkdir(parents=True)
        desk.out.mkdir()
        outcomes.append(_run_one(case, desk, place / str(number)))
        if not keep:
            shutil.rmtree(place / str(number), ignore_errors=True)
    changed = snapshot(place / "good") != at_first
    if changed:
        outcomes.append(Outcome("all", 0, 0, 0, "", ["the good things were changed"]))
    if keep:
        print(place, file=sys.stderr)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return outcomes


def _run_one(case: object, desk: object, place: Path) -> Outcome:
    from tests.odd.case import Case, Desk

    assert isinstance(case, Case)
    assert isinstance(desk, Desk)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_case(case, desk, place)
    status, used, killed = _watched(child)
    seconds = time.monotonic() - begun
    out, err = (_text(place / name) for name in ("stdout", "stderr"))
    faults = [*killed, *([] if killed else judged(status, out, err))]
    if (place / "unmade").exists():
        faults = ["the case could not be made"]
    else:
        faults += _left(status, desk, json.loads(_text(place / "arguments") or "[]"))
    if (place / "changed").exists():
        faults.append(f"changed what was given: {_text(place / 'changed')}")
    return Outcome(case.name, status, seconds, used, err[-600:], faults)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _be_the_case(case: object, desk: object, place: Path) -> None:
    """In the child: make the case, then be the command. Never returns."""
    from tests.odd.case import Case, Desk
    from vedit.cli import main

    assert isinstance(case, Case)
    assert isinstance(desk, Desk)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(desk.out)
    status = 99
    try:
        try:
            arguments = case.arguments(desk)
        except BaseException:
            (place / "unmade").touch()
            raise
        (place / "arguments").write_text(json.dumps(arguments))
        before = snapshot(desk.given)
        try:
            status = main(arguments)
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 98
        sys.stdout.flush()
        after = snapshot(desk.given)
        if status == 0:  # a result may lie beside what it was made again from
            after = {name: after.get(name) for name in before}
        if after != before:
            differing = sorted(
                name for name in before.keys() | after.keys() if before.get(name, 0) != after.get(name, 0)
            )
            (place / "changed").write_text(" ".join(differing)[:300])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _watched(child: int) -> tuple[int, int, list[str]]:
    """Wait for a process within its limits: its exit status, the most memory it held, and which limit it broke."""
    begun, killed = time.monotonic(), []
    while True:
        pid, state, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if not killed and time.monotonic() - begun > SECONDS:
            killed.append(f"more than {SECONDS} s")
        if not killed and _resident(child) > MOST:
            killed.append(f"more than {MOST / 2**30:g} GiB")
        if killed:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    used = usage.ru_maxrss * 1024
    if used > MOST and not killed:
        killed.append(f"{used / 2**30:.1f} GiB")
    return os.waitstatus_to_exitcode(state), used, killed


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _left(status: int, desk: object, arguments: list[str]) -> list[str]:
    """What is wrong with the files that a command left: none where it failed, and never an unfinished one."""
    from tests.odd.case import Desk

    assert isinstance(desk, Desk)
    left = sorted(each.relative_to(desk.out).as_posix() for each in desk.out.rglob("*"))
    hidden = [name for name in left if ".vedit-" in name or name.endswith(".checkpoint.pt")]
    if hidden:
        return [f"unfinished files: {' '.join(hidden)[:200]}"]
    return [f"left {' '.join(left)[:200]}"] if status == 2 and left else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("numbers", type=int, nargs="*")
    parser.add_argument("--json", type=Path, help="Write the outcomes here, too.")
    parser.add_argument("--keep", action="store_true", help="Leave the folders, and say where.")
    given = parser.parse_args()
    sys.stderr.flush()
    cases = importlib.import_module(f"tests.odd.{given.family}").cases(FAMILIES[given.family])
    chosen = [cases[number] for number in given.numbers] or cases
    outcomes = run(chosen, given.keep)
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in outcomes]))
    for each in outcomes:
        if each.faults or given.numbers:
            print(f"{each.name}: {each.faults} ({each.status}, {each.seconds:.1f} s)\n    {each.said.strip()}")
    wrong, seconds = sum(bool(each.faults) for each in outcomes), sum(each.seconds for each in outcomes)
    slowest, largest = max(outcomes, key=lambda each: each.seconds), max(outcomes, key=lambda each: each.bytes)
    print(
        f"{len(outcomes)} cases, {wrong} wrong, {seconds:.0f} s; slowest {slowest.seconds:.1f} s ({slowest.name}), "
        f"largest {largest.bytes / 2**30:.2f} GiB ({largest.name})"
    )


if __name__ == "__main__":
    main()
