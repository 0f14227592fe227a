"""The pictures of a job whose look is taken: what is wrong with them, and the stage of their conditions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from vedit.clip import Clip
from vedit.clip.images import check_still, read_picture
from vedit.condition import Condition
from vedit.config import GuideSettings, ImageSettings
from vedit.errors import ConfigError, MediaError, VeditHint
from vedit.files import read_text
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.session import Model
from vedit.stages.images import EncodePictures, ImageWeights, Show, ShowPictures
from vedit.timeline import Moments


def check(config: GuideSettings) -> None:
    """Find faults of the pictures that show before a model is opened. Raises MediaError."""
    for each in (*config.image, *config.negative_image):
        check_picture(each.file)
        if each.mask is not None and not each.mask.exists():
            raise MediaError(f"image {each.file}: the mask {each.mask} does not exist; expected a picture or a video.")


def check_picture(path: Path) -> None:
    """Raise MediaError for what is no single picture, or is damaged: it is read once before a model is."""
    check_still(path)
    read_picture(path)


def words_beside(pictures: Sequence[Path], otherwise: str) -> tuple[str, ...]:
    """What each picture shows: the words in a .txt of its name, where there is one. Raises MediaError."""
    files = [each.with_suffix(".txt") for each in pictures]
    return tuple(read_text(each, MediaError).strip() if each.is_file() else otherwise for each in files)


def stages(
    config: GuideSettings, canvas: Stage[Clip], moments: Moments, model: Model
) -> tuple[Stage[tuple[Condition, ...]], ...]:
    """The conditions of the pictures that settings name; empty where there are none.

    Args:
        canvas: a clip of the frames and the size that are worked on

    Raises:
        ConfigError: for weights that have no value in some frame, times that are not in order, and layers that the
            model does not have
        WeightsError: where there is no IP-Adapter
    """
    shown = (*config.image, *config.negative_image)
    if not shown:
        return ()
    if numbered := [each.layers for each in shown if not isinstance(each.layers, str)]:
        from vedit.adapters.ip_adapter import chosen_layers  # beside what builds networks, which is slow to import
        from vedit.backbone.loading import empty_unet

        unet = empty_unet(model.outline.unet)
        for each in numbered:
            chosen_layers(unet, each)
    files = list(dict.fromkeys(File.of(each.file) for each in shown))
    shows = (
        *_shows(config.image, files, moments, "image"),
        *_shows(config.negative_image, files, moments, "negative_image"),
    )
    weights = ImageWeights.of(config.image_adapter, config.image_encoder, model)
    seen = EncodePictures(tuple(files), weights.encoder, weights, model)
    masked = any(each.mask is not None for each in shows)
    return (ShowPictures(seen, canvas if masked else None, shows, weights.adapter, weights, model),)


def _shows(images: Sequence[ImageSettings], files: Sequence[File], moments: Moments, setting: str) -> Iterator[Show]:
    """Those without a time each by itself; those with one after each other, where they act alike."""
    timed = [each for each in images if each.time is not None]
    for each in (each for each in images if each.time is None):
        yield _show([each], [(0, moments.frames)], files, moments, setting)
    spans = _spans(timed, moments, setting)
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, each in enumerate(timed):
        groups.setdefault((each.layers, each.mask, each.start, each.stop), []).append(index)
    for alike in groups.values():
        yield _show([timed[index] for index in alike], [spans[index] for index in alike], files, moments, setting)


def _show(
    images: Sequence[ImageSettings],
    spans: Sequence[tuple[int, int]],
    files: Sequence[File],
    moments: Moments,
    setting: str,
) -> Show:
    """Pictures that act alike, each in the frames of its span (first, end)."""
    which, weights = [-1] * moments.frames, [0.0] * moments.frames
    for image, (first, end) in zip(images, spans, strict=True):
        own = image.per_frame("weight", moments)
        which[first:end] = [files.index(File.of(image.file))] * max(0, end - first)
        weights[first:end] = own[first:end]
    like = images[0]
    mask = None if like.mask is None else File.of(like.mask)
    away = setting == "negative_image"
    return Show(tuple(which), tuple(weights), like.layers, mask, like.start, like.stop, away)


def _spans(timed: Sequence[ImageSettings], moments: Moments, setting: str) -> list[tuple[int, int]]:
    """Of pictures with a time, the frames (first, end) in which each is shown. Raises ConfigError where they are not in
    order, or count beats that nobody knows."""
    begins = [moments.frame_of(str(each.time), setting) for each in timed]
    for (before, after), each in zip(pairwise(begins), timed[1:], strict=True):
        if after <= before:
            raise ConfigError(
                f"{setting}: {each.file.name} comes at {each.time}, no later than the picture before; expected each "
                "after the other."
            )
    end = moments.begin + moments.frames
    for begin, each in zip(begins, timed, strict=True):
        if begin >= end:
            warnings.warn(
                f"{setting}: {each.file.name} comes at {each.time}, after the last frame that is made ({end - 1}), and "
                "is not seen",
                VeditHint,
                stacklevel=2,
            )
    begins = [max(0, each - moments.begin) for each in begins]
    bounds = [min(each, moments.frames) for each in (*begins, moments.frames)]
    return list(pairwise(bounds))
