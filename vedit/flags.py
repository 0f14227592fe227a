"""Command-line flags made from the fields of a config, so a default and its help are written once.

Flags arrive as text and the config reads them, so ``--steps zero --crf 99`` reports both faults in one line. A flag
that is not given leaves the word to ``--set``, then to ``--config``, then to the default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vedit.config import Settings, bounds
from vedit.settling import Layer, assignments, file, settle

OTHER_NAMES = {"output": "-o"}

FILE_FLAGS = {
    "config": Annotated[
        str | None, typer.Option("--config", metavar="FILE.yaml", help="Settings from a file; flags win over it.")
    ],
    "assign": Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting by its name, read as YAML.")
    ],
}


def configured(
    kind: type[Settings], *positional: str, within: str | None = None, fixed: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn ``command(config, ...)`` into a typer command whose flags are the fields of ``kind``.

    ``positional`` names the fields that are arguments; ``within``, a field that is no flag but a mapping, which --set
    then fills; ``fixed``, values that are given. The command's own further parameters stay flags of their own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        given_already = dict(fixed or {})
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        def run(**given: Any) -> None:
            extra = {parameter.name: given.pop(parameter.name) for parameter in own}
            config, assign = given.pop("config"), given.pop("assign")
            layers = [file(Path(config), kind)] if config else []
            if assign:
                layer = assignments(assign)
                layers.append(layer if within is None else Layer({within: layer.values}))
            command(settle(kind, *layers, flags(given, positional), Layer(given_already)), **extra)

        parameters = [
            _parameter(kind, name, field, name in positional)
            for name, field in _ordered(kind, positional)
            if name != within and name not in given_already
        ]
        parameters += [_keyword(name, annotation) for name, annotation in FILE_FLAGS.items()]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def flags(given: dict[str, Any], positional: tuple[str, ...] = ()) -> Layer:
    """The flags that were given, and how they are called."""
    values = {name: value for name, value in given.items() if value is not None}
    return Layer(values, lambda name: name.upper() if name in positional else f"--{name.replace('_', '-')}")


def _ordered(kind: type[Settings], positional: tuple[str, ...]) -> list[tuple[str, FieldInfo]]:
    """Arguments in their order, then the flags in the config's."""
    fields = kind.model_fields
    return [(name, fields[name]) for name in (*positional, *(name for name in fields if name not in positional))]


def _parameter(kind: type[Settings], name: str, field: FieldInfo, positional: bool) -> inspect.Parameter:
    if positional:
        argument = typer.Argument(metavar=name.upper(), help=field.description, show_default=False)
        return _keyword(name, Annotated[str | None, argument])
    flag = f"--{name.replace('_', '-')}"
    common: dict[str, Any] = {"help": _help(field), "rich_help_panel": _panel(kind, name)}
    if field.annotation is bool:
        both = f"{flag}/--no-{flag[2:]}" if field.default else flag
        return _keyword(name, Annotated[bool | None, typer.Option(both, show_default=False, **common)])
    common["metavar"] = _metavar(field)
    names = [flag, *([OTHER_NAMES[name]] if name in OTHER_NAMES else [])]
    option = typer.Option(*names, show_default=False, **common)
    many = get_origin(field.annotation) is tuple
    return _keyword(name, Annotated[list[str] | None, option] if many else Annotated[str | None, option])


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _panel(kind: type[Settings], name: str) -> str:
    """The title of the settings' group that a field was defined in; a command's own lie under Options."""
    for owner in kind.__mro__:
        if name in vars(owner).get("__annotations__", {}):
            return str(owner.__doc__) if owner.__name__.endswith("Settings") else "Options"
    return "Options"


def _help(field: FieldInfo) -> str:
    plain = field.default is not PydanticUndefined and field.annotation is not bool
    default = f" [default: {field.default}]" if plain and field.default not in (None, ()) else ""
    return f"{field.description}{default}"


def _metavar(field: FieldInfo) -> str:
    """What a value looks like: its choices, its range, or its type."""
    if get_origin(field.annotation) is Literal:
        return "|".join(str(each) for each in get_args(field.annotation))
    kinds = get_args(field.annotation) or (field.annotation,)
    if int in kinds or float in kinds:
        limits = bounds(field)
        return limits if ".." in limits and len(limits) < 12 else "N"
    return "PATH" if Path in kinds else "TEXT"
