"""The ``vedit`` command: each command builds a config, calls one pipeline, and prints.

PyTorch is imported by the pipelines, so ``--help`` and ``parts`` are quick.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from vedit import __version__, printing, registry, usage
from vedit.config import (
    CompareConfig,
    EditConfig,
    GenerateConfig,
    InspectAudioConfig,
    InspectConfig,
    InspectTimelineConfig,
    InvertConfig,
    TuneConfig,
    cache_folder,
)
from vedit.errors import ConfigError, VeditError, VeditHint, VeditWarning
from vedit.flags import AsJson, Quiet, Verbose, configured
from vedit.help import HelpCommand, HelpGroup
from vedit.synonyms import nearest

if TYPE_CHECKING:
    from vedit.clip import Clip
    from vedit.clip.lazy import LazyClip

app = typer.Typer(
    cls=usage.Commands,
    name="vedit",
    help="Edit video with a Stable Diffusion backbone.",
    no_args_is_help=True,
    subcommand_metavar="COMMAND",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class _InterruptedError(Exception):
    """An interruption that left a file to go on from, and its path: typer makes a mere 130 of a KeyboardInterrupt."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vedit {__version__}")
        raise typer.Exit


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check the settings, show them and what they would cost; run nothing.")
]


@app.callback()
def common(
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=HelpCommand)
@configured(EditConfig, "clip", "prompt")
def edit(config: EditConfig, dry_run: DryRun = False) -> None:
    """Edit a clip with a prompt.

    Beside the result lies a .yaml file of all settings, which `vedit rerun` takes.
    """
    _edit(config, dry_run)


@app.command(cls=HelpCommand)
@configured(GenerateConfig, "prompt")
def generate(config: GenerateConfig, dry_run: DryRun = False) -> None:
    """Make a clip from a prompt, and let it follow a sound.

    Beside the result lies a .yaml file of all settings, which `vedit rerun` takes.
    """
    _generate(config, dry_run)


@app.command(cls=HelpCommand)
@configured(TuneConfig, "clip")
def tune(config: TuneConfig, dry_run: DryRun = False) -> None:
    """Tune the model on one clip, into a small adapter file that `vedit edit --adapter` takes."""
    from vedit.pipelines import tune as pipeline

    if dry_run:
        _show_estimate(pipeline.checked(config))
        return
    config = pipeline.checked(config)
    try:
        _expect(config)
        path = pipeline.run(config, progress=printing.report.progress)
    except KeyboardInterrupt:
        if config.output is None or not pipeline.checkpoint_of(config.output).exists():
            raise
        raise _InterruptedError(str(pipeline.checkpoint_of(config.output))) from None
    printing.report.file(path, f"{path.stat().st_size / 1e6:.1f} MB")


@app.command(cls=HelpCommand)
@configured(InvertConfig, "clip")
def invert(config: InvertConfig, dry_run: DryRun = False) -> None:
    """Invert a clip and show how well it is reconstructed, beside the VAE's own round trip."""
    from vedit.pipelines import invert as pipeline

    if dry_run:
        _show_estimate(pipeline.checked(config))
        return
    _expect(config)
    result = pipeline.run(config, progress=printing.report.progress)
    found = {"VAE round trip": result.vae, "reconstruction": result.reconstruction}
    rows = [[name, f"{it.db:.2f}", f"{it.worst:.2f}"] for name, it in found.items()]
    printing.report.table(rows, head=["", "dB", "worst frame"])
    measured = {"vae_db": result.vae.db, "reconstruction_db": result.reconstruction.db}
    worst = {"vae_worst_db": result.vae.worst, "reconstruction_worst_db": result.reconstruction.worst}
    printing.report.add_data(metrics=measured | worst)
    if result.output is not None:
        printing.report.file(result.output)


@app.command(cls=HelpCommand)
@configured(CompareConfig, "source", "edit")
def compare(config: CompareConfig) -> None:
    """Show a source and its edit together, as one clip with sound."""
    from vedit.pipelines import compare as pipeline

    result = pipeline.run(config)
    _tell_clip(result.file, result.frames, result.size, float(result.rate), result.has_sound)


class Kinds(HelpGroup):
    """The kinds of `vedit inspect`: a command for each annotator, third parties' too, and those for sound."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*registry.names("annotators"), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in registry.names("annotators"):
            return super().get_command(ctx, cmd_name)
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        what = registry.docstring("annotators", cmd_name).split("\n\n")[0] or f"What {cmd_name} sees."
        shown = f"{what}\n\nWritten as a control is shown it, before computing is spent on it."
        one.command(cmd_name, cls=HelpCommand, help=shown)(
            configured(InspectConfig, "clip", within="options", fixed={"kind": cmd_name})(_look)
        )
        command = cast(HelpCommand, typer.main.get_command(one))
        command.annotator = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            raise ConfigError(f"KIND: '{args[0]}' is unknown; {nearest(args[0], known)}")
        return super().resolve_command(ctx, args)


looking = typer.Typer(cls=Kinds, subcommand_metavar="KIND", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(looking, name="inspect", help="See what an edit would be shown, before computing is spent on it.")


def _look(config: InspectConfig) -> None:
    from vedit.pipelines import inspect as pipeline

    for path in pipeline.run(config).files:
        printing.report.file(path)


@looking.command("mask", cls=HelpCommand)
@configured(EditConfig, "clip", "prompt")
def look_at_mask(config: EditConfig) -> None:
    """See where an edit may happen, before it is paid for; takes what `vedit edit` takes.

    `--mask auto` and `--mask word:WORD` ask the model, in a few passes; other masks do not.
    """
    from vedit.pipelines import inspect_mask as pipeline
    from vedit.pipelines.summary import sentences

    result = pipeline.run(config, progress=printing.report.progress)
    _tell_files(result.video, result.files)
    for sentence in sentences({"edited_share": result.share}):
        printing.report.say(sentence)
    printing.report.add_data(metrics={"edited_share": result.share})


@looking.command("audio", cls=HelpCommand)
@configured(InspectAudioConfig, "audio")
def look_at_sound(config: InspectAudioConfig) -> None:
    """See the features of a sound: its waveform, a feature in each frame, onsets and beats."""
    from vedit.pipelines import inspect_audio as pipeline

    result = pipeline.run(config)
    sound, beats = result.features, [round(float(each), 4) for each in result.features.own_beats]
    count = f"{len(beats)} beat{'' if len(beats) == 1 else 's'}"
    printing.report.say(f"{count}, {sound.tempo:.2f} BPM{f' ({sound.note})' if sound.note else ''}")
    printing.report.add_data(metrics={"tempo": sound.tempo}, note=sound.note, beats=beats)
    for path in result.files:
        printing.report.file(path)


@looking.command("timeline", cls=HelpCommand)
@configured(InspectTimelineConfig, "timeline")
def look_at_timeline(config: InspectTimelineConfig) -> None:
    """See the number that a timeline is in each frame."""
    from vedit.pipelines import inspect_audio as pipeline

    values = pipeline.values(config)
    printing.report.table(values, head=["frame", "seconds", "value"])
    printing.report.add_data(values=[float(value) for _, _, value in values])


@app.command(cls=HelpCommand)
def rerun(
    sidecar: Annotated[Path, typer.Argument(metavar="SIDECAR.yaml", help="What was written beside a result.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Where to write; by default beside the old one, as out-2.mp4 and so on.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the old result.")] = False,
    assign: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make the same result again from the .yaml file beside it, and keep the old one."""
    from vedit.pipelines.rerun import rerun_config

    config, model = rerun_config(sidecar, output, overwrite=overwrite, assign=assign or [])
    if isinstance(config, GenerateConfig):
        _generate(config, dry_run, model)
    else:
        _edit(config, dry_run, model)


@app.command(cls=HelpCommand)
def doctor(quiet: Quiet = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what this machine can do."""
    from vedit.doctor import examine

    for title, rows in examine():
        printing.report.table(rows, title=title)


@app.command(cls=HelpCommand)
def cache(
    empty: Annotated[bool, typer.Option("--empty", help="Let go of everything that is kept.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show the results that are kept for the next time, such as inversions, and how much room they take."""
    from vedit.graph import Store

    store = Store(cache_folder())
    if empty:
        freed = store.empty()
        printing.report.say(f"{freed / 1e6:.1f} MB freed in {store.folder}")
        printing.report.add_data(freed=freed)
        return
    entries = store.entries()
    used = [f"{datetime.fromtimestamp(entry.used):%Y-%m-%d %H:%M}" for entry in entries]
    rows = [[entry.title, f"{entry.size / 1e6:.1f} MB", when] for entry, when in zip(entries, used, strict=True)]
    if rows:
        printing.report.table(rows, head=["result", "size", "last used"])
    size = sum(entry.size for entry in entries)
    printing.report.say(f"{size / 1e6:.1f} MB of at most {store.bound / 1e6:,.0f} MB in {store.folder}")
    printing.report.add_data(folder=str(store.folder), size=size, bound=store.bound)


@app.command(cls=HelpCommand)
def parts(quiet: Quiet = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what can be plugged in, and where each part lives."""
    for family in registry.TABLES:
        printing.report.table([[name, target] for name, target in registry.names(family).items()], title=family)


def _edit(config: EditConfig, dry_run: bool, made_with: str = "") -> None:
    from vedit.pipelines import edit as pipeline
    from vedit.pipelines.summary import sentences

    if dry_run:
        _show_estimate(pipeline.checked(config))
        return
    _expect(config)
    result = pipeline.run(config, progress=printing.report.progress, made_with=made_with)
    _tell_files(result.video, result.files)
    for sentence in sentences(result.metrics, checked=result.config.check_inversion):
        printing.report.say(sentence)
    printing.report.add_data(metrics=result.metrics, made_with=result.made_with)
    _tell_seconds(result.timings)


def _generate(config: GenerateConfig, dry_run: bool, made_with: str = "") -> None:
    from vedit.pipelines import generate as pipeline

    if dry_run:
        _show_estimate(pipeline.checked(config))
        return
    _expect(config)
    result = pipeline.run(config, progress=printing.report.progress, made_with=made_with)
    _tell_files(result.clip, result.files)
    printing.report.add_data(made_with=result.made_with)
    _tell_seconds(result.timings)


def _expect(config: EditConfig | GenerateConfig | InvertConfig | TuneConfig) -> None:
    """Tell the progress bar how much work the stages of a job are."""
    from vedit.pipelines.unet_passes import passes

    printing.report.display.expect(passes(config))


def _tell_files(clip: Clip | LazyClip, files: Sequence[Path]) -> None:
    """What was written, the clip first."""
    from vedit.clip.writing import SILENT

    heard = clip.audio is not None and files[0].suffix.lower() not in SILENT
    _tell_clip(files[0], len(clip), clip.size, float(clip.rate), heard)
    for path in files[1:]:
        printing.report.file(path)


def _tell_clip(path: Path, frames: int, size: tuple[int, int], fps: float, sound: bool) -> None:
    height, width = size
    told = f"{frames} frames, {width}x{height}, {fps:g} fps, {'with sound' if sound else 'silent'}"
    printing.report.file(path, told)
    printing.report.add_data(clip={"frames": frames, "width": width, "height": height, "fps": fps, "sound": sound})


def _tell_seconds(timings: Mapping[str, float]) -> None:
    printing.report.say("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in timings.items()))
    printing.report.add_data(timings=timings)


def _show_estimate(config: EditConfig | TuneConfig | InvertConfig | GenerateConfig) -> None:
    from vedit.estimate import estimate

    for title, rows in estimate(config):
        printing.report.table(rows, title=title)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for what a user can mend, 130 when interrupted, 1 for a fault
    of vedit's own. Errors and warnings are one line each on stderr.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    report = printing.begin(given)  # before anything is imported that may be noisy
    try:
        with report.display, warnings.catch_warnings(), _terminable():
            _quiet()
            status = typer.main.get_command(app)(given, prog_name="vedit", standalone_mode=False)
        if status == 130:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        if status is None:  # help and the version are told without a command
            report.end()
        return status if isinstance(status, int) else 0
    except VeditError as error:
        return _failed(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted; nothing partial was left", 130)
    except _InterruptedError as kept:
        return _failed(f"interrupted; the same command goes on from {kept}", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        # typer's usage errors have no public class of their own; all of them can format their message.
        if hasattr(error, "format_message"):
            return _failed(usage.describe_error(error), 2)
        where = "" if report.verbose else "; --verbose shows where"
        return _failed(f"a fault of vedit's own, {type(error).__name__}: {' '.join(str(error).split())}{where}", 1)


def _failed(message: str, status: int) -> int:
    if printing.report.verbose:
        traceback.print_exc()
    printing.report.fail(message)
    return status


def _quiet() -> None:
    """Our own warnings in one line; nothing of the libraries', unless --verbose."""
    if printing.report.verbose:
        return
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", VeditWarning)
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    if isinstance(message, VeditHint):
        printing.report.hint(str(message))
    else:
        printing.report.warn(str(message))


@contextmanager
def _terminable() -> Iterator[None]:
    """Within the block, a request to end (SIGTERM) is an exception, so that unfinished files are removed."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
