"""An encoder from sound to tokens in the text encoder's space, segment by segment: after TPoS (Jeong et al. 2023).

The sound is cut into short segments. A convolutional network hears each by itself, a recurrent one what went before
(section 3.1), and softmax weights say which of the segments so far count most. Both the state and the weighted sum are
aligned to the text encoder's space, and a mapping network makes the tokens of a prompt of them (section 3.2). Unlike
the original, segments have a length in seconds and any number, nothing later is looked at, and the settings of the mel
spectrogram travel in the weights' file, so that what is heard in use is what was heard in training.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from dataclasses import dataclass as plain
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from safetensors.torch import save_file
from torch import Tensor, nn

from vedit.atomic import whole_file
from vedit.backbone.checkpoints import read_safetensors
from vedit.backbone.model_files import reading_weights
from vedit.backbone.schemas import fault
from vedit.errors import WeightsError
from vedit.files import json_object

Count = Annotated[int, Field(ge=1, le=2048)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class SoundConfig:
    """What a sound encoder is made for.

    tokens, width: of the text encoder: T and D
    rate: Hz that sounds are brought to; window, hop: samples of the spectrogram's window and step
    mels: bands between low and high (Hz); mean, deviation: of their logarithms in training
    segment: steps of the spectrogram in one segment
    state, hidden: widths of the recurrent state and of the mapping network

    The ranges are wide for what is trained here, and narrow for what a damaged file may claim.
    """

    tokens: Count
    width: Count
    rate: Annotated[int, Field(ge=1000, le=192_000)] = 16_000
    window: Annotated[int, Field(ge=16, le=16_384)] = 512
    hop: Annotated[int, Field(ge=1, le=16_384)] = 160
    mels: Annotated[int, Field(ge=1, le=512)] = 64
    low: Annotated[float, Field(ge=0, le=96_000)] = 50.0
    high: Annotated[float, Field(gt=0, le=96_000)] = 8_000.0
    mean: Annotated[float, Field(ge=-1000, le=1000)] = -4.0
    deviation: Annotated[float, Field(gt=0, le=1000)] = 3.0
    segment: Annotated[int, Field(ge=1, le=1024)] = 16
    channels: Annotated[int, Field(ge=4, le=256, multiple_of=4)] = 32
    state: Count = 128
    hidden: Count = 256

    def __post_init__(self) -> None:
        if self.hop > self.window:
            raise ValueError(f"hop {self.hop} is longer than window {self.window}")

    @property
    def seconds(self) -> float:
        """Length of a segment."""
        return self.segment * self.hop / self.rate


@plain(frozen=True)
class SoundEncoding:
    """What the encoder makes of B sounds of S segments.

    states: (B, S, D) what is heard now, of unit length, in the space of the text encoder's pooled states
    summary: (B, S, D) what counts of all that was heard so far, likewise
    tokens: (B, S, T, D) the prompt that says what is heard
    """

    states: Tensor
    summary: Tensor
    tokens: Tensor


class SoundEncoder(nn.Module):
    """Samples (B, L) at the config's rate, in [-1, 1], to what is heard in each segment."""

    filters: Tensor

    def __init__(self, config: SoundConfig, filters: Tensor | None = None) -> None:
        """``filters`` (M, K): of the mel bands over the spectrum's bins; zeros until weights are loaded."""
        super().__init__()
        self.config = config
        bins = config.window // 2 + 1
        self.register_buffer("filters", torch.zeros(config.mels, bins) if filters is None else filters)
        wide = config.channels
        self.ear = nn.Sequential(
            nn.Conv2d(1, wide, 5, (2, 1), 2),
            nn.GroupNorm(4, wide),
            nn.GELU(),
            _Residual(wide, 2 * wide),
            _Residual(2 * wide, 2 * wide),
            _Residual(2 * wide, 4 * wide),
            nn.AdaptiveAvgPool2d((2, 1)),
            nn.Flatten(),
            nn.Linear(8 * wide, config.state),
        )
        self.memory = nn.LSTM(config.state, config.state, batch_first=True)
        self.importance = nn.Linear(config.state, 1)
        self.align = nn.Linear(config.state, config.width)
        self.places = nn.Parameter(torch.randn(config.tokens, config.hidden) * 0.1)
        self.mapping = nn.ModuleDict(
            {
                "into": nn.Linear(2 * config.state, config.hidden),
                "through": nn.Linear(config.hidden, config.hidden),
                "out": nn.Linear(config.hidden, config.width),
            }
        )
        self.own = nn.Parameter(torch.zeros(config.tokens, config.width))

    def forward(self, samples: Tensor) -> SoundEncoding:
        segments = self.spectrogram(samples)
        batch, count = segments.shape[:2]
        heard = self.ear(segments.flatten(0, 1)[:, None]).unflatten(0, (batch, count))
        states, _ = self.memory(heard)
        weights = self.importance(states).clamp(-8, 8).exp()
        summary = (weights * states).cumsum(1) / weights.cumsum(1)
        both = self.mapping["into"](torch.cat([states, summary], dim=-1))
        inner = F.gelu(both[:, :, None] + self.places)
        tokens = self.own + self.mapping["out"](F.gelu(self.mapping["through"](inner)))
        return SoundEncoding(F.normalize(self.align(states), dim=-1), F.normalize(self.align(summary), dim=-1), tokens)

    def spectrogram(self, samples: Tensor) -> Tensor:
        """Samples (B, L) to normalised log-mel segments (B, S, M, segment); the last is filled up with silence.

        A window looks back from its step, so that a segment knows nothing of what comes after it.
        """
        config = self.config
        step = config.segment * config.hop
        count = max(1, math.ceil(samples.shape[1] / step))
        ahead = config.window - config.hop
        padded = F.pad(samples.float(), (ahead, count * step - samples.shape[1]))
        window = torch.hann_window(config.window, device=samples.device)
        spectrum = torch.stft(
            padded, config.window, config.hop, window=window, center=False, return_complex=True
        ).abs().square()  # fmt: skip
        mel = torch.log(self.filters @ spectrum + 1e-5)
        steps = count * config.segment
        return ((mel[..., :steps] - config.mean) / config.deviation).unflatten(-1, (count, -1)).transpose(1, 2)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write weights, in half precision, and settings as one safetensors file. Raises MediaError."""
        tensors = {name: tensor.half().contiguous() for name, tensor in self.state_dict().items()}
        with whole_file(path, overwrite) as beside:
            save_file(tensors, beside, {"sound_encoder": json.dumps(asdict(self.config))})


class _Residual(nn.Module):
    """A block of ResNet's, with group norm; halves the bands."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, 2, 1)
        self.two = nn.Conv2d(after, after, 3, 1, 1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, after), nn.GroupNorm(4, after)])
        self.around = nn.Conv2d(before, after, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norms[1](self.two(F.gelu(self.norms[0](self.one(x)))))
        return F.gelu(inner + self.around(x))


def check_sound_encoder(path: Path) -> None:
    """Raises WeightsError where there is no such file."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(f"{path} {what}; expected a sound encoder (.safetensors) that `training.audio` wrote.")


@reading_weights()
def load_sound_encoder(path: Path) -> SoundEncoder:
    """The encoder that ``SoundEncoder.save`` wrote, in float32. Raises WeightsError for a file that is not one."""
    check_sound_encoder(path)
    metadata, tensors = read_safetensors(path)
    if "sound_encoder" not in metadata:
        raise WeightsError(f"{path} is no sound encoder; expected a file that `training.audio` wrote.")
    settings = json_object(metadata["sound_encoder"], f"the settings in {path}", WeightsError)
    try:
        encoder = SoundEncoder(SoundConfig(**settings))
        encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except ValidationError as error:
        raise WeightsError(f"the settings in {path}: {fault(error)}.") from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(f"{path} cannot be read as a sound encoder: {error}.") from error
    return encoder.eval().requires_grad_(False)
