"""What a batch writes into its folder beside the outputs."""

from __future__ import annotations

PAGE = "index.html"
STATUS = "status.jsonl"
LOCK = ".batch.lock"
PREVIEWS = "previews"
PICTURES = "pictures"

OWN = PAGE, STATUS, LOCK, PREVIEWS, PICTURES
"""Names that no output can have."""
