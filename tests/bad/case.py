"""One thing that a user can get wrong."""

from __future__ import annotations

from collections.abc import Callable

from tests.bad.things import Desk

Case = tuple[Callable[[Desk], list[object]], str, str]
"""How to make the command, what the line says was given, and what it says to do or what was expected."""
