"""Videos, pictures and sounds that are damaged, mislabelled, called oddly, or claim what cannot be."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

import av
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.odd.case import Case, Desk, Make, drawn
from vedit.clip import read_clip
from vedit.clip.audio_file import SOUNDS
from vedit.clip.images import PICTURES, RATE_KEY
from vedit.clip.video_track import SUFFIXES

CONTAINERS = (".mp4", ".mov", ".mkv", ".webm", ".gif")
EXTREMES = (0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
BOXES = (
    b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr", b"minf", b"stbl", b"stsd",
    b"avc1", b"avcC", b"mp4a", b"esds", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco", b"mdat", b"udta",
)  # fmt: skip
NAMES = (
    "²", "~", "~nobody", "-x", "--help", "a:b", "http:", "concat:a", "%05d", "a\nb", "\x1b[31mred", "\u202egpj", " ",
    "..", "x" * 240, "猫" * 80, "\udcff", "a'b\"c", "$(x)", "*", "a;b", "NUL", "é", "0" * 200, "٣", ".hidden", "a#b?c",
)  # fmt: skip


def video(desk: Desk, random: Random) -> Path:
    """A healthy video of any kind of container."""
    suffix = random.choice(CONTAINERS)
    if suffix == ".mp4":
        return desk.copy(desk.good.clip)
    clip = read_clip(desk.good.clip)
    clip.save(desk.given / f"clip{suffix}")
    return desk.given / f"clip{suffix}"


def sound(desk: Desk, random: Random) -> Path:
    """A healthy sound file of any kind."""
    suffix, codec = random.choice(
        ((".wav", "pcm_s16le"), (".mp3", "libmp3lame"), (".flac", "flac"), (".opus", "libopus"), (".m4a", "aac"),
         (".aac", "aac"), (".aiff", "pcm_s16be"), (".mka", "libopus"), (".ogg", "flac"), (".caf", "pcm_s16be"))
    )  # fmt: skip
    path = desk.given / f"sound{suffix}"
    with av.open(str(desk.good.sound)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=8000 if codec != "libopus" else 48000, layout="mono")
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def seen(desk: Desk, random: Random, clip: Path) -> list[object]:
    """A command that reads a clip."""
    more = random.choice(((), (), (), ("--allow-partial",), ("--start", 1), ("--stride", 2), ("--frames", 3)))
    way = random.random()
    if way < 0.15:
        return desk.edit("--dry-run", *more, clip=clip)
    if way < 0.35:
        return desk.edit(*more, clip=clip)
    return ["inspect", "edge", *more, "-o", desk.out / "o.mp4", "--size", 32, "--", clip]


def heard(desk: Desk, random: Random, file: Path) -> list[object]:
    """A command that reads a sound."""
    if random.random() < 0.3:
        return desk.generate("--audio", file)
    return ["inspect", "audio", "-o", desk.out / "o.png", "--", file]


Spoil = Callable[[bytearray, Random], bytearray]


def cut(data: bytearray, random: Random) -> bytearray:
    return data[: random.choice((random.randrange(len(data)), len(data) - random.randint(1, 40)))]


def flipped(data: bytearray, random: Random) -> bytearray:
    for _ in range(random.choice((1, 1, 3, 30))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return data


def written_over(data: bytearray, random: Random) -> bytearray:
    at, size = random.randrange(len(data)), random.choice((1, 4, 100, 2000))
    size = min(size, len(data) - at)
    data[at : at + size] = random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))
    return data


def headed(data: bytearray, random: Random) -> bytearray:
    """A few numbers among the first bytes, where sizes and counts are."""
    for _ in range(random.choice((1, 1, 2, 4))):
        at, form = random.randrange(min(len(data) - 8, 600)), random.choice((">I", "<I", ">H", "<H", "B", ">Q"))
        value = random.choice(EXTREMES) % 256 ** struct.calcsize(form)
        data[at : at + struct.calcsize(form)] = struct.pack(form, value)
    return data


def boxed(data: bytearray, random: Random) -> bytearray:
    """MP4's boxes: their sizes, their kinds and the numbers in them."""
    there = [match.start() for match in re.finditer(b"|".join(BOXES), bytes(data))]
    for _ in range(random.choice((1, 1, 2))):
        if not there:
            return headed(data, random)
        at, way = random.choice(there), random.randrange(3)
        if way == 0:
            data[max(0, at - 4) : at] = struct.pack(">I", random.choice((*EXTREMES, 7, 8, 9)))
        elif way == 1:
            data[at : at + 4] = random.choice(BOXES)
        else:
            place = at + 4 + 4 * random.randrange(12)
            data[place : place + 4] = struct.pack(">I", random.choice(EXTREMES))
    return data


def shuffled(data: bytearray, random: Random) -> bytearray:
    """Two stretches exchanged, one repeated, or one taken out."""
    first, middle, last = sorted(random.randrange(len(data)) for _ in range(3))
    one, two = data[first:middle], data[middle:last]
    return random.choice((
        data[:first] + two + one + data[last:],
        data[:first] + one + one + data[middle:],
        data[:first] + data[middle:],
        data + data,
        random.randbytes(random.choice((1, 100))) + data,
    ))  # fmt: skip


def spoilt_video(spoil: Spoil) -> Make:
    def make(desk: Desk, random: Random) -> list[object]:
        path = video(desk, random)
        path.write_bytes(spoil(bytearray(path.read_bytes()), random))
        return seen(desk, random, path)

    return make


def spoilt_sound(desk: Desk, random: Random) -> list[object]:
    path = sound(desk, random)
    spoil = random.choice((cut, flipped, written_over, headed, headed, shuffled))
    path.write_bytes(spoil(bytearray(path.read_bytes()), random))
    return heard(desk, random, path)


def mp4_boxes(desk: Desk, random: Random) -> list[object]:
    path = desk.copy(desk.good.clip)
    path.write_bytes(boxed(bytearray(path.read_bytes()), random))
    return heard(desk, random, path) if random.random() < 0.2 else seen(desk, random, path)


def other_suffix(desk: Desk, random: Random) -> list[object]:
    path = random.choice((video, sound))(desk, random)
    suffix = random.choice((*SUFFIXES, *SOUNDS, *PICTURES, ".MP4", ".txt", "", ".", ".mp4.gz", ".yaml"))
    path = path.rename(path.with_name(f"other{suffix}"))
    return heard(desk, random, path) if random.random() < 0.5 else seen(desk, random, path)


def odd_name(desk: Desk, random: Random) -> list[object]:
    path = random.choice((video, sound))(desk, random)
    stem = os.fsencode(random.choice(NAMES))[:240]
    place = Path(os.fsdecode(os.path.join(os.fsencode(desk.given), stem + os.fsencode(path.suffix))))  # noqa: PTH118
    path = path.rename(place)
    return (heard if path.suffix in SOUNDS else seen)(desk, random, path)


def no_file(desk: Desk, random: Random) -> list[object]:
    """A pipe, a device, a folder, a link that leads nowhere or to itself, a socket, a file of the system."""
    suffix = random.choice((".mp4", ".gif", ".png", ".wav", ".mkv", ".jpg", ".ogg", ""))
    path = desk.given / f"a{suffix}"
    way = random.randrange(9)
    if way == 0:
        os.mkfifo(path)
    elif way in (1, 2, 3):
        path.symlink_to(("/dev/zero", "/dev/stdin", "/proc/self/mem")[way - 1])
    elif way == 4:
        path.mkdir()
        os.mkfifo(path / "0.png")
        (path / "1.png").symlink_to("/dev/zero")
    elif way == 5:
        path.symlink_to(path)
    elif way == 6:
        path.symlink_to(desk.given / "gone")
    elif way == 7:
        with socket.socket(socket.AF_UNIX) as bound:
            os.chdir(desk.given)
            bound.bind(path.name)
            os.chdir(desk.out)
    else:
        path = Path(random.choice(("/dev/zero", "/dev/null", "/proc/self/mem", "/", "", ".", "-")))
    use = random.randrange(4)
    if use == 0:
        return heard(desk, random, path)
    if use == 1:
        return desk.edit("--mask", path)
    if use == 2:
        return desk.edit("--control", f"edge:{path}")
    return seen(desk, random, path)


def sparse(desk: Desk, random: Random) -> list[object]:
    """A beginning, and then a hole of many gigabytes."""
    path = random.choice((video, sound))(desk, random)
    data = path.read_bytes()
    with path.open("wb") as file:
        file.write(data[: random.choice((0, 40, len(data) // 2, len(data)))])
        file.truncate(random.choice((10**8, 10**10, 10**12)))
    return (heard if path.suffix in SOUNDS else seen)(desk, random, path)


def png(width: int, height: int, rows: bytes, depth: int = 8, kind: int = 2) -> bytes:
    """A PNG that says so of itself, whatever it holds."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def odd_picture(path: Path, random: Random) -> Path:
    way = random.randrange(9)
    if way == 0:
        width, height = (random.choice((0, 1, 4000, 8000, 2**16, 2**31 - 1)) for _ in range(2))
        path.write_bytes(
            png(width, height, zlib.compress(bytes(10**7)), random.choice((1, 8, 16)), random.randrange(7))
        )
        return path
    if way == 1:
        Image.new(random.choice(("1", "L")), (8000, 8000)).save(path, format="PNG")
        return path
    note = PngInfo()
    if way == 2:
        note.add_text(RATE_KEY, random.choice(("1e9999999", "9" * 9999, "nan", "-1", "1/0", "1e-9", "\x00")))
    if way == 3:
        note.add_text(random.choice(("x", RATE_KEY)), "y" * random.choice((10, 10**6)), zip=True)
    modes = ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F", "CMYK", "YCbCr", "PA", "HSV", "LAB")
    picture = Image.new(random.choice(modes) if way == 4 else "RGB", random.choice(((46, 30), (1, 1), (3000, 1))))
    kind = random.choice(("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "ICO"))
    try:
        picture.save(path, format=kind, exif=random.randbytes(50)) if way == 5 else picture.save(
            path, format="PNG" if way in (2, 3) else kind, **({"pnginfo": note} if way in (2, 3) else {})
        )
    except (OSError, KeyError, ValueError):
        picture.convert("RGB").save(path, format="PNG")
    if way > 5:
        spoil = random.choice((cut, flipped, written_over, headed))
        path.write_bytes(spoil(bytearray(path.read_bytes()), random))
    return path


def pictures(desk: Desk, random: Random) -> list[object]:
    folder = desk.given / "pictures"
    folder.mkdir()
    for index in range(random.choice((1, 2, 5))):
        name = random.choice((str(index), f"{NAMES[random.randrange(8)]}{index}", "0" * 200 + str(index), f"²{index}"))
        path = folder / f"{name.replace('/', '')}{random.choice(PICTURES)}"
        if random.random() < 0.6:
            odd_picture(path, random)
        else:
            Image.new("RGB", (46, 30)).save(path)
    return seen(desk, random, folder)


def one_picture(desk: Desk, random: Random) -> list[object]:
    path = odd_picture(desk.given / f"a{random.choice(PICTURES)}", random)
    return desk.edit("--mask", path) if random.random() < 0.5 else desk.edit("--control", f"edge:{path}")


def many_pictures(desk: Desk, random: Random) -> list[object]:
    """A folder of more pictures than anyone has memory for."""
    folder = desk.given / "many"
    folder.mkdir()
    first = odd_picture(folder / "0.png", random) if random.random() < 0.3 else folder / "0.png"
    if not first.exists():
        Image.new("RGB", (46, 30)).save(first)
    for index in range(1, 20_000):
        os.link(first, folder / f"{index}.png")
    few = random.choice((("--frames", 4), ("--start", 19_990)))
    return ["inspect", "edge", "--size", 8, *few, "-o", desk.out / "o.mp4", folder]


def stamped(desk: Desk, random: Random) -> list[object]:
    """The packets of a healthy clip with other time stamps, and another unit of time."""
    kind = random.choice((".mkv", ".mp4", ".mov", ".avi"))
    path = desk.given / f"stamped{kind}"
    stamps = {
        "same": lambda index: 5,
        "pairs": lambda index: 100 * (index // 2),
        "far": lambda index: 100 * index if index < 3 else 2**31 + index,
        "hole": lambda index: 100 * index + (10**8 if index > 2 else 0),
        "pause": lambda index: 100 * index + (5000 if index > 2 else 0),
        "dense": lambda index: index,
        "slow": lambda index: 10**6 * index,
        "any": lambda index: sum(random.choice((1, 40, 1000, 10**6)) for _ in range(index)),
        "negative": lambda index: 100 * index - 10**6,
    }
    chosen = stamps[random.choice(list(stamps))]
    tick = random.choice((Fraction(1, 1000), Fraction(1, 90000), Fraction(1), Fraction(1, 2**31 - 1)))
    try:
        with av.open(str(desk.good.clip)) as source, av.open(str(path), "w") as out:
            stream = source.streams.video[0]
            copied = out.add_stream_from_template(stream)
            packets = [packet for packet in source.demux(stream) if packet.size]
            for index, packet in enumerate(packets):
                packet.pts = packet.dts = chosen(index)
                packet.time_base, packet.stream = tick, copied
                out.mux(packet)
    except (av.FFmpegError, OverflowError):  # which cannot be written into this container
        pass
    return seen(desk, random, path)


def wav_header(desk: Desk, random: Random) -> list[object]:
    """A wav file whose header says what it likes."""
    channels = random.choice((0, 1, 2, 3, 7, 8, 9, 16, 64, 255, 65535))
    bits = random.choice((0, 1, 8, 12, 16, 24, 32, 64, 65535))
    rate = random.choice((0, 1, 999, 8000, 44100, 192_000, 10**6, 2**31 - 1, 2**32 - 1))
    kind = random.choice((1, 1, 1, 3, 6, 7, 2, 17, 85, 65534, 0, 65535))
    data = random.choice((bytes(40_000), random.randbytes(40_000), b"\xff" * 40_000))
    stated = random.choice((len(data), len(data), 0, 1, 2**31, 2**32 - 1))
    block = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * block % 2**32, block % 2**16, bits)
    path = desk.file("a.wav", b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + head)
    path.write_bytes(path.read_bytes() + struct.pack("<4sI", b"data", stated) + data)
    return heard(desk, random, path)


def long_sound(desk: Desk, random: Random) -> list[object]:
    """Hours of next to nothing, in a file of few bytes or in a hole of many."""
    path = desk.given / "long.wav"
    rate, channels = random.choice((8000, 48000, 96000)), random.choice((1, 2, 8))
    seconds = random.choice((3500, 3700, 86400))
    size = min(rate * channels * 2 * seconds, 2**32 - 100)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE" + head + struct.pack("<4sI", b"data", size))
        file.truncate(44 + size)
    return ["inspect", "audio", "-o", desk.out / "o.png", "--audio-duration", 5, path] if seconds > 3600 else [
        "inspect", "audio", "-o", desk.out / "o.png", path, "--frames", 20, "--audio-start", seconds + 10**6,
    ]  # fmt: skip


def metadata(desk: Desk, random: Random) -> list[object]:
    """Texts in a file's metadata that are shown nowhere, or should not be obeyed."""
    path = desk.given / f"told{random.choice(('.mp4', '.mkv'))}"
    words = {"title": "\x1b[2J" * 9, "DURATION": "x" * 10_000, "rotate": "nan", "comment": "\udcff", "encoder": "a\nb"}
    with av.open(str(desk.good.clip)) as source, av.open(str(path), "w") as out:
        copied = {each.index: out.add_stream_from_template(each) for each in source.streams}
        for key in random.sample(sorted(words), 2):
            value = words[key].encode("utf-8", "replace").decode()
            out.metadata[key] = value
            copied[0].metadata[key] = value
        for packet in source.demux():
            if packet.size:
                packet.stream = copied[packet.stream.index]
                out.mux(packet)
    return seen(desk, random, path)


def options(desk: Desk, random: Random) -> list[object]:
    """A healthy clip, asked for what cannot be taken of it."""
    value = random.choice((0, -1, 1, 4, 5, 6, 10**9, 10**19, "1e3", "nan", "", "٣", "0x10", "1_0", 2.5, "-0"))
    flag = random.choice(("--start", "--stride", "--frames", "--size", "--fps", "--crf"))
    return desk.edit(f"{flag}={value}", clip=shutil.copy(desk.good.clip, desk.given / "a.mp4"))


def mask_clip(desk: Desk, random: Random) -> list[object]:
    path = video(desk, random)
    if random.random() < 0.6:
        path.write_bytes(random.choice((cut, flipped, headed))(bytearray(path.read_bytes()), random))
    return desk.edit("--mask", path)


MAKERS: dict[str, Make] = {
    "cut": spoilt_video(cut),
    "flipped": spoilt_video(flipped),
    "boxes": mp4_boxes,
    "written over": spoilt_video(written_over),
    "headed": spoilt_video(headed),
    "shuffled": spoilt_video(shuffled),
    "spoilt sound": spoilt_sound,
    "wav header": wav_header,
    "boxes again": mp4_boxes,
    "stamped": stamped,
    "other suffix": other_suffix,
    "odd name": odd_name,
    "no file": no_file,
    "pictures": pictures,
    "one picture": one_picture,
    "sparse": sparse,
    "metadata": metadata,
    "options": options,
    "mask clip": mask_clip,
    "long sound": long_sound,
    "more sound": spoilt_sound,
    "more pictures": pictures,
    "many pictures": many_pictures,
}


def animation(desk: Desk, random: Random) -> list[object]:
    path = desk.given / "a.webp"
    read_clip(desk.good.clip).save(path)
    spoil = random.choice((cut, flipped, written_over, headed, headed, shuffled))
    path.write_bytes(spoil(bytearray(path.read_bytes()), random))
    if random.random() < 0.2:
        with path.open("r+b") as file:
            file.truncate(random.choice((10**8, 10**11)))
    return seen(desk, random, path)


def cases(count: int) -> list[Case]:
    return drawn("media", MAKERS, count) + drawn("animation", {"webp": animation}, 30)
