"""Loading a Stable Diffusion model from a folder, a file or the hub, as a Backbone.

The parts are built empty and filled strictly from the files, so a model that is damaged or of another family is refused
with one line rather than run with weights left out. LoRAs are fused here, into the plain layers: nothing that attends,
hooks or tunes afterwards meets a wrapped one. No code of a model's repository is ever run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, MotionAdapter, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from vedit.attention.kernels import choose_kernel
from vedit.backbone import checkpoints, model_files, schemas
from vedit.backbone.dtypes import warn_if_slow
from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.model import Backbone
from vedit.backbone.notes import read_notes
from vedit.backbone.outline import Attached, Outline, TunedState
from vedit.clip.arrays import kind_of
from vedit.errors import DeviceError, WeightsError
from vedit.files import check_plain, read_text
from vedit.schedule import Schedule, alpha_bar

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
LARGEST_VOCABULARY = 32_000_000
"""Bytes of a file of a tokenizer; CLIP's have 4 MB at most."""

_SCHEMAS: Mapping[type[Any], type[schemas.Schema]] = {
    UNet2DConditionModel: schemas.UNet,
    AutoencoderKL: schemas.VAE,
    ControlNetModel: schemas.ControlNet,
    MotionAdapter: schemas.Motion,
}
_TEMPORAL = (".attn_temp.", ".norm_temp.")


@model_files.reading_weights()
def load_base(
    name: str | Path = "mini",
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    kernel: str = "auto",
) -> Backbone:
    """A Stable Diffusion 1.x or 2.x model as its files have it, ready to run; arguments as of ``load_backbone``."""
    if not isinstance(name, (str, Path)):
        raise TypeError(f"a model is named by a str or a path, not {kind_of(name)}")
    torch_device = choose_device(str(device))
    torch_dtype = choose_dtype(dtype, torch_device)
    if torch_device.type == "cpu":
        warn_if_slow(torch_dtype)
    path = model_files.locate(name)
    parts = read_parts(path)
    with on_device(torch_device):
        backbone = Backbone(
            vae=for_inference(parts.vae, torch_device, torch.float32),
            text_encoder=for_inference(parts.text_encoder, torch_device, torch_dtype),
            tokenizer=parts.tokenizer,
            unet=for_inference(parts.unet, torch_device, torch_dtype),
            scheduler_config=parts.scheduler,
            kernel=kernel,
            name=str(name),
            identity=checkpoints.Identity.of(parts.files),
            notes=read_notes(path),
            folder=path if path.is_dir() else None,
        )
        if parts.temporal:
            make_tune_a_video(backbone, parts.temporal)
    return backbone


@model_files.reading_weights()
def outline_base(
    name: str | Path, *, device: str = "auto", dtype: str = "auto", kernel: str = "auto", weights: bool = True
) -> tuple[Outline, checkpoints.Identity | None]:
    """A model as its files describe it, and what names their content; arguments as of ``ModelSpec.outline``."""
    torch_device = choose_device(device)
    torch_dtype = choose_dtype(dtype, torch_device)
    path = model_files.locate(name, weights=weights)
    configs, files = path, [path]
    if path.is_dir():
        check_family(path)
        if weights:
            files = [file for part in model_files.PARTS for file in model_files.part_files(path, part)]
        else:
            files = model_files.held_files(path)
    else:
        names = dict.fromkeys(checkpoints.tensor_names(path), torch.empty(0))
        configs = model_files.reference_folder(path, checkpoints.original_family(names, path))
        check_family(configs)
    own = checkpoints.read_config(configs / "unet" / "config.json")
    inflated = own.get("_class_name") == "UNet3DConditionModel"
    vae = empty(AutoencoderKL, checkpoints.read_config(configs / "vae" / "config.json"))
    outline = Outline(
        name=str(name),
        folder=path if path.is_dir() else None,
        configs=configs,
        unet=empty_unet(checkpoints.flat_unet_config(own) if inflated else own).config,
        vae_scale_factor=int(2 ** (len(vae.config.block_out_channels) - 1)),
        tokenizer=read_tokenizer(configs, empty_text_encoder(configs)),
        notes=read_notes(path),
        fingerprint="",
        device=torch_device,
        dtype=torch_dtype,
        kernel=choose_kernel(kernel, torch_device, torch_dtype),
        layers=Attached(temporal=inflated),
        tuned=TunedState(attention="sparse_causal") if inflated else TunedState(),
    )
    return outline, checkpoints.Identity.of(files) if files else None


def choose_device(name: str) -> torch.device:
    """The device of a name: "auto", "cpu", "mps", "cuda", "cuda:1". Raises DeviceError when this machine lacks it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"'{name}' is no device known here: expected auto, cpu, cuda, cuda:1 or mps.")
    held = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= held:
        raise DeviceError(f"this machine has no '{name}' (of {device.type} it has {held}); use --device auto or cpu.")
    return device


def choose_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The dtype of the UNet and the text encoder. Raises DeviceError for one that is unknown or not supported."""
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    dtype = DTYPES.get(name) if isinstance(name, str) else name
    if dtype not in DTYPES.values():
        raise DeviceError(f"'{name}' is no number format known here: expected auto, {', '.join(DTYPES)}.")
    if (
        dtype == torch.bfloat16
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise DeviceError("this GPU has no bfloat16; use --dtype float16 or auto.")
    return dtype  # type: ignore[return-value]


@dataclass
class Parts:
    """The parts of a model as read: on the CPU, in the dtypes of its files."""

    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    scheduler: dict[str, Any]
    files: list[Path]
    temporal: dict[str, Tensor]
    """What a Tune-A-Video UNet has beside the 2-D one; empty for others."""


def read_parts(path: Path) -> Parts:
    """The parts of a model from its folder or its single file. Raises WeightsError."""
    parts = _read_folder(path) if path.is_dir() else _read_single(path)
    widths = {
        "the text encoder's width": (parts.text_encoder.config.hidden_size, parts.unet.config.cross_attention_dim),
        "the VAE's latent channels": (parts.vae.config.latent_channels, parts.unet.config.in_channels),
    }
    for what, (given, taken) in widths.items():
        if given != taken:
            raise WeightsError(f"{what} in '{path}' is {given}, its unet takes {taken}: they are of different models.")
    return parts


def _read_folder(folder: Path) -> Parts:
    check_family(folder)
    unet_config = checkpoints.read_config(folder / "unet" / "config.json")
    files = {part: model_files.part_files(folder, part) for part in model_files.PARTS}
    tensors = checkpoints.read_tensors(files["unet"])
    temporal = {}
    if unet_config.get("_class_name") == "UNet3DConditionModel":
        temporal = {name: tensors.pop(name) for name in list(tensors) if any(mark in name for mark in _TEMPORAL)}
        if not temporal:
            raise WeightsError(f"'{folder}' is a text-to-video model, not Tune-A-Video: its network does not fit here.")
        unet_config = checkpoints.flat_unet_config(unet_config)
    unet = empty_unet(unet_config)
    checkpoints.fill(unet, tensors, "unet")
    vae = empty(AutoencoderKL, checkpoints.read_config(folder / "vae" / "config.json"))
    checkpoints.fill(vae, checkpoints.modern_vae(checkpoints.read_tensors(files["vae"])), "vae")
    text_encoder = empty_text_encoder(folder)
    text = checkpoints.modern_text_encoder(checkpoints.read_tensors(files["text_encoder"]))
    checkpoints.fill(text_encoder, text, "text encoder")
    return Parts(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=read_tokenizer(folder, text_encoder),
        unet=unet,
        scheduler=read_scheduler(folder / "scheduler"),
        files=[path for part in model_files.PARTS for path in files[part]],
        temporal=temporal,
    )


def _read_single(file: Path) -> Parts:
    tensors = checkpoints.read_tensors(file, checkpoints.ORIGINAL_PREFIXES)
    folder = model_files.reference_folder(file, checkpoints.original_family(tensors, file))
    check_family(folder)
    unet = empty_unet(checkpoints.read_config(folder / "unet" / "config.json"))
    vae = empty(AutoencoderKL, checkpoints.read_config(folder / "vae" / "config.json"))
    text_encoder = empty_text_encoder(folder)
    try:
        split = checkpoints.split_original(tensors, unet.config, vae.config, text_encoder)
    except Exception as error:  # the converters trust the layout they expect
        raise WeightsError(f"'{file.name}' does not have the layers its config names: {error}.") from error
    for module, part, what in zip((unet, vae, text_encoder), split, ("unet", "vae", "text encoder"), strict=True):
        checkpoints.fill(module, part, what)
    return Parts(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=read_tokenizer(folder, text_encoder),
        unet=unet,
        scheduler=read_scheduler(folder / "scheduler") | original_prediction(file),
        files=[file],
        temporal={},
    )


def check_family(folder: Path) -> None:
    """Raise WeightsError, naming what is in the way, unless a folder is a Stable Diffusion 1.x or 2.x model."""
    index = checkpoints.read_config(folder / "model_index.json") if (folder / "model_index.json").exists() else {}
    kind = index.get("_class_name", "model")
    absent: tuple[object, ...] = (None, [], [None, None])
    others = [part for part in ("text_encoder_2", "transformer", "prior") if index.get(part) not in absent]
    if others or (folder / "text_encoder_2").is_dir():
        raise WeightsError(f"'{folder}' is a {kind}, not Stable Diffusion 1.x or 2.x; only these two fit.")
    lacking = [part for part in (*model_files.PARTS, "tokenizer", "scheduler") if not (folder / part).is_dir()]
    if lacking:
        raise WeightsError(
            f"'{folder}' has no {', '.join(lacking)}: expected a Stable Diffusion folder (diffusers' layout)."
        )
    unet = checkpoints.read_config(folder / "unet" / "config.json")
    if unet.get("_class_name") == "UNetMotionModel":
        raise WeightsError(
            f"'{folder}' has AnimateDiff built in; give the plain model, and the motion modules as --motion-adapter."
        )
    if unet.get("in_channels", 4) != 4:
        raise WeightsError(
            f"the unet of '{folder}' takes {unet['in_channels']} channels (inpainting, depth or instruct-pix2pix "
            "models do); only plain text-to-image models, with 4, fit."
        )
    for field in ("addition_embed_type", "class_embed_type", "num_class_embeds", "encoder_hid_dim"):
        if unet.get(field) is not None:
            raise WeightsError(f"the unet of '{folder}' has {field} = {unet[field]}: not Stable Diffusion 1.x or 2.x.")


def empty(kind: type[Any], config: Mapping[str, Any]) -> Any:
    """A diffusers model of a config, without memory for its weights. Raises WeightsError (``schemas``)."""
    what = f"the config of the {kind.__name__}"
    settings = schemas.checked(_SCHEMAS[kind], config, what, kind)
    try:
        with MetaParameters():
            return kind(**settings)
    except Exception as error:  # what does not go together, the classes meet with whatever it leads to
        raise WeightsError(f"{what} cannot be built: {error}") from error


def empty_unet(config: Mapping[str, Any]) -> UNet2DConditionModel:
    """The UNet of a config. Raises WeightsError, for block kinds too that are not Stable Diffusion's."""
    return empty(UNet2DConditionModel, config)


def empty_text_encoder(folder: Path) -> CLIPTextModel:
    """The text encoder of a model's folder, without its weights. Raises WeightsError."""
    what = f"'{folder / 'text_encoder' / 'config.json'}'"
    read = checkpoints.read_config(folder / "text_encoder" / "config.json")
    settings = schemas.checked(schemas.TextEncoder, read, what)
    last = settings.get("vocab_size", schemas.TextEncoder.model_fields["vocab_size"].default) - 1
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        # Pooled states alone depend on these, and are not used; of one outside the vocabulary a library prints a line.
        if (settings.get(name, schemas.TextEncoder.model_fields[name].default) or 0) > last:
            settings[name] = last
    try:
        with MetaParameters():
            return CLIPTextModel(CLIPTextConfig(**settings))
    except Exception as error:
        raise WeightsError(f"{what} cannot be built: {error}") from error


def read_tokenizer(folder: Path, text_encoder: CLIPTextModel) -> CLIPTokenizer:
    """The tokenizer of a model's folder, with a length that its text encoder takes. Raises WeightsError."""
    tokenizer_folder = folder / "tokenizer"
    for file in tokenizer_folder.iterdir():
        check_plain(file, LARGEST_VOCABULARY, WeightsError)
    config_file = tokenizer_folder / "tokenizer_config.json"
    schemas.checked(
        schemas.Tokenizer, checkpoints.read_config(config_file) if config_file.exists() else {}, f"'{config_file}'"
    )
    if not (tokenizer_folder / "tokenizer.json").exists():
        for name in ("vocab.json", "merges.txt"):
            if not (tokenizer_folder / name).exists():
                raise WeightsError(f"'{tokenizer_folder}' has no {name}: the tokenizer cannot be read.")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder), local_files_only=True)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise WeightsError(f"the tokenizer in '{tokenizer_folder}' cannot be read: {error}") from error
    size, rows = len(tokenizer), text_encoder.config.vocab_size
    if size > rows:
        raise WeightsError(
            f"the tokenizer in '{tokenizer_folder}' knows {size} tokens, its text encoder {rows}: they do not belong."
        )
    if tokenizer.bos_token_id is None or tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
        raise WeightsError(f"the tokenizer in '{tokenizer_folder}' has no tokens for start, end and padding.")
    # an early folder says no length, which reads as 1e30
    tokenizer.model_max_length = int(min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings))
    return tokenizer


def read_scheduler(folder: Path) -> dict[str, Any]:
    """A noise schedule's settings, from its folder. Raises WeightsError for one this toolkit has no formula for."""
    file = folder / "scheduler_config.json"
    scheduler = schemas.checked(schemas.Scheduler, checkpoints.read_config(file), f"'{file}'")
    kind = scheduler.setdefault("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction"):
        raise WeightsError(f"'{folder}' predicts '{kind}': expected epsilon or v_prediction.")
    try:
        Schedule.from_config(scheduler, 1)
        shares = alpha_bar(scheduler)
    except (TypeError, ValueError, LookupError, ArithmeticError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"the noise schedule in '{folder}' cannot be built: {error}.") from error
    if not bool(((shares >= 0) & (shares <= 1)).all()):
        raise WeightsError(
            f"the noise schedule in '{file}' leaves the range from all noise to none; correct its betas."
        )
    return scheduler


def original_prediction(file: Path) -> dict[str, str]:
    """The prediction type that a single file states in its header or in the .yaml beside it; mostly none."""
    prediction = checkpoints.read_header(file).get("modelspec.prediction_type", "")
    notes = file.with_suffix(".yaml")
    if not prediction and notes.is_file() and 'parameterization: "v"' in read_text(notes, WeightsError):
        prediction = "v"
    return {"v": {"prediction_type": "v_prediction"}, "epsilon": {"prediction_type": "epsilon"}}.get(prediction, {})


def make_tune_a_video(backbone: Backbone, temporal: Mapping[str, Tensor]) -> None:
    """Turn a plain backbone into the Tune-A-Video network that ``temporal`` belongs to. Raises WeightsError."""
    backbone.layers.attach_temporal()
    own = {
        name: tensor for name, tensor in backbone.unet.state_dict().items() if any(mark in name for mark in _TEMPORAL)
    }
    wrong = sorted(own.keys() ^ temporal.keys()) or [name for name in own if own[name].shape != temporal[name].shape]
    if wrong:
        raise WeightsError(f"the temporal layers do not match the unet, beginning with '{wrong[0]}'.")
    backbone.unet.load_state_dict(dict(temporal), strict=False)
    backbone.layers.use_clip_wide_norm()
    backbone.tuned = replace(backbone.tuned, attention="sparse_causal")


def for_inference(module: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Put a module on a device and in a dtype, frozen and in evaluation mode."""
    # nn.Module's own: diffusers' override warns of a list of modules to keep in float32 that is empty for these
    return nn.Module.to(module, device=device, dtype=dtype).requires_grad_(False).eval()


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceError(
            f"the model does not fit the memory of '{device}'; use --dtype float16 or --device cpu."
        ) from error
