"""The sound encoder: ``python -m training.audio``.

Learns to say in tokens of the model's text encoder what a sound's caption says, segment by segment, and to lie near
the caption and far from others (InfoNCE; TPoS, Jeong et al. 2023, section 3.1). In the miniature's world the caption is
the ground with the weather, and how hard it falls at that moment is the mix of "light" and "heavy" that the UNet was
taught. Ends up in the model's folder. ``--pairs FOLDER`` learns from sounds of your own instead, for any model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

import world
from training.loop import Recipe, note, start_workers, train
from training.presets import WORKSHOP
from vedit.clip.audio_file import SOUNDS, read_sound
from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder, load_sound_encoder
from world.scene import FAINTEST
from world.sounds import RATE, sound

OWN = "sound_encoder.safetensors"
BATCH = 16
SECONDS = 2.56
KNOTS = 8
"""Points of the curve of intensity."""

TEMPERATURE = 0.07
ALIGNING = 0.05
"""Weight of InfoNCE beside the tokens' squared error."""


Batch = tuple[Tensor, list[tuple[str, str]], Tensor]
"""Sounds (B, L), two captions of each, and how much of the second (B, S) is to be heard in each segment."""

Draw = Callable[[torch.Generator, int], Batch]


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


def scene_sounds(generator: torch.Generator, segments: int) -> Batch:
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


def pairs_of(folder: Path, rate: int) -> list[tuple[Tensor, str]]:
    """The sounds (L,) of a folder at ``rate`` Hz, each with the caption in the text file of its name."""
    found = []
    for path in sorted(folder.iterdir()):
        caption = path.with_suffix(".txt")
        if path.suffix.lower() in SOUNDS and caption.is_file():
            sound = read_sound(path)
            mono = librosa.resample(sound.samples.mean(0).numpy(), orig_sr=sound.rate, target_sr=rate)
            found.append((torch.from_numpy(mono), caption.read_text(encoding="utf-8").strip()))
    if len(found) < 2:
        raise SystemExit(f"{folder}: {len(found)} pairs; expected two at least, such as rain.wav beside rain.txt")
    return found


def drawn_pairs(pairs: list[tuple[Tensor, str]], rate: int) -> Draw:
    """Batches of excerpts from pairs; what is said of a sound holds for all of it."""
    length = round(SECONDS * rate)

    def draw(generator: torch.Generator, segments: int) -> Batch:
        samples, captions = [], []
        # Each pair once at most: two excerpts of one sound would be contrasted with each other.
        for index in torch.randperm(len(pairs), generator=generator)[:BATCH].tolist():
            whole, caption = pairs[index]
            first = int(torch.randint(0, max(1, len(whole) - length + 1), (1,), generator=generator))
            excerpt = whole[first : first + length]
            samples.append(F.pad(excerpt, (0, length - len(excerpt))))
            captions.append((caption, caption))
        return torch.stack(samples), captions, torch.zeros(len(samples), segments)

    return draw


def settings(draw: Draw, tokenizer: CLIPTokenizer, width: int) -> SoundConfig:
    """A sound encoder's for a text encoder of this ``width``; how loud the sounds are is measured on some of them."""
    config = SoundConfig(tokens=tokenizer.model_max_length, width=width, rate=RATE, mean=0.0, deviation=1.0)
    samples, _, _ = draw(torch.Generator().manual_seed(1), 1)
    levels = SoundEncoder(config, mel_filters(config)).spectrogram(samples)
    return replace(config, mean=round(float(levels.mean()), 2), deviation=round(float(levels.std()), 2))


def mel_filters(config: SoundConfig) -> Tensor:
    return torch.from_numpy(
        librosa.filters.mel(sr=config.rate, n_fft=config.window, n_mels=config.mels, fmin=config.low, fmax=config.high)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="folder of a Stable Diffusion")
    parser.add_argument("--pairs", type=Path, help="folder of sounds, each with its caption in a .txt of its name")
    parser.add_argument("--out", type=Path, default=Path("runs/audio"), help="folder of the checkpoint")
    parser.add_argument("--encoder", type=Path, help=f"file to write; by default {OWN} in the model's folder")
    parser.add_argument("--begin-with", type=Path, help="a sound encoder's file to begin with")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    arguments = parser.parse_args()
    _, _, device = start_workers()
    model = arguments.model
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device).eval()
    draw = scene_sounds if arguments.pairs is None else drawn_pairs(pairs_of(arguments.pairs, RATE), RATE)
    torch.manual_seed(0)
    if arguments.begin_with is None:
        config = settings(draw, tokenizer, text.config.hidden_size)
        encoder = SoundEncoder(config, mel_filters(config))
    else:
        encoder = load_sound_encoder(arguments.begin_with).requires_grad_(True).train()
        config = encoder.config
    encoder.to(device)
    segments = round(SECONDS / config.seconds)

    @torch.no_grad()
    def captions(texts: list[str]) -> Captions:
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        found = text(tokens.to(device))
        return Captions(found.last_hidden_state, found.pooler_output)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        samples, said, shares = draw(generator, segments)
        light, heavy = (captions([pair[index] for pair in said]) for index in (0, 1))
        return loss_of(encoder, samples.to(device), light.mixed(heavy, shares.to(device)))

    recipe = Recipe(arguments.steps, learning_rate=1e-3, ema=0.998, minutes=arguments.minutes)
    train(encoder, loss, recipe, arguments.out / "audio.pt")
    if arguments.encoder is None:
        encoder.save(model / OWN, overwrite=True)
        note(model, sound_encoder=OWN)
    else:
        encoder.save(arguments.encoder, overwrite=True)


if __name__ == "__main__":
    main()
