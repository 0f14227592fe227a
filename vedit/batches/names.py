"""Names of outputs, from a template: ``{clip}/{prompt}-{seed:04}.mp4``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from vedit.config.faults import cut
from vedit.jobs.outputs import LONGEST_NAME

LONGEST = 80
"""Bytes of what one field becomes; a longer one is cut, and told from others by a digest."""

_UNSAFE = re.compile(r"[^\w.,+=@-]+")
"""What is not put into a name: separators, spaces, quotes, wildcards, control characters, emoji."""

_PADDED = re.compile(r"0[0-9]{1,2}d?")
"""The one format: a whole number with zeros before it."""


class TemplateError(ValueError):
    """A template that names no file inside the output folder."""


@dataclass(frozen=True)
class Piece:
    """A piece of a template: text, and the field after it, if any, with its format."""

    text: str
    field: str = ""
    form: str = ""


@lru_cache(maxsize=1024)
def pieces(template: str) -> tuple[Piece, ...]:
    """What a template is made of. Raises TemplateError for what is none."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"{cut(template)!r} is no template: {error}; a brace itself is written twice") from None
    found = []
    for text, name, form, conversion in parsed:
        if name is None:
            found.append(Piece(text))
        elif conversion or not name.isidentifier() or (form and not _PADDED.fullmatch(form)):
            given = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise TemplateError(
                f"{cut(template)!r}: '{{{cut(given)}}}' is no field; expected {{prompt}} or {{seed:04}}"
            )
        else:
            found.append(Piece(text, name, form or ""))
    return tuple(found)


def fields_of(template: str) -> list[str]:
    """The fields of a template, in their order. Raises TemplateError for what is none."""
    return [piece.field for piece in pieces(template) if piece.field]


def fill(template: str, value_of: Callable[[str], Any]) -> Path:
    """The relative path that a template becomes; ``value_of`` tells each field's value.

    Raises TemplateError where it would lead out of the folder, or holds what no file's name can.
    """
    text = "".join(piece.text + _filled(piece, template, value_of) for piece in pieces(template))
    if not text.isprintable():
        raise TemplateError(f"{cut(template)!r} holds characters that no file's name should")
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or {"..", "~"} & {*path.parts} or not path.name or re.match(r"[A-Za-z]:", text):
        raise TemplateError(f"{cut(template)!r} leads out of the output folder; expected a name inside it")
    if any(part.startswith(".") for part in path.parts):
        raise TemplateError(
            f"{cut(template)!r} is hidden, as unfinished files are; expected a name without a dot first"
        )
    if (longest := max(len(part.encode()) for part in path.parts)) > LONGEST_NAME:
        raise TemplateError(f"{cut(template)!r} makes a name of {longest:,} bytes; expected at most {LONGEST_NAME}")
    return Path(*path.parts)


def _filled(piece: Piece, template: str, value_of: Callable[[str], Any]) -> str:
    """What becomes of the field of a piece."""
    if not piece.field:
        return ""
    value = value_of(piece.field)
    if not piece.form:
        return clean(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TemplateError(f"{cut(template)!r}: {piece.field} is {cut(repr(value))}, no whole number to pad")
    return f"{value:{piece.form}}"


def clean(value: Any) -> str:
    """A value as a part of a file's name: letters and digits of any script, and - _ . , + = @ within it.

    Of a text that has none of these, and of a long one, a digest tells it from others.
    """
    if isinstance(value, (int, float)):
        return _told(value)
    text = unicodedata.normalize("NFC", _told(value))
    plain = _UNSAFE.sub("-", text).strip("-.")
    if plain and len(plain.encode()) <= LONGEST:
        return plain
    if not text.strip():
        return "none"
    mark = blake2b(text.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    kept = plain.encode()[: LONGEST - len(mark) - 1].decode(errors="ignore").rstrip("-.")
    return f"{kept}-{mark}" if kept else mark


def _told(value: Any) -> str:
    if isinstance(value, Path):
        return value.stem
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return "+".join(_told(each) for each in value)
    return "" if value is None else str(value)
