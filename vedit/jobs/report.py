"""``--report``: a page that plays one result, with all that made it."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from vedit.clip.arrays import to_bytes
from vedit.clip.lazy import LazyClip
from vedit.clip.preview import preview
from vedit.config.named_files import fields_written
from vedit.jobs.results import Saved
from vedit.report.page import Cell, write_page

FIRST = ("prompt", "source_prompt", "seed", "model")
"""Settings that are told first."""


def write_report(path: Path, result: Saved, source: LazyClip | None = None) -> Path:
    """Write the page of a result, beside its source where there is one; the videos are in it, as small as a notebook's.

    Raises MediaError where it cannot be written.
    """
    config, shown = result.config, result.shown
    beside = source if source is not None and len(source) == len(shown) else None
    player = preview(
        shown.frames, shown.rate, shown.audio, "the source, and the result" if beside else "",
        None if beside is None else beside.frames,
    )  # fmt: skip
    left_out = {*config.transient, *fields_written(type(config))}
    told = config.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
    values = {**{name: getattr(config, name) for name in FIRST if hasattr(config, name)}, **told}
    settings = [(name.replace("_", " "), _told(value)) for name, value in values.items() if value is not None]
    figures = [(name.replace("_", " "), f"{value:.3g}") for name, value in getattr(result, "metrics", {}).items()]
    made_with = [("fingerprint" if name == "model" else name, value) for name, value in result.made_with.items()]
    lines = [*settings, *figures, *made_with]
    cell = Cell("", config.prompt, path.stem, lines, player=player + _seams(result, source))
    write_page(path, config.prompt or path.stem, [cell], overwrite=config.overwrite)
    return path


def _seams(result: Saved, source: LazyClip | None) -> str:
    """HTML of the worst places where windows met: the frames on both sides, the source's above."""
    told = ""
    for seam in getattr(result, "seams", ()):
        shown, around = result.shown, (seam.frame - 1, seam.frame)
        assert isinstance(shown, LazyClip), "what is seen in windows is never whole in memory"
        rows = [torch.cat(list(each.pick(around).frames), dim=2) for each in (source, shown) if each is not None]
        picture = torch.cat(rows, dim=1)
        content = BytesIO()
        Image.fromarray(to_bytes(picture)).save(content, format="PNG")
        address = f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"
        said = f"where windows met, frames {around[0]} and {around[1]}: {seam.ratio:.2f} times the usual change"
        told += f'<figure><img src="{address}" alt="{said}"><figcaption>{said}</figcaption></figure>'
    return told


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_told(each) for each in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={_told(each)}" for key, each in value.items() if each is not None)
    return str(value)
