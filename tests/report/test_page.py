"""Pages of results."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tests.conftest import Ran
from tests.report.browser import open_page
from vedit.report.page import Cell, Source, write_page

Command = Callable[..., Ran]


def cells() -> list[Cell]:
    return [
        Cell("star", "snow", "star/snow", [("seed", "1")], PurePosixPath("star/snow.mp4")),
        Cell("star", "rain", "star/rain", reason="it <b>broke</b>", done=False),
        Cell("walker", "snow", "walker/snow", done=False),
    ]


def test_a_table_of_clips_and_looks(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", "looks", cells(), [Source("star", PurePosixPath("pictures/star.mp4"))])
    page = (tmp_path / "index.html").read_text()
    assert re.findall(r'scope="col">([^<]*)<', page) == ["clip", "snow", "rain"]
    assert re.findall(r'scope="row">([^<]*)<', page) == ["star", "walker"]
    assert "1 of 3 done" in page
    assert 'src="star/snow.mp4"' in page
    assert 'src="pictures/star.mp4"' in page
    assert "not made yet" in page


def test_texts_are_texts_and_addresses_are_addresses(tmp_path: Path) -> None:
    odd = '<script>alert("x")</script> "&'
    cell = Cell(odd, odd, odd, [(odd, odd)], PurePosixPath('a b/"#?%.mp4'), PurePosixPath("é.png"))
    other = Cell(odd, "plain", "plain", [], None, reason=odd, done=False)
    write_page(tmp_path / "index.html", odd, [cell, other])
    page = (tmp_path / "index.html").read_text()
    assert 'alert("x")' not in page
    assert 'src="a%20b/%22%23%3F%25.mp4"' in page
    assert 'poster="%C3%A9.png"' in page


def test_it_asks_nobody(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", "looks", cells())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", (tmp_path / "index.html").read_text())


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    from vedit.errors import MediaError

    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(MediaError, match="exists already"):
        write_page(tmp_path / "a.html", "looks", cells())
    assert (tmp_path / "a.html").read_text() == "mine"


def test_one_result_as_a_page(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = "--model", toy_model, "--steps", 2, "--device", "cpu"
    assert vedit("edit", toy_clip, "a <cat>", *tiny, "-o", "a.mp4", "--report", "a.html").status == 0
    page = Path("a.html").read_text()
    assert "<dt>prompt</dt><dd>a &lt;cat&gt;</dd>" in page
    assert "<dt>fingerprint</dt>" in page
    assert 'src="data:video/mp4;base64,' in page
    assert vedit("rerun", "a.yaml").status == 0
    assert Path("a-2-report.html").exists()
    assert "a report is written as .html" in vedit("edit", toy_clip, "a", *tiny, "--report", "a.txt").complaint
    assert "a.html exists already" in vedit("edit", toy_clip, "a", *tiny, "-o", "b.mp4", "--report", "a.html").complaint


@pytest.mark.browser
def test_one_result_plays_in_a_browser(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = "--model", toy_model, "--frames", 3, "--steps", 2, "--device", "cpu", "-o", "a.mp4"
    assert vedit("edit", toy_clip, "a cat", *tiny, "--report", "a.html").status == 0
    opened = open_page(Path("a.html"))
    assert len(opened.videos) == 1
    assert (opened.played, opened.broken, opened.complaints) == (opened.videos, [], [])
