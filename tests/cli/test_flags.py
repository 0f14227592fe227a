"""Flags are the config's fields, no more and no less."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
import typer

from tests.conftest import Ran
from vedit.cli import app
from vedit.cli.flags import METAVARS, NAMES, RUN_FLAGS, SHORT, configured
from vedit.cli.help import ELSEWHERE, FIRST, RARE, HelpCommand
from vedit.config import (
    AnimateConfig,
    CompareConfig,
    EditConfig,
    GenerateConfig,
    InspectAudioConfig,
    InspectConfig,
    InspectMotionConfig,
    InspectTimelineConfig,
    InvertConfig,
    LearnSubjectConfig,
    Settings,
    SmoothConfig,
    TuneConfig,
    UpscaleConfig,
    bounds,
)
from vedit.config.lora import LoraSpec
from vedit.errors import ConfigError

KINDS: list[type[Settings]] = [EditConfig, TuneConfig, InvertConfig]
OWN = {"config", "assign", *RUN_FLAGS}


def parse(kind: type[Settings], *arguments: str) -> Settings:
    """The config that a command of this kind receives."""
    seen: list[Settings] = []
    app = typer.Typer()

    @app.command(cls=HelpCommand)
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
    given = "a.mp4 --prompt fox --steps 7 --guidance 2.5 --lora a:1 --lora b --overwrite --size 64 -o x.mp4"
    given += " --no-check-inversion"
    config = parse(EditConfig, *given.split())
    assert isinstance(config, EditConfig)
    assert (config.steps, config.guidance, config.size) == (7, 2.5, 64)
    assert config.lora == (LoraSpec("a", "1"), LoraSpec("b"))
    assert (config.check_inversion, config.overwrite, config.cache, str(config.output)) == (False, True, True, "x.mp4")


def test_flags_are_named_in_their_faults() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(EditConfig, "", "--prompt", "x", "--learning-rate", "-1", "--seed", "-5", "--steps", "")
    said = str(caught.value)
    for part in ("CLIP: ''", "--learning-rate: '-1'", "--seed: '-5'", "--steps: ''"):
        assert part in said


COMMANDS: dict[str, type[Settings]] = {
    "edit": EditConfig,
    "generate": GenerateConfig,
    "animate": AnimateConfig,
    "tune": TuneConfig,
    "learn subject": LearnSubjectConfig,
    "invert": InvertConfig,
    "compare": CompareConfig,
    "upscale": UpscaleConfig,
    "smooth": SmoothConfig,
    "inspect edge": InspectConfig,
    "inspect audio": InspectAudioConfig,
    "inspect timeline": InspectTimelineConfig,
    "inspect motion": InspectMotionConfig,
}


@pytest.fixture
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("_wide")
def test_help_names_every_flag_and_explains_each_whole_where_asked(command: str, vedit: Callable[..., Ran]) -> None:
    kind, shown = COMMANDS[command], vedit(*command.split(), "--help").out
    whole = vedit(*command.split(), "--help-all").out
    for name, field in kind.model_fields.items():
        if name in ("kind", "options"):
            continue
        flag = NAMES.get(name, f"--{name.replace('_', '-')}")
        for text in (shown, whole):
            assert re.search(rf"{flag}\b|^  {name.upper()}\b", text, re.MULTILINE), name
        assert " ".join(str(field.description).split()) in " ".join(whole.split()), name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"[{field.default:g}" in whole, name
            assert bounds(field) in " ".join(whole.split()), name


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("_wide")
def test_help_fits_two_screens_in_groups_with_the_most_used_first(command: str, vedit: Callable[..., Ran]) -> None:
    lines = vedit(*command.split(), "-h").out.splitlines()
    assert len(lines) < 90
    assert max(map(len, lines)) <= 100
    titles = [line for line in lines if line and not line.startswith((" ", "Usage")) and line[:-1].isalpha()]
    if command == "edit":
        assert {"Sampling", "Control", "Sound", "Tuning", "Clip", "Model", "Output"} <= set(titles)
        first = "\n".join(lines[:40])
        for name in FIRST:
            if name in EditConfig.model_fields:
                assert f"--{name.replace('_', '-')} " in first or f"  {name.upper()} " in first, name


def test_the_tables_of_the_help_name_settings_that_there_are() -> None:
    known = {name for kind in COMMANDS.values() for name in kind.model_fields}
    assert {*FIRST, *ELSEWHERE, *RARE, *METAVARS, *NAMES, *SHORT} <= known


def test_every_command_with_settings_lays_out_its_help() -> None:
    command = typer.main.get_command(app)
    for name in {each.split()[0] for each in COMMANDS} - {"inspect", "learn"}:
        assert isinstance(command.commands[name], HelpCommand), name  # type: ignore[attr-defined]


def test_short_flags_are_the_long_ones() -> None:
    short = "-s 7 -g 2 -f 3 -c edge -m mini -a s.wav -o x.mp4"
    long = "--steps 7 --guidance 2 --frames 3 --control edge --model mini --audio s.wav --output x.mp4"
    one, other = (parse(EditConfig, "a.mp4", "--prompt", "fox", *flags.split()) for flags in (short, long))
    assert one == other
