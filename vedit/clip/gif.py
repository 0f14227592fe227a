"""GIFs checked for damage. They carry no checksums, and decoders make pictures of whatever they hold."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

WIDEST = 12
"""Bits of a code at most."""


def damage(data: bytes) -> str | None:
    """What is wrong with a GIF, or None: each picture must be of valid codes that give just as many pixels as it has.

    Source: CompuServe, Graphics Interchange Format, version 89a.
    """
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        return "it does not begin as a GIF"
    at = 13 + _palette(data[10])
    count = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            return None
        if kind == 0x21:
            _, at = _blocks(data, at + 2)
        elif kind == 0x2C and at + 11 <= len(data):
            width, height = (int.from_bytes(data[at + side : at + side + 2], "little") for side in (5, 7))
            at += 10 + _palette(data[at + 9])
            if at >= len(data):
                break
            codes, after = _blocks(data, at + 1)
            if after > len(data):
                break
            if not 1 <= data[at] <= 8 or _pixels(codes, data[at]) != width * height:
                return f"picture {count} is damaged"
            at, count = after, count + 1
        else:
            return f"there is something that is no picture after picture {count - 1}" if count else "it is damaged"
    return f"it breaks off after {count} pictures"


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> tuple[bytes, int]:
    """What blocks of up to 255 bytes hold together, and where they end; past the end where they are cut short."""
    parts = []
    while at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts), at + 1


def _pixels(data: bytes, depth: int) -> int | None:
    """How many pixels LZW codes give, the lengths of their strings alone being followed; None for codes that cannot be.

    A code is one bit wider each time the table has grown to the next power of two, so it is known beforehand how many
    there are of each width between two clearings.
    """
    codes, clear = np.frombuffer(data, np.uint8), 1 << depth
    total, at, goes_on = 0, 0, True
    while goes_on:
        found, at, goes_on = _until_clear(codes, at, depth)
        lengths, last = [1] * clear + [0, 0], 0
        for code in found:
            if last and len(lengths) < 1 << WIDEST:
                lengths.append(last + 1)
            if code >= len(lengths):
                return None
            last = lengths[code]
            total += last
    return total


def _until_clear(data: NDArray[np.uint8], at: int, depth: int) -> tuple[list[int], int, bool]:
    """The codes from bit ``at`` up to one that clears the table, where the next begins, and whether there is any: not
    after the code that ends the picture (which some writers leave out)."""
    clear, end = 1 << depth, (1 << depth) + 1
    found: list[int] = []
    for width in itertools.chain(range(depth + 1, WIDEST), itertools.repeat(WIDEST)):
        wanted = clear - 1 if width == depth + 1 else 1 << width - 1
        many = min(wanted, (8 * len(data) - at) // width)
        bits = np.unpackbits(data[at // 8 : (at + many * width + 7) // 8], bitorder="little")
        codes = bits[at % 8 :][: many * width].reshape(many, width) @ (1 << np.arange(width))
        marks = np.flatnonzero((codes == clear) | (codes == end))
        if len(marks):
            first = int(marks[0])
            return [*found, *codes[:first].tolist()], at + (first + 1) * width, bool(codes[first] == clear)
        found += codes.tolist()
        at += many * width
        if many < wanted:
            break
    return found, at, False
