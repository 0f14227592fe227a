"""Sidecars of older versions are read as they were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedit.config import EditConfig, Settings
from vedit.config.files import file_layer
from vedit.config.merge import Layer, merge
from vedit.config.sidecar import save
from vedit.config.sidecar_format import FORMAT, NOTES, RENAMED, upgraded
from vedit.errors import ConfigError

FIRST = """\
command: edit
vedit: 0.1.0
clip: a.mp4
prompt: a cat
source_prompt: a dog
negative: mud
saturation: 0.4
walk: 0.3
motion: mm.safetensors
refine: 2
gate: false
audio: a.wav
attack: 0.1
release: 0.3
threshold: 0.2
gain: 2.0
smoothing: 0.5
prompt_at:
- {time: 2s, prompt: a fox}
blend: loudness
compare_how: stack
control:
- {kind: edge, weight: 0.5, source: lines.mp4}
condition:
- {kind: audio, options: {source: b.wav, strength: 0.5}}
"""
"""All that the first format calls otherwise."""


def test_the_first_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    config = merge(EditConfig, file_layer(tmp_path / "a.yaml", EditConfig))
    assert (config.negative_prompt, config.apg_eta, config.noise_walk) == ("mud", 0.4, 0.3)
    assert (config.motion_adapter, config.inversion_corrections, config.check_inversion) == ("mm.safetensors", 2, False)
    assert (config.audio_attack, config.audio_release, config.audio_threshold) == (0.1, 0.3, 0.2)
    assert (config.audio_gain, config.audio_smoothing) == (2.0, 0.5)
    assert (config.prompt_blend, config.compare_layout) == ("loudness", "stack")
    assert (config.control or ())[0].file == tmp_path / "lines.mp4"
    assert config.condition[0].options == {"file": str(tmp_path / "b.wav"), "strength": 0.5}


def test_what_is_written_says_its_format_and_is_read_as_it_is(tmp_path: Path) -> None:
    config = merge(EditConfig, Layer({"clip": tmp_path / "a.mp4", "prompt": "a cat", "apg_eta": 0.25}))
    save(config, tmp_path / "a.yaml", {}, overwrite=False)
    assert f"\nformat: {FORMAT}\n" in (tmp_path / "a.yaml").read_text()
    assert merge(EditConfig, file_layer(tmp_path / "a.yaml", EditConfig)) == config


def test_settings_of_ones_own_have_todays_names_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("clip: a.mp4\nprompt: a cat\nsaturation: 0.4\n")
    with pytest.raises(
        ConfigError, match=r"a\.yaml:3: saturation: there is no such setting; here it is called 'apg_eta'"
    ):
        merge(EditConfig, file_layer(tmp_path / "a.yaml", EditConfig))


def test_faults_name_the_line_of_the_older_setting(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("command: edit\nclip: a.mp4\nprompt: a cat\nsaturation: 7\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:4: apg_eta: 7 is out of range"):
        merge(EditConfig, file_layer(tmp_path / "a.yaml", EditConfig))


@pytest.mark.parametrize("written", [0, FORMAT + 1, "new", None, [1]])
def test_a_format_of_the_future_is_told(written: object) -> None:
    with pytest.raises(ConfigError, match="the sidecar has the format"):
        upgraded({"command": "edit", "format": written}, {})


def test_each_older_name_leads_to_one_that_there_is() -> None:
    fields: set[str] = set()
    kinds: list[type[Settings]] = [Settings]
    for kind in kinds:
        fields |= set(kind.model_fields)
        kinds += kind.__subclasses__()
    assert set(RENAMED) == set(range(1, FORMAT))
    assert {name for names in RENAMED.values() for name in names.values()} <= fields
    assert not NOTES & set(EditConfig.model_fields)
