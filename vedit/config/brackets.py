"""Weights of words as they are written in a prompt elsewhere: ``(word)``, ``((word))``, ``[word]``, ``(word:1.6)``.

Source: AUTOMATIC1111's web UI, "Attention/emphasis". A round bracket multiplies by 1.1, a square one divides by it, a
number behind a colon takes the place of a round one's 1.1; brackets within each other multiply; one that is not closed
reaches to the end. A backslash before a bracket or a backslash means the character itself.
"""

from __future__ import annotations

import re
from itertools import groupby

ONCE = 1.1
"""What one bracket multiplies by."""

_PIECE = re.compile(r"\\[()\[\]\\]|:\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*\)|[()\[\]]|[^()\[\]\\:]+|.", re.DOTALL)
_LORA = re.compile(r"<(?:lora|lyco|hypernet):([^:>]*)")
_SCHEDULE = re.compile(r"(?<!\\)\[[^\[\]]*[:|][^\[\]]*\]")


def read(text: str) -> tuple[str, list[tuple[str, float]]]:
    """The prompt without its brackets, and the words within them, each with its weight.

    Raises ValueError for what the same web UI writes in a prompt, and vedit has a setting for.
    """
    if found := _LORA.search(text):
        raise ValueError(f"names a LoRA in the prompt; expected --lora {found[1] or 'FILE'}:0.8 beside it")
    if found := _SCHEDULE.search(text):
        raise ValueError(
            f"changes as it is denoised in '{found[0]}'; expected (WORD:1.2), or --prompt-at TIME:PROMPT beside it"
        )
    said: list[tuple[str, float]] = []
    opened: list[tuple[str, int]] = []

    def close(bracket: str, factor: float) -> None:
        for place in reversed([index for index, (kind, _) in enumerate(opened) if kind == bracket]):
            _, begin = opened.pop(place)
            said[begin:] = [(words, weight * factor) for words, weight in said[begin:]]
            return
        said.append((")" if bracket == "(" else "]", 1.0))  # nothing to close

    for piece in _PIECE.findall(text):
        if piece in ("(", "["):
            opened.append((piece, len(said)))
        elif piece == ")":
            close("(", ONCE)
        elif piece == "]":
            close("[", 1 / ONCE)
        elif piece.startswith(":") and piece.endswith(")") and any(kind == "(" for kind, _ in opened):
            close("(", float(piece[1:-1]))
        else:
            said.append((piece[1:] if piece.startswith("\\") and len(piece) > 1 else piece, 1.0))
    while opened:
        close(opened[-1][0], ONCE if opened[-1][0] == "(" else 1 / ONCE)
    weighted = []
    for weight, pieces in groupby(said, lambda each: round(each[1], 6)):
        words = "".join(piece for piece, _ in pieces).strip(" \t\n,.;:!?")
        if words and weight != 1:
            weighted.append((words, weight))
    return "".join(piece for piece, _ in said), weighted


def escaped(text: str) -> str:
    """A prompt that ``read`` gives back as it is."""
    return re.sub(r"[()\[\]\\]", r"\\\g<0>", text)
