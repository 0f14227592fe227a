"""The ``vedit`` command: how it is run, what is told of what goes wrong, and its exit status.

PyTorch is imported by the jobs, so ``--help`` and ``parts`` are quick.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import typer

from vedit import printing
from vedit.cli import usage
from vedit.cli.commands import app
from vedit.cli.interrupted import InterruptedWorkError
from vedit.errors import VeditError, VeditHint, VeditWarning

__all__ = ["app", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for what a user can mend, 130 when interrupted, 1 for a fault
    of vedit's own. Errors and warnings are one line each on stderr.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    report = printing.begin(given)  # before anything is imported that may be noisy
    try:
        with report.display, warnings.catch_warnings(), _terminable():
            _quiet()
            status = typer.main.get_command(app)(given, prog_name="vedit", standalone_mode=False)
        if status == 130:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        if status in (None, 1):  # of a command: help and the version are told without one
            report.end()
        return status if isinstance(status, int) else 0
    except VeditError as error:
        return _failed(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted; nothing partial was left", 130)
    except InterruptedWorkError as kept:
        return _failed(f"interrupted; the same command goes on from {kept}", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        # typer's usage errors have no public class of their own; all of them can format their message.
        if hasattr(error, "format_message"):
            return _failed(usage.describe_error(error), 2)
        where = "" if report.verbose else "; --verbose shows where"
        return _failed(f"a fault of vedit's own, {type(error).__name__}: {' '.join(str(error).split())}{where}", 1)


def _failed(message: str, status: int) -> int:
    if printing.report.verbose:
        traceback.print_exc()
    printing.report.fail(message)
    return status


def _quiet() -> None:
    """Our own warnings in one line; nothing of the libraries', unless --verbose."""
    if printing.report.verbose:
        return
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", VeditWarning)
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    if isinstance(message, VeditHint):
        printing.report.hint(str(message))
    else:
        printing.report.warn(str(message))


@contextmanager
def _terminable() -> Iterator[None]:
    """Within the block, a request to end (SIGTERM) is an exception, so that unfinished files are removed."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
