"""Flags are the config's fields, no more and no less."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
import typer

from vedit.config import EditConfig, InvertConfig, Settings, TuneConfig
from vedit.errors import ConfigError
from vedit.flags import configured

KINDS: list[type[Settings]] = [EditConfig, TuneConfig, InvertConfig]
OWN = {"config", "assign"}


def parse(kind: type[Settings], *arguments: str) -> Settings:
    """The config that a command of this kind receives."""
    seen: list[Settings] = []
    app = typer.Typer()

    @app.command()
    @configured(kind, "clip")
    def take(config: Settings) -> None:
        seen.append(config)

    typer.main.get_command(app)(list(arguments), standalone_mode=False)
    return seen[0]


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_is_one_parameter(kind: type[Settings]) -> None:
    made = configured(kind, "clip")(lambda config: None)
    assert set(inspect.signature(made).parameters) == set(kind.model_fields) | OWN


def test_what_is_not_given_is_left_to_the_defaults() -> None:
    assert parse(InvertConfig, "a.mp4") == InvertConfig.model_validate({"clip": "a.mp4"})


def test_flags_are_read_as_their_fields_are() -> None:
    given = "a.mp4 --prompt fox --steps 7 --guidance 2.5 --lora a:1 --lora b --no-gate --overwrite --size 64 -o x.mp4"
    config = parse(EditConfig, *given.split())
    assert isinstance(config, EditConfig)
    assert (config.steps, config.guidance, config.lora, config.size) == (7, 2.5, ("a:1", "b"), 64)
    assert (config.gate, config.overwrite, config.cache, str(config.output)) == (False, True, True, "x.mp4")


def test_flags_are_named_in_their_faults() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(EditConfig, "", "--prompt", "x", "--learning-rate", "-1", "--seed", "-5", "--steps", "")
    said = str(caught.value)
    for part in ("CLIP: ''", "--learning-rate: '-1'", "--seed: '-5'", "--steps: ''"):
        assert part in said


@pytest.mark.parametrize("kind", KINDS)
def test_help_shows_every_flag_with_its_default(kind: type[Settings], vedit: Callable[..., object]) -> None:
    command = {EditConfig: "edit", TuneConfig: "tune", InvertConfig: "invert"}[kind]
    shown = " ".join(vedit(command, "--help").out.split())  # type: ignore[attr-defined]
    for name, field in kind.model_fields.items():
        if (name in ("clip", "prompt") and command == "edit") or name == "clip":
            assert name.upper() in shown
            continue
        assert f"--{name.replace('_', '-')}" in shown
        if isinstance(field.default, int | float | str) and not isinstance(field.default, bool):
            assert re.search(rf"\[default: {re.escape(str(field.default))}\]", shown), name
