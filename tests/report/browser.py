"""A page opened in a browser without a window, where one is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROBE = """<script>
for (const video of document.querySelectorAll("video"))
  for (const event of ["playing", "error"])
    video.addEventListener(event, () => { video.dataset[event] = video.currentTime; });
</script></body>"""
"""Notes at each video what became of it. Added to a copy of the page."""


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


def browser() -> str:
    """A browser's command; skips the test where there is none."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    return found or pytest.skip("needs Chromium: apt install chromium")


def open_page(page: Path) -> Opened:
    """Open a page from the disk, all of it in view, for some seconds of its own time."""
    probe = page.with_name("probe.html")
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE), encoding="utf-8")
    arguments = [
        "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=4000,6000",
        "--virtual-time-budget=8000", "--dump-dom", probe.resolve().as_uri(),
    ]  # fmt: skip
    done = subprocess.run([browser(), *arguments], capture_output=True, text=True, check=True, timeout=120)
    probe.unlink()
    tags = re.findall(r"<video[^>]*>", done.stdout)
    source = [re.search(r'src="([^"]{0,200})', tag)[1] for tag in tags]
    return Opened(
        source,
        [name for name, tag in zip(source, tags, strict=True) if "data-playing" in tag],
        [name for name, tag in zip(source, tags, strict=True) if "data-error" in tag],
        [line for line in done.stderr.splitlines() if "CONSOLE" in line],
    )
