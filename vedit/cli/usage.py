"""Usage errors: a line that says what was meant, or how to write it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from vedit.cli.help import EXAMPLES, HelpGroup
from vedit.config import SHOWING, EditConfig, GenerateConfig
from vedit.errors import ConfigError
from vedit.synonyms import nearest, nearest_flag, ours


class Commands(HelpGroup):
    """The commands; who leaves the command out is told which was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            first = _shortened(args[0])
            if _is_file(args[0]):
                rest = " ".join(shlex.quote(_shortened(each)) for each in args[1:2]) or '"what it is to show"'
                raise ConfigError(f"{first} is no command; to edit it: vedit edit {shlex.quote(first)} {rest}")
            if " " in args[0].strip():
                raise ConfigError(f"'{first}' is no command; to make a clip of these words: vedit generate \"{first}\"")
            if not (first.startswith("-") or ctx.resilient_parsing):
                hint = nearest(first, self.list_commands(ctx))
                raise ConfigError(f"there is no command '{first}'; {hint}; see `{ctx.command_path} --help`")
        return super().resolve_command(ctx, args)


def describe_error(error: Any) -> str:
    """A usage error of typer's as one line."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "vedit") if context else "vedit"
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return f"no command given; `{command} --help` lists them"
    if kind == "NoSuchOption" and context is not None:
        parameters = context.command.params
        flags = [flag for each in parameters if each.param_type_name == "option" for flag in each.opts]
        arguments = [each.name for each in parameters if each.param_type_name == "argument"]
        again = context.command.name == "rerun"
        hint = _as_set(error.option_name) if again else ""
        hint = hint or nearest_flag(error.option_name, [each for each in flags if each.startswith("--")], arguments)
        unsure = not hint or hint.startswith("did you mean")
        if unsure and not again and (others := _with_flag(error.option_name, context)):
            hint = f"it is a flag of {', '.join(f'`vedit {each}`' for each in others[:3])}"
        if not hint and again:
            hint = "a setting is changed as --set NAME='...'"
        if not hint and command == "vedit":
            hint = "flags stand behind the command, as in `vedit edit clip.mp4 PROMPT --steps 20`"
        return f"there is no flag {error.option_name}{f'; {hint}' if hint else ''}; see `{command} --help`"
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    if "unexpected extra argument" in message and context is not None:
        names = {each.name: each for each in context.command.params}
        said = next((names[name] for name in ("prompt", "source_prompt") if name in names), None)
        if context.command.name == "rerun":
            message += "; new words are given as --set prompt='...'"
        elif said is not None and said.param_type_name == "argument":
            message += "; a prompt of several words stands in quotes"
        elif said is not None:
            message += f"; what the clip shows is given as --{said.name.replace('_', '-')}, in quotes"
    return f"{message}; see `{command} --help`"


def _with_flag(flag: str, context: Any) -> list[str]:
    """The other commands that have a flag; none where it was given to no command."""
    root = context.find_root()
    if root is context:
        return []
    commands = {name: root.command.get_command(root, name) for name in root.command.list_commands(root)}
    return [name for name, command in commands.items() if any(flag in each.opts for each in command.params)]


def _as_set(flag: str) -> str:
    """How a setting whose flag was given to `vedit rerun`, which reads them from a file, is changed there; empty where
    it is none."""
    settings = {**EditConfig.model_fields, **GenerateConfig.model_fields}
    given = flag.lstrip("-").replace("-", "_")
    name, value = given.removeprefix("no_"), "false" if given.startswith("no_") else "'...'"
    name = ours(name, settings) or name
    if name not in settings:
        name = next(iter(get_close_matches(name, settings, n=1, cutoff=0.8)), "")
    return f"a setting is changed as --set {name}={value}" if name else ""


def check_arguments(command: str, given: Mapping[str, Any], arguments: Mapping[str, str], *, whole: bool) -> None:
    """What can be told of the arguments before any is read: what is missing, where none of the settings come from
    elsewhere (``whole``), a prompt but where a picture shows the edit; and a clip and a prompt that are swapped.

    ``arguments``: the settings that are needed, and what they are called. Raises ConfigError.
    """
    clip, prompt = given.get("clip"), given.get("prompt")
    if clip and prompt and not _is_file(clip) and _is_file(prompt):
        raise ConfigError(
            f"the clip comes first, then the prompt: vedit {command} {shlex.quote(_shortened(prompt))} "
            f"{shlex.quote(_shortened(clip))}"
        )
    shown = {"prompt"} if any(given.get(name) for name in SHOWING) else set()
    missing = [said for name, said in arguments.items() if given.get(name) is None and name not in shown]
    if missing and whole:
        verb = "is" if len(missing) == 1 else "are"
        example = f"; for example: {EXAMPLES[command]}" if command in EXAMPLES else ""
        raise ConfigError(f"{' and '.join(missing)} {verb} missing{example}")


def _is_file(text: str) -> bool:
    """Whether this names what is there, and a clip may be; a mere word may be a folder's name."""
    return os.path.isfile(text) or (os.path.isdir(text) and os.sep in text)  # noqa: PTH112, PTH113 (no closed folders)


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
