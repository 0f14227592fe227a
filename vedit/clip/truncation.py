"""Whether a file is cut short: it ends before the length that it states."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_MOST_PARTS = 1_000_000
"""Parts of a file that are walked through; what has more is not judged."""

_UNKNOWN_SIZE = 0x7FFF0000
"""Bytes: writers that do not know how long a RIFF file (wav, avi) will be state this or more."""

_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
"""What an MP4 or QuickTime file may begin with."""

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
"""Matroska's elements that hold the others."""


def lacks_end(path: Path) -> bool:
    """Whether a file of a kind that states its own length (MP4, QuickTime, Matroska, WebM, AVI, WAV, Ogg, GIF) is
    shorter than that. Files of other kinds, and those that state no length, are never said to be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] == b"RIFF":
            return _riff(file, size)
        if head[:4] == b"OggS":
            return _ogg(file, size)
        if head[:4] == b"\x1aE\xdf\xa3":
            return _matroska(file, size)
        if head[4:] in _BOXES:
            return _boxes(file, size)
        if head[:3] == b"GIF":
            return _gif(file, size)
    return False


def _riff(file: BinaryIO, size: int) -> bool:
    """RIFF, then the bytes that follow; long AVI files are several of them in a row."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        stated = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not 0 < stated < _UNKNOWN_SIZE:
            return False
        at += 8 + stated + stated % 2
    return at > size + 1  # some leave out the last byte of padding


def _ogg(file: BinaryIO, size: int) -> bool:
    """RFC 3533: a page begins with OggS, and bit 2 of its sixth byte marks the last one."""
    file.seek(max(0, size - 2 * 65536))  # no page is longer than 65,307 bytes
    tail = file.read()
    page = tail.rfind(b"OggS")
    return len(tail) <= page + 5 or not tail[page + 5] & 4


def _boxes(file: BinaryIO, size: int) -> bool:
    """ISO 14496-12: each box begins with its length in 4 bytes, its kind, and where the first is 1 its length in 8."""
    at = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if len(head) < 8 or length < 8:  # the end, a box that reaches to it, or what is no box
            return False
        at += length
        if at >= size:
            return at > size
    return False


def _matroska(file: BinaryIO, size: int) -> bool:
    """RFC 8794: elements of an ID, a length, and as many bytes. Those of unknown length, which live recordings have,
    are walked into."""
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at > size
        file.seek(at)
        head = file.read(12)
        wide = 9 - head[0].bit_length()
        if wide > 4:
            return False  # no element: damaged, or padded
        if len(head) <= wide:
            return True
        long = 9 - head[wide].bit_length()
        if long > 8:
            return False
        if len(head) < wide + long:
            return True
        kind = int.from_bytes(head[:wide], "big")
        length = int.from_bytes(head[wide : wide + long], "big") & ((1 << 7 * long) - 1)
        at += wide + long
        if length == (1 << 7 * long) - 1:
            if kind not in (_SEGMENT, _CLUSTER):
                return False
        else:
            at += length
    return False


def _gif(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - 1024))
    return not file.read().rstrip(b"\0").endswith(b";")
