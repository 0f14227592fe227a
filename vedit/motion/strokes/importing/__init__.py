"""Other tools' strokes: each reader says which canvas and length it assumed, for hardly any file tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.motion.strokes.importing import arrays, folders, motionpro, text
from vedit.motion.strokes.importing.imported import Imported
from vedit.motion.strokes.reading import read_strokes

__all__ = ["READERS", "Imported", "import_strokes", "tool_of"]

Reader = Callable[[Path, Size | None], Imported]
"""Reads a file or folder; given a canvas (H, W) to assume in place of the tool's own."""

READERS: Mapping[str, Reader] = {
    "motionctrl": lambda path, canvas: (arrays.motionctrl if path.suffix == ".npy" else text.motionctrl)(path, canvas),
    "tora": text.tora,
    "draganything": folders.draganything,
    "wan-move": arrays.wan_move,
    "ati": arrays.ati,
    "motionpro": motionpro.read,
    "time-to-move": folders.time_to_move,
}


def import_strokes(path: Path, tool: str = "auto", canvas: Size | None = None) -> Imported:
    """The strokes of a file, vedit's own or another tool's.

    Args:
        path: a file, or a folder for the tools that write one
        tool: "vedit", a key of ``READERS``, or "auto"
        canvas: (H, W) that another tool's coordinates lie on; None assumes what the tool uses

    Raises:
        ConfigError: for what is not as that tool writes it, with what is wrong
        MediaError: for pictures and clips of it that cannot be read
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; expected a strokes file, as docs/strokes.md has it.")
    tool = tool_of(path) if tool == "auto" else tool
    if tool == "vedit":
        if canvas is not None:
            raise ConfigError("canvas is of other tools' files; a file of vedit's own says its size.")
        return Imported(read_strokes(path))
    try:
        return READERS[tool](path, canvas)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error


def tool_of(path: Path) -> str:
    """Whose a file is, by its name and the shape of what it holds. Raises ConfigError where nothing tells."""
    if path.is_dir():
        for tool, sign in (("time-to-move", "motion_signal.mp4"), ("draganything", "demo.json")):
            if (path / sign).is_file():
                return tool
        if any(path.glob("*.npy")):
            return "wan-move"
        raise ConfigError(
            f"{path} is a folder without motion_signal.mp4 (Time-to-Move), demo.json (DragAnything) or .npy files "
            "(Wan-Move); expected one of these, or a strokes file."
        )
    match path.suffix.lower():
        case ".txt":
            return "motionctrl"
        case ".npy":
            return "motionctrl" if arrays.is_flow(path) else "wan-move"
        case ".pth" | ".pt":
            return "ati"
        case ".json" if motionpro.is_its(path):
            return "motionpro"
        case ".json" if path.name == "demo.json":
            return "draganything"
    return "vedit"
