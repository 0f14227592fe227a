"""Pages that MkDocs makes as it builds: those that lie in the repository's root, and the reference of the command."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from vedit.cli import app, main

ROOT = Path(__file__).parents[1]
FROM_ROOT = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}

WIDTH = 100
"""Columns of the help texts."""


def on_files(files: Any, config: Any) -> Any:
    """MkDocs calls this with the files that it found."""
    from mkdocs.structure.files import File

    for source, page in FROM_ROOT.items():
        content = within_docs((ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=content))
    files.append(File.generated(config, "commands.md", content="\n\n".join(commands()) + "\n"))
    return files


def within_docs(text: str) -> str:
    """A page of the root with its links as seen from docs/. Links to files that have no page become plain text."""
    for source, page in FROM_ROOT.items():
        text = text.replace(f"]({source}", f"]({page}")
    text = text.replace("](docs/", "](")
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#|images/)(?![\w-]+\.md)[^)]+\)", r"`\1`", text)


def commands() -> Iterator[str]:
    """Each command with its help, in sections of Markdown."""
    yield "# Commands\n\nWhat `--help-all` says of each; `--help` is shorter."
    for words in leaves(typer.main.get_command(app), ()):
        yield f"## vedit {' '.join(words)}\n\n```text\n{helped(*words)}```"


def leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of each command; the annotators, which share their flags, are shown by the first of them alone."""
    if not hasattr(command, "list_commands"):
        yield words
        return
    seen = set()
    for name in command.list_commands(None):
        member = command.get_command(None, name)
        flags = tuple(each.name for each in member.params)
        if words and flags in seen:
            continue
        seen.add(flags)
        yield from leaves(member, (*words, name))


def helped(*words: str) -> str:
    """What a command says to ``--help-all``, or to ``--help`` where it has no more to say."""
    command = typer.main.get_command(app)
    for word in words:
        command = command.get_command(None, word)
    flag = "--help-all" if any(each.name == "help_all" for each in command.params) else "--help"
    before, said = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with redirect_stdout(said):
            status = main([*words, flag])
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    if status:
        raise RuntimeError(f"vedit {' '.join(words)} {flag} ended with {status}")
    return said.getvalue()
