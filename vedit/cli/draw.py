"""``vedit draw``: a page on which motion strokes are drawn over a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vedit import printing
from vedit.cli.flags import AsJson, Quiet, Verbose
from vedit.config.named_files import NamedFile
from vedit.errors import ConfigError, MediaError

Picture = Annotated[Path, typer.Argument(metavar="PICTURE", help="What to draw over.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="PATH", help="The strokes file (.yaml); by default named after the picture."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Go on with a strokes file that exists, and replace it.")]
Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Of this machine, where the page is; 0 is any.")
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")]


def draw(
    picture: Picture,
    output: Output = None,
    overwrite: Overwrite = False,
    port: Port = 0,
    browser: Browser = True,
    quiet: Quiet = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Draw motion strokes, anchors and outlines over a picture, on a page in the browser.

    The page is served on this machine only, until its button Done is pressed, or Ctrl C here.
    """
    from vedit.clip.images import picture_facts
    from vedit.jobs.outputs import check_output, default_output
    from vedit.motion.drawing import DrawingServer
    from vedit.motion.drawing.picture import png_of
    from vedit.motion.strokes import read_strokes
    from vedit.motion.strokes.scale import Scale

    if not picture.exists():
        raise MediaError(f"{picture} does not exist; expected a picture.")
    output = output or default_output(picture, "-strokes.yaml")
    if output.suffix.lower() not in (".yaml", ".yml"):
        raise MediaError(f"{output}: strokes are written as .yaml.")
    check_output(output, [NamedFile("picture", picture)], overwrite)
    picture_facts(picture)
    image, size = png_of(picture)
    strokes = read_strokes(output) if output.exists() else None
    if strokes is not None:
        Scale(strokes.canvas, size).check()
    try:
        server = DrawingServer(image, size, output, strokes, port, overwrite=overwrite)
    except OSError as error:
        raise ConfigError(
            f"--port {port} cannot be had: {error.strerror}; leave it, and a free one is taken."
        ) from error
    with server:
        print(f"Draw at {server.address} (Ctrl C ends it)", file=sys.stderr)
        if browser:
            import webbrowser

            webbrowser.open(server.address)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            print(file=sys.stderr)
    if server.saved:
        printing.report.file(output)
    else:
        printing.report.say("nothing was saved")
