"""A Stable Diffusion checkpoint made to work on clips."""

from vedit.backbone.loading import load_backbone
from vedit.backbone.model import Backbone

__all__ = ["Backbone", "load_backbone"]
