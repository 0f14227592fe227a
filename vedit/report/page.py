"""A page of results: a table of clips and looks, each playing, with what made it. One file, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from vedit import __version__
from vedit.atomic import whole_file

PICTURES = (".gif", ".webp", ".png", ".jpg")
"""What a browser shows as a picture."""

PLAYED = (".mp4", ".m4v", ".mov", ".webm")
"""What a browser plays. Of everything else the page shows the poster, which leads to the file."""


@dataclass(frozen=True)
class Cell:
    """One result.

    Attributes:
        row: the clip that it is of; empty where there is none
        column: what it was made to look like
        name: of the job
        lines: what made it: settings and their values
        media: its file, from the page's folder on; None where it is not there
        done: whether it is the result, rather than a preview or nothing yet
        poster: a picture of it, from the page's folder on
        reason: why it failed; empty where it did not
        player: HTML that plays it, in place of its file
    """

    row: str
    column: str
    name: str
    lines: Sequence[tuple[str, str]] = ()
    media: PurePosixPath | None = None
    poster: PurePosixPath | None = None
    done: bool = True
    reason: str = ""
    player: str = ""

    @property
    def address(self) -> str:
        return "" if self.media is None else quote(str(self.media))

    @property
    def poster_address(self) -> str:
        return "" if self.poster is None else quote(str(self.poster))

    @property
    def is_played(self) -> bool:
        return self.media is not None and self.media.suffix.lower() in PLAYED

    @property
    def picture_address(self) -> str:
        """Of what is shown where nothing is played."""
        moves = self.media is not None and self.media.suffix.lower() in PICTURES
        return self.address if moves else self.poster_address


@dataclass(frozen=True)
class Source:
    """The clip of a row: its name, and a small copy of it, from the page's folder on."""

    name: str
    media: PurePosixPath | None = None

    @property
    def address(self) -> str:
        return "" if self.media is None else quote(str(self.media))


def write_page(
    path: Path, title: str, cells: Sequence[Cell], sources: Sequence[Source] = (), *, overwrite: bool = False
) -> None:
    """Write a page of results, whole or not at all. Raises MediaError where it cannot be written."""
    rows, columns = dict[str, None](), dict[str, None]()
    for cell in cells:
        rows.setdefault(cell.row)
        columns.setdefault(cell.column)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("vedit.report").joinpath("page.html.j2").read_text(encoding="utf-8"))
    by_place: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_place.setdefault((cell.row, cell.column), []).append(cell)
    said = template.render(
        title=title,
        version=__version__,
        rows=list(rows),
        columns=list(columns),
        cells=by_place,
        sources={source.name: source for source in sources},
        done=sum(1 for cell in cells if cell.done),
        failed=[cell for cell in cells if cell.reason],
        all=len(cells),
    )
    with whole_file(path, overwrite) as beside:
        beside.write_text(said, encoding="utf-8")
