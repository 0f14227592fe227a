"""Jobs files that are wrong: all of it told at once, each with its place, nothing run, and not a byte left anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.bad.things import snapshot
from tests.batches.bad_files import FILES, GOOD
from tests.conftest import Ran

Command = Callable[..., Ran]
CLOSING = "; nothing was run."


@pytest.fixture
def place(here: Path) -> Path:
    """The current folder, with a link in the output folder that leads out of it."""
    (here / "out").mkdir()
    (here / "out" / "link").symlink_to(here.parent)
    return here


def told(ran: Ran) -> list[str]:
    """All that is told of a file, a line each, without what closes the last."""
    assert (ran.status, ran.out) == (2, ""), ran.err
    *lines, error = ran.err.splitlines()
    assert "Traceback" not in ran.err
    assert ran.err.endswith("\n")
    assert error.startswith("error: ")
    assert all(line.isprintable() and len(line) < 400 for line in (*lines, error))
    if not lines:
        return [error.removeprefix("error: ").removesuffix(CLOSING)]
    assert error.endswith(f" has {len(lines)} faults, listed above{CLOSING}")
    return lines


@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES)
def test_a_bad_file(name: str, content: str | bytes, expected: Sequence[str], place: Path, vedit: Command) -> None:
    (place / name).write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    before = snapshot(place.parent)
    found = told(vedit("batch", name, "-o", "out", "--check"))
    assert len(found) == len(expected), found
    for line, part in zip(found, expected, strict=True):
        assert part.replace("{here}", str(place)) in line
    assert snapshot(place.parent) == before


def test_nothing_is_run_either(place: Path, vedit: Command) -> None:
    (place / "j.yaml").write_text(f"jobs:\n- {{{GOOD}}}\n- {{{GOOD}, seed: often}}\n")
    before = snapshot(place.parent)
    for flags in ([], ["--quiet"], ["--dry-run"], ["--preview"]):
        assert told(vedit("batch", "j.yaml", *flags)) == ["j.yaml:3: job 2: seed: 'often' is not a whole number"]
    assert snapshot(place.parent) == before


def test_programs_are_told_all_of_it(place: Path, vedit: Command) -> None:
    (place / "j.yaml").write_text(f"jobs:\n- {{{GOOD}, seed: often, crf: 99}}\n")
    ran = vedit("batch", "j.yaml", "--check", "--json")
    assert ran.status == 2
    found = json.loads(ran.out)
    assert found["error"] == "j.yaml has 2 faults, listed above; nothing was run."
    assert found["faults"] == [
        "j.yaml:2: job 1: seed: 'often' is not a whole number",
        "j.yaml:2: job 1: crf: 99 is out of range; expected 0..51",
    ]


# Things that are no files


def test_a_pipe(place: Path, vedit: Command) -> None:
    os.mkfifo("j.yaml")
    assert told(vedit("batch", "j.yaml", "--check")) == ["'j.yaml' cannot be read: it is no plain file."]


def test_nothing_there(place: Path, vedit: Command) -> None:
    assert told(vedit("batch", "j.yaml", "--check")) == [
        "j.yaml cannot be read: No such file or directory; expected a file of jobs."
    ]


def test_a_link_in_a_circle(place: Path, vedit: Command) -> None:
    (place / "j.yaml").symlink_to("j.yaml")
    (error,) = told(vedit("batch", "j.yaml", "--check"))
    assert error.startswith("j.yaml cannot be read: Too many levels of symbolic links")


def test_a_folder_without_sidecars(place: Path, vedit: Command) -> None:
    (place / "out" / "settings.yaml").write_text("steps: 3")
    (error,) = told(vedit("batch", "out", "--check"))
    assert error.startswith("out holds no sidecars, the .yaml files that `vedit edit` writes")


def test_a_folder_of_sidecars_that_are_wrong(place: Path, vedit: Command) -> None:
    folder = place / "out"
    (folder / "a\n\x1b[31m.yaml").write_text("command: edit\nprompt: x\nclip: no.mp4\noutput: a.mp4\n")
    (folder / "b.yaml").write_text("command: edti\n")
    (folder / "c.yaml").write_text("command: edit\nformat: 7\n")
    os.mkfifo(folder / "d.yaml")
    (folder / "e.yaml").mkdir()
    before = snapshot(folder)
    found = told(vedit("batch", "out", "--check"))
    for part in (
        f"a \\x1b[31m.yaml:3: clip: {folder}/no.mp4 does not exist",
        "a \\x1b[31m.yaml:4: output: 'a\\n\\x1b[31m.mp4' holds characters",
        "b.yaml:1: command: 'edti' is no job",
        "c.yaml: the sidecar has the format 7",
        "'out/d.yaml' cannot be read: it is no plain file",
        "'out/e.yaml' cannot be read: it is a folder",
    ):
        assert len([line for line in found if part in line]) == 1, (part, found)
    assert len(found) == 6
    assert snapshot(folder) == before


def test_names_that_a_terminal_would_obey(place: Path, vedit: Command) -> None:
    name = "j\n\x1b[31m.yaml"
    (place / name).write_text(f"jobs:\n- {{{GOOD}, crf: 99}}\n- {{clip: 'z*.mp4', prompt: x}}\n")
    (place / "z\x1b[2J\u202e.mp4").symlink_to("nothing")
    assert told(vedit("batch", name, "--check")) == [
        "j \\x1b[31m.yaml:2: job 1: crf: 99 is out of range; expected 0..51",
        f"j \\x1b[31m.yaml:3: job 2: clip: {place}/z\\x1b[2J\\u202e.mp4 does not exist",
    ]


# What shows when jobs are planned


def test_one_clip_that_cannot_be_read_is_told_once(place: Path, vedit: Command) -> None:
    """However many jobs it is of."""
    (place / "j.yaml").write_text("defaults: {clip: a.mp4}\njobs:\n- {prompt: x}\n- {product: {prompt: [y, z]}}\n")
    (fault,) = told(vedit("batch", "j.yaml", "--check"))
    assert fault.startswith(f"j.yaml:3: job 1: {place}/a.mp4")
    assert fault.endswith("(2 more jobs too)")


def test_outputs_that_cannot_be_written(place: Path, toy_clip: Path, toy_model: Path, vedit: Command) -> None:
    """Each is told, and no folder that was made to find it out stays."""
    (place / "out" / "there.mp4").write_text("kept")
    (place / "out" / "folder.mp4").mkdir()
    (place / "j.yaml").write_text(
        f"defaults: {{clip: {toy_clip}, model: {toy_model}, device: cpu, prompt: x}}\njobs:\n"
        "- {output: new/x.avi}\n- {output: there.mp4}\n- {output: folder.mp4}\n- {output: y.mp4, sheet: new/y.jpg}\n"
        "- {output: new/z.mp4}\n"
    )
    before = snapshot(place)
    found = told(vedit("batch", "j.yaml", "-o", "out", "--check"))
    for line, part in zip(
        found,
        (
            "j.yaml:3: job 1: {out}/new/x.avi: .avi cannot be written",
            "j.yaml:4: job 2: {out}/there.mp4 exists already",
            "j.yaml:5: job 3: {out}/folder.mp4 exists already",
            "j.yaml:6: job 4: {out}/new/y.jpg: a contact sheet is written as .png",
        ),
        strict=True,
    ):
        assert part.format(out=place / "out") in line
    assert snapshot(place) == before


def test_an_output_folder_that_is_a_file(place: Path, toy_clip: Path, toy_model: Path, vedit: Command) -> None:
    (place / "j.yaml").write_text(f"jobs: [{{clip: {toy_clip}, model: {toy_model}, prompt: x}}]")
    before = snapshot(place)
    (error,) = told(vedit("batch", "j.yaml", "-o", "a.mp4/deep", "--check"))
    assert "a.mp4" in error
    assert "give another --output" in error
    assert snapshot(place) == before


@pytest.mark.parametrize("flags", [("--workers", 2), ("--gpus-per-job", 1)])
def test_what_a_cluster_alone_heeds_goes_with_one(
    vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "j.yaml").write_text("jobs:\n- {command: generate, prompt: x}\n")
    assert f"{flags[0]} goes with --ray" in vedit("batch", "j.yaml", *flags, "--dry-run").complaint
