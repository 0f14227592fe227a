"""The sound encoder: in step with time, and what is saved is what is heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import librosa
import pytest
import torch
from safetensors.torch import save_file

from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder, load_sound_encoder
from vedit.errors import WeightsError

CONFIG = SoundConfig(tokens=7, width=24, channels=8, state=16, hidden=32)


@pytest.fixture
def encoder() -> SoundEncoder:
    torch.manual_seed(0)
    return SoundEncoder(CONFIG, torch.from_numpy(librosa.filters.mel(sr=CONFIG.rate, n_fft=512, n_mels=64))).eval()


@pytest.fixture
def samples() -> torch.Tensor:
    return torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1)) * 0.1


def test_shapes_for_any_text_encoder_and_length(encoder: SoundEncoder, samples: torch.Tensor) -> None:
    heard = encoder(samples)
    count = -(-16_000 // 2560)
    assert heard.tokens.shape == (2, count, 7, 24)
    torch.testing.assert_close(heard.states.norm(dim=-1), torch.ones(2, count))
    torch.testing.assert_close(heard.summary.norm(dim=-1), torch.ones(2, count))
    assert encoder(samples[:, :1]).tokens.shape == (2, 1, 7, 24)
    wide = SoundEncoder(replace(CONFIG, tokens=77, width=768))
    assert wide(samples).tokens.shape == (2, count, 77, 768)
    assert torch.isfinite(encoder(torch.zeros(1, 5000)).tokens).all()


def test_what_comes_later_is_not_heard(encoder: SoundEncoder, samples: torch.Tensor) -> None:
    whole, other = encoder(samples), samples.clone()
    other[:, 4 * 2560 :] = 0.3
    changed = encoder(other)
    for one, two in ((whole.tokens, changed.tokens), (whole.summary, changed.summary)):
        torch.testing.assert_close(one[:, :4], two[:, :4])
        assert (one[:, 4:] - two[:, 4:]).abs().max() > 1e-4


def test_the_settings_travel_with_the_weights(encoder: SoundEncoder, samples: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    encoder.save(path)
    again = load_sound_encoder(path)
    assert again.config == CONFIG
    torch.testing.assert_close(again(samples).tokens, encoder(samples).tokens, atol=2e-3, rtol=0)
    (tmp_path / "no.safetensors").write_bytes(b"x")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name, said in {"no": "cannot be read", "other": "is no sound encoder", "absent": "does not exist"}.items():
        with pytest.raises(WeightsError, match=said):
            load_sound_encoder(tmp_path / f"{name}.safetensors")
