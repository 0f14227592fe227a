"""A folder that holds one small network of motion: its config and its weights in half precision."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from vedit.atomic import whole_file
from vedit.backbone import checkpoints
from vedit.backbone.schemas import fault
from vedit.errors import WeightsError

CONFIG, WEIGHTS = "config.json", "model.safetensors"

Config = TypeVar("Config")


def save_network(network: nn.Module, config: Any, kind: str, folder: Path, *, overwrite: bool = False) -> None:
    """Write a network and its ``config``, a dataclass, into a folder.

    Args:
        kind: what the config says that it is of, as diffusers' do

    Raises:
        MediaError: where a file is there already, or cannot be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().half().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with whole_file(folder / WEIGHTS, overwrite) as beside:
        save_file(tensors, beside)
    with whole_file(folder / CONFIG, overwrite) as beside:
        beside.write_text(json.dumps({"_class_name": kind, **asdict(config)}, indent=2) + "\n")


def read_network_config(folder: Path, config: type[Config], kind: str, writer: str) -> Config:
    """The config of the network of this ``kind`` in a folder, which ``writer`` wrote. Raises WeightsError."""
    path = folder / CONFIG
    told = checkpoints.read_config(path)
    if told.pop("_class_name", kind) != kind:
        raise WeightsError(f"'{path}' is of something else; expected a {kind}, which `{writer}` writes.")
    try:
        return config(**told)
    except ValidationError as error:
        raise WeightsError(f"'{path}': {fault(error)}.") from error


def check_weights(folder: Path, writer: str) -> None:
    """Raises WeightsError where a folder has no weights."""
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(f"no {WEIGHTS} in '{folder}': expected what `{writer}` wrote.")


def read_weights(network: nn.Module, folder: Path, name: str) -> None:
    """Fill a network, called ``name`` in errors, with the weights of a folder, in float32. Raises WeightsError."""
    tensors = checkpoints.read_tensors(folder / WEIGHTS)
    checkpoints.fill(network, {key: each.float() for key, each in tensors.items()}, name)
