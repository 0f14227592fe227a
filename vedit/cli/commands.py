"""The ``vedit`` command: a command for each job of the table, and a few that are none.

PyTorch is imported by the jobs, so ``--help`` and ``parts`` are quick.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from vedit import __version__, printing, registry
from vedit.cli import usage
from vedit.cli.batch import batch
from vedit.cli.draw import draw
from vedit.cli.flags import AsJson, Quiet, Verbose, configured
from vedit.cli.help import HelpCommand, HelpGroup
from vedit.cli.interrupted import InterruptedWorkError
from vedit.config import InspectConfig, Settings, cache_folder
from vedit.errors import ConfigError
from vedit.jobs import OWN, Entry, entry_of, jobs
from vedit.synonyms import nearest


class Commands(usage.Commands):
    """vedit's own commands, and one for each job of another package."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_others()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        if (entry := _others().get(cmd_name)) is None:
            return None
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        _add(entry, one)
        return typer.main.get_command(one)


def _others() -> dict[str, Entry]:
    """The jobs of other packages."""
    own = {entry.name for entry in OWN}
    return {name: entry for name, entry in jobs().items() if name not in own}


app = typer.Typer(
    cls=Commands,
    name="vedit",
    help="Edit video with a Stable Diffusion backbone.",
    no_args_is_help=True,
    subcommand_metavar="COMMAND",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


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


def run_job(entry: Entry, config: Settings, *, dry_run: bool = False, made_with: str = "") -> None:
    """Run a job from its settings, and tell of its result; with ``dry_run`` what it would cost instead.

    ``made_with``: the fingerprint of the model that a result to be repeated was made with.
    """
    from vedit.jobs import base

    job = entry.load()
    config = job.checked(config)
    if dry_run:
        from vedit.estimate import estimate

        for title, rows in estimate(job, config):
            printing.report.table(rows, title=title)
        return
    try:
        given, report = base.Given(made_with=made_with), printing.report
        result = base.run(job, config, given, report.progress, report.display.expect)
    except KeyboardInterrupt:
        if (kept := job.left_over(config)) is None:
            raise
        raise InterruptedWorkError(str(kept)) from None
    job.show(result, printing.report)


def _command(entry: Entry) -> Callable[..., None]:
    """The function of a job's command, for ``configured``."""

    def run(config: Settings) -> None:
        run_job(entry, config)

    def run_or_estimate(config: Settings, dry_run: DryRun = False) -> None:
        run_job(entry, config, dry_run=dry_run)

    command = run_or_estimate if entry.estimated else run
    command.__name__, command.__doc__ = entry.name.split()[-1], entry.help
    return command


def _add(entry: Entry, to: typer.Typer) -> None:
    """Add the command of a job."""
    name = entry.name.split()[-1]
    to.command(name, cls=HelpCommand)(configured(entry.config, *entry.arguments)(_command(entry)))


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
            configured(InspectConfig, "clip", within="options", fixed={"kind": cmd_name})(_command(jobs()["inspect"]))
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


learning = typer.Typer(cls=HelpGroup, subcommand_metavar="KIND", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(learning, name="learn", help="Teach the model something from pictures, into a small file.")

GROUPS = {"inspect": looking, "learn": learning}
"""Commands of commands, by the first words of their jobs' names."""

for _entry in OWN:
    if _entry.name != "inspect":  # which is a command for each annotator
        _first, _, _rest = _entry.name.partition(" ")
        _add(_entry, GROUPS[_first] if _rest else app)


app.command(cls=HelpCommand)(batch)
app.command(cls=HelpCommand)(draw)


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
    from vedit.jobs.rerun import rerun_config

    config, model = rerun_config(sidecar, output, overwrite=overwrite, assign=assign or [])
    run_job(entry_of(config), config, dry_run=dry_run, made_with=model)


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
    titles = [f"{entry.title}, unfinished" if entry.unfinished else entry.title for entry in entries]
    rows = [[title, f"{each.size / 1e6:.1f} MB", when] for title, each, when in zip(titles, entries, used, strict=True)]
    if rows:
        printing.report.table(rows, head=["result", "size", "last used"])
    size = sum(entry.size for entry in entries)
    printing.report.say(f"{size / 1e6:.1f} MB of at most {store.bound / 1e6:,.0f} MB in {store.folder}")
    printing.report.add_data(folder=str(store.folder), size=size, bound=store.bound)


@app.command(cls=HelpCommand)
def parts(quiet: Quiet = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what can be plugged in, and where each part lives."""
    printing.report.table([[entry.name, entry.target] for entry in jobs().values()], title="jobs")
    for family in registry.TABLES:
        printing.report.table([[name, target] for name, target in registry.names(family).items()], title=family)
