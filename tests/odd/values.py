"""Values that nobody means, as JSON or YAML may hold them, and as a word of a command line."""

from __future__ import annotations

import json
import os
import string
from random import Random
from typing import Any

NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 5, 7, 10**6, 10**13, 10**30, -(10**18), 0.0, -0.5, 0.1, 1.5, 1e-300, 1e30, 1e308,
    float("nan"), float("inf"), True, False,
]  # fmt: skip

TEXTS = [
    "", " ", "x", "8", "-1", "nan", "silu", "none", "null", "../../x", "/dev/zero", "/dev/null", "~", "~nobody/x", ".",
    "..", "/", "-", "--", "'", '"', "%s%n", "$(ls)", "a:b", "a=b", "[1", "{a: 1}", "a: [b", "&a [*a]",
    "!!python/name:os", "\x1b[2J\x1b[31m", "\u202eabc", "\u200d", "é" * 50, "猫" * 300, "x" * 5000, "\uff11\uff12",
    "²", "1_000", "0x10", "1e400", "10000000000000000000000", "true", "None", "*", "?", "a\nb", "a\tb", "a,b,c",
    "0:1,1:0", "0:1, 0:2", "1/0",
    "loudness", "sin(t)", "9**9**9", "(" * 200, "-" * 290, "exp(1000)", "sqrt(-1)", "2s:x", "99999999999999999999:x",
    "1:" + "x" * 3000, "http://example.invalid/x", "file:///etc/passwd", "a" * 300 + ".mp4", os.fsdecode(b"\xff.mp4"),
]  # fmt: skip


def value(random: Random, depth: int = 2) -> Any:
    """Something that JSON can hold."""
    kind = random.randrange(10)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 7:
        return plain(text(random))
    if kind == 7 or depth == 0:
        return None
    count = random.choice((0, 1, 2, 4, 500))
    if kind == 8:
        return [value(random, depth - 1) for _ in range(min(count, 4))] * (count // 4 or 1)
    return {plain(text(random)): value(random, depth - 1) for _ in range(min(count, 8))}


def text(random: Random) -> str:
    """One of the texts above, or letters without a sense."""
    if random.random() < 0.7:
        return random.choice(TEXTS)
    alphabet = (
        string.printable + "äλ猫🐈\u202e\x00\x1b" if random.random() < 0.5 else string.ascii_lowercase + " :=,[]{}'"
    )
    return "".join(random.choices(alphabet, k=random.choice((1, 3, 10, 40))))


def plain(word: str) -> str:
    """A text that UTF-8 has."""
    return word.encode("utf-8", "replace").decode()


def json_text(random: Random) -> str:
    """A whole file that is to be JSON, mostly not."""
    deep = random.choice((500, 5_000, 200_000))
    return random.choice(
        [
            "", "{", "[]", "3", "null", '"text"', "{}", "NaN", "\ufeff{}", '{"a": 1, "a": 2}', "{'a': 1}",
            "<html></html>", "[" * deep, '{"a": ' * deep + "1" + "}" * deep, '{"x": ' + "9" * 6000 + "}",
            '{"x": "' + "y" * 999_990 + '"}',
            json.dumps({f"key{each}": each for each in range(20_000)}), " " * 3_000_000 + "{}",
        ]
    )  # fmt: skip
