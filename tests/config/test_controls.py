"""Controls as they are written: on the command line, in a file, in a sidecar; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vedit.config import EditConfig, sidecar
from vedit.config.files import file_layer
from vedit.config.merge import Layer, merge
from vedit.errors import ConfigError


def edit(*controls: Any, **others: Any) -> EditConfig:
    values = {"clip": "a.mp4", "prompt": "a cat", "control": list(controls), **others}
    return merge(EditConfig, Layer(values, lambda name: f"--{name}"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("edge", {}),
        ("edge:0.8", {"weight": 0.8}),
        ("edge:.5@0-0.6", {"weight": 0.5, "stop": 0.6}),
        ("edge@0.25-1", {"start": 0.25}),
        ("edge:[1-0.5*bass]", {"weight": "1-0.5*bass"}),
        ("edge:[0:1, 2s:0.4]:drawn.mp4@0-0.5", {"weight": "0:1, 2s:0.4", "file": Path("drawn.mp4"), "stop": 0.5}),
        ("edge:drawn.mp4:1.5", {"file": Path("drawn.mp4"), "weight": 1.5}),
        ("edge:net=lllyasviel/control_v11p_sd15_canny", {"net": "lllyasviel/control_v11p_sd15_canny"}),
        ("edge:net=./mine@2:0.5", {"net": "./mine@2", "weight": 0.5}),
        ("edge:a@b.mp4@0-0.5", {"file": Path("a@b.mp4"), "stop": 0.5}),
    ],
)
def test_a_control_in_one_word(text: str, wanted: dict[str, Any]) -> None:
    (control,) = edit(text).control
    given = {name: getattr(control, name) for name in ("weight", "file", "net", "start", "stop")}
    assert given == {"weight": 1.0, "file": None, "net": None, "start": 0.0, "stop": 1.0, **wanted}


def test_strengths_for_each_frame_and_options_come_from_a_file() -> None:
    (control,) = edit({"kind": "edge", "weight": [0, 0.5, 1], "options": {"low": 20}}).control
    assert control.weight == (0.0, 0.5, 1.0)
    assert control.options == {"low": 20}
    assert edit({"kind": "edge"}).control == edit("edge").control


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("egde", "--control: kind: 'egde' is unknown; did you mean 'edge'?"),
        ("edge:3", "--control: weight: '3' is no strength; expected 0 to 2"),
        ("edge:-0.5", "expected 0 to 2"),
        ("edge:0.8:1", "has weight twice"),
        ("edge::1", "has an empty part"),
        ("edge@0.6-0.2", "the window ends before it begins"),
        ("edge@0.5-0.5", "the window ends before it begins"),
        ("edge@0-1.5", "--control: stop: '1.5' is out of range; expected 0..1"),
        ("edge@late", "has the window 'late'; expected START-STOP"),
        ({"kind": "edge", "wieght": 1}, "--control: wieght: there is no such setting; did you mean 'weight'?"),
        ({"kind": "edge", "weight": ["a"]}, "is no strength"),
        ("edge:[1-0.5*base]", "did you mean 'bass'"),
        ({"kind": "edge", "weight": []}, "is no strength"),
        (7, "--control"),
    ],
)
def test_what_is_no_control_is_one_line(given: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edit(given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "faults" not in str(caught.value)


def test_other_conditioners_are_written_alike() -> None:
    (condition,) = edit(condition="control:kind=edge,weight=0.5").condition
    assert condition.kind == "control"
    assert condition.options == {"kind": "edge", "weight": 0.5}
    for given, said in (("contrl", "did you mean 'control'?"), ("control:edge", "expected KEY=VALUE")):
        with pytest.raises(ConfigError) as caught:
            edit(condition=given)
        assert said in str(caught.value)


def test_a_controls_paths_travel_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "jobs").mkdir()
    monkeypatch.chdir(tmp_path)
    config = edit("edge:drawn.mp4:net=./net", "edge:net=owner/name")
    sidecar.save(config, tmp_path / "out.yaml", {}, overwrite=False)
    written = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert [(each["file"], each["net"]) for each in written["control"]] == [
        ("drawn.mp4", "./net"),
        (None, "owner/name"),
    ]
    monkeypatch.chdir(tmp_path / "jobs")
    again = merge(EditConfig, file_layer(Path("../out.yaml"), EditConfig))
    assert again.control[0].file == tmp_path / "drawn.mp4"
    assert again.control[0].net == str(tmp_path / "net")
    short = tmp_path / "short.yaml"
    short.write_text("clip: a.mp4\nprompt: a cat\ncontrol: [edge:drawn.mp4]\n")
    assert merge(EditConfig, file_layer(short, EditConfig)).control[0].file == tmp_path / "drawn.mp4"
