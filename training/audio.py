"""The sound encoder: ``python -m training.audio``.

Learns to say in tokens of the model's text encoder what a sound's caption says, segment by segment, and to lie near
the caption and far from others (InfoNCE; TPoS, Jeong et al. 2023, section 3.1). In the miniature's world the caption is
the ground with the weather, and how hard it falls at that moment is the mix of "light" and "heavy" that the UNet was
taught. Ends up in the model's folder.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from training.loop import Recipe, start_workers, train
from vedit.backbone.sources import MINI
from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder
from vedit.miniature import world
from vedit.miniature.world.scene import FAINTEST
from vedit.miniature.world.sounds import RATE, sound

BATCH = 16
SECONDS = 2.56
KNOTS = 8
"""Points of the curve of intensity."""

TEMPERATURE = 0.07
ALIGNING = 0.05
"""Weight of InfoNCE beside the tokens' squared error."""


@dataclass(frozen=True)
class Captions:
    """The text encoder's answer to prompts: ``tokens`` (N, T, D) and ``pooled`` (N, D)."""

    tokens: Tensor
    pooled: Tensor

    def mixed(self, other: Captions, share: Tensor) -> Captions:
        """``share`` (N, S) of the other: tokens (N, S, T, D), pooled (N, S, D)."""
        tokens = torch.lerp(self.tokens[:, None], other.tokens[:, None], share[..., None, None])
        return Captions(tokens, torch.lerp(self.pooled[:, None], other.pooled[:, None], share[..., None]))


def loss_of(encoder: SoundEncoder, samples: Tensor, wanted: Captions) -> Tensor:
    """Of samples (B, L) against what is to be heard in each of the S segments."""
    heard = encoder(samples)
    count = heard.tokens.shape[1]
    tokens = F.mse_loss(heard.tokens, wanted.tokens[:, :count])
    # Against the captions of the other sounds in the batch, at the end, both ways.
    theirs = F.normalize(wanted.pooled[:, count - 1], dim=-1)
    same = torch.arange(len(samples), device=samples.device)
    aligned = torch.zeros((), device=samples.device)
    for ours in (heard.states[:, -1], heard.summary[:, -1]):
        alike = ours @ theirs.T / TEMPERATURE
        aligned = aligned + F.cross_entropy(alike, same) + F.cross_entropy(alike.T, same)
    return tokens + ALIGNING * aligned


def scene_sounds(generator: torch.Generator, segments: int) -> tuple[Tensor, list[tuple[str, str]], Tensor]:
    """Sounds of the world (B, L), the captions at the least and the greatest intensity, and the share (B, S) of the
    second in each segment."""
    rng = np.random.default_rng(int(torch.randint(0, 2**40, (1,), generator=generator)))
    samples, captions, shares = [], [], []
    for _ in range(BATCH):
        ground = world.BACKGROUNDS[rng.integers(6)]
        weather = world.WEATHERS[rng.choice(3, p=[0.2, 0.4, 0.4])]
        steady = rng.random() < 0.3
        curve = np.full(KNOTS, rng.uniform(FAINTEST, 1)) if steady else rng.uniform(FAINTEST, 1, KNOTS)
        samples.append(sound(ground, weather, curve, SECONDS, int(rng.integers(2**40))))
        middle = (np.arange(segments) + 0.5) / segments * KNOTS - 0.5
        strength = (np.interp(middle, np.arange(KNOTS), curve) - FAINTEST) / (1 - FAINTEST)
        shares.append(strength if weather != "clear" else np.zeros(segments))
        said = [f"{ground} in {word} {weather}" if weather != "clear" else ground for word in world.STRENGTHS]
        captions.append((said[0], said[1]))
    return torch.from_numpy(np.stack(samples)), captions, torch.from_numpy(np.stack(shares)).float()


def mel_filters(config: SoundConfig) -> Tensor:
    return torch.from_numpy(
        librosa.filters.mel(sr=config.rate, n_fft=config.window, n_mels=config.mels, fmin=config.low, fmax=config.high)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/audio"))
    parser.add_argument("--steps", type=int, default=3000)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    model = arguments.model
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device).eval()
    config = SoundConfig(tokens=tokenizer.model_max_length, width=text.config.hidden_size, rate=RATE)
    torch.manual_seed(0)
    encoder = SoundEncoder(config, mel_filters(config)).to(device)
    segments = round(SECONDS / config.seconds)

    @torch.no_grad()
    def captions(texts: list[str]) -> Captions:
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        found = text(tokens.to(device))
        return Captions(found.last_hidden_state, found.pooler_output)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        samples, pairs, shares = scene_sounds(generator, segments)
        light, heavy = (captions([pair[index] for pair in pairs]) for index in (0, 1))
        return loss_of(encoder, samples.to(device), light.mixed(heavy, shares.to(device)))

    train(encoder, loss, Recipe(arguments.steps, learning_rate=1e-3, ema=0.998), arguments.out / "audio.pt")
    encoder.save(model / "sound_encoder.safetensors", overwrite=True)


if __name__ == "__main__":
    main()
