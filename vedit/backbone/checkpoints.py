"""Weight files: reading them, checking them, and the names that different trainers gave the same tensors.

Everything here ends in diffusers' (and transformers') own names, so that one strict filling serves every format.
Pickles are read as tensors only; whatever else is in one is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_animatediff_checkpoint_to_diffusers,
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vedit.errors import WeightsError

ORIGINAL_UNET = "model.diffusion_model."
ORIGINAL_PREFIXES = (ORIGINAL_UNET, "first_stage_model.", "cond_stage_model.")
"""The three parts of a model's original single file; its EMA copy and training state are left on disk."""

_OLD_VAE_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_GIT_LFS = b"version https://git-lfs"


def read_config(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises WeightsError when it is missing or holds something else."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"'{path}' is missing: the folder of a model in diffusers' layout has one.") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"'{path}' cannot be read as JSON: {error}.") from error
    if not isinstance(config, dict):
        raise WeightsError(f"'{path}' holds no settings: expected a JSON object.")
    return config


def read_header(path: Path) -> dict[str, str]:
    """The free-form metadata of a safetensors file; empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def read_tensors(files: Path | Iterable[Path], prefixes: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
    """The tensors of one model, from one file or several, whose names start with one of ``prefixes``.

    Raises WeightsError for a file that is damaged or holds more than tensors, and for NaN or infinity (with the name).
    """
    tensors: dict[str, Tensor] = {}
    for path in [files] if isinstance(files, Path) else files:
        tensors.update(_read_file(path, prefixes))
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"the tensor '{name}' holds NaN or infinity: the file is damaged, fetch it again.")
    return tensors


def _read_file(path: Path, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefixes)}  # noqa: SIM118
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _is_pickle_with_code(error):
            raise WeightsError(
                f"'{path}' holds more than tensors, which could run code when opened; use its .safetensors form."
            ) from error
        raise _damaged(path, error) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise _damaged(path, error) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"'{path}' holds no named tensors: expected the weights of a model.")
    return {name: value for name, value in tensors.items() if name.startswith(prefixes)}


def _is_pickle_with_code(error: Exception) -> bool:
    return "Unsupported global" in str(error) or "GLOBAL" in str(error)


def _damaged(path: Path, error: Exception) -> WeightsError:
    if not path.is_file():
        return WeightsError(f"'{path}' is no file.")
    with path.open("rb") as file:
        if file.read(len(_GIT_LFS)) == _GIT_LFS:
            return WeightsError(f"'{path}' is a Git LFS pointer, not the weights: run `git lfs pull` in its folder.")
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return WeightsError(f"'{path}' cannot be read ({reason}): it is damaged or cut short, fetch it again.")


def fingerprint(files: Sequence[Path], remarks: Sequence[str] = ()) -> str:
    """32 hex digits over the bytes of files, in order, and over ``remarks`` (the scales of LoRAs). Paths do not count."""
    whole = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest())
    whole.update("\n".join(remarks).encode())
    return whole.hexdigest()


def fill(module: nn.Module, tensors: Mapping[str, Tensor], what: str, spare: str = "(?!)") -> None:
    """Give a module (built on the meta device) its weights: every one, and none left over.

    ``spare`` is a pattern of names that may be absent. Raises WeightsError naming the first tensors that do not fit.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors and not re.search(spare, name)]
    unknown = [name for name in tensors if name not in own]
    if missing or unknown:
        parts = [f"{len(names)} {kind} ({', '.join(names[:2])})" for kind, names in
                 (("missing", missing), ("unknown", unknown)) if names]  # fmt: skip
        raise WeightsError(f"the weights of the {what} do not match its config: {', '.join(parts)}.")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise WeightsError(
                f"the weights of the {what} do not fit: '{name}' is {tuple(tensor.shape)}, "
                f"its config asks for {tuple(own[name].shape)}."
            )
    module.load_state_dict(tensors, strict=False, assign=True)


def modern_vae(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A VAE's tensors under today's names: early files, SD 1.5's own among them, call to_q "query" and so on."""
    pattern = re.compile(rf"(attentions\.\d+)\.({'|'.join(_OLD_VAE_ATTENTION)})\.")
    return {
        pattern.sub(lambda found: f"{found[1]}.{_OLD_VAE_ATTENTION[found[2]]}.", name): tensor
        for name, tensor in tensors.items()
    }


def modern_text_encoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A CLIP text encoder's tensors under transformers 5's names (no "text_model."), without what only CLIP needs."""
    plain = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    idle = ("embeddings.position_ids", "text_projection.weight", "logit_scale")
    return {name: tensor for name, tensor in plain.items() if name not in idle}


def original_family(tensors: Mapping[str, Tensor], path: Path) -> str:
    """The short name of the model whose layout an original single file has. Raises WeightsError for any other file."""
    if not any(name.startswith(ORIGINAL_UNET) for name in tensors):
        raise WeightsError(
            f"'{path.name}' is no Stable Diffusion 1.x or 2.x model: its tensors are not named 'model.diffusion_model. "
            "...'. A LoRA goes to --lora, a tuned adapter to --adapter, motion modules to --motion."
        )
    if any(name.startswith("cond_stage_model.transformer.") for name in tensors):
        return "sd15"
    if any(name.startswith("cond_stage_model.model.") for name in tensors):
        return "sd21"
    raise WeightsError(f"'{path.name}' has no text encoder of Stable Diffusion 1.x or 2.x; SDXL and later do not fit.")


def split_original(
    tensors: dict[str, Tensor], unet: Mapping[str, Any], vae: Mapping[str, Any], text_encoder: nn.Module
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """An original single file as (unet, vae, text encoder) tensors; the configs tell how many layers a block has."""
    if any(name.startswith("cond_stage_model.model.") for name in tensors):
        text = convert_open_clip_checkpoint(text_encoder, tensors)
    else:
        text = convert_ldm_clip_checkpoint(tensors)
    return (
        convert_ldm_unet_checkpoint(tensors, dict(unet)),
        modern_vae(convert_ldm_vae_checkpoint(tensors, dict(vae))),
        modern_text_encoder(text),
    )


def flat_unet_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of Tune-A-Video's UNet as that of the 2-D UNet it was inflated from."""
    flat = dict(config, _class_name="UNet2DConditionModel")
    for field in ("down_block_types", "up_block_types"):
        flat[field] = [kind.replace("3D", "2D") for kind in config[field]]
    flat["mid_block_type"] = "UNetMidBlock2DCrossAttn"
    return flat


def motion_from_original(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The MotionAdapter config and tensors of one of AnimateDiff's own files (mm_sd_v14, v15, v15_v2, v3).

    The config is read off the shapes: v1 knows 24 frames and v2 and later 32; only v2 has modules in the middle.
    """
    plain = {name.removeprefix("module."): tensor for name, tensor in tensors.items() if ".motion_modules." in name}
    if not plain:
        raise WeightsError("the motion file holds no AnimateDiff motion modules (names with '.motion_modules.').")
    norm = re.compile(r"down_blocks\.(\d+)\.motion_modules\.(\d+)\.temporal_transformer\.norm\.weight")
    norms = {(int(found[1]), int(found[2])): plain[found[0]] for found in map(norm.fullmatch, plain) if found}
    levels = 1 + max(level for level, _ in norms)
    config = {
        "block_out_channels": [norms[level, 0].shape[0] for level in range(levels)],
        "motion_layers_per_block": 1 + max(layer for _, layer in norms),
        "motion_max_seq_length": next(tensor.shape[1] for name, tensor in plain.items() if name.endswith(".pe")),
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in plain),
    }
    return config, convert_animatediff_checkpoint_to_diffusers(plain)


@dataclass(frozen=True)
class LoraLayer:
    """What one LoRA adds to one layer: ``scale * up @ down``, with up (out, rank) and down (rank, in * kernel)."""

    module: nn.Linear | nn.Conv2d
    down: Tensor
    up: Tensor
    scale: float


_LORA_SIDE = re.compile(
    r"(.+?)(?:\.lora_|\.lora\.|_lora\.|\.lora_linear_layer\.|:)(A|B|down|up)(?:\.default)?(?:\.weight)?"
)


def read_lora(path: Path, unet: nn.Module, text_encoder: nn.Module) -> tuple[list[LoraLayer], dict[str, Tensor]]:
    """The layers of a LoRA file, and the embeddings of the tokens it teaches (by token; mostly none).

    Understood are diffusers' three namings (peft, and the two before it), kohya's, and the numbered one of
    cloneofsimo's trainer. Raises WeightsError for other kinds and for layers that this model does not have or fit.
    """
    header, tensors = read_header(path), read_tensors(path)
    tokens = {name: tensors.pop(name) for name in list(tensors) if header.get(name) == "<embed>"}
    numbers = _numbered_layers(unet, text_encoder, tensors)
    targets = {
        _flat_layer(f"{part}.{name}"): (part, name, layer)
        for part, module in (("unet", unet), ("text_encoder", text_encoder))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    alphas = {name.removesuffix(".alpha"): tensors.pop(name) for name in list(tensors) if name.endswith(".alpha")}
    sides: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _LORA_SIDE.fullmatch(name)
        if found is None:
            raise WeightsError(
                f"'{path.name}' has the tensor '{name}', which is of no LoRA kind known here (plain LoRA)."
            )
        side = {"A": "down", "B": "up"}.get(found[2], found[2])
        sides.setdefault(found[1], {})[side] = tensor
    adapter = json.loads(header.get("lora_adapter_metadata", "{}"))
    layers = []
    for name, pair in sides.items():
        part, place, module = targets.get(_flat_layer(numbers.get(name, name)), ("", "", None))
        if module is None or len(pair) < 2:
            raise WeightsError(
                f"'{path.name}' changes '{name}', a layer this model does not have: another model's LoRA."
            )
        down, up = pair["down"].flatten(1).float(), pair["up"].flatten(1).float()
        if (up.shape[0], up.shape[1], down.shape[1]) != (len(module.weight), len(down), module.weight[0].numel()):
            raise WeightsError(
                f"'{path.name}' does not fit: '{name}' is for a layer of {up.shape[0]} x {down.shape[1]}, this model's is "
                f"{len(module.weight)} x {module.weight[0].numel()}; it was made for another model."
            )
        alpha = alphas[name].item() if name in alphas else _peft_alpha(adapter, part, place)
        root = math.sqrt(len(down)) if adapter.get(f"{part}.use_rslora") else len(down)
        layers.append(LoraLayer(module, down, up, 1.0 if alpha is None else alpha / root))
    return layers, tokens


def _flat_layer(name: str) -> str:
    """One spelling for the layer names of all trainers: "unet_down_blocks_0_..." or "text_encoder_encoder_layers_0_..."."""
    flat = name.replace(".processor", "").replace(".", "_")
    flat = re.sub(r"^lora_unet_", "unet_", flat)
    flat = re.sub(r"^(lora_te1?_|text_encoder_)(text_model_)?", "text_encoder_", flat)
    if flat.startswith("text_encoder_"):
        return re.sub(r"_to_(q|k|v|out)$", r"_\1_proj", flat)
    flat = flat if flat.startswith(("unet_", "lora_")) else f"unet_{flat}"
    return re.sub(r"_to_out$", "_to_out_0", flat)


def _peft_alpha(adapter: Mapping[str, Any], part: str, place: str) -> float | None:
    """The alpha that peft wrote for a layer, where the file has peft's settings; None stands for the rank."""
    for pattern, alpha in (adapter.get(f"{part}.alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", place):
            return float(alpha)
    return adapter.get(f"{part}.lora_alpha")


def _numbered_layers(unet: nn.Module, text_encoder: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For names such as "unet:12:down" what each number stands for: the layers in the order the trainer walked them.

    It walked the middle block last; in a block the feed-forward came before the second attention in the diffusers of
    its day, and after it later, which the width of layer 4 tells apart.
    """
    if "unet:0:down" not in tensors and "text_encoder:0:down" not in tensors:
        return {}
    blocks = [name for name, module in unet.named_modules() if type(module).__name__ == "BasicTransformerBlock"]
    blocks.sort(key=lambda name: name.startswith("mid_block"))
    attn1, attn2 = (
        [f"{attention}.{to}" for to in ("to_q", "to_k", "to_v", "to_out.0")] for attention in ("attn1", "attn2")
    )
    forward = ["ff.net.0.proj"]
    probe = tensors.get("unet:4:up")
    early = probe is None or len(probe) == len(unet.get_submodule(f"{blocks[0]}.ff.net.0.proj").weight)  # type: ignore[arg-type]
    order = [*attn1, *forward, *attn2] if early else [*attn1, *attn2, *forward]
    walks = {
        "unet": [f"{block}.{layer}" for block in blocks for layer in order],
        "text_encoder": [
            f"{name}.{to}"
            for name, module in text_encoder.named_modules()
            if type(module).__name__ == "CLIPAttention"
            for to in ("k_proj", "v_proj", "q_proj", "out_proj")
        ],
    }
    return {f"{part}:{index}": f"{part}.{name}" for part, walk in walks.items() for index, name in enumerate(walk)}
