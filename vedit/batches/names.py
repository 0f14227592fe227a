"""Names of outputs, from a template: ``{clip}/{prompt}-{seed}.mp4``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from vedit.config.faults import cut

LONGEST = 80
"""Bytes of what one field becomes; a longer one is cut, and told from others by a digest."""

_UNSAFE = re.compile(r"[^\w.,+=@-]+")
"""What is not put into a name: separators, spaces, quotes, wildcards, control characters, emoji."""


class TemplateError(ValueError):
    """A template that names no file inside the output folder."""


def fields_of(template: str) -> list[str]:
    """The fields of a template, in their order. Raises TemplateError for what is none."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"{cut(template)!r} is no template: {error}; a brace itself is written twice") from None
    found = []
    for _, name, form, conversion in parsed:
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise TemplateError(f"{cut(template)!r}: '{{{cut(name)}}}' is no plain field, such as {{prompt}}")
        found.append(name)
    return found


def fill(template: str, value_of: Callable[[str], Any]) -> Path:
    """The relative path that a template becomes; ``value_of`` tells each field's value.

    Raises TemplateError where it would lead out of the folder, or holds what no file's name can.
    """
    values = {name: clean(value_of(name)) for name in fields_of(template)}
    text = template.format_map(values)
    if not text.isprintable():
        raise TemplateError(f"{cut(template)!r} holds characters that no file's name should")
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or re.match(r"[A-Za-z]:", text):
        raise TemplateError(f"{cut(text)!r} leads out of the output folder; give a name inside it")
    if any(part.startswith(".vedit-") for part in path.parts):
        raise TemplateError(f"{cut(text)!r} is a name that vedit uses for unfinished files")
    return Path(*path.parts)


def clean(value: Any) -> str:
    """A value as a part of a file's name: letters and digits of any script, and - _ . , + = @ within it."""
    text = unicodedata.normalize("NFC", Path(value).stem if isinstance(value, Path) else _told(value))
    plain = _UNSAFE.sub("-", text).strip("-.") or "none"
    if len(plain.encode()) <= LONGEST:
        return plain
    mark = blake2b(text.encode(), digest_size=4).hexdigest()
    kept = plain.encode()[: LONGEST - len(mark) - 1].decode(errors="ignore").rstrip("-.")
    return f"{kept}-{mark}"


def _told(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return "+".join(_told(each) for each in value)
    return "none" if value is None else str(value)
