"""Weights of words in a prompt, in AUTOMATIC1111's notation: ``(word)``, ``((word))``, ``[word]``, ``(word:1.6)``.

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
_NO_NUMBER = re.compile(r":\s*([^\s:()\[\]]+)\s*$")
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
        for opening in reversed([index for index, (kind, _) in enumerate(opened) if kind == bracket]):
            _, begin = opened.pop(opening)
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


def doubts(text: str) -> list[str]:
    """What in a prompt's brackets may be meant otherwise than ``read`` takes it; a sentence for each."""
    found: list[str] = []
    opened: list[tuple[str, int]] = []
    for piece in _PIECE.finditer(text):
        if piece[0] in ("(", "["):
            opened.append((piece[0], piece.start()))
        elif piece[0][-1] in ")]" and not piece[0].startswith("\\"):
            kind = "(" if piece[0].endswith(")") else "["
            opening = next((index for index in reversed(range(len(opened))) if opened[index][0] == kind), None)
            if opening is None:
                continue
            inside = text[opened.pop(opening)[1] + 1 : piece.start()]
            if piece[0] == ")" and (odd := _NO_NUMBER.search(inside)):
                found.append(
                    f"in '({_cut(inside)})' the weight '{_cut(odd[1])}' is no number, so all of it is said as it is "
                    f"and counts {ONCE:g}; expected (WORD:1.4)"
                )
    for kind, begin in opened:
        counts = ONCE if kind == "(" else 1 / ONCE
        found.append(
            f"the bracket of '{_cut(text[begin:])}' is not closed, so all that stands behind it counts {counts:.2g}; "
            "expected (WORD:1.4)"
        )
    return found


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def escaped(text: str) -> str:
    """A prompt that ``read`` gives back as it is."""
    return re.sub(r"[()\[\]\\]", r"\\\g<0>", text)
