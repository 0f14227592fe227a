"""Command-line flags made from the fields of a config, so a default and its help are written once.

Flags arrive as text and the config reads them, so ``--steps zero --crf 99`` reports both faults in one line. A flag
that is not given leaves the word to ``--set``, then to ``--config``, then to the default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vedit import printing, registry
from vedit.cli import hints
from vedit.cli.help import HelpCommand, group_of
from vedit.cli.usage import check_arguments
from vedit.config import HUB_NAMES, Settings, bounds
from vedit.config.files import file_layer
from vedit.config.merge import Layer, assignments, merge
from vedit.timeline import FEATURES

SHORT = {
    "source_prompt": "-p",
    "prompt": "-p",
    "control": "-c",
    "guidance": "-g",
    "steps": "-s",
    "frames": "-f",
    "audio": "-a",
    "model": "-m",
    "output": "-o",
}
"""Flags of one letter. The prompt is a flag where it says what the clip shows."""


FAMILIES = {"attention": "attention", "condition": "conditioners", "control": "annotators", "prior": "priors"}
"""Settings whose values are, or begin with, the kinds of a family of parts."""

NAMES = {"called": "--as"}
"""Flags that are called otherwise than their settings, which cannot be named by a word of Python."""

METAVARS = {
    "attention": "KIND",
    "called": "WORDS",
    "codec": "KIND",
    "compare_layout": "KIND",
    "layout": "KIND",
    "condition": "KIND",
    "control": "KIND",
    "device": "NAME",
    "dtype": "KIND",
    "emphasis": "WORD=N",
    "feature": "NAME",
    "fill": "KIND",
    "guidance_interval": "FROM-TO",
    "first": "PATH",
    "image": "PATH",
    "image_adapter": "NAME",
    "image_encoder": "NAME",
    "kernel": "KIND",
    "last": "PATH",
    "lora": "PATH",
    "mask": "WHERE",
    "model": "NAME",
    "only": "FROM..TO",
    "motion_adapter": "NAME",
    "motion_control": "KIND",
    "motion_field": "KIND",
    "motion_model": "PATH",
    "negative_image": "PATH",
    "prior": "KIND",
    "prompt_at": "TIME:TEXT",
    "recipe": "KIND",
    "sampler": "KIND",
    "shots": "WHERE",
    "tile_net": "NAME",
    "tuned_blocks": "KIND",
}
"""What a value is called in the help, where its type does not say it."""


def _show_all(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(cast(HelpCommand, ctx.command).laid_out(ctx, everything=True), nl=False)
        raise typer.Exit


FILE_FLAGS = {
    "config": Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Settings from a YAML file; flags win over it.")
    ],
    "assign": Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting by its name, read as YAML.")
    ],
}


def _chosen(name: str) -> Callable[[bool], bool]:
    return lambda wanted: printing.choose(name, wanted)


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_chosen("quiet"), help="Tell errors and what was written, nothing else."),
]
AsJson = Annotated[
    bool, typer.Option("--json", callback=_chosen("as_json"), help="Tell results and errors as one JSON object.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", callback=_chosen("verbose"), help="Show tracebacks, and what the libraries say."),
]
HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        callback=_show_all,
        is_eager=True,
        help="Explain every setting, those after `also` too.",
    ),
]
RUN_FLAGS = {"quiet": Quiet, "as_json": AsJson, "verbose": Verbose, "help_all": HelpAll}
"""How a run tells what it does; they work by themselves."""


def configured(
    kind: type[Settings], *positional: str, within: str | None = None, fixed: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn ``command(config, ...)`` into a typer command whose flags are the fields of ``kind``.

    ``positional`` names the fields that are arguments; ``within``, a field that is no flag but a mapping, which --set
    then fills; ``fixed``, values that are given. The command's own further parameters stay flags of their own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        given_already = dict(fixed or {})
        command_name = str(given_already.get("kind", command.__name__))
        needed = {name: name.upper() for name in positional}
        needed |= {name: flag for name, flag in NAMES.items() if name in kind.model_fields}
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        def run(**given: Any) -> None:
            extra = {parameter.name: given.pop(parameter.name) for parameter in own}
            for name in RUN_FLAGS:
                given.pop(name)
            path, assign = given.pop("config"), given.pop("assign")
            check_arguments(command_name, given, needed, whole=not (path or assign))
            layers = [file_layer(Path(path), kind)] if path else []
            if assign:
                layer = assignments(assign)
                layers.append(layer if within is None else Layer({within: layer.values}))
            config = merge(kind, *layers, flags(given, positional), Layer(given_already))
            for each in hints.hints_for(config):
                printing.report.hint(each)
            command(config.with_config_file(Path(path)) if path else config, **extra)

        parameters = [
            _parameter(kind, name, field, name in positional)
            for name, field in _ordered(kind, positional)
            if name != within and name not in given_already
        ]
        parameters += [_keyword(name, annotation) for name, annotation in FILE_FLAGS.items()]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [_keyword(name, annotation, default=False) for name, annotation in RUN_FLAGS.items()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def flags(given: dict[str, Any], positional: tuple[str, ...] = ()) -> Layer:
    """The flags that were given, and how they are called."""
    values = {name: value for name, value in given.items() if value is not None}
    return Layer(values, lambda name: name.upper() if name in positional else _flag(name))


def _flag(name: str) -> str:
    """The flag of a setting."""
    return NAMES.get(name, f"--{name.replace('_', '-')}")


def _ordered(kind: type[Settings], positional: tuple[str, ...]) -> list[tuple[str, FieldInfo]]:
    """Arguments in their order, then the flags in the config's."""
    fields = kind.model_fields
    return [(name, fields[name]) for name in (*positional, *(name for name in fields if name not in positional))]


def _parameter(kind: type[Settings], name: str, field: FieldInfo, positional: bool) -> inspect.Parameter:
    if positional:
        argument = typer.Argument(metavar=name.upper(), help=field.description, show_default=False)
        return _keyword(name, Annotated[str | None, argument])
    flag = _flag(name)
    common: dict[str, Any] = {"help": _help(field), "rich_help_panel": group_of(kind, name)}
    if field.annotation is bool:
        both = f"{flag}/--no-{flag[2:]}" if field.default else flag
        return _keyword(name, Annotated[bool | None, typer.Option(both, show_default=False, **common)])
    common["metavar"] = _metavar(name, field)
    if known := _known(name, field):
        common["autocompletion"] = lambda incomplete: [each for each in known if each.startswith(incomplete)]
    names = [flag, *([SHORT[name]] if name in SHORT else [])]
    option = typer.Option(*names, show_default=False, **common)
    many = get_origin(field.annotation) is tuple
    return _keyword(name, Annotated[list[str] | None, option] if many else Annotated[str | None, option])


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(field: FieldInfo) -> str:
    shown = "on" if field.default is True else f"{field.default:g}" if type(field.default) is float else field.default
    absent = field.default is PydanticUndefined or field.default is False or field.default in (None, (), "")
    limits = bounds(field)
    default, between = "" if absent else f" [default: {shown}]", f" [range: {limits}]" if limits else ""
    return f"{field.description}{default}{between}"


def _known(name: str, field: FieldInfo) -> list[str]:
    """What a shell may complete a value to, beside files."""
    if name in FAMILIES:
        return [*registry.names(FAMILIES[name]), *(["none"] if name == "control" else [])]
    return {
        "device": ["auto", "cpu", "cuda", "mps"],
        "feature": [*FEATURES],
        "mask": ["auto", "none", "box:", "word:"],
        "model": ["mini", *HUB_NAMES],
    }.get(name) or [
        str(each) for kind in _types(field.annotation) if get_origin(kind) is Literal for each in get_args(kind)
    ]


def _metavar(name: str, field: FieldInfo) -> str:
    """What a value looks like."""
    if name in METAVARS:
        return METAVARS[name]
    kinds = set(_types(field.annotation))
    if kinds & {int, float}:
        return "N"
    return "PATH" if Path in kinds else "TEXT"


def _types(annotation: Any) -> Iterator[Any]:
    """All that an annotation is made of."""
    yield annotation
    for each in get_args(annotation):
        yield from _types(each)
