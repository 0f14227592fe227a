"""How Python shows the settings of a job: in a signature, a docstring, and types that editors complete."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from vedit.config.groups import Settings
from vedit.config.lora import LoraSpec

_PICTURES = "str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]"

WIDER: Mapping[str, str] = {
    "mask": "str | Path | Tensor | NDArray[Any]",
    "image": _PICTURES,
    "negative_image": _PICTURES,
}
"""Settings that Python may give in more ways than their fields hold."""

WIDTH = 100
"""Characters of a line of ``help``."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Option:
    """One setting: its name, what may be given as Python writes it, its default, and what it is for."""

    name: str
    type: str
    default: Any
    description: str


class _Code(str):
    """Text that a signature shows as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def options(kind: type[Settings], apart: tuple[str, ...]) -> list[Option]:
    """The settings that a function takes by name, in the config's order; without those that are ``apart``, and without
    the model, which is the backbone's name."""
    return [
        Option(
            name,
            WIDER.get(name, type_of(field.annotation)),
            field.get_default(call_default_factory=True),
            str(field.description),
        )
        for name, field in kind.model_fields.items()
        if name not in (*apart, "model")
    ]


def type_of(annotation: Any) -> str:
    """What may be given for a field, in Python's words: a path also as text, one of many also alone."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_of(arguments[0])
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(part for each in arguments for part in type_of(each).split(" | ")))
    if origin is Literal:
        return f"Literal[{', '.join(_quoted(each) for each in arguments)}]"
    if origin is tuple:
        one = type_of(arguments[0])
        alone = " | ".join(part for part in one.split(" | ") if not part.endswith("Settings"))
        return f"{alone} | Sequence[{one}]" if "str" in alone else f"Sequence[{one}]"
    if origin is dict:
        return f"dict[{', '.join(type_of(each) for each in arguments)}]"
    if annotation is Path:
        return "str | Path"
    if annotation is LoraSpec:
        return "str"
    if annotation in (NoneType, Any):
        return {NoneType: "None", Any: "Any"}[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return f"str | dict[str, Any] | {annotation.__name__}"
    return str(annotation.__name__)


def shows_settings(kind: type[Settings], *apart: str) -> Callable[[F], F]:
    """Give a function with ``**settings`` the signature and the docstring that say what they are.

    ``apart`` names the fields that are parameters of its own.
    """

    def show(function: F) -> F:
        found = options(kind, apart)
        own = [
            each.replace(annotation=_Code(each.annotation))
            for each in inspect.signature(function).parameters.values()
            if each.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        named = [
            inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=_Code(each.type)
            )
            for each in found
        ]
        returned = _Code(inspect.signature(function).return_annotation)
        function.__signature__ = inspect.Signature([*own, *named], return_annotation=returned)  # type: ignore[attr-defined]
        said = [f"{each.name} ({each.type}): {_said(each)}" for each in found]
        lines = [textwrap.fill(each, WIDTH, initial_indent="    ", subsequent_indent=" " * 8) for each in said]
        head = f"Settings, the fields of {kind.__name__}:"
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", head, *lines])
        return function

    return show


def typed_dict(name: str, kind: type[Settings], apart: tuple[str, ...]) -> str:
    """The source of a TypedDict of the settings, each with what it is for."""
    lines = [f"class {name}(TypedDict, total=False):", f'    """The settings by name of {kind.__name__}."""', ""]
    for each in options(kind, apart):
        said = _said(each).replace("\\", "\\\\").replace('"', "'")
        told = textwrap.fill(f'"""{said}"""', WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines += [f"    {each.name}: {each.type}", told]
    return "\n".join(lines)


def _said(option: Option) -> str:
    """What a setting is for, and its default where that says more than nothing."""
    return option.description + ("" if option.default in (None, (), "") else f" [default: {option.default!r}]")


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
