"""Filters of warnings that hold for a block of code, also where several threads use them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

_ALONE = threading.RLock()
"""Python's filters belong to the process: two threads that set and restore them in turns would leave them changed."""


@contextmanager
def filtered(action: Literal["ignore", "error", "always"], category: type[Warning] = Warning) -> Iterator[None]:
    """Within the block, warnings of a category are ignored, raised, or told. One thread at a time."""
    with _ALONE, warnings.catch_warnings(action=action, category=category):
        yield
