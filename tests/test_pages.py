"""The pages that are made as the site is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import ROOT, commands, within_docs
from vedit import registry


def test_every_command_has_its_section() -> None:
    titles = [section.splitlines()[0] for section in commands()]
    assert titles[0] == "# Commands"
    shown = {title.removeprefix("## vedit ") for title in titles[1:]}
    assert {"edit", "generate", "tune", "invert", "rerun", "doctor", "parts"} <= shown
    assert {"inspect audio", "inspect timeline"} <= shown
    of_annotators = {f"inspect {name}" for name in registry.names("annotators")} & shown
    assert len(of_annotators) == 1, "annotators share their flags: one of them stands for all"


def test_a_section_is_what_the_command_says() -> None:
    edit = next(section for section in commands() if section.startswith("## vedit edit\n"))
    assert "--learning-rate" in edit, "the rare settings too"
    assert "\x1b" not in edit


def test_links_of_the_root_lead_to_pages() -> None:
    text = within_docs("[a](docs/sound.md) [b](CHANGELOG.md) [c](training/README.md) [d](https://x.org/y) [e](#f)")
    assert text == "[a](sound.md) [b](changelog.md) `c` [d](https://x.org/y) [e](#f)"
    assert (ROOT / "docs/sound.md").is_file()


def test_pictures_of_the_root_stay_pictures() -> None:
    assert within_docs("![source above](docs/images/star.png)") == "![source above](images/star.png)"


def flags(text: str) -> set[str]:
    """The flags of vedit that a page names, in code; those of other programs are left out."""
    code = re.findall(r"`+([^`]+)`+|^(    .*)$", text, re.MULTILINE)
    lines = [line for pair in code for each in pair for line in each.splitlines()]
    return {
        flag
        for line in lines
        if not re.search(r"\b(pip|pytest|python|ruff)\b", line)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
    }


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_a_page_names_flags_that_there_are(page: Path) -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", "".join(commands()))) | {"--version", "--install-completion"}
    assert flags(page.read_text(encoding="utf-8")) <= known


def test_the_code_of_the_page_on_extending_is_code_that_is_tested() -> None:
    """Every class that it shows stands so in the toy plug-in, or in vedit's settings."""
    files = [*(ROOT / "tests/toy_plugin/toy_plugin").glob("*.py"), *(ROOT / "vedit/config").glob("*.py")]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    shown = [each for each in blocks if "class " in each]
    assert len(shown) == 6
    assert [each for each in shown if each not in code] == []
    lines = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert all(each in (ROOT / "tests/toy_plugin/pyproject.toml").read_text(encoding="utf-8") for each in lines)
