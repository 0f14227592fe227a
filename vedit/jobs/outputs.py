"""The files of a result: checked before any work, and written at its end."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from vedit.atomic import OUR_PICTURES, check_folder, check_target
from vedit.clip import Clip
from vedit.clip.images import PICTURES
from vedit.clip.lazy import LazyClip
from vedit.clip.writing import OUTPUTS
from vedit.config import VideoSettings, sidecar
from vedit.config.named_files import NamedFile
from vedit.errors import ConfigError, MediaError

NOUNS = {"over": "picture"}
"""What the file of a setting is called, where not after the setting."""

LONGEST_NAME = 250
"""Bytes of a file's name; file systems end at 255."""


def check_video(config: VideoSettings) -> None:
    """Check that the video that ``config`` asks for, if any, can be written; before any work.

    Raises MediaError, and ConfigError where it would replace a file that is read.
    """
    if config.output is not None:
        _check_video(config.output, config.codec, config)


def _check_video(output: Path, codec: str, config: VideoSettings) -> None:
    suffix = output.suffix.lower()
    if suffix and suffix not in OUTPUTS:
        raise MediaError(f"{output}: {suffix} cannot be written; use {' '.join(OUTPUTS)}, or no suffix for PNGs.")
    fits = {".webm": ("libx264", "libvpx-vp9"), ".gif": ("libx264",), ".webp": ("libx264",), "": ("libx264",)}.get(
        suffix, (codec,)
    )
    if codec not in fits:
        raise MediaError(f"{output}: {suffix or 'a folder'} cannot hold {codec}; leave --codec, or write .mp4.")
    check_output(output, config.files_read(), config.overwrite, folder=not suffix)


def check_files(config: VideoSettings) -> None:
    """Check that all files that are asked for can be written; before any work. Raises MediaError or ConfigError."""
    check_video(config)
    if config.output is not None:
        check_output(sidecar_path(config.output), config.files_read(), config.overwrite, settings_of=config.output)
    # Not every job has these beside its video.
    sheet, report, compare = (getattr(config, name, None) for name in ("sheet", "report", "compare"))
    if sheet is not None:
        if sheet.suffix.lower() != ".png":
            raise MediaError(f"{sheet}: a contact sheet is written as .png.")
        check_output(sheet, config.files_read(), config.overwrite)
    if report is not None:
        if report.suffix.lower() != ".html":
            raise MediaError(f"{report}: a report is written as .html.")
        check_output(report, config.files_read(), config.overwrite)
    if compare is not None:
        _check_video(compare, "libx264", config)
        if config.output is not None and _absolute(compare) == _absolute(config.output):
            raise ConfigError(f"--output and --compare both name {compare}; give each its own.")


def write_result(clip: Clip | LazyClip, config: VideoSettings, made_with: dict[str, str]) -> list[Path]:
    """Write the clip, and its sidecar beside it, where an output is asked for. Returns the files."""
    if config.output is None:
        return []
    clip.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    notes = sidecar_path(config.output)
    sidecar.save(config, notes, made_with, overwrite=config.overwrite)
    return [config.output, notes]


def default_output(clip: Path, ending: str) -> Path:
    """The name of an output in the current folder, after the clip's; for "." and the like, after that folder's."""
    return Path(f"{Path(os.path.abspath(clip)).stem or 'clip'}{ending}")  # noqa: PTH100 (links keep their names)


def check_output(
    output: Path,
    read: Iterable[NamedFile],
    overwrite: bool,
    *,
    folder: bool = False,
    settings_of: Path | None = None,
) -> None:
    """Whether one output can be written, before any work; ``settings_of``, where it is the file of settings that goes
    with another. Raises MediaError, and ConfigError for one of the files that are ``read``.
    """
    if not output.name or len(os.fsencode(output.name)) > LONGEST_NAME:
        raise MediaError(f"{output}: expected a name of 1 to {LONGEST_NAME} bytes.")
    if not _printable(output):
        raise MediaError(f"{str(output)!a}: expected a name in UTF-8, which the settings beside it can tell.")
    check_folder(output)
    for file in read:
        name, path = NOUNS.get(file.setting, file.setting.replace("_", " ")), file.path
        if _same(output, path):
            settings = "" if settings_of is None else f", and the settings of {settings_of.name} would go there"
            raise ConfigError(f"{output} is the {name} itself{settings}; write to another place.")
        if output.suffix.lower() in PICTURES and _same(output.parent, path):
            raise ConfigError(
                f"{output} would become a picture of the {name}, which is that folder; write to another place."
            )
        if file.whole and path.is_dir() and _within(output, path):
            raise ConfigError(f"{output} lies in the folder of the {name}, which is read; write to another place.")
    if settings_of is not None and os.path.lexists(output) and not overwrite:
        raise MediaError(
            f"{output} exists already, and the settings of {settings_of.name} go there; choose another name, or "
            "--overwrite it"
        )
    check_target(output, overwrite)
    try:
        with TemporaryFile(dir=output.parent):  # permissions alone do not tell: a disk may be full or read-only
            pass
    except OSError as error:
        raise MediaError(f"{output} cannot be written: {error.strerror}; choose another folder.") from error
    if output.is_dir():
        try:
            others = [each.name for each in output.iterdir() if not OUR_PICTURES.fullmatch(each.name)]
        except OSError as error:
            raise MediaError(f"{output} cannot be replaced: {error.strerror}; choose another name.") from error
        if not folder or others:
            raise MediaError(f"{output} is a folder that is not replaced; choose another name.")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or lies in a closed folder: reading or writing it will tell
        return False


def _within(path: Path, folder: Path) -> bool:
    return path.parent.resolve().is_relative_to(folder.resolve())


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (links keep their names)


def _printable(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def sidecar_path(output: Path) -> Path:
    """The file of settings beside an output."""
    return output.with_suffix(".yaml")
