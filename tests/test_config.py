"""Settings: their bounds, where they come from, and how faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import vedit as package
from tools.options import FILE, text
from vedit.config import HUB_NAMES, EditConfig, InvertConfig, Settings, TuneConfig, default_model, sidecar
from vedit.config.files import file_layer
from vedit.config.lora import LoraSpec
from vedit.config.merge import Layer, assignments, merge
from vedit.errors import ConfigError, MediaError

KINDS = [EditConfig, TuneConfig, InvertConfig]


def edit(**settings: object) -> EditConfig:
    return merge(EditConfig, Layer({"clip": "clip.mp4", "prompt": "a cat", **settings}))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_is(kind: type[Settings]) -> None:
    assert all((field.description or "").endswith(".") for field in kind.model_fields.values())


def test_the_defaults_suffice() -> None:
    config = edit()
    assert (config.model, config.steps, config.seed, config.prior) == ("mini", 25, 0, "inversion")
    assert config.clip == Path("clip.mp4")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        edit().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("steps", 0, "0 is out of range; expected 1..1000"),
        ("steps", 1001, "expected 1..1000"),
        ("steps", "many", "'many' is not a whole number"),
        ("steps", 2.5, "2.5 is not a whole number"),
        ("steps", None, "None is not a whole number"),
        ("guidance", -1, "expected 0..100"),
        ("guidance", float("nan"), "nan is not a number that can be reached"),
        ("guidance", float("inf"), "inf is not a number that can be reached"),
        ("frames", 0, "expected 1 or more"),
        ("start", -1, "expected 0 or more"),
        ("stride", 0, "expected 1 or more"),
        ("size", 7, "expected 8..8192"),
        ("seed", -1, "is out of range"),
        ("seed", 2**63, "is out of range"),
        ("crf", 52, "expected 0..51"),
        ("learning_rate", 0, "expected above 0, at most 1"),
        ("codec", "x264", "did you mean 'libx264'?"),
        ("dtype", "float61", "did you mean 'float16'?"),
        ("kernel", "quick", "expected one of auto, xformers, sdpa, math"),
        ("device", "gpu", "'gpu' is unknown; expected auto, cpu, cuda, cuda:1 or mps"),
        ("attention", "sparse", "did you mean 'sparse_causal'?"),
        ("prior", "gausian", "did you mean 'gaussian'?"),
        ("check_inversion", "perhaps", "'perhaps' is neither true nor false"),
        ("prompt", "  ", "is empty"),
        ("prompt", "/home/me/other.mp4", "looks like a path"),
        ("prompt", "other.mp4", "looks like a path"),
        ("prompt", "word " * 2001, "has 2,001 words; expected at most 2,000"),
        ("prompt", "x" * 20_001, "20,001 characters; expected at most 20,000"),
        ("source_prompt", "~/clip.mov", "looks like a path"),
        ("negative_prompt", "x" * 20_001, "expected at most 20,000"),
        ("clip", "", "is no path"),
        ("clip", "a\0b", "is no path"),
        ("lora", 3, "lora"),
        ("tune", 5, "tune needs source_prompt"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edit(**{name: value})
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("prompt", ["a cat, 4k/8k", "neon, v1.5", "a dog and/or a cat", "star.", "x" * 20_000])
def test_words_are_not_taken_for_paths(prompt: str) -> None:
    assert edit(prompt=prompt).prompt == prompt


def test_tuning_and_an_adapter_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        edit(tune=3, source_prompt="a dog", adapter="a.safetensors")


def test_all_faults_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", "clip: a.mp4\nsteps: 0\nstpes: 3\n")
    with pytest.raises(ConfigError) as caught:
        merge(
            EditConfig,
            file_layer(path, EditConfig),
            assignments(["crf=99"]),
            Layer({"seed": "x"}, lambda key: f"--{key}"),
        )
    said = str(caught.value)
    assert said.startswith("5 faults: ")
    for part in (
        "prompt is missing",
        "job.yaml:2: steps: 0 is out of range",
        "job.yaml:3: stpes: there is no such setting; did you mean 'steps'?",
        "--set crf: 99 is out of range",
        "--seed: 'x' is not a whole number",
    ):
        assert part in said


def test_flags_win_over_assignments_and_these_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", "clip: a.mp4\nprompt: a cat\nsteps: 1\nseed: 1\ncrf: 1\n")
    config = merge(EditConfig, file_layer(path, EditConfig), assignments(["seed=2", "crf=2"]), Layer({"crf": "3"}))
    assert (config.steps, config.seed, config.crf) == (1, 2, 3)


def test_dashes_and_underscores_are_one() -> None:
    assert merge(EditConfig, Layer({"clip": "a", "prompt": "b", "source-prompt": "c"})).source_prompt == "c"


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "models" / "toy").mkdir(parents=True)
    (tmp_path / "style.safetensors").touch()
    text = "clip: in/a.mp4\nprompt: a cat\nmodel: ./models/toy\noutput: /x.mp4\n"
    text += "lora: [./style.safetensors:0.5, owner/name]\n"
    config = merge(EditConfig, file_layer(write(tmp_path / "job.yaml", text), EditConfig))
    assert config.clip == tmp_path / "in" / "a.mp4"
    assert config.output == Path("/x.mp4")
    assert config.model == str(tmp_path / "models" / "toy")
    assert config.lora == (LoraSpec(f"{tmp_path}/style.safetensors", "0.5"), LoraSpec("owner/name"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no settings"),
        ("- 1\n- 2\n", "holds no settings"),
        ("just words", "holds no settings"),
        ("steps: 1\nsteps: 2\n", "job.yaml:2: 'steps' is given twice"),
        ("steps: [1\n", "not YAML"),
        ("clip: !!python/object:os.system x\n", "not YAML"),
        ("? [a, b]\n: 1\n", ""),
        ("when: 2001-99-99\n", ""),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "job.yaml", text)
    with pytest.raises(ConfigError) as caught:
        merge(EditConfig, file_layer(path, EditConfig))
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        file_layer(tmp_path / "none.yaml", EditConfig)
    with pytest.raises(ConfigError, match="cannot be read"):
        file_layer(tmp_path, EditConfig)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not text"):
        file_layer(tmp_path / "binary.yaml", EditConfig)
    write(tmp_path / "large.yaml", "# " + "x" * 1_000_001)
    with pytest.raises(ConfigError, match="more than 1,000,000 bytes"):
        file_layer(tmp_path / "large.yaml", EditConfig)


def test_assignments_are_yaml() -> None:
    layer = assignments(["steps=3", "lora=[a, b]", "negative_prompt=", "prompt=a=b"])
    assert layer.values == {"steps": 3, "lora": ["a", "b"], "negative_prompt": None, "prompt": "a=b"}
    with pytest.raises(ConfigError, match=r"2 faults.*expected key=value.*not YAML"):
        assignments(["steps", "lora=[a"])


def test_a_sidecar_says_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    (folder / "model").mkdir(parents=True)
    (folder / "l.safetensors").touch()
    monkeypatch.chdir(folder)
    config = edit(
        clip="../clip.mp4",
        prompt="a ★ cat: 'red'",
        model="./model",
        lora=["l.safetensors:0.7"],
        output="out.mp4",
        crf=3,
    )
    sidecar.save(config, Path("out.yaml"), {"torch": "2"}, overwrite=False)
    written = yaml.safe_load((folder / "out.yaml").read_text(encoding="utf-8"))
    assert "overwrite" not in written
    assert written["clip"] == str(tmp_path / "clip.mp4")
    assert (written["output"], written["model"], written["lora"]) == ("out.mp4", "./model", ["./l.safetensors:0.7"])

    monkeypatch.chdir(tmp_path)
    moved = folder.rename(tmp_path / "moved")
    again = merge(EditConfig, file_layer(moved / "out.yaml", EditConfig))
    assert again.clip == tmp_path / "clip.mp4"
    assert again.output == moved / "out.mp4"
    assert again.model == str(moved / "model")
    same = {"clip", "output", "model", "lora"}
    assert again.model_dump(exclude=same) == config.model_dump(exclude=same)
    with pytest.raises(MediaError, match="exists already"):
        sidecar.save(config, moved / "out.yaml", {}, overwrite=False)


def test_faults_of_a_sidecar_name_the_version_that_wrote_it(tmp_path: Path) -> None:
    def told(version: str) -> str:
        path = write(tmp_path / "o.yaml", f"vedit: {version}\nclip: a.mp4\nprompt: a cat\nzoom: 2\n")
        with pytest.raises(ConfigError) as caught:
            merge(EditConfig, file_layer(path, EditConfig))
        return str(caught.value)

    this = package.__version__
    assert f"o.yaml:4 (written by vedit 9.0.0, and this is {this}): zoom: there is no such setting" in told("9.0.0")
    assert "o.yaml:4: zoom: there is no such setting" in told(this)
    assert len(told("9" * 1000)) < 700


def test_the_model_is_the_environments_then_the_users_then_mini(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_model() == "mini"
    (tmp_path / "vedit").mkdir()
    own = write(tmp_path / "vedit" / "config.yaml", "model: sd15\n")
    assert edit().model == "sd15"
    monkeypatch.setenv("VEDIT_MODEL", "/models/mine")
    assert edit().model == "/models/mine"
    assert edit(model="sd21").model == "sd21"
    monkeypatch.delenv("VEDIT_MODEL")
    for wrong in ("models: sd15\n", "- 1", "model: [", "model: 3"):
        write(own, wrong)
        with pytest.raises(ConfigError, match=r"config\.yaml"):
            edit()
    write(own, "")
    assert edit().model == "mini"


@pytest.mark.parametrize("name", ["mini", *HUB_NAMES])
def test_a_models_own_name_stays_one_beside_a_folder_of_that_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    sidecar.save(edit(model=name), tmp_path / "o.yaml", {}, overwrite=False)
    assert yaml.safe_load((tmp_path / "o.yaml").read_text())["model"] == name


def test_one_lora_need_not_be_a_list() -> None:
    assert edit(lora="a.safetensors:0.5").lora == (LoraSpec("a.safetensors", "0.5"),)


def test_a_name_that_looks_like_a_users_is_a_name() -> None:
    config = EditConfig(clip="~.mp4", prompt="a cat", output="~nobody-here/o.mp4")
    assert config.clip == Path("~.mp4")
    assert config.output == Path("~nobody-here/o.mp4")
    assert EditConfig(clip="~/a.mp4", prompt="a cat").clip == Path.home() / "a.mp4"


def test_the_types_that_editors_complete_are_those_of_the_configs() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "a config has changed: run `poe options`"
