"""The wording of faults in a config: each with where it was given, all in one line."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from itertools import accumulate, islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vedit.config.fields import bounds
from vedit.config.groups import Settings
from vedit.config.named_files import settings_within
from vedit.errors import LONGEST
from vedit.synonyms import nearest

MOST_FAULTS = 20
"""Of a config, that are looked at one by one; a line has room for fewer."""


def describe(error: ValidationError, labels: Mapping[str, str], kind: type[Settings]) -> str:
    """All faults of a config of some ``kind`` in one line.

    Args:
        error: what pydantic found
        labels: how to name each setting that was given, with where it was given: "--steps", "job.yaml:3: steps"
    """
    return in_one_line(each_of(error, labels, kind), error.error_count())


def each_of(
    error: ValidationError,
    labels: Mapping[str, str],
    kind: type[Settings],
    where: str = "",
    unsaid: Collection[str] = (),
) -> list[str]:
    """The faults of a config of some ``kind``, at most ``MOST_FAULTS``; other arguments as ``describe``.

    Args:
        where: begins the faults that are of no setting that was given
        unsaid: settings of which it is not told that they are missing
    """
    details = (
        detail
        for detail in error.errors(include_url=False)
        if not (detail["type"] == "missing" and len(detail["loc"]) == 1 and detail["loc"][0] in unsaid)
    )
    return [_fault(detail, labels, kind, where) for detail in islice(details, MOST_FAULTS)]


def in_one_line(faults: list[str], count: int | None = None) -> str:
    """The faults in one line; of more (``count`` in all) than have room in it, the first ones."""
    count = len(faults) if count is None else count
    if count == 1:
        return faults[0]
    numbered = [f"({index}) {fault}" for index, fault in enumerate(faults, 1)]
    fitting = sum(end <= LONGEST - 30 for end in accumulate(len(each) + 2 for each in numbered)) or 1
    more = [f"and {count - fitting} more"] if fitting < count else []
    return f"{count} faults: " + "; ".join([*numbered[:fitting], *more])


def cut(text: str) -> str:
    """A text as it is quoted in a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fault(detail: ErrorDetails, labels: Mapping[str, str], kind: type[BaseModel], where: str) -> str:
    name, place = str(detail["loc"][0]) if detail["loc"] else "", f"{where}: " if where else ""
    label = labels.get(name, f"{place}{name}")
    said, context = detail["type"], detail.get("ctx", {})
    given = _brief(detail["input"])
    field = kind.model_fields.get(name)
    if (inner := settings_within(kind).get(name)) and (own := [str(each) for each in detail["loc"][2:]]):
        name, field = own[0], inner.model_fields.get(own[0])
        label, kind = f"{label}: {name}", inner
    match said:
        case "missing":
            return f"{label} is missing: {field.description if field else ''}"
        case "extra_forbidden":
            return f"{label}: there is no such setting; {nearest(name, kind.model_fields)}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than" if field is not None:
            return f"{label}: {given} is out of range; expected {bounds(field)}"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"{label}: {given} is not a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            return f"{label}: {given} is not a number"
        case "bool_parsing" | "bool_type":
            return f"{label}: {given} is neither true nor false"
        case "string_type" | "path_type" if isinstance(detail["input"], (dict, list)):
            return f"{label}: {given} is not {'a string of text' if said == 'string_type' else 'a path'}"
        case "string_type":
            return f"{label}: {given} is not a string of text; put quotes around it"
        case "tuple_type":
            return f"{label}: {given} is neither a string of text nor a list of them"
        case "path_type":
            return f"{label}: {given} is no path; put quotes around it"
        case "literal_error":
            choices = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
            return f"{label}: {given} is unknown; {nearest(str(detail['input']), choices)}"
        case "string_pattern_mismatch":
            expected = (field.description or "").rstrip(".") if field else ""
            first = expected[:1].lower() if expected[1:2].islower() else expected[:1]  # as a sentence goes on
            return f"{label}: {given} is unknown; expected {first}{expected[1:]}"
        case "string_too_short":
            return f"{label} is empty: {field.description if field else ''}"
        case "string_too_long":
            return f"{label}: {len(detail['input']):,} characters; expected at most {context['max_length']:,}"
        case "value_error":
            reason = str(context.get("error", detail["msg"]))
            return f"{label}: {given} {reason}" if name else f"{place}{reason}"
    return f"{label}: {given}: {detail['msg']}"


def _brief(value: Any) -> str:
    """What was given, however long or deep it is."""
    return cut(reprlib.repr(value) if isinstance(value, (dict, list, tuple)) else repr(value))
