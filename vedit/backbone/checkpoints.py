"""Weight files: reading them, checking them, and the names that different trainers gave the same tensors.

Everything here ends in diffusers' (and transformers') own names, so that one strict filling serves every format.
Pickles are read as tensors only; whatever else is in one is refused.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vedit.errors import WeightsError, first_line
from vedit.files import check_plain, file_digest, read_json
from vedit.warning_filters import filtered

ORIGINAL_UNET = "model.diffusion_model."
ORIGINAL_PREFIXES = (ORIGINAL_UNET, "first_stage_model.", "cond_stage_model.")
"""The three parts of a model's original single file; its EMA copy and training state are left on disk."""

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""Kinds of numbers that weights are read in."""

LARGEST_WEIGHTS = 32 * 2**30
"""Bytes of a file of weights; a whole model of Stable Diffusion with its training state has 8 GB."""

LARGEST_HEADER = 16 * 2**20
"""Bytes of a safetensors file's header; that of a whole model has 200 KB."""

MOST_TENSORS = 8000
"""In one file; a whole model has about 2,000."""

LONGEST_NAME = 400
"""Characters of a tensor's name."""

_OLD_VAE_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_GIT_LFS = b"version https://git-lfs"


def read_config(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises WeightsError when it is missing or holds something else."""
    try:
        return read_json(path, WeightsError)
    except FileNotFoundError:
        raise WeightsError(f"'{path}' is missing: the folder of a model in diffusers' layout has one.") from None


def read_header(path: Path) -> dict[str, str]:
    """The free-form metadata of a safetensors file; empty for other files."""
    return {} if path.suffix != ".safetensors" else _open_safetensors(path, ())[0]


def read_tensors(files: Path | Iterable[Path], prefixes: tuple[str, ...] = ("",)) -> dict[str, Tensor]:
    """The tensors of one model, from one file or several, whose names start with one of ``prefixes``.

    Raises WeightsError for a file that is damaged or holds more than tensors, for numbers that are no plain floats,
    and for NaN or infinity (with the name).
    """
    tensors: dict[str, Tensor] = {}
    for path in [files] if isinstance(files, Path) else files:
        tensors.update(
            _open_safetensors(path, prefixes)[1] if path.suffix == ".safetensors" else _unpickled(path, prefixes)
        )
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype not in FLOATS:
            raise WeightsError(
                f"'{name}' is quantised ({str(tensor.dtype).removeprefix('torch.')}): expected float16, bfloat16 or "
                "float32."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"the tensor '{name}' holds NaN or infinity: the file is damaged, fetch it again.")
    return tensors


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a safetensors file. Raises as ``read_tensors`` does."""
    return read_header(path), read_tensors(path)


def tensor_names(path: Path) -> list[str]:
    """The names of a file's tensors; of a safetensors file without reading them. Raises as ``read_tensors`` does."""
    if path.suffix != ".safetensors":
        return list(read_tensors(path))
    with _safetensors(path) as file:
        return list(file.keys())


def _open_safetensors(path: Path, prefixes: tuple[str, ...]) -> tuple[dict[str, str], dict[str, Tensor]]:
    with _safetensors(path) as file:
        names = [name for name in file.keys() if name.startswith(prefixes)]  # noqa: SIM118 (not a mapping)
        return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in names}


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    """A safetensors file, once its header is known to be of a size that a header has. Raises WeightsError."""
    check_plain(path, LARGEST_WEIGHTS, WeightsError)
    with path.open("rb") as file:
        said = int.from_bytes(file.read(8), "little")
    if said > LARGEST_HEADER:
        raise _damaged(path, "its header is said to be longer than any")
    try:
        with safe_open(path, framework="pt") as file:
            _check_names(path, file.keys())
            yield file
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _unpickled(path: Path, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    check_plain(path, LARGEST_WEIGHTS, WeightsError)
    try:
        _check_zip(path)
        with filtered("ignore"):  # an unusual pickle protocol is no concern of the user's
            content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        if "unsupported global" in str(error).lower():
            raise WeightsError(
                f"'{path}' holds more than tensors, which could run code when opened; use its .safetensors form."
            ) from error
        raise _damaged(path, "not a file of tensors") from error
    except Exception as error:  # torch's reader of pickles meets junk with whatever its bytes lead to
        raise _damaged(path, "not a file of tensors" if isinstance(error, LookupError) else error) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = _named_tensors(content) if isinstance(content, dict) else {}
    if not tensors:
        raise WeightsError(f"'{path}' holds no named tensors: expected the weights of a model.")
    _check_names(path, tensors)
    size = path.stat().st_size
    whole = all(
        each.layout == torch.strided and not each.is_quantized and not each.is_meta and each.nbytes <= size
        for each in tensors.values()
    )
    if not whole or sum(each.nbytes for each in tensors.values()) > 4 * size:
        raise WeightsError(f"'{path}' holds tensors that are not stored whole; use its .safetensors form.")
    return {name: value for name, value in tensors.items() if name.startswith(prefixes)}


def _named_tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a mapping, and of the mappings in it under their names too: "image_proj.proj.weight"."""
    named = {name: each for name, each in content.items() if isinstance(name, str)}
    tensors = {name: each for name, each in named.items() if isinstance(each, Tensor)}
    for part, inner in named.items():
        if isinstance(inner, dict):
            tensors |= {
                f"{part}.{name}": each
                for name, each in inner.items()
                if isinstance(name, str) and isinstance(each, Tensor)
            }
    return tensors


def _check_zip(path: Path) -> None:
    """Raise WeightsError for a zip archive of more than it weighs: PyTorch compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        held = archive.infolist()
    if any(each.compress_type != zipfile.ZIP_STORED for each in held) or (
        sum(each.file_size for each in held) > path.stat().st_size
    ):
        raise WeightsError(f"'{path}' is compressed, which weights never are; use its .safetensors form.")


def _check_names(path: Path, names: Collection[str]) -> None:
    if len(names) > MOST_TENSORS or any(len(name) > LONGEST_NAME for name in names):
        raise WeightsError(
            f"'{path}' has {len(names):,} tensors, the longest name of {max(map(len, names)):,} characters; expected "
            f"at most {MOST_TENSORS:,}, and {LONGEST_NAME}: it is no model of Stable Diffusion, nor what goes with one."
        )


def _damaged(path: Path, error: Exception | str) -> WeightsError:
    with path.open("rb") as file:
        if file.read(len(_GIT_LFS)) == _GIT_LFS:
            return WeightsError(f"'{path}' is a Git LFS pointer, not the weights: run `git lfs pull` in its folder.")
    reason = first_line(error)[:120]
    return WeightsError(f"'{path}' cannot be read ({reason}): it is damaged or cut short, fetch it again.")


@dataclass(frozen=True)
class Identity:
    """What weights came from: the digests of their files, in order, and remarks (LoRAs' scales). Paths do not count.

    As a string: 32 hex digits.
    """

    files: tuple[bytes, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Sequence[Path]) -> Identity:
        return cls().also(files)

    def also(self, files: Sequence[Path], remark: str | None = None) -> Identity:
        """That of these files too."""
        for path in files:
            check_plain(path, LARGEST_WEIGHTS, WeightsError)  # a device has no end
        digests = [file_digest(path) for path in files]
        remarks = self.remarks if remark is None else (*self.remarks, remark)
        return Identity((*self.files, *digests), remarks)

    def remarked(self, remark: str) -> Identity:
        """With a further remark."""
        return Identity(self.files, (*self.remarks, remark))

    def __str__(self) -> str:
        whole = hashlib.blake2b(digest_size=16)
        for digest in self.files:
            whole.update(digest)
        whole.update("\n".join(self.remarks).encode())
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
        if own[name].is_floating_point() and not tensor.is_floating_point():
            raise WeightsError(
                f"the weights of the {what} are quantised ('{name}' is {str(tensor.dtype).removeprefix('torch.')}): "
                "expected float16, bfloat16 or float32."
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
            "...'. A LoRA goes to --lora, a tuned adapter to --adapter, motion modules to --motion-adapter."
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
    from diffusers.loaders import single_file_utils as original

    if any(name.startswith("cond_stage_model.model.") for name in tensors):
        text = original.convert_open_clip_checkpoint(text_encoder, tensors)
    else:
        text = original.convert_ldm_clip_checkpoint(tensors)
    return (
        original.convert_ldm_unet_checkpoint(tensors, dict(unet)),
        modern_vae(original.convert_ldm_vae_checkpoint(tensors, dict(vae))),
        modern_text_encoder(text),
    )


def flat_unet_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of Tune-A-Video's UNet as that of the 2-D UNet it was inflated from."""
    flat = dict(config, _class_name="UNet2DConditionModel")
    for field in ("down_block_types", "up_block_types"):
        kinds = config.get(field)
        if not isinstance(kinds, list):
            raise WeightsError(f"the config of Tune-A-Video's unet has no {field}; expected a list of kinds of blocks.")
        flat[field] = [str(kind).replace("3D", "2D") for kind in kinds]
    flat["mid_block_type"] = "UNetMidBlock2DCrossAttn"
    return flat


def motion_from_original(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The MotionAdapter config and tensors of one of AnimateDiff's own files (mm_sd_v14, v15, v15_v2, v3).

    The config is read off the shapes: v1 knows 24 frames and v2 and later 32; only v2 has modules in the middle.
    """
    from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers

    plain = {name.removeprefix("module."): tensor for name, tensor in tensors.items() if ".motion_modules." in name}
    if not plain:
        raise WeightsError("the motion file holds no AnimateDiff motion modules (names with '.motion_modules.').")
    norm = re.compile(r"down_blocks\.(\d)\.motion_modules\.(\d)\.temporal_transformer\.norm\.weight")
    norms = {(int(found[1]), int(found[2])): plain[found[0]] for found in map(norm.fullmatch, plain) if found}
    places = [tensor for name, tensor in plain.items() if name.endswith(".pe")]
    levels = 1 + max((level for level, _ in norms), default=-1)
    if not norms or not places or places[0].ndim != 3 or any((level, 0) not in norms for level in range(levels)):
        raise WeightsError("the motion file lacks norms or positions that AnimateDiff's motion modules have.")
    config = {
        "block_out_channels": [norms[level, 0].numel() for level in range(levels)],
        "motion_layers_per_block": 1 + max(layer for _, layer in norms),
        "motion_max_seq_length": places[0].shape[1],
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in plain),
    }
    try:
        return config, convert_animatediff_checkpoint_to_diffusers(plain)
    except Exception as error:  # the converter trusts the layout that it expects
        raise WeightsError(f"the motion file does not have the layers of AnimateDiff's: {error}.") from error
