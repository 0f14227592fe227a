"""How often a frame's way through an edit leads from one file of vedit to another: python tools/call_path.py [COMMAND]

Runs one full edit of two frames in two steps (tuning, a control, a sound that guidance follows, a mask, attention along
the flow) and counts each call of a Python function that stands in one file of the package and was called, directly or
through libraries, by a function of another file. These are the moves of somebody who follows the edit in the sources.
How many of them are different, by the function that calls and the one that is called, does not grow with frames and
steps.

Counted is the main thread from the moment the command is given to its end. Not counted are
- what is called while a network is built or runs (within ``__init__`` or ``forward`` of a class of diffusers.models or
  transformers), where the same few calls come back thousands of times,
- what is called while a module is imported,
- returns, and a generator's going on after its first value.

COMMAND is another edit, for versions whose flags have other names; {clip}, {sound} and {out} in it stand for the
example's files and a file in a folder that is thrown away. With PYTHONPATH at another checkout its vedit is counted:

    PYTHONPATH=../older python tools/call_path.py edit {clip} "a blue star" --negative mud -o {out}
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

FULL_EDIT = [
    "edit", "{clip}", "a blue star moving left over sand", "--source-prompt", "a red star moving left over grass",
    "--model", "mini", "--device", "cpu", "--frames", "2", "--steps", "2", "--tune", "1", "--control", "edge",
    "--audio", "{sound}", "--guidance", "4+2*loudness", "--attention", "flow", "--quiet", "-o", "{out}",
]  # fmt: skip
"""Of today's flags; the mask is that of the two prompts."""

NETWORKS = (f"{os.sep}diffusers{os.sep}models{os.sep}", f"{os.sep}transformers{os.sep}")
"""In whose files the networks are."""

BUILT_OR_RUN = ("__init__", "forward")
"""The functions of a network within which nothing is counted."""

RESUMED = 3
"""Bits of the argument of Python's opcode RESUME that are 0 where a function begins."""

Place = tuple[str, str]
"""A function: its file, from the package's folder on, and its name in it."""

Move = tuple[Place, Place]
"""A call from one file to another: who calls, and who is called."""


class Recorder:
    """Counts calls from file to file of a package while it is a thread's profile function (``sys.setprofile``).

    Args:
        package: the folder of the package
    """

    def __init__(self, package: Path) -> None:
        self.moves: Counter[Move] = Counter()
        self._package = f"{package}{os.sep}"
        self._places: dict[CodeType, Place | None] = {}
        self._within: FrameType | None = None  # a network's function or an import, until it returns

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if self._within is not None:
            if event == "return" and frame is self._within:
                self._within = None
        elif event == "call":
            if _is_left_out(frame.f_code):
                self._within = frame
            elif (called := self._place(frame.f_code)) is not None and _begins(frame):
                caller = self._caller(frame)
                if caller is not None and caller[0] != called[0]:
                    self.moves[caller, called] += 1

    def _caller(self, frame: FrameType) -> Place | None:
        """The function of the package from which another was called, whatever libraries lie between."""
        above = frame.f_back
        while above is not None:
            if (place := self._place(above.f_code)) is not None:
                return place
            above = above.f_back
        return None

    def _place(self, code: CodeType) -> Place | None:
        """None for a function that is not of the package."""
        if code not in self._places:
            file, name = code.co_filename, code.co_qualname
            inside = file.startswith(self._package)
            self._places[code] = (file.removeprefix(self._package), name) if inside else None
        return self._places[code]


def _is_left_out(code: CodeType) -> bool:
    is_network = code.co_name in BUILT_OR_RUN and any(each in code.co_filename for each in NETWORKS)
    return is_network or code.co_name == "<module>"


def _begins(frame: FrameType) -> bool:
    """Whether a function begins, rather than goes on as a generator does."""
    return not frame.f_code.co_code[frame.f_lasti + 1] & RESUMED


def record(command: Callable[[], Any], package: Path) -> Counter[Move]:
    """The calls from file to file of a package while ``command`` runs."""
    recorder = Recorder(package)
    sys.setprofile(recorder)
    try:
        command()
    finally:
        sys.setprofile(None)
    return recorder.moves


def table(moves: Counter[Move]) -> list[tuple[str, str, int, int]]:
    """Each two files between which there are calls: the one that calls the other more often, the other, how often, and
    how often back. The most first."""
    calls = Counter[tuple[str, str]]()
    for (caller, called), times in moves.items():
        calls[caller[0], called[0]] += times
    rows = []
    for one, other in calls:
        there, back = calls[one, other], calls[other, one]
        if (there, other) > (back, one):
            rows.append((one, other, there, back))
    return sorted(rows, key=lambda row: (-row[2] - row[3], row[0], row[1]))


def main(given: list[str]) -> int:
    from rich.console import Console
    from rich.table import Table

    import vedit
    from vedit.cli import main as command

    package = Path(vedit.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VEDIT_CACHE"] = f"{folder}/cache"
        files = {"clip": EXAMPLES / "star.mp4", "sound": EXAMPLES / "storm.wav", "out": f"{folder}/out.mp4"}
        arguments = [each.format(**files) for each in given or FULL_EDIT]
        status = 0

        def run() -> None:
            nonlocal status
            status = command(arguments)

        moves = record(run, package)
    if status:
        return status
    shown = Table("from", "to", "calls", "back", title=f"calls between files of {package}", title_justify="left")
    rows = table(moves)
    for one, other, there, back in rows:
        shown.add_row(one, other, str(there), str(back or ""))
    Console().print(shown)
    both = sum(1 for row in rows if row[3])
    print(f"{moves.total()} calls in all, {len(moves)} different; {len(rows)} pairs of files, {both} call each other")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
