"""A Stable Diffusion checkpoint made to work on clips.

The name is imported when it is first asked for: it brings in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedit.backbone.model import Backbone

__all__ = ["Backbone"]


def __getattr__(name: str) -> Any:
    if name == "Backbone":
        from vedit.backbone.model import Backbone

        return Backbone
    raise AttributeError(f"module 'vedit.backbone' has no attribute '{name}'")
