"""What is wrong with a picture, wherever one is given."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.adapters import images
from tests.bad.case import Case
from tests.bad.things import Desk

SIZE = (96, 64)


def animate(desk: Desk, path: Path) -> list[object]:
    return ["animate", path, "--model", desk.good.model, "--steps", 1, "--frames", 2, "-o", desk.out / "o.mp4"]


def first(desk: Desk, path: Path) -> list[object]:
    return desk.edit("--first", path)


def inspect(desk: Desk, path: Path) -> list[object]:
    return ["inspect", "image", path, "--model", desk.good.model, "-o", desk.out / "o.png"]


def learn(desk: Desk, path: Path) -> list[object]:
    folder = desk.bad / "subject"
    folder.mkdir()
    images.pictures(1, side=32)[0].save(folder / "good.png")
    path.rename(folder / path.name)
    quick = ["--steps", 1, "--prior-pictures", 0, "--size", 16, "-o", desk.out / "o.safetensors"]
    return ["learn", "subject", folder, "--as", "<rex> dog", "--model", desk.good.model, *quick]


def look(desk: Desk, path: Path) -> list[object]:
    return desk.edit("--image", path)


def picture() -> Image.Image:
    return images.pictures(1, side=SIZE[0])[0].resize(SIZE)


def cut_short(desk: Desk, name: str, mode: str = "RGB", **how: object) -> Path:
    """A picture whose header is sound, and whose second half is missing."""
    path = desk.bad / name
    picture().convert(mode).save(path, **how)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG in RGB of this size, whatever its rows hold."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb(desk: Desk) -> Path:
    """A few kilobytes that would be 4 billion pixels."""
    return desk.file("bomb.png", png(65_535, 65_535, zlib.compress(bytes(10**6))))


def note(desk: Desk) -> Path:
    """A small picture, with a text that would be hundreds of megabytes."""
    whole, text = png(8, 8, zlib.compress(bytes(200))), b"a\0\0" + zlib.compress(bytes(3 * 10**8), 1)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    return desk.file("note.png", whole[:33] + chunk + whole[33:])


def moving(desk: Desk) -> Path:
    one, *others = images.pictures(3, side=32)
    one.save(desk.bad / "moving.webp", save_all=True, append_images=others)
    return desk.bad / "moving.webp"


GIVEN: dict[str, Callable[[Desk, Path], list[object]]] = {
    "animate": animate,
    "edit --first": first,
    "inspect image": inspect,
    "learn subject": learn,
    "--image": look,
}

WRONG: dict[str, tuple[Callable[[Desk], Path], str]] = {
    "a PNG cut short": (lambda d: cut_short(d, "half.png"), "half.png"),
    "a JPEG cut short": (lambda d: cut_short(d, "half.jpg", quality=95), "half.jpg"),
    "a JPEG in CMYK cut short": (lambda d: cut_short(d, "ink.jpg", "CMYK"), "ink.jpg"),
    "a palette cut short": (lambda d: cut_short(d, "few.png", "P"), "few.png"),
    "16 bits cut short": (lambda d: cut_short(d, "deep.png", "I;16"), "deep.png"),
    "a WebP cut short": (lambda d: cut_short(d, "half.webp", lossless=True), "half.webp"),
    "a BMP cut short": (lambda d: cut_short(d, "half.bmp"), "half.bmp"),
    "a decompression bomb": (bomb, "bomb.png is too large to decode safely"),
    "a bomb of text": (note, "note.png"),
    "a picture that moves": (moving, "moving.webp is animated, with 3 frames"),
}


def _case(give: Callable[[Desk, Path], list[object]], make: Callable[[Desk], Path], said: str) -> Case:
    return (lambda desk: give(desk, make(desk)), said, "")


PICTURES: dict[str, Case] = {
    f"{what}, given to {where}": _case(give, make, said)
    for what, (make, said) in WRONG.items()
    for where, give in GIVEN.items()
}
