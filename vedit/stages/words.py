"""Prompts as stages name them: what the text encoder says of one depends on the others in one case alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.backbone.prompts import chunks_of

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


@dataclass(frozen=True)
class Words:
    """One prompt.

    Attributes:
        text: what it says
        beside: the prompts that it is embedded together with, itself among them, where they are of other lengths than
            it; else empty, so that nothing that is made with it depends on them
    """

    text: str
    beside: tuple[str, ...] = ()

    def embedded(self, backbone: Backbone) -> Tensor:
        """(1, T, D)."""
        if not self.beside:
            return backbone.embed([self.text])
        index = self.beside.index(self.text)
        return backbone.embed(self.beside)[index : index + 1]


def words_of(tokenizer: CLIPTokenizer, *texts: str) -> tuple[Words, ...]:
    """Prompts that are used together, in their order: all come out of one T."""
    lengths = {chunks_of(tokenizer, text) for text in texts}
    together = texts if len(lengths) > 1 else ()
    return tuple(Words(text, together) for text in texts)
