"""What is wrong with pictures whose look is to be taken, and with IP-Adapters."""

from __future__ import annotations

import os
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from tests.adapters import images
from tests.bad.case import Case
from tests.bad.things import Desk


def shown(desk: Desk, *pictures: object, adapter: object = None) -> list[object]:
    flags = [each for picture in pictures for each in ("--image", picture)]
    return desk.edit(*flags, *(() if adapter is None else ("--image-adapter", adapter)))


def picture(desk: Desk, name: str = "look.png", **more: Any) -> object:
    """A picture that is sound."""
    Image.new("RGB", (20, 30), (200, 30, 30)).save(desk.bad / name, **more)
    return desk.bad / name


def cut_short(desk: Desk) -> object:
    """A picture whose header is sound."""
    path = desk.bad / "short.png"
    images.pictures(1, side=200)[0].save(path)
    return desk.file("short.png", path.read_bytes()[:5000])


def animated(desk: Desk) -> object:
    first, *others = images.pictures(3)
    first.save(desk.bad / "moving.webp", save_all=True, append_images=others)
    return desk.bad / "moving.webp"


def huge(desk: Desk) -> object:
    """A header that speaks of more pixels than any picture has."""
    whole = bytearray((desk.bad / picture(desk).name).read_bytes())  # type: ignore[attr-defined]
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return desk.file("huge.png", bytes(whole))


def malicious(desk: Desk) -> object:
    """A pickle that makes a folder where it is opened without care."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(desk.out / "executed"),)

    torch.save({"image_proj": Evil(), "ip_adapter": {}}, desk.bad / "evil.bin")
    return desk.bad / "evil.bin"


def with_encoder(desk: Desk, adapter: object) -> object:
    """An adapter, an image encoder beside it."""
    images.encoder_folder(desk.bad / "image_encoder")
    return adapter


def another(desk: Desk, kind: str) -> object:
    """An IP-Adapter of a kind that is not known."""
    tensors = {f"image_proj.{name}": torch.ones(8, 8) for name in ("proj.0.weight", "proj.2.weight", "norm.weight")}
    if kind == "lora":
        tensors = {"lora_A.weight": torch.ones(2, 2)}
    save_file({**tensors, **({} if kind == "lora" else {"ip_adapter.1.to_k_ip.weight": torch.ones(8, 8)})},
              desk.bad / "other.safetensors")  # fmt: skip
    return desk.bad / "other.safetensors"


IMAGES: dict[str, Case] = {
    "no picture": (lambda d: shown(d, d.bad / "no.png"), "no.png does not exist", "expected a picture"),
    "a clip as picture": (lambda d: shown(d, d.good.clip), "are no pictures", "expected a picture"),
    "junk as picture": (lambda d: shown(d, d.file("a.png", "junk")), "a.png cannot be read", "expected one of PNG"),
    "an empty picture": (lambda d: shown(d, d.file("a.jpg", "")), "a.jpg", "expected"),
    "a picture that moves": (lambda d: shown(d, animated(d)), "is animated, with 3 frames", "save the one"),
    "a picture too large": (lambda d: shown(d, huge(d)), "too large to decode safely", "huge.png"),
    "a TIFF named PNG": (
        lambda d: shown(d, picture(d, "look.png", format="TIFF")),
        "look.png cannot be read as a picture",
        "expected one of PNG",
    ),
    "pictures out of order": (
        lambda d: shown(d, f"3:{picture(d)}", f"1:{picture(d)}"),
        "comes at 1",
        "expected each after the other",
    ),
    "a picture on a beat that nobody knows": (
        lambda d: shown(d, f"2b:{picture(d)}"),
        "'2b' counts beats",
        "give --audio, or --bpm",
    ),
    "a weight that leaves its range": (lambda d: shown(d, f"{picture(d)}:[50*t]"), "50*t", "expected 0 to 3"),
    "a mask that is not there": (
        lambda d: shown(d, f"{picture(d)}:mask={d.bad / 'no.png'}"),
        "no.png does not exist",
        "expected a picture or a video",
    ),
    "no adapter for this model": (
        lambda d: shown(d, picture(d)),
        "no IP-Adapter is known that fits this model",
        "--image-adapter",
    ),
    "an adapter that is not there": (
        lambda d: shown(d, picture(d), adapter=d.bad / "no.bin"),
        "no.bin' is no file of an IP-Adapter",
        "expected",
    ),
    "an adapter without its encoder": (
        lambda d: shown(d, picture(d), adapter=another(d, "faceid")),
        "there is no image encoder beside",
        "--image-encoder",
    ),
    "an adapter of a face's identity": (
        lambda d: shown(d, picture(d), adapter=with_encoder(d, another(d, "faceid"))),
        "other.safetensors",
        "base, plus, plus-face, full-face",
    ),
    "a LoRA as adapter": (
        lambda d: shown(d, picture(d), adapter=with_encoder(d, another(d, "lora"))),
        "other.safetensors' is no IP-Adapter",
        "base, plus, plus-face, full-face",
    ),
    "an adapter that would run code": (
        lambda d: shown(d, picture(d), adapter=with_encoder(d, malicious(d))),
        "evil.bin' holds more than tensors",
        "use its .safetensors form",
    ),
    "a picture cut short": (
        lambda d: shown(d, cut_short(d), adapter=with_encoder(d, another(d, "lora"))),
        "short.png is damaged",
        "",
    ),
}
