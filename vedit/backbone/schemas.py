"""What may stand in the configs of the models that are read: types, and ranges that no published model leaves.

A config's sizes are believed when a network is built, so they are bounded here. ``checked`` is the one border: what a
class does not know is left out (hints to libraries among it, such as which kernel of the hub to fetch), and what it
knows but Stable Diffusion 1.x and 2.x leave alone must be as it is by default.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vedit.errors import WeightsError

Count = Annotated[int, Field(ge=1, le=8)]
"""Of layers; published models have 1 to 3."""
Depth = Annotated[int, Field(ge=1, le=2)]
"""Of transformers, layers; those of Stable Diffusion 1.x and 2.x have 1."""
Width = Annotated[int, Field(ge=1, le=8192)]
"""Of a layer, in channels or in heads."""
Widths = Annotated[list[Width], Field(min_length=1, max_length=8)]
Small = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(max_length=64)]
Token = Annotated[int, Field(ge=-1, le=10_000_000)]
Rows = Annotated[int, Field(ge=3, le=4096)]
"""Places of a text encoder: the start, a word and the end at least."""

DownBlock = Literal["DownBlock2D", "CrossAttnDownBlock2D"]
UpBlock = Literal["UpBlock2D", "CrossAttnUpBlock2D"]


class Schema(BaseModel):
    """Typed strictly: a number that is text is a fault. ``None`` only where the class takes it."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Spatial(Schema):
    """What a UNet and a ControlNet share."""

    in_channels: Width = 4
    flip_sin_to_cos: bool = True
    freq_shift: int = Field(0, ge=0, le=1)
    down_block_types: list[DownBlock] = Field(["CrossAttnDownBlock2D"], min_length=1, max_length=8)
    # a ControlNet that reads no words has no attention in the middle
    mid_block_type: Literal["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"] = "UNetMidBlock2DCrossAttn"
    """The second is that of ControlNets that read no words, as the miniature's own."""
    only_cross_attention: bool | list[bool] = False
    block_out_channels: Widths = [320]
    layers_per_block: Count = 2
    downsample_padding: int = Field(1, ge=0, le=1)
    mid_block_scale_factor: float = Field(1, gt=0, le=100)
    act_fn: Name = "silu"
    norm_num_groups: Width = 32
    norm_eps: Small = 1e-5
    cross_attention_dim: Width = 1280
    transformer_layers_per_block: Depth | list[Depth] = 1
    attention_head_dim: Width | Widths = 8
    num_attention_heads: Width | Widths | None = None
    use_linear_projection: bool = False
    upcast_attention: bool = False


class UNet(Spatial):
    """diffusers' UNet2DConditionModel."""

    sample_size: Width | Annotated[list[Width], Field(min_length=2, max_length=2)] | None = None
    out_channels: Width = 4
    mid_block_type: Literal["UNetMidBlock2DCrossAttn"] = "UNetMidBlock2DCrossAttn"
    center_input_sample: bool = False
    up_block_types: list[UpBlock] = Field(["UpBlock2D"], min_length=1, max_length=8)
    dropout: Share = 0
    time_cond_proj_dim: Width | None = None


class ControlNet(Spatial):
    """diffusers' ControlNetModel."""

    conditioning_channels: Literal[3, 6] = 3
    """6 are those of the ControlNet `motion`: a frame moved, where it is seen, and how far it has moved."""
    controlnet_conditioning_channel_order: Literal["rgb", "bgr"] = "rgb"
    conditioning_embedding_out_channels: Widths = [16, 32, 96, 256]
    global_pool_conditions: bool = False


class VAE(Schema):
    """diffusers' AutoencoderKL."""

    in_channels: Literal[3] = 3
    out_channels: Literal[3] = 3
    down_block_types: list[Literal["DownEncoderBlock2D"]] = Field(["DownEncoderBlock2D"], min_length=1, max_length=8)
    up_block_types: list[Literal["UpDecoderBlock2D"]] = Field(["UpDecoderBlock2D"], min_length=1, max_length=8)
    block_out_channels: Widths = [64]
    layers_per_block: Count = 1
    act_fn: Name = "silu"
    latent_channels: Width = 4
    norm_num_groups: Width = 32
    sample_size: Width | None = 32
    scaling_factor: float = Field(0.18215, ge=1e-3, le=1e3)
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True


class TextEncoder(Schema):
    """transformers' CLIPTextConfig."""

    vocab_size: int = Field(49408, ge=3, le=1_000_000)
    hidden_size: Width = 512
    intermediate_size: int = Field(2048, ge=1, le=65536)
    projection_dim: Width = 512
    num_hidden_layers: int = Field(12, ge=1, le=64)
    num_attention_heads: int = Field(8, ge=1, le=128)
    max_position_embeddings: Rows = 77
    hidden_act: Name = "quick_gelu"
    layer_norm_eps: Small = 1e-5
    attention_dropout: Share = 0
    pad_token_id: Token | None = 1
    bos_token_id: Token | None = 49406
    eos_token_id: Token | None = 49407


class Vision(Schema):
    """transformers' CLIPVisionConfig."""

    hidden_size: Width = 768
    intermediate_size: int = Field(3072, ge=1, le=65536)
    projection_dim: Width = 512
    num_hidden_layers: int = Field(12, ge=2, le=64)
    num_attention_heads: int = Field(12, ge=1, le=128)
    num_channels: Literal[3] = 3
    image_size: int = Field(224, ge=8, le=1024)
    patch_size: int = Field(32, ge=1, le=256)
    hidden_act: Name = "quick_gelu"
    layer_norm_eps: Small = 1e-5
    attention_dropout: Share = 0


class Tokenizer(Schema):
    """tokenizer_config.json of a CLIPTokenizer. An early one says no length, or 1e30."""

    model_max_length: int | float = Field(10**30, ge=3, le=1e31)


class Scheduler(Schema):
    """What DDIM takes of the config of any of diffusers' schedulers."""

    num_train_timesteps: int = Field(1000, ge=1, le=100_000)
    beta_start: float = Field(0.0001, gt=0, lt=1)
    beta_end: float = Field(0.02, gt=0, lt=1)
    beta_schedule: Name = "linear"
    trained_betas: list[Annotated[float, Field(gt=0, lt=1)]] | None = Field(None, min_length=1, max_length=100_000)
    set_alpha_to_one: bool = True
    steps_offset: int = Field(0, ge=0, le=1000)
    clip_sample: bool = True  # for diffusers' own sampling alone
    prediction_type: Name = "epsilon"
    timestep_spacing: Name = "leading"
    rescale_betas_zero_snr: bool = False
    clip_sample_range: float = Field(1, gt=0, le=1000)
    thresholding: bool = False
    dynamic_thresholding_ratio: float = Field(0.995, gt=0, le=1)
    sample_max_value: float = Field(1, gt=0, le=1000)


class Motion(Schema):
    """diffusers' MotionAdapter. Its table of positions is made whole when it is built."""

    block_out_channels: list[Annotated[int, Field(ge=1, le=2560)]] = Field([320], min_length=1, max_length=8)
    motion_layers_per_block: Count | list[Count] = 2
    motion_transformer_layers_per_block: Depth | list[Depth] = 1
    motion_mid_block_layers_per_block: Count = 1
    motion_transformer_layers_per_mid_block: Depth | list[Depth] = 1
    motion_num_attention_heads: Width | Widths = 8
    motion_norm_num_groups: Width = 32
    motion_max_seq_length: int = Field(32, ge=1, le=256)
    use_motion_mid_block: bool = True


def checked(
    schema: type[Schema], config: Mapping[str, Any], what: str, kind: type[Any] | None = None
) -> dict[str, Any]:
    """Of a config what its schema knows, as it stands. Raises WeightsError, naming ``what`` was read.

    ``kind``, where it is given, is the class that is built of it: its other parameters must be at their defaults.
    """
    try:
        schema.model_validate(dict(config))
    except ValidationError as error:
        raise WeightsError(f"{what}: {fault(error)}.") from error
    others = {} if kind is None else dict(inspect.signature(kind).parameters)
    for name in sorted(config.keys() & others.keys() - schema.model_fields.keys()):
        if config[name] != others[name].default:
            raise WeightsError(
                f"{what}: {name} is {reprlib.repr(config[name])}: not Stable Diffusion 1.x or 2.x, which have "
                f"{others[name].default}."
            )
    return {name: value for name, value in config.items() if name in schema.model_fields or name in others}


def fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its place and what was given."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(each) for each in first["loc"][:1]) or "the whole"
    if first["type"] == "missing":
        return f"{place:.60} is missing"
    return f"{place:.60} is {reprlib.repr(first['input'])}; {first['msg'].replace('Input', 'it')}"
