"""The page of a batch, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batches.conftest import Write
from tests.conftest import Ran
from tests.report.browser import open_page

Command = Callable[..., Ran]


@pytest.mark.browser
def test_every_video_plays(vedit: Command, write_batch: Write, toy_clip: Path) -> None:
    torn = Path("torn.mp4").resolve()
    odd = Path('a #1% "é.mp4').resolve()
    odd.write_bytes(toy_clip.read_bytes())
    batch = write_batch(prompt=['a <cat> & a "dog"', "a cow"], clip=[str(toy_clip), str(odd), str(torn)])
    torn.write_bytes(b"no video")
    assert vedit("batch", batch).status == 1
    opened = open_page(Path("looks/index.html"))
    assert len(opened.videos) == 2 + 4, "two sources, and what was made of each"
    assert {*opened.played} == {*opened.videos}
    assert (opened.broken, opened.complaints) == ([], [])


@pytest.mark.browser
@pytest.mark.parametrize("suffix", [".webm", ".gif", ".webp", ""])
def test_other_kinds_of_files_are_shown(vedit: Command, write_batch: Write, suffix: str) -> None:
    codec = {"codec": "libvpx-vp9"} if suffix == ".webm" else {}
    batch = write_batch(jobs=[{"prompt": text, "output": f"{{prompt}}{suffix}", **codec} for text in ("a", "b")])
    assert vedit("batch", batch).status == 0
    opened = open_page(Path("looks/index.html"))
    assert (opened.broken, opened.complaints) == ([], [])
    page = Path("looks/index.html").read_text()
    assert page.count('src="a') == 1
