"""Finding the files of a model: from its name to a folder or file on this machine, fetched from the hub if need be.

A name is "mini" (the model inside the package), a short name of ``HUB_NAMES``, a folder in diffusers' layout, a single
weights file, or a hub id "owner/name". What is in the hub's local cache is used as it is; only what is missing is asked
for, and of a repository only the files that are read here: no safety checker, no pickles where safetensors exist.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from huggingface_hub import list_repo_files, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

import vedit
from vedit.config import HUB_NAMES
from vedit.config.paths import expand_home
from vedit.errors import WeightsError

MINI = Path(vedit.__file__).parent / "miniature" / "weights"
"""The embedded model, in diffusers' layout."""

WEIGHT_NAMES: Mapping[str, tuple[str, str]] = {
    "unet": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "vae": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "text_encoder": ("model", "pytorch_model"),
    "": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
}
"""For each part (a sub-folder; "" is a motion adapter's own folder) the stem of its .safetensors and its .bin file."""

PARTS = ("unet", "vae", "text_encoder")
SINGLE_FILES = (".safetensors", ".ckpt")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_OTHER_FILES = ("tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json")
_CONFIGS = ("model_index.json", "config.json", "*/config.json", "tokenizer/*", "scheduler/*")

_ALONE = threading.RLock()
"""Held while weights are read: what diffusers and transformers import and set on the way belongs to the process."""


@contextmanager
def reading_weights() -> Iterator[None]:
    """Within the block, which one thread enters at a time, a file or folder that this user may not read is a
    WeightsError that names it."""
    try:
        with _ALONE:
            yield
    except PermissionError as error:
        raise WeightsError(f"no permission to read '{error.filename}'; ask for it, or name another file.") from error
    except OSError as error:  # a link to nothing or to itself, a disk that fails
        raise WeightsError(f"'{error.filename or 'a file'}' cannot be read: {error.strerror or error}.") from error


@reading_weights()
def locate(name: str | Path, *, weights: bool = True) -> Path:
    """The folder or single file that a name stands for; from the hub what is missing, its ``weights`` or only configs.

    Raises WeightsError when the name stands for nothing, with the nearest short name, or when the hub does not give it.
    """
    path = expand_home(name)
    if name == "mini":
        if not (MINI / "unet").is_dir():
            raise WeightsError(
                f"the embedded model is missing from {MINI}: install vedit again, or name another model."
            )
        return MINI
    if name in HUB_NAMES:
        return from_hub(HUB_NAMES[str(name)], weights=weights)
    if path.is_dir():
        return path
    if path.is_file():
        if path.suffix not in SINGLE_FILES:
            raise WeightsError(f"'{path}' is no model: expected a folder in diffusers' layout or a .safetensors file.")
        return path
    if is_hub_id(name):
        return from_hub(str(name), weights=weights)
    near = get_close_matches(str(name), ["mini", *HUB_NAMES], n=2)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known names: mini, {', '.join(HUB_NAMES)}."
    raise WeightsError(f"'{name}' is no folder, no .safetensors file and no hub id 'owner/name'; {hint}")


def is_hub_id(name: str | Path) -> bool:
    """Whether a name reads as "owner/name" and is not a path on this machine."""
    return isinstance(name, str) and _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def weight_files(names: Iterable[str], part: str) -> list[str]:
    """The weight files of one part among ``names`` (relative, "unet/x.safetensors"); empty when there are none.

    Safetensors before pickles, full precision before fp16; the files of a split model in order, and only when all are
    there. The same choice on every machine, so that a model's fingerprint does not depend on the device.
    """
    prefix = f"{part}/" if part else ""
    held = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    for stem, suffix in zip(WEIGHT_NAMES[part], ("safetensors", "bin"), strict=True):
        for variant in ("", ".fp16"):
            whole = f"{stem}{variant}.{suffix}"
            if whole in held:
                return [prefix + whole]
            shard = re.compile(rf"{re.escape(stem + variant)}-\d+-of-(\d+)\.{suffix}")
            shards = sorted(name for name in held if shard.fullmatch(name))
            if shards and len(shards) == int(shard.fullmatch(shards[0]).group(1)):  # type: ignore[union-attr]
                return [prefix + name for name in shards]
    return []


def part_files(folder: Path, part: str) -> list[Path]:
    """The weight files of one part of a model's folder. Raises WeightsError when there are none."""
    names = [path.relative_to(folder).as_posix() for path in (folder / part).glob("*")]
    chosen = weight_files(names, part)
    if not chosen:
        wanted = f"{WEIGHT_NAMES[part][0]}.safetensors"
        raise WeightsError(f"no weights for the {part or 'motion adapter'} in '{folder / part}': expected {wanted}.")
    return [folder / name for name in chosen]


def held_files(folder: Path) -> list[Path]:
    """The weight files of all parts of a model's folder; empty where any are missing."""
    names = [path.relative_to(folder).as_posix() for part in PARTS for path in (folder / part).glob("*")]
    found = [weight_files(names, part) for part in PARTS]
    return [folder / name for part in found for name in part] if all(found) else []


def from_hub(repo: str, parts: tuple[str, ...] = PARTS, *, weights: bool = True) -> Path:
    """The local snapshot of a hub repository, holding its configs, its tokenizer and the ``weights`` of its parts.

    Raises WeightsError when it is neither cached nor reachable.
    """
    cached = _cached(repo)
    if cached is not None and _complete(cached, parts, weights):
        return cached
    try:
        names = list_repo_files(repo)
        chosen = [name for part in parts for name in weight_files(names, part)] if weights else []
        return Path(snapshot_download(repo, allow_patterns=[*_CONFIGS, *chosen]))
    except RepositoryNotFoundError as error:
        gated = isinstance(error, GatedRepoError)
        why = (
            "asks for its licence to be accepted on its page, and a login" if gated else "is not on the hub, or private"
        )
        raise WeightsError(f"'{repo}' {why}; log in with `hf auth login` if you have access.") from error
    except Exception as error:  # the network fails in many libraries' ways; the cause stays attached
        raise WeightsError(
            f"'{repo}' is not in the local cache and the hub cannot be reached ({type(error).__name__}): "
            "connect once to fetch it, or name a folder on this machine."
        ) from error


def hub_files(repo: str, *patterns: str, fetch: bool = True) -> Path | None:
    """The local snapshot of a hub repository with the files that match; None where they are not here and ``fetch`` is
    off.

    Raises WeightsError when they are neither cached nor reachable.
    """
    cached = _cached(repo)
    if cached is not None and all(any(cached.glob(pattern)) for pattern in patterns):
        return cached
    if not fetch:
        return None
    try:
        return Path(snapshot_download(repo, allow_patterns=list(patterns)))
    except Exception as error:  # the network fails in many libraries' ways; the cause stays attached
        raise WeightsError(
            f"'{repo}' is not in the local cache and the hub cannot be reached ({type(error).__name__}): "
            "connect once to fetch it, or name a file on this machine."
        ) from error


def _cached(repo: str) -> Path | None:
    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except IncompleteSnapshotError as error:  # always so after a fetch from here: files that nothing reads are left out
        return Path(error.snapshot_path)
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


def _complete(folder: Path, parts: tuple[str, ...], weights: bool) -> bool:
    names = [path.relative_to(folder).as_posix() for path in folder.glob("**/*")]
    needed = ["config.json"] if parts == ("",) else [*(f"{part}/config.json" for part in parts), *_OTHER_FILES]
    found = all(weight_files(names, part) for part in parts) if weights else True
    return found and all(name in names for name in needed)


def reference_folder(file: Path, family: str) -> Path:
    """Where the configs and the tokenizer of a single file are: the folder of its name beside it, else the hub's cache.

    ``family`` is the short name of the model it descends from. Raises WeightsError saying what to provide.
    """
    beside = file.with_suffix("")
    if beside.is_dir():
        return beside
    try:
        return from_hub(HUB_NAMES[family], weights=False)
    except WeightsError as error:
        raise WeightsError(
            f"'{file.name}' holds weights only: put a folder '{beside.name}' beside it with the unet, vae, "
            f"text_encoder, tokenizer and scheduler configs of its model (diffusers' layout), or connect once to fetch "
            f"those of {HUB_NAMES[family]}."
        ) from error
