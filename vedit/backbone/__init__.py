"""A Stable Diffusion checkpoint made to work on clips.

Names are imported when they are first asked for: loading a model brings in diffusers, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedit.backbone.loading import load_backbone
    from vedit.backbone.model import Backbone

__all__ = ["Backbone", "load_backbone"]


def __getattr__(name: str) -> Any:
    if name == "load_backbone":
        from vedit.backbone.loading import load_backbone

        return load_backbone
    if name == "Backbone":
        from vedit.backbone.model import Backbone

        return Backbone
    raise AttributeError(f"module 'vedit.backbone' has no attribute '{name}'")
