"""ControlNets that run under the same attention kind as the UNet beside them (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import ControlNetModel
from torch import Tensor, nn

from vedit.backbone import checkpoints, model_files
from vedit.backbone.frame_chunks import ChunkedOnOutOfMemory
from vedit.backbone.loading import empty, for_inference
from vedit.backbone.model import Backbone
from vedit.backbone.notes import ModelNotes
from vedit.entrances.residuals import Residuals
from vedit.errors import WeightsError
from vedit.mapped import let_go
from vedit.request import Frames, Timestep, flat_timestep
from vedit.synonyms import nearest

PUBLISHED: Mapping[int, Mapping[str, str]] = {
    768: {
        "edge": "lllyasviel/control_v11p_sd15_canny",
        "soft_edge": "lllyasviel/control_v11p_sd15_softedge",
        "lineart": "lllyasviel/control_v11p_sd15_lineart",
        "depth": "lllyasviel/control_v11f1p_sd15_depth",
        "pose": "lllyasviel/control_v11p_sd15_openpose",
        "tile": "lllyasviel/control_v11f1e_sd15_tile",
    },
    1024: {
        "edge": "thibaud/controlnet-sd21-canny-diffusers",
        "soft_edge": "thibaud/controlnet-sd21-hed-diffusers",
        "lineart": "thibaud/controlnet-sd21-lineart-diffusers",
        "depth": "thibaud/controlnet-sd21-depth-diffusers",
        "pose": "thibaud/controlnet-sd21-openposev2-diffusers",
    },
}
"""Hub ids of the ControlNets that are taken when none is named: by the width of the model's text encoder (768 is SD
1.x, 1024 SD 2.x) and by kind."""

ALL = slice(None)
"""All frames of a clip."""

_FITTING = ("block_out_channels", "layers_per_block", "cross_attention_dim")


class ControlNet:
    """One ControlNet beside one backbone: with the same attention kind, kernel, device and dtype."""

    def __init__(self, net: ControlNetModel, backbone: Backbone, fingerprint: str = "", channels: int = 3) -> None:
        """Raises WeightsError where the net is not made for a UNet like the backbone's, and pictures of so many
        ``channels``."""
        if net.config.conditioning_channels != channels:
            raise WeightsError(
                f"the ControlNet looks at pictures of {net.config.conditioning_channels} channels, and these have "
                f"{channels}; name another."
            )
        own = {field: backbone.unet.config.get(field) for field in _FITTING}
        # Of the latents alone: a ControlNet also goes with a UNet that takes further channels beside them.
        own["in_channels"] = backbone.vae.config.latent_channels
        for field, ours in own.items():
            theirs = net.config.get(field)
            if theirs is not None and _plain(theirs) != _plain(ours):
                raise WeightsError(
                    f"the ControlNet has {field} {_plain(theirs)}, this model {_plain(ours)}: they do not belong "
                    "together. Name one that was trained for this model."
                )
        factor = 2 ** (len(net.config.conditioning_embedding_out_channels) - 1)
        if factor != backbone.vae_scale_factor:
            raise WeightsError(
                f"the ControlNet takes pictures {factor} times as large as the latents, this model's are "
                f"{backbone.vae_scale_factor} times: they do not belong together."
            )
        self.net = for_inference(net, backbone.device, backbone.dtype)
        self.fingerprint = fingerprint
        self._backbone = backbone
        self._chunked = ChunkedOnOutOfMemory(net)
        backbone.share_attention(net)

    def __call__(self, pictures: Tensor, x: Tensor, t: Timestep, text: Tensor, where: Frames = ALL) -> Residuals:
        """The residuals of the ``pictures`` of a clip, (F, 3, H, W) in [0, 1] for all of its frames (6 channels for the
        ControlNet `motion`), at timestep ``t``,
        or (F,) of each frame, for the latents ``x`` (F, 4, h, w) of those frames ``where`` they are, which all branches
        share, and ``text`` (N, T, D) or (N, F, T, D).

        Runs the ControlNet once for all guidance branches where they share their prompt, or where it reads none.
        """
        backbone, branches, frames = self._backbone, len(text), len(x)
        # Whether prompts that vary in time are alike may change from window to window, and with it what is anchored.
        told_apart = backbone.anchored and text.ndim == 4
        shared = not told_apart and all(torch.equal(each, text[0]) for each in text[1:])
        alike = shared or not reads_words(self.net)
        words = text[:1] if alike else text
        if words.ndim == 3:
            words = words[:, None].expand(-1, frames, -1, -1)
        with backbone.step_context(frames):
            down, mid = self._chunked(
                x.numel() * len(words),
                lambda: self.net(
                    x.to(backbone.dtype).repeat(len(words), 1, 1, 1),
                    flat_timestep(t, len(words), frames).to(backbone.device),
                    words.flatten(0, 1).to(backbone.device, backbone.dtype),
                    controlnet_cond=pictures[where].to(backbone.device, backbone.dtype).repeat(len(words), 1, 1, 1),
                    return_dict=False,
                ),
            )
        let_go(pictures)
        copies = branches // len(words)
        return Residuals(tuple(each.repeat(copies, 1, 1, 1) for each in down), mid.repeat(copies, 1, 1, 1))


@model_files.reading_weights()
def load_controlnet(kind: str, name: str | None, backbone: Backbone, channels: int = 3) -> ControlNet:
    """The ControlNet that ``name`` stands for: a folder in diffusers' layout or a hub id. None is the one that the
    model brings along for this kind of control, else the published one for models of its width. Its pictures have so
    many ``channels``.

    Raises WeightsError when there is none, and for one that is damaged or does not fit the model.
    """
    folder = locate(kind, name, backbone.unet.config.cross_attention_dim, backbone.folder, backbone.notes)
    net = empty_controlnet(folder)
    files = model_files.part_files(folder, "")
    checkpoints.fill(net, checkpoints.read_tensors(files), "ControlNet")
    return ControlNet(net, backbone, str(checkpoints.Identity.of(files)), channels)


def empty_controlnet(folder: Path) -> ControlNetModel:
    """The ControlNet in a folder, without its weights. Raises WeightsError."""
    config = checkpoints.read_config(folder / "config.json")
    if config.get("_class_name", "ControlNetModel") != "ControlNetModel":
        raise WeightsError(f"'{folder}' is a {config['_class_name']}; expected a ControlNetModel.")
    return empty(ControlNetModel, config)


def reads_words(net: nn.Module) -> bool:
    """Whether a ControlNet has cross-attention to the prompt."""
    return any(name.endswith("attn2") for name, _ in net.named_modules())


def locate(
    kind: str, name: str | None, width: int, model: Path | None, notes: ModelNotes, *, weights: bool = True
) -> Path:
    """The folder of the ControlNet that ``name`` stands for beside a model whose text encoder has this ``width``, with
    its folder and notes; from the hub, its ``weights`` or only its config. Raises WeightsError.
    """
    if name is None:
        own = notes.controls if model is not None else {}
        if model is not None and kind in own:
            return model / own[kind]
        published = PUBLISHED.get(width, {})
        if kind not in published:
            known = {**published, **own}
            hint = f" Known for this model: {', '.join(known)}." if known else ""
            raise WeightsError(
                f"no ControlNet for '{kind}' is known that fits this model; name one with net=, a folder or a hub "
                f"id.{hint}"
            )
        name = published[kind]
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if model_files.is_hub_id(name):
        return model_files.from_hub(name, ("",), weights=weights)
    here = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    hint = f"; {nearest(path.name, here)}" if here else ""
    raise WeightsError(f"'{name}' is no folder and no hub id of a ControlNet{hint}.")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, (list, tuple)) else value
