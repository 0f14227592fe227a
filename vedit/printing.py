"""The output of a command: lines to read; with --quiet only the files written; with --json one object of all of it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedit.errors import one_line
from vedit.progress import Display

if TYPE_CHECKING:
    from vedit.clip import Clip
    from vedit.clip.lazy import LazyClip


class Report:
    """One for each run. Results go to stdout; errors, warnings and progress to stderr.

    With ``as_json`` stdout is one object: "files", "metrics", "timings" (seconds), "warnings", and what else the
    command finds; or "error", "warnings", and what was found before.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json, self.quiet, self.verbose = as_json, quiet, verbose
        self.display = Display()
        self._files: list[str] = []
        self._warnings: list[str] = []
        self._hints: list[str] = []
        self._found: dict[str, Any] = {"metrics": {}, "timings": {}}

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is: a ``Progress``."""
        self._give_hints()
        if not self.quiet:
            self.display(stage, done, total)

    def file(self, path: Path, note: str = "") -> None:
        """Something that was written."""
        self._files.append(str(path))
        if not self.as_json:
            print(f"{path}  {note}" if note and not self.quiet else path)

    def clip(self, clip: Clip | LazyClip, files: Sequence[Path]) -> None:
        """A clip that was written, and what was written beside it."""
        from vedit.clip.writing import SILENT

        heard = clip.audio is not None and files[0].suffix.lower() not in SILENT
        self.video(files[0], len(clip), clip.size, float(clip.rate), sound=heard)
        for path in files[1:]:
            self.file(path)

    def video(self, path: Path, frames: int, size: tuple[int, int], fps: float, *, sound: bool) -> None:
        """A video that was written, of so many frames of ``size`` (H, W)."""
        height, width = size
        self.file(path, f"{frames} frames, {width}x{height}, {fps:g} fps, {'with sound' if sound else 'silent'}")
        self.add_data(clip={"frames": frames, "width": width, "height": height, "fps": fps, "sound": sound})

    def seconds(self, timings: Mapping[str, float]) -> None:
        """How long the stages of a job took."""
        self.say("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in timings.items()))
        self.add_data(timings=timings)

    def say(self, line: str) -> None:
        """A line for people."""
        if not (self.as_json or self.quiet):
            print(line)

    def add_data(self, **values: Any) -> None:
        """Add what programs are told, in place of lines, to the JSON object."""
        self._found |= values

    def table(self, rows: Sequence[Sequence[str]], *, title: str = "", head: Sequence[str] = ()) -> None:
        """Rows in columns, plain, so that they can be read and piped; for programs under the ``title``."""
        if self.as_json:
            pairs = not head and all(len(row) == 2 for row in rows)
            listed = [dict(zip(head, row, strict=True)) if head else list(row) for row in rows]
            if title:
                self._found[title] = dict(rows) if pairs else listed  # type: ignore[arg-type]
            return
        if self.quiet:
            return
        if title:
            print(f"\n{title}")
        lines = [*([head] if head else []), *rows]
        widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))] if lines else []
        for row in lines:
            print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def warn(self, text: str) -> None:
        """What may not be as it is meant: told once, however many jobs of a batch it is of."""
        line = one_line(text)
        if line in self._warnings:
            return
        self._warnings.append(line)
        if not self.quiet:
            self.display.say(f"warning: {line}")

    def hint(self, text: str) -> None:
        """What could be asked for in a better way: told once, when the work begins, for an error needs no hints."""
        self._hints.append(one_line(text))

    def _give_hints(self) -> None:
        new = [line for line in dict.fromkeys(self._hints) if line not in self._warnings]
        for line in new:
            self._warnings.append(line)
            if not self.quiet:
                self.display.say(f"hint: {line}")
        self._hints.clear()

    def end(self) -> None:
        """After a command that succeeded."""
        self._give_hints()
        if self.as_json:
            self._print({"files": self._files, **self._found, "warnings": self._warnings})

    def fail(self, message: str) -> None:
        """After one that failed."""
        line = one_line(message)
        print(f"error: {line}", file=sys.stderr)
        if self.as_json:
            found = {name: value for name, value in self._found.items() if value}
            self._print({**found, "error": line, "warnings": self._warnings})

    def _print(self, content: Mapping[str, Any]) -> None:
        print(json.dumps(_plain(content), ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    """What JSON has a word for: numbers that are none, and those without end, are null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (int, str, type(None))) else str(value)


report = Report()
"""That of the run that is going on."""


def begin(arguments: Sequence[str]) -> Report:
    """A new report, as the arguments ask for it; they are looked at before they are read, since that may fail."""
    global report
    given = {*arguments[: arguments.index("--")]} if "--" in arguments else {*arguments}
    report = Report(
        as_json="--json" in given, quiet=bool(given & {"--quiet", "-q"}), verbose=bool(given & {"--verbose", "-v"})
    )
    return report


def choose(name: str, wanted: bool) -> bool:
    """A flag of the command line that was read."""
    if wanted:
        setattr(report, name, True)
    return wanted
