"""Files to read that are named by a pattern, such as ``clips/*.mp4``."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from vedit.batches.written import MOST_JOBS, Written
from vedit.config import Settings
from vedit.config.faults import cut
from vedit.config.named_files import naming
from vedit.config.paths import absolute, expand_home, is_there

_WILD = re.compile(r"[*?\[]")


def patterns_in(written: Written, kind: type[Settings]) -> list[str]:
    """The settings that name files to read by a pattern; a file that is called so is none."""
    return [name for name in written.values if _is_pattern(name, written, kind)]


def _is_pattern(name: str, written: Written, kind: type[Settings]) -> bool:
    how, value = naming(kind).get(name), written.values[name]
    if how is None or how.written or how.whole or not isinstance(value, str) or "\0" in value:
        return False
    return bool(_WILD.search(value) and how.paths(value)) and not is_there(written.folder / expand_home(value))


def matches(written: Written, name: str, faults: list[str]) -> list[Path]:
    """The files that the pattern of a setting matches, in the order of their names, hidden ones left out; no more than
    one above ``MOST_JOBS``. None is a fault."""
    pattern = absolute(written.folder / expand_home(written.values[name]))
    parts = list(pattern.parts[1:])
    first = next(index for index, part in enumerate(parts) if _WILD.search(part))
    root = Path(pattern.anchor, *parts[:first])
    label, given = written.label(name), cut(repr(written.values[name]))
    if any("**" in part and part != "**" for part in parts):
        faults.append(f"{label}: {given} is no pattern; ** stands for any folders, as in clips/**/*.mp4")
        return []
    try:
        seen = root.glob("/".join(parts[first:]))
        found = sorted(islice((path for path in seen if not _is_hidden(path.relative_to(root))), MOST_JOBS + 1))
    except (OSError, ValueError) as error:  # a name that is too long, or that no file can have
        faults.append(f"{label}: {given} cannot be looked for: {error}")
        return []
    if not found:
        faults.append(f"{label}: no file matches {given}")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
