"""Stages of small numbers, which write down each making in a file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from vedit.graph import Stage


@dataclass
class Session:
    diary: Path
    slow: float = 0.0

    def write(self, what: str) -> None:
        with self.diary.open("a") as diary:
            diary.write(f"{os.getpid()} {what}\n")
        time.sleep(self.slow)

    def made(self) -> list[str]:
        """What was made so far, by whomever."""
        return [line.split(" ", 1)[1] for line in self.diary.read_text().splitlines()] if self.diary.exists() else []


class Kept(Stage[Tensor]):
    kept: ClassVar[bool] = True

    def pack(self, result: Tensor) -> Mapping[str, Tensor]:
        return {"number": result}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return tensors["number"]


@dataclass(frozen=True)
class Number(Stage[Tensor]):
    value: float
    title: ClassVar[str] = "number"

    def make(self, session: Session) -> Tensor:
        session.write(f"number {self.value:g}")
        return torch.tensor([self.value])


@dataclass(frozen=True)
class Sum(Kept):
    parts: tuple[Stage[Tensor], ...]
    more: Stage[Tensor] | None = None
    title: ClassVar[str] = "sum"

    def make(self, session: Session, parts: tuple[Tensor, ...], more: Tensor | None) -> Tensor:
        session.write(f"sum of {len(parts)}")
        return sum(parts, torch.zeros(1) if more is None else more)


@dataclass(frozen=True)
class Times(Kept):
    number: Stage[Tensor]
    factor: float
    title: ClassVar[str] = "times"

    def make(self, session: Session, number: Tensor) -> Tensor:
        session.write(f"times {self.factor:g}")
        return number * self.factor


def goal(factor: float = 3.0) -> Times:
    """(1 + 2 + (1 + 2) * 10) * factor."""
    both = Sum((Number(1.0), Number(2.0)))
    return Times(Sum((both, Times(both, 10.0))), factor)
