"""How a command's help is laid out: what most people set first, then groups with headings, each setting on a line.

``--help`` shows the first sentence of each description, and only names the rare settings; ``--help-all`` shows them
all, whole, with their ranges.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from vedit.config import Settings

FIRST = (
    "source_prompt", "prompt", "output", "model", "times", "frames", "fps", "width", "height", "steps", "fast",
    "preview", "guidance", "strength", "seed", "motion_strokes", "first", "last", "mask", "control", "image", "audio",
)  # fmt: skip
"""What most people set, in this order, at the top of a help that has it."""

ELSEWHERE = {
    "tune": "Tuning",
    "adapter": "Tuning",
    "attention": "Model",
    "audio_mix": "Sound",
    "check_inversion": "Sampling",
    "inversion_corrections": "Sampling",
    "cache": "Output",
    "control_inversion": "Control",
    "size": "Clip",
    "window": "Clip",
    "overlap": "Clip",
    "only": "Clip",
    "device": "Model",
    "sheet": "Output",
    "report": "Output",
    "compare": "Output",
    "compare_layout": "Output",
    "save_data": "Output",
    "overwrite": "Output",
    "paste": "Sampling",
    "prior": "Sampling",
    "motion_hold": "Motion",
    "still_hold": "Motion",
    "keep_first": "Motion",
    "motion_field": "Sampling",
    "motion_control": "Motion",
    "motion_model": "Model",
    "first_hold": "Sampling",
    "image_adapter": "Model",
    "image_encoder": "Model",
    "negative_image": "Model",
    "tile": "Model",
    "tile_net": "Model",
    "loop": "Sampling",
    "fifo": "Sampling",
}
"""Settings that are shown in another group than that of the class that defines them."""

RARE = frozenset({
    "allow_partial", "apg_eta", "noise_walk", "motion_scale", "control_inversion", "condition", "dtype", "kernel",
    "learning_rate", "recipe", "inversion_corrections", "cache", "audio_attack", "audio_release", "audio_threshold",
    "audio_gain", "audio_smoothing", "audio_start", "audio_duration", "bpm", "sound_encoder", "crf", "codec",
    "compare_layout", "image_encoder", "negative_image", "motion_field", "motion_model", "first_hold", "still_hold",
    "keep_first", "overlap", "prompt_blend", "shots", "audio_mix", "stride", "tile_net", "fill", "fill_strength",
    "sampler", "guidance_interval", "deep_cache", "mask_samples", "early_stop", "tuned_blocks", "check_inversion",
    "paste",
})  # fmt: skip
"""What few people ever set: ``--help`` names it, and ``--help-all`` explains it."""

MOST_USED, RUN = "Most used", "This run"
ORDER = (
    MOST_USED,
    "Sampling",
    "Motion",
    "Control",
    "Image",
    "Sound",
    "Tuning",
    "Clip",
    "Model",
    "Inversion",
    "Output",
    "Options",
    RUN,
)

WIDEST = 100
"""Columns."""

NAMES = 29
"""Columns of the names of flags; a longer one has a line of its own."""

EXAMPLES = {
    "edit": 'vedit edit surfer.mp4 "a panda surfing" -p "a man surfing" -o panda.mp4',
    "generate": 'vedit generate "a street in rain" --audio storm.mp3 -o storm.mp4',
    "animate": 'vedit animate harbour.png --motion-strokes boats.yaml -p "boats leave a harbour" -o harbour.mp4',
    "tune": 'vedit tune surfer.mp4 -p "a man surfing" -o surfer.safetensors',
    "subject": 'vedit learn subject pictures/ --as "<rex> dog" -o rex.safetensors',
    "invert": 'vedit invert surfer.mp4 -p "a man surfing"',
    "compare": "vedit compare surfer.mp4 panda.mp4 -o both.mp4",
    "upscale": 'vedit upscale panda.mp4 --times 2 -p "a panda surfing" -o large.mp4',
    "smooth": "vedit smooth panda.mp4 --times 2 -o smooth.mp4",
    "edge": "vedit inspect edge clip.mp4 -o edges.mp4",
    "mask": 'vedit inspect mask surfer.mp4 "a panda surfing" -p "a man surfing" --sheet mask.png',
    "motion": "vedit inspect motion strokes.yaml --over picture.png -o overlay.png",
    "image": 'vedit inspect image look.png --caption "a dog" --caption "a cat" -o seen.png',
    "draw": "vedit draw picture.png -o strokes.yaml",
    "audio": "vedit inspect audio song.mp3 -o heard.png",
    "timeline": "vedit inspect timeline '0:1, 2s:4' --fps 12",
}
"""How each command is written, in its help and where it lacks something."""


TEXT = re.compile(r"(.*?)(?: \[default: (.*?)\])?(?: \[range: (.*?)\])?", re.DOTALL)
"""A flag's help: its description, its default and its range."""


def group_of(kind: type[Settings], name: str) -> str:
    """The title of the group in which a setting is shown: by the class that defines it."""
    if name in FIRST:
        return MOST_USED
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    for owner in kind.__mro__:
        if name in vars(owner).get("__annotations__", {}):
            return str(owner.__doc__) if owner.__name__.endswith("Settings") else "Options"
    return "Options"


class HelpCommand(TyperCommand):
    """A command whose help is laid out in groups."""

    annotator: str | None = None
    """The kind of annotator whose own options --set gives."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(self.laid_out(ctx))

    def laid_out(self, ctx: Any, *, everything: bool = False) -> str:
        """The help of this command; with ``everything``, all of each setting."""
        width = _width()
        parameters: list[Any] = self.get_params(ctx)
        arguments = [each for each in parameters if each.param_type_name == "argument"]
        options = [each for each in parameters if each.param_type_name == "option"]
        lines = [f"{_bold('Usage:')} {ctx.command_path} [OPTIONS] {' '.join(each.metavar for each in arguments)}", ""]
        for paragraph in (self.help or "").split("\n\n"):
            lines += textwrap.wrap(" ".join(paragraph.split()), width)
        if example := EXAMPLES.get(str(self.name)):
            lines += ["", f"  {example}"]
        if arguments:
            rows = [(f"  {each.metavar}", str(each.help)) for each in arguments]
            lines += ["", *_table(rows, width)]
        for title, members in _sorted(options).items():
            rare = [each for each in members if each.name in RARE]
            if everything or len(rare) == len(members):
                rare = []
            rows = [(_name(each), _said(each, everything)) for each in members if each not in rare]
            lines += ["", _bold(title), *_table(rows, width)]
            if rare:
                named = ", ".join(each.opts[0] for each in rare)
                lines += textwrap.wrap(
                    named,
                    width,
                    initial_indent=f"{'      also':{NAMES}}",
                    subsequent_indent=" " * NAMES,
                    break_on_hyphens=False,
                )
        if self.annotator is not None:
            from vedit.annotators import ANNOTATORS  # with PyTorch, which takes seconds to import

            own = ANNOTATORS.load(self.annotator).Options
            rows = [(f"      {name}", _whole(own, name)) for name in own.model_fields]
            lines += ["", _bold(f"Options of {self.annotator}, as --set NAME=VALUE"), *_table(rows, width)]
        return "\n".join(lines) + "\n"


class HelpGroup(TyperGroup):
    """A group of commands whose help shows these first, each on a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        width = _width()
        what = self.subcommand_metavar
        lines = [f"{_bold('Usage:')} {ctx.command_path} {what} ...", "", *textwrap.wrap(self.help or "", width)]
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(f"  {name}", brief(" ".join(str(each.help).split()))) for name, each in commands if each is not None]
        lines += ["", _bold(f"{what.capitalize()}s"), *_table(rows, width, max(len(name) for name, _ in rows) + 3)]
        options: list[Any] = [*self.get_params(ctx)]
        lines += ["", _bold("Options"), *_table([(_name(each), brief(str(each.help))) for each in options], width)]
        lines += ["", f"`{ctx.command_path} {what} --help` has more."]
        formatter.write("\n".join(lines) + "\n")


def brief(text: str) -> str:
    """The first sentence of a description."""
    return text.split(". ", 1)[0].removesuffix(".")


def _said(option: Any, everything: bool) -> str:
    text, default, limits = TEXT.fullmatch(option.help or "").groups()  # type: ignore[union-attr]
    if everything:
        known = "; ".join(each for each in (default, limits) if each)
        return f"{text} [{known}]" if known else text
    return f"{brief(text)} [{default}]" if default else brief(text)


def _whole(kind: type[Settings], name: str) -> str:
    field = kind.model_fields[name]
    return f"{field.description}" + (f" [{field.default}]" if field.default is not None else "")


def _name(option: Any) -> str:
    """A flag as it is given: "-o, --output PATH"."""
    short = next((each for each in option.opts if not each.startswith("--")), "")
    long = next((each for each in option.opts if each.startswith("--")), "")
    both = f"{long}/{option.secondary_opts[0]}" if option.secondary_opts else long
    value = "" if option.is_flag else f" {option.metavar or 'TEXT'}"
    return f"  {f'{short}, ' if short else '    '}{both}{value}"


def _sorted(options: Iterable[Any]) -> Mapping[str, list[Any]]:
    """The options by the titles of their groups, the groups and the first of them in their order."""
    groups: dict[str, list[Any]] = {}
    for each in options:
        groups.setdefault(each.rich_help_panel or RUN, []).append(each)
    if MOST_USED in groups:
        groups[MOST_USED].sort(key=lambda each: FIRST.index(each.name))
    return {title: groups[title] for title in sorted(groups, key=ORDER.index)}


def _table(rows: Iterable[tuple[str, str]], width: int, names: int = NAMES) -> list[str]:
    """Lines of names and texts, the texts beside ``names`` columns."""
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, width - names, break_on_hyphens=False) or [""]
        if len(name) > names - 2:
            lines.append(name)
            name = ""
        lines.append(f"{name:{names}}{wrapped[0]}".rstrip())
        lines += [" " * names + each for each in wrapped[1:]]
    return lines


def _width() -> int:
    return max(50, min(shutil.get_terminal_size((80, 24)).columns, WIDEST)) - 1


def _bold(title: str) -> str:
    return typer.style(title, bold=True)
