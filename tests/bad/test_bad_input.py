"""What a user can get wrong: one clear line on stderr, exit status 2, and not a byte left anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from tests.backbone import toys
from tests.bad.clips import CLIPS
from tests.bad.files import FILES
from tests.bad.images import IMAGES
from tests.bad.masks import MASKS
from tests.bad.models import MODELS
from tests.bad.pictures import PICTURES
from tests.bad.settings import SETTINGS
from tests.bad.strokes import STROKES
from tests.bad.things import (
    SEVERAL,
    UNET,
    Desk,
    Good,
    snapshot,
)
from tests.conftest import Ran
from vedit.cli import main

CASES = CLIPS | MODELS | SETTINGS | FILES | IMAGES | PICTURES | MASKS | STROKES


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, toy_model: Path, toy_clip: Path) -> Good:
    place = tmp_path_factory.mktemp("good")
    other = toys.sd_folder(place / "other", levels=2, layers=1, seed=1)
    adapter = place / "adapter.safetensors"
    edited = place / "edited"
    edited.mkdir()
    clip = Path(shutil.copy(toy_clip, edited / "clip.mp4"))
    common = [str(clip), "--model", str(toy_model), "--size", "16"]
    assert main(["tune", *common, "--prompt", "a cat", "--steps", "1", "-o", str(adapter)]) == 0
    assert main(["edit", *common, "a red cat", "--steps", "1", "--no-cache", "-o", str(edited / "o.mp4")]) == 0
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    sides = {f"{layer}.lora_A.weight": torch.zeros(2, 16), f"{layer}.lora_B.weight": torch.zeros(16, 2)}
    save_file(sides, place / "lora.safetensors")
    return Good(clip, toy_model, other, adapter, place / "lora.safetensors", edited)


@pytest.fixture
def desk(good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return Desk(good, tmp_path / "bad", tmp_path / "out")


@pytest.mark.parametrize(("command", "given", "advice"), CASES.values(), ids=CASES)
def test_bad_input(
    command: Callable[[Desk], list[object]], given: str, advice: str, desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(each) for each in command(desk)]
    before = snapshot(desk.bad, desk.out)
    capfd.readouterr()
    status = main(arguments)
    out, err = capfd.readouterr()
    assert (status, out) == (2, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, "one line"
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert given in err
    assert advice in err
    assert snapshot(desk.bad, desk.out) == before


def test_faults_are_told_together(desk: Desk, vedit: Callable[..., Ran]) -> None:
    """Of a file and of flags, each with its place, in one line."""
    path = desk.file("s.yaml", SEVERAL)
    told = vedit("edit", desk.good.clip, "a cat", "--config", path, "--crf", 99).complaint
    assert told.startswith("error: 5 faults: (1) ")
    for place in (
        "s.yaml:1: steps: 'many'",
        "s.yaml:2: guidance: -1",
        "s.yaml:3: attention: 'sparse_casual'",
        "s.yaml:4: frmes: there is no such setting; did you mean 'frames'?",
        "--crf: '99' is out of range; expected 0..51",
    ):
        assert place in told


@pytest.mark.parametrize(
    ("case", "fragment"),
    [("steps 0", "out of range"), ("missing settings", "cannot be read"), ("NaN weights", "holds NaN")],
)
def test_bad_input_in_a_process_of_its_own(case: str, fragment: str, desk: Desk) -> None:
    """Nor do the libraries add lines of their own while they are imported, as they are for the last one."""
    arguments = [str(each) for each in CASES[case][0](desk)]
    before = snapshot(desk.bad, desk.out)
    done = subprocess.run(
        [sys.executable, "-m", "vedit", *arguments], capture_output=True, text=True, check=False, cwd=desk.out
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert fragment in done.stderr
    assert snapshot(desk.bad, desk.out) == before


def test_what_may_not_be_read_or_written_is_told(desk: Desk) -> None:
    """In one process, without the rights to pass over permissions, which root has."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read and write everywhere, and setpriv is not here")
        rights = "-dac_override,-dac_read_search"
        drop = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    closed, unreadable = desk.bad / "closed", desk.folder()
    weights, notes = unreadable / f"{UNET}.safetensors", desk.bad / "model2" / "vedit.json"
    shutil.copytree(desk.good.model, notes.parent)
    notes.write_text("{}")
    adapter = desk.file("adapter.safetensors", desk.good.adapter.read_bytes())
    lora = desk.file("lora.safetensors", desk.good.lora.read_bytes())
    closed.mkdir()
    cases: list[tuple[list[object], str]] = [
        (desk.edit("-o", closed / "o.mp4"), f"no permission to write into {closed}"),
        (desk.edit("-o", closed / "in" / "o.mp4"), f"no permission to look into {closed}"),
        (desk.edit("--sheet", closed / "s.png"), f"no permission to write into {closed}"),
        (desk.edit(clip=closed / "c.mp4"), "cannot be opened: Permission denied"),
        (desk.edit(model=closed / "x"), "no permission to read"),
        (desk.edit("--dry-run", model=closed / "x"), "no permission to read"),
        (desk.edit("--adapter", closed / "x"), "no permission to read"),
        (desk.edit("--adapter", adapter), "no permission to read"),
        (desk.edit("--lora", closed / "x"), "no permission to read"),
        (desk.edit("--lora", lora), "no permission to read"),
        (desk.edit("--motion-adapter", closed / "x"), "no permission to read"),
        (desk.edit(model=unreadable), "no permission to read"),
        (desk.edit(model=notes.parent), "no permission to read"),
        (["rerun", closed / "o.yaml"], "cannot be read: Permission denied"),
        (["invert", desk.good.clip, "--model", desk.good.model, "-o", closed / "o.mp4"], "no permission to write"),
        (["tune", desk.good.clip, "--prompt", "a", "-o", closed / "a.safetensors"], "config.yaml cannot be read"),
    ]
    shut = [closed, weights, notes, adapter, lora]
    for each in shut:
        each.chmod(0)
    code = (
        "import json, os, sys\n"
        "from vedit.cli import main\n"
        "for arguments in json.load(sys.stdin): print(main(arguments), file=sys.stderr)\n"
        "print(main(['doctor']))\n"
    )
    given = json.dumps([[str(each) for each in arguments] for arguments, _ in cases])
    environment = os.environ | {"XDG_CONFIG_HOME": str(closed), "VEDIT_CACHE": str(closed / "cache")}
    try:
        done = subprocess.run(
            [*drop, sys.executable, "-c", code],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=desk.out,
            env=environment,
        )
    finally:
        for each in shut:
            each.chmod(0o700)
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" s")]
    told = [line for line in lines if not line.startswith("warning: the cache ")]
    assert told[1::2] == ["2"] * len(cases), done.stderr
    for (_, said), line in zip(cases, told[::2], strict=True):
        assert line.startswith("error: ")
        assert said in line
    assert done.stdout.endswith("0\n")
    assert "cannot be read: Permission denied" in done.stdout
    assert not list(desk.out.iterdir())
