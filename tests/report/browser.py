"""A page opened in a browser without a window, where one is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest

PROBE = """<img src="http://127.0.0.1:{port}/over" hidden><script>
const waiting = new Set(document.querySelectorAll("video"));
const tell = () => {{ if (!waiting.size) new Image().src = "http://127.0.0.1:{port}/all"; }};
for (const video of [...waiting])
  for (const event of ["playing", "error"])
    video.addEventListener(event, () => {{ video.dataset[event] = 1; waiting.delete(video); tell(); }});
tell();
</script></body>"""
"""Notes at each video what became of it, and keeps the page loading until all have begun to play, or failed. Added to a
copy of the page."""

PATIENCE = 60
"""Seconds in which videos begin to play, however much else this machine does."""


@dataclass(frozen=True)
class Opened:
    """What a browser made of a page.

    Attributes:
        videos: their sources
        played: those that have begun
        broken: those that could not be shown
        complaints: lines of its console
    """

    videos: list[str]
    played: list[str]
    broken: list[str]
    complaints: list[str]


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Let a server answer within the block. One whose socket is closed while it serves would turn round and round for
    as long as the process lives, so it is stopped however the block ends, by a test that is skipped too."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def browser() -> str:
    """A browser's command; skips the test where there is none."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    return found or pytest.skip("needs Chromium: apt install chromium")


def open_page(page: Path) -> Opened:
    """Open a page from the disk, all of it in view, until its videos play."""
    probe, every = page.with_name("probe.html"), threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/all":
                every.set()
            every.wait(PATIENCE)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server, serving(server):
        watched = page.read_text(encoding="utf-8").replace("</body>", PROBE.format(port=server.server_port))
        probe.write_text(watched, encoding="utf-8")
        arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=4000,6000",
            "--dump-dom", probe.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run([browser(), *arguments], capture_output=True, text=True, check=True, timeout=3 * PATIENCE)
    probe.unlink()
    tags = re.findall(r"<video[^>]*>", done.stdout)
    source = [re.search(r'src="([^"]{0,200})', tag)[1] for tag in tags]
    return Opened(
        source,
        [name for name, tag in zip(source, tags, strict=True) if "data-playing" in tag],
        [name for name, tag in zip(source, tags, strict=True) if "data-error" in tag],
        [line for line in done.stderr.splitlines() if "CONSOLE" in line],
    )
