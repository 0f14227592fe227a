"""What a config reads and writes is known by the annotations of its fields, wherever they are added."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml

from vedit import registry
from vedit.config import (
    CompareConfig,
    EditConfig,
    GenerateConfig,
    InputPath,
    InspectConfig,
    OutputPath,
    PathOrName,
    Settings,
    TuneConfig,
    UpscaleConfig,
    sidecar,
)
from vedit.config.files import file_layer
from vedit.config.merge import Layer, merge
from vedit.config.named_files import PartOptions, fields_written, files_read, naming, settings_within


class Inner(Settings):
    picture: InputPath
    drawing: OutputPath | None = None


class Own(EditConfig):
    """A job with files of its own, which are listed nowhere else."""

    strokes: InputPath | None = None
    plain: Path | None = None
    trace: OutputPath | None = None
    network: PathOrName = "owner/name"
    parts: tuple[Inner, ...] = ()
    single: Inner | None = None


def own(**settings: Any) -> Own:
    return merge(Own, Layer({"clip": "c.mp4", "prompt": "a cat", "model": "mini", **settings}))


def told(config: Settings) -> list[tuple[str, str]]:
    return [(file.setting, str(file.path)) for file in config.files_read()]


def test_a_field_that_is_added_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    config = own(
        strokes="s.png",
        plain="p.txt",
        trace="t.json",
        network=tmp_path.as_posix() + "/net",
        parts=[{"picture": "1.png"}, {"picture": "2.png", "drawing": "d.png"}],
        single={"picture": "3.png"},
    )
    assert told(config) == [
        ("clip", "c.mp4"),
        ("strokes", "s.png"),
        ("plain", "p.txt"),
        ("network", f"{tmp_path}/net"),
        ("parts picture", "1.png"),
        ("parts picture", "2.png"),
        ("single picture", "3.png"),
    ]
    assert [file.setting for file in config.files_read() if file.whole] == ["network"]
    assert set(fields_written(Own)) == {"output", "sheet", "report", "compare", "trace"}


def test_a_field_that_is_added_is_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    (folder / "net").mkdir(parents=True)
    text = "clip: c.mp4\nprompt: a cat\nstrokes: in/s.png\ntrace: /t.json\nnetwork: ./net\nparts: {picture: 1.png}\n"
    (folder / "job.yaml").write_text(text)
    config = merge(Own, file_layer(folder / "job.yaml", Own))
    assert (config.strokes, config.trace) == (folder / "in" / "s.png", Path("/t.json"))
    assert (config.network, config.parts[0].picture) == (str(folder / "net"), folder / "1.png")

    monkeypatch.chdir(tmp_path)
    sidecar.save(config, folder / "o.yaml", {}, overwrite=False)
    written = yaml.safe_load((folder / "o.yaml").read_text())
    assert (written["strokes"], written["trace"], written["network"]) == ("in/s.png", "/t.json", "./net")
    assert written["parts"] == [{"picture": "1.png", "drawing": None}]
    moved = folder.rename(tmp_path / "moved")
    again = merge(Own, file_layer(moved / "o.yaml", Own))
    assert (again.strokes, again.network) == (moved / "in" / "s.png", str(moved / "net"))


@pytest.mark.parametrize(
    ("kind", "read", "written"),
    [
        (EditConfig, {"clip", "mask", "audio", "sound_encoder", "adapter", "model", "motion_adapter", "lora",
                          "image_adapter", "image_encoder", "motion_strokes", "motion_model"},
         {"output", "sheet", "report", "compare"}),
        (GenerateConfig, {"audio", "sound_encoder", "adapter", "model", "motion_adapter", "lora",
                              "image_adapter", "image_encoder", "motion_strokes", "first", "last"},
         {"output", "sheet", "report"}),
        (UpscaleConfig, {"clip", "tile_net", "adapter", "model", "motion_adapter", "lora"}, {"output"}),
        (TuneConfig, {"clip", "pictures", "adapter", "model", "motion_adapter", "lora"}, {"output"}),
        (CompareConfig, {"source", "edit"}, {"output"}),
        (InspectConfig, {"clip"}, {"output", "sheet", "save_data"}),
    ],
)  # fmt: skip
def test_the_files_of_each_job(kind: type[Settings], read: set[str], written: set[str]) -> None:
    assert naming(kind).keys() - fields_written(kind) == read
    assert set(fields_written(kind)) == written


def test_settings_within_settings_are_known() -> None:
    assert {name: kind.__name__ for name, kind in settings_within(EditConfig).items()} == {
        "emphasis": "EmphasisSettings",
        "prompt_at": "PromptAtSettings",
        "first": "KeyPictureSettings",
        "control": "ControlSettings",
        "condition": "ConditionSettings",
        "image": "ImageSettings",
        "negative_image": "ImageSettings",
    }


@pytest.mark.parametrize("mask", ["auto", "none", "box:1,2,3,4", "word:a cat"])
def test_a_mask_that_is_words_is_no_file(mask: str) -> None:
    config = EditConfig(clip="c.mp4", prompt="a", source_prompt="a cat", mask=mask)
    assert "mask" not in [file.setting for file in config.files_read()]


def test_a_mask_of_a_keywords_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = EditConfig(clip="c.mp4", prompt="a", mask="./auto")
    assert ("mask", "auto") in told(config)
    sidecar.save(config, tmp_path / "o.yaml", {}, overwrite=False)
    assert yaml.safe_load((tmp_path / "o.yaml").read_text())["mask"] == "./auto"


class Painted:
    """A part of a third party."""

    class Options(Settings):
        brush: InputPath | None = None
        colour: str = "red"
        sketch: OutputPath | None = None


class Broken:
    @property
    def value(self) -> str:
        return "nobody:Here"

    def load(self) -> None:
        raise ImportError("it is gone")


class WithPart(Settings):
    kind: str
    options: Annotated[dict[str, Any], PartOptions("annotators")]


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**registry.TABLES["annotators"], "painted": f"{__name__}:Painted"}
    monkeypatch.setattr(registry, "TABLES", {**registry.TABLES, "annotators": table})
    monkeypatch.setattr(registry, "_third_party", lambda family: {"broken": Broken()})


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("kind", "options", "read"),
    [
        ("painted", {"brush": "~/b.png", "colour": "blue", "sketch": "s.png"}, [("brush", Path.home() / "b.png")]),
        ("painted", {}, []),
        ("painted", {"brush": "b.png", "unknown": 3}, [("brush", Path("b.png"))]),  # whoever makes the part refuses it
        ("broken", {"brush": "b.png", "size": 3, "no": "\0"}, [("brush", Path("b.png"))]),
        ("nobody", {"brush": "b.png"}, [("brush", Path("b.png"))]),
    ],
)
def test_the_options_of_a_part_say_which_are_files(
    kind: str, options: dict[str, Any], read: list[tuple[str, Path]]
) -> None:
    assert [(file.setting, file.path) for file in files_read(WithPart(kind=kind, options=options))] == read


def test_the_file_of_settings_is_read_too(tmp_path: Path) -> None:
    config = EditConfig(clip="c.mp4", prompt="a").with_config_file(tmp_path / "s.yaml")
    assert told(config)[-1] == ("config", str(tmp_path / "s.yaml"))


def test_a_path_among_the_options_of_a_part_travels_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "song.wav").touch()
    (folder / "job.yaml").write_text(
        "clip: c.mp4\nprompt: a cat\ncondition: [{kind: audio, options: {file: song.wav}}]\n"
    )
    config = merge(EditConfig, file_layer(folder / "job.yaml", EditConfig))
    assert config.condition[0].options == {"file": str(folder / "song.wav")}
    short = merge(
        EditConfig, Layer({"clip": "c.mp4", "prompt": "a cat", "condition": [f"audio:file={folder}/song.wav"]})
    )

    monkeypatch.chdir(tmp_path)
    sidecar.save(short, folder / "o.yaml", {}, overwrite=False)
    assert yaml.safe_load((folder / "o.yaml").read_text())["condition"][0]["options"] == {"file": "song.wav"}
    moved = folder.rename(tmp_path / "moved")
    again = merge(EditConfig, file_layer(moved / "o.yaml", EditConfig))
    assert again.condition[0].options == {"file": str(moved / "song.wav")}


def test_the_options_of_what_vedit_inspect_draws_travel_too(tmp_path: Path) -> None:
    (tmp_path / "look.yaml").write_text("kind: pose\nclip: c.mp4\noptions: {weights: w, detector: openpose}\n")
    config = merge(InspectConfig, file_layer(tmp_path / "look.yaml", InspectConfig))
    assert config.options == {"weights": str(tmp_path / "w"), "detector": "openpose"}
