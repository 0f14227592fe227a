"""Where an IP-Adapter lies, and the image encoder that it looks through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vedit.backbone import model_files
from vedit.backbone.model import Backbone
from vedit.backbone.outline import Outline
from vedit.config.paths import expand_home
from vedit.errors import WeightsError
from vedit.synonyms import nearest

REPOSITORY = "h94/IP-Adapter"

PUBLISHED: Mapping[str, str] = {
    "base": "models/ip-adapter_sd15.safetensors",
    "plus": "models/ip-adapter-plus_sd15.safetensors",
    "plus-face": "models/ip-adapter-plus-face_sd15.safetensors",
    "full-face": "models/ip-adapter-full-face_sd15.safetensors",
}
"""Files of the published repository, for Stable Diffusion 1.x, by their kinds."""

PUBLISHED_WIDTH = 768
"""Of the text encoder of the models that they are for."""

ENCODER = "image_encoder"
"""The folder of the image encoder, beside an IP-Adapter's file or in a model's folder."""


@dataclass(frozen=True)
class ImageFiles:
    """The file of an IP-Adapter, and the folder of its image encoder."""

    adapter: Path
    encoder: Path

    @classmethod
    @model_files.reading_weights()
    def of(
        cls, adapter: str | None, encoder: str | None, model: Backbone | Outline, *, fetch: bool = True
    ) -> ImageFiles | None:
        """Those that names stand for; None where they have to be fetched from the hub, and ``fetch`` is off.

        Args:
            adapter: a file, a kind of ``PUBLISHED``, or "owner/name/path/in/the/repository"; None for the model's own,
                else the published one
            encoder: a folder, or a hub id; None for the one beside the adapter, else the model's own

        Raises:
            WeightsError: for what there is not
        """
        file = _adapter(adapter, model, fetch)
        if file is None:
            return None
        folder = _encoder(encoder, file, model, fetch)
        return None if folder is None else cls(file, folder)


def _adapter(name: str | None, model: Backbone | Outline, fetch: bool) -> Path | None:
    own, width = model.notes.image_adapter, _width(model)
    if name is None and own and model.folder is not None:
        return model.folder / own
    if name is None or name in PUBLISHED:
        if width != PUBLISHED_WIDTH:
            raise WeightsError(
                "no IP-Adapter is known that fits this model; name the file of one that was trained for it, "
                "--image-adapter (training/README.md trains one)."
            )
        found = model_files.hub_files(REPOSITORY, PUBLISHED[name or "base"], f"models/{ENCODER}/*", fetch=fetch)
        return None if found is None else found / PUBLISHED[name or "base"]
    path = expand_home(name)
    if path.is_file():
        return path
    owner, _, rest = name.partition("/")
    repository, _, inside = rest.partition("/")
    if inside and model_files.is_hub_id(f"{owner}/{repository}") and not path.parent.is_dir():
        beside = (Path(inside).parent / ENCODER).as_posix()
        found = model_files.hub_files(f"{owner}/{repository}", inside, f"{beside}/*", fetch=fetch)
        return None if found is None else found / inside
    raise WeightsError(
        f"'{name}' is no file of an IP-Adapter; expected .safetensors or .bin, or one of {', '.join(PUBLISHED)}; "
        f"{nearest(name, PUBLISHED)}"
    )


def _encoder(name: str | None, adapter: Path, model: Backbone | Outline, fetch: bool) -> Path | None:
    if name is not None:
        path = expand_home(name)
        if path.is_dir():
            return path
        if model_files.is_hub_id(name):
            return model_files.hub_files(name, "config.json", "model.safetensors", fetch=fetch)
        raise WeightsError(f"'{name}' is no folder and no hub id of an image encoder.")
    places = [adapter.parent / ENCODER, *([model.folder / ENCODER] if model.folder is not None else [])]
    for place in places:
        if place.is_dir():
            return place
    raise WeightsError(
        f"there is no image encoder beside '{adapter}': put the folder {ENCODER} there, of the CLIP that it was "
        "trained with, or name one with --image-encoder."
    )


def _width(model: Backbone | Outline) -> int:
    return model.text_width if isinstance(model, Outline) else int(model.unet.config.cross_attention_dim)
