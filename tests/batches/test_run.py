"""A batch that is run: what it leaves, what it goes on with, what it does not touch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.batches.conftest import Write
from tests.conftest import Ran
from vedit.batches import make
from vedit.batches.status import Status
from vedit.errors import MediaError

Command = Callable[..., Ran]


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "status.jsonl").read_text().splitlines()]


def jobs_of(events: list[dict[str, Any]], event: str) -> list[str]:
    return [each["job"] for each in events if each["event"] == event]


def files_in(folder: Path) -> dict[str, bytes]:
    """The files that jobs wrote, and nothing of the batch's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".mp4", ".yaml") and "pictures" not in path.parts
    }


def test_what_a_batch_leaves(vedit: Command, write_batch: Write) -> None:
    ran = vedit("batch", write_batch(prompt=["a cat", "a dog"], seed=[0, 1]))
    assert ran.status == 0, ran.err
    folder = Path("looks")
    names = {f"toy/{animal}-{seed}" for animal in ("a-cat", "a-dog") for seed in (0, 1)}
    assert {*files_in(folder)} == {f"{name}{suffix}" for name in names for suffix in (".mp4", ".yaml")}
    assert [path.name for path in folder.glob(".*")] == []
    events = told(folder)
    assert {*jobs_of(events, "done")} == names
    done = next(each for each in events if each["event"] == "done")
    assert done["frames"] == 2
    assert done["seed"] in (0, 1)
    assert {*done["files"]} == {f"{done['job']}.mp4", f"{done['job']}.yaml"}
    assert str(folder / "index.html") in ran.out
    for name in names:
        assert f"{name}.mp4" in (folder / "index.html").read_text()


def test_what_jobs_share_is_made_once(vedit: Command, write_batch: Write) -> None:
    vedit("batch", write_batch(prompt=["a cat", "a dog", "a cow"]))
    made = [(each["stage"], each["key"]) for each in told(Path("looks")) if each["event"] == "made"]
    for title in ("reading", "inversion", "inversion check"):
        assert len([stage for stage, _ in made if stage == title]) == 1
    assert len([stage for stage, _ in made if stage == "encoding"]) == 2, "the latents, and the way back from them"
    assert len([stage for stage, _ in made if stage == "denoising"]) == 3


def test_a_result_is_the_one_of_the_command(
    vedit: Command, write_batch: Write, toy_model: Path, toy_clip: Path
) -> None:
    vedit("batch", write_batch(prompt=["a cat"]))
    alone = "--model", toy_model, "--frames", 2, "--steps", 2, "--device", "cpu", "-o", "alone.mp4"
    assert vedit("edit", toy_clip, "a cat", *alone).status == 0
    assert Path("alone.mp4").read_bytes() == Path("looks/toy/a-cat.mp4").read_bytes()


def test_a_sidecar_makes_the_same_again(vedit: Command, write_batch: Write) -> None:
    vedit("batch", write_batch(prompt=["a cat"]))
    assert vedit("rerun", "looks/toy/a-cat.yaml", "-o", "again.mp4").status == 0
    assert Path("again.mp4").read_bytes() == Path("looks/toy/a-cat.mp4").read_bytes()


def test_what_is_done_is_not_done_again(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat", "a dog"])
    vedit("batch", batch)
    before = {path: path.stat().st_mtime_ns for path in Path("looks").rglob("*.mp4")}
    assert vedit("batch", batch).status == 0
    assert {path: path.stat().st_mtime_ns for path in Path("looks").rglob("*.mp4")} == before
    assert len(jobs_of(told(Path("looks")), "started")) == 2


def test_a_job_more_is_all_that_is_made(vedit: Command, write_batch: Write) -> None:
    vedit("batch", write_batch(prompt=["a cat"]))
    assert vedit("batch", write_batch(prompt=["a cat", "a dog"])).status == 0
    assert jobs_of(told(Path("looks")), "started") == ["toy/a-cat", "toy/a-dog"]


def test_an_output_that_is_gone_is_made_again(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat"])
    vedit("batch", batch)
    before = files_in(Path("looks"))
    Path("looks/toy/a-cat.mp4").unlink()
    assert vedit("batch", batch).status == 0
    assert files_in(Path("looks")) == before


def test_an_output_that_somebody_changed_is_left_alone(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat", "a dog"])
    vedit("batch", batch)
    Path("looks/toy/a-cat.mp4").write_bytes(b"mine")
    ran = vedit("batch", batch)
    assert ran.status == 2
    assert "a-cat.mp4 exists already" in ran.err
    assert Path("looks/toy/a-cat.mp4").read_bytes() == b"mine"
    assert vedit("batch", batch, "--overwrite").status == 0
    assert Path("looks/toy/a-cat.mp4").read_bytes() != b"mine"


def test_other_settings_of_the_same_name_are_told(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(jobs=[{"prompt": "a cat", "output": "cat.mp4"}])
    vedit("batch", batch)
    before = files_in(Path("looks"))
    ran = vedit("batch", write_batch(jobs=[{"prompt": "a dog", "output": "cat.mp4"}]))
    assert ran.status == 2
    assert "looks.yaml:8: job 1: " in ran.err
    assert "cat.mp4 was made with other settings; --overwrite makes it anew" in ran.err
    assert files_in(Path("looks")) == before


def test_a_job_that_fails_stops_no_other(vedit: Command, write_batch: Write, toy_clip: Path) -> None:
    torn = Path("torn.mp4").resolve()
    batch = write_batch(prompt=["a cat", "a dog"], clip=[str(torn), str(toy_clip)])
    torn.write_bytes(toy_clip.read_bytes()[: toy_clip.stat().st_size // 2])
    ran = vedit("batch", batch)
    assert ran.status == 1
    assert "torn/a-cat failed: " in ran.err
    assert "--retry-failed" in ran.out
    assert {*files_in(Path("looks"))} == {
        f"toy/{name}{suffix}" for name in ("a-cat", "a-dog") for suffix in (".mp4", ".yaml")
    }
    failed = [each for each in told(Path("looks")) if each["event"] == "failed"]
    assert [each["job"] for each in failed] == ["torn/a-cat", "torn/a-dog"]
    assert all("torn.mp4" in each["reason"] and each["fault"] == "MediaError" for each in failed)
    page = Path("looks/index.html").read_text()
    assert "2 of 4 done" in page
    assert "2 failed" in page


def test_what_failed_is_tried_again_when_asked(
    vedit: Command, write_batch: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = write_batch(prompt=["a cat", "a dog"])
    whole = make.check_video
    broken = {"a-dog"}

    def checked(path: Path, frames: int | None) -> Any:
        if path.stem in broken:
            raise RuntimeError("a fault")
        return whole(path, frames)

    monkeypatch.setattr(make, "check_video", checked)
    assert vedit("batch", batch).status == 1
    broken.clear()
    ran = vedit("batch", batch)
    assert ran.status == 1, "what failed before has failed, until it is tried again"
    assert "a fault of vedit's own, RuntimeError: a fault" in ran.err
    assert jobs_of(told(Path("looks")), "started") == ["toy/a-cat", "toy/a-dog"]
    assert vedit("batch", batch, "--retry-failed").status == 0
    assert vedit("batch", batch).status == 0


def test_some_of_them(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat", "a dog", "a cow"])
    ran = vedit("batch", batch, "--only", "*/a-c*")
    assert ran.status == 0
    assert "2 done, 0 failed, 1 left" in ran.out
    assert {*jobs_of(told(Path("looks")), "done")} == {"toy/a-cat", "toy/a-cow"}
    assert (
        "--only a-hen: no job is called so; they are toy/a-cat, " in vedit("batch", batch, "--only", "a-hen").complaint
    )


def test_those_of_a_folder_or_of_an_output(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(jobs=[{"prompt": text, "output": f"{text}.mp4"} for text in ("a/b/x", "a/b/y", "ab/z")])
    assert vedit("batch", batch, "--only", "ab/z.mp4", "--only", "a/b/").status == 0
    assert jobs_of(told(Path("looks")), "done") == ["a/b/x", "a/b/y", "ab/z"]
    assert "--only b: no job is called so" in vedit("batch", batch, "--only", "b").complaint


def test_an_interruption_is_gone_on_from(vedit: Command, write_batch: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = write_batch(prompt=["a cat", "a dog"])
    vedit("batch", batch, "-o", "whole")
    whole = make.check_video

    def interrupted(path: Path, frames: int | None) -> Any:
        if path.stem == "a-dog":
            raise KeyboardInterrupt
        return whole(path, frames)

    monkeypatch.setattr(make, "check_video", interrupted)
    ran = vedit("batch", batch)
    assert ran.status == 130
    assert ran.err.splitlines()[-1].startswith("error: interrupted; ")
    assert "the same command goes on" in ran.err
    assert jobs_of(told(Path("looks")), "interrupted") == ["toy/a-dog"]
    assert not Path("looks/.batch.lock").exists()
    monkeypatch.setattr(make, "check_video", whole)
    assert vedit("batch", batch).status == 0
    assert jobs_of(told(Path("looks")), "started") == ["toy/a-cat", "toy/a-dog", "toy/a-dog"]
    assert files_in(Path("looks")) == files_in(Path("whole"))


def needed(out: str, title: str) -> list[str]:
    """How often a stage is needed, how many different ones, how many are there: as a dry run tells it."""
    return next(line.split()[1:] for line in out.splitlines() if line.strip().startswith(title))


def test_nothing_is_left_where_nothing_is_run(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat", "a dog"], seed=[0, 1])
    ran = vedit("batch", batch, "--dry-run")
    assert ran.status == 0
    assert "toy/a-dog-1  to be made" in ran.out
    assert needed(ran.out, "reading") == ["4", "1", "0"]
    assert vedit("batch", batch, "--check").out == "4 jobs, no faults\n"
    assert [path.name for path in Path().iterdir()] == ["looks.yaml"]


def test_a_dry_run_tells_what_is_there(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat", "a dog"])
    vedit("batch", batch, "--only", "toy/a-cat")
    out = vedit("batch", batch, "--dry-run").out
    assert "toy/a-cat  done already" in out
    assert "toy/a-dog  to be made" in out
    assert needed(out, "reading") == ["2", "1", "1"]


def test_previews_come_first(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat"])
    assert vedit("batch", batch, "--preview", "--set", "frames=5").status == 0
    from vedit.clip import probe

    found = {path.parent.parent.name: probe(path).frames for path in Path("looks/previews").rglob("a-cat.mp4")}
    assert found == {"first-frame": 1, "key-frames": 4, "small": 5}
    times = [path.stat().st_mtime_ns for name in found for path in [Path("looks/previews", name, "toy/a-cat.mp4")]]
    assert max(times) < Path("looks/toy/a-cat.mp4").stat().st_mtime_ns
    alone = files_in(Path("looks"))["toy/a-cat.mp4"]
    vedit("batch", batch, "--set", "frames=5", "-o", "plain")
    assert alone == Path("plain/toy/a-cat.mp4").read_bytes()


def test_previews_with_other_settings_take_the_place_of_those_before(vedit: Command, write_batch: Write) -> None:
    batch = write_batch(prompt=["a cat"])
    small = Path("looks/previews/small/toy/a-cat.mp4")
    assert vedit("batch", batch, "--preview", "--set", "frames=5").status == 0
    before = small.read_bytes()
    shutil.rmtree("looks/toy")
    ran = vedit("batch", batch, "--preview", "--set", "frames=5", "--set", "guidance=2", "--overwrite")
    assert ran.status == 0, ran.err
    assert small.read_bytes() != before


def test_programs_are_told_in_one_object(vedit: Command, write_batch: Write) -> None:
    told = json.loads(vedit("batch", write_batch(prompt=["a cat"]), "--json").out)
    assert told["done"] == ["toy/a-cat"]
    assert told["failed"] == {}
    assert told["files"] == [str(Path("looks/index.html").resolve())]


def test_a_status_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"status.jsonl cannot be written: No such file"):
        Status(tmp_path / "gone" / "status.jsonl").add("begun")


def test_a_torn_line_of_the_status_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "status.jsonl"
    Status(path).add("started", job="a", key="1")
    with path.open("a") as file:
        file.write('{"event": "done", "job": "a", "ke')
    Status(path).add("failed", job="b", key="2", reason="why")
    past = Status(path).past()
    assert {name: each.state for name, each in past.items()} == {"a": "started", "b": "failed"}
