"""A LoRA as a setting: "file.safetensors", or with its scale "file.safetensors:0.8"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from vedit.config.paths import MayBePath, expand_home, is_there


@dataclass(frozen=True)
class LoraSpec:
    """A LoRA, and how strongly it counts.

    Args:
        file: a file, or a folder that holds it
        written_scale: its scale as a number's text, such as "0.8" or "-1"; empty for 1, as it was trained
    """

    file: str
    written_scale: str = ""

    @property
    def scale(self) -> float:
        """How strongly it counts; any number that a text can say, ``nan`` too."""
        return float(self.written_scale or 1)

    @classmethod
    def of(cls, given: LoraSpec | str | tuple[str, float]) -> LoraSpec:
        """From a text, or a pair of a file and its scale."""
        if isinstance(given, LoraSpec):
            return given
        if isinstance(given, str):
            return cls.read(given)
        file, scale = given
        short = f"{scale:g}"
        return cls(file, short if float(short) == scale else repr(float(scale)))

    @classmethod
    def read(cls, text: str, folder: Path = Path()) -> LoraSpec:
        """From "file:0.8", whose relative path is taken from ``folder``. A file whose whole name is the text comes
        first."""
        file, _, scale = text.rpartition(":")
        if not file or not _is_number(scale) or is_there(folder / expand_home(text)):
            return cls(text)
        return cls(file, scale)

    def __str__(self) -> str:
        return f"{self.file}:{self.written_scale}" if self.written_scale else self.file

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In settings it is a text, or one that was read before; it is written as a text."""

        def read(value: Any, as_text: core_schema.ValidatorFunctionWrapHandler) -> LoraSpec:
            return value if isinstance(value, LoraSpec) else cls.read(as_text(value))

        written = core_schema.to_string_ser_schema()
        return core_schema.no_info_wrap_validator_function(read, core_schema.str_schema(), serialization=written)


@dataclass(frozen=True)
class _NamesLora(MayBePath):
    """The file of a LoRA, whose scale stays as it is."""

    def anchored(self, text: str, folder: Path) -> str:
        spec = LoraSpec.read(text, folder)
        return str(replace(spec, file=super().anchored(spec.file, folder)))

    def portable(self, text: str, folder: Path) -> str:
        spec = LoraSpec.read(text)
        return str(replace(spec, file=super().portable(spec.file, folder)))

    def paths(self, value: LoraSpec) -> list[Path]:
        return super().paths(value.file)


Lora = Annotated[LoraSpec, _NamesLora()]
"""A LoRA that is read."""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
