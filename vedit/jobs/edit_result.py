"""An edited clip, and how it came about."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from vedit.clip import Clip
from vedit.clip.lazy import LazyClip, MakeFrames
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.config import ControlSettings, EditConfig
from vedit.errors import MediaError, VeditWarning
from vedit.graph import Stage
from vedit.jobs import mask_metrics, results
from vedit.jobs.edit_stages import EditStages
from vedit.jobs.source import Footage, open_whole
from vedit.key_frames import KeyFrames
from vedit.masks import edited_share, paste
from vedit.motion.moving import Moved
from vedit.quality import Fidelity, fidelity, warn_if_foreign, warn_if_poor
from vedit.seams import Seam, Seams
from vedit.session import Model, Session
from vedit.shots import Shots
from vedit.stages import soundtrack
from vedit.stages.conditions import Controls
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import RoundTrip
from vedit.stages.motion import MoveThings
from vedit.stages.noise import CheckInversion, InversionCheck
from vedit.stages.seams import MeasureSeams
from vedit.stages.soundtrack import Soundtrack


@dataclass(frozen=True, repr=False)
class EditResult(results.Saved):
    """An edited clip, and how it came about.

    Attributes:
        video: the edited clip at the size of the source, made frame by frame when it is written or asked for (of an
            edited file, the source's pixels are read from it again then)
        config: all settings, with the words and the attention kind that were left to vedit filled in
        timings: seconds by stage
        metrics: what the VAE's round trip keeps of the source ("vae_db"); how far the steps of the inversion had to be
            corrected ("inversion_correction") and, only where that leaves its quality in doubt and ``check_inversion``
            is on, how well the source is reconstructed from it ("reconstruction_db"); with a mask, the share of the
            frames that the edit may change ("edited_share", 0 to 1), and how well the pixels that it leaves alone, away
            from its soft edge, are kept by the edit ("outside_db") and by the VAE's round trip ("outside_vae_db"); and
            the same of the pixels that the edit may change ("inside_db", "inside_vae_db"), which are all without a
            mask: the lower the first, the more it changed. Of a clip that was seen in windows also how many times more
            the edit changes from frame to frame where windows met ("worst_seam", "median_seam"), and by how much the
            colours of what is kept drift in a second ("drift", in CIE L*a*b*);
            of one with key frames how many these are ("key_frames")
        made_with: the model's fingerprint, the device, the versions
        source: what was edited, at its own size, read from its file again when it is first asked for
        files: what was written, the video first
        seams: the worst places where windows met
    """

    video: LazyClip
    config: EditConfig
    metrics: dict[str, float]
    made_with: dict[str, str]
    open_source: Callable[[], LazyClip]
    working_source: Clip = field(repr=False)
    timings: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = field(default=())
    seams: tuple[Seam, ...] = field(default=())

    @cached_property
    def clip(self) -> Clip:
        """The edited clip, whole in memory."""
        return self.video.whole()

    @cached_property
    def source(self) -> LazyClip:
        return self.open_source()

    @property
    def shown(self) -> LazyClip:
        return self.video

    def _repr_html_(self) -> str:
        try:
            source = self.source
        except MediaError:  # its file is gone, and the edit may be shown all the same
            source = None
        return results.html(self.video, source)


@dataclass(frozen=True)
class Doubts(Stage[None]):
    """Warnings about what an edit stands on, given before it is paid for, and each time."""

    round_trip: RoundTrip
    check: CheckInversion | None
    model: Model
    prompted: bool
    tuned: bool

    def make(self, session: Session, round_trip: Fidelity, check: InversionCheck | None) -> None:
        warn_if_foreign(self.model.outline, round_trip)
        if check is not None and check.reconstruction is not None:
            warn_if_poor(check.reconstruction, round_trip, prompted=self.prompted, tuned=self.tuned)


@dataclass(frozen=True)
class FinishEdit(Stage[EditResult]):
    """The clip that was asked for: decoded, pasted, with its sound, and measured.

    Its inputs are made in their order: what may turn out to be wrong comes before what takes long.
    """

    clip: Stage[Clip]
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    doubts: Doubts
    mask: Stage[Tensor] | None
    frames: Stage[Tensor]
    round_trip: RoundTrip
    check: CheckInversion | None
    default_controls: Controls | None
    pictures: tuple[Stage[Tensor], ...]
    at: tuple[int, ...]
    model: Model
    config: EditConfig
    shots: Stage[Shots] | None
    seams: MeasureSeams | None
    keys: ChooseKeys | None
    moved: MoveThings | None
    footage: Footage = field(compare=False)
    track: Soundtrack = field(compare=False)
    given: Clip | None = field(compare=False)

    version: ClassVar[int] = 2

    @classmethod
    def of(cls, stages: EditStages, given: Clip | None) -> FinishEdit:
        """The end of the edit that these stages make; ``given`` is the clip, where it is in memory."""
        config, outline = stages.config, stages.model.outline
        tuned = bool(outline.tuned.digest or config.tune)
        doubts = Doubts(stages.round_trip, stages.check, stages.model, bool(config.source_prompt), tuned)
        config = config.model_copy(update={"attention": stages.attention})
        pictures = stages.pictures
        return cls(
            stages.clip, stages.all_conditions, doubts, stages.mask, stages.frames, stages.round_trip, stages.check,
            stages.default_controls, pictures.whole if pictures else (), pictures.at if pictures else (), stages.model,
            config, stages.shots, stages.seams, stages.keys, stages.moved, stages.footage, stages.track, given,
        )  # fmt: skip

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The frames as they are pasted, by how much each pixel changes and which share of it is the edit's, what is
        wrong with each, and which the mask opens and closes."""
        return frames * size[0] * size[1] * (3 + 2 + 1 + 2) * 4

    def make(
        self,
        session: Session,
        clip: Clip,
        conditions: tuple[tuple[Condition, ...], ...],
        doubts: None,
        mask: Tensor | None,
        frames: Tensor,
        round_trip: Fidelity,
        check: InversionCheck | None,
        default_controls: tuple[Condition, ...] | None,
        pictures: tuple[Tensor, ...],
        shots: Shots | None,
        seams: Seams | None,
        keys: KeyFrames | None,
        moved: Moved | None,
    ) -> EditResult:
        metrics = {"vae_db": round_trip.db} | _of_inversion(check)
        video = LazyClip.of(clip.with_frames(frames), self.footage.size)
        own = partial(self._full_size, clip, moved)
        changed = self.footage.stretched or moved is not None
        whole = partial(open_whole, self.config, self.given) if changed else own
        if mask is not None:
            metrics["edited_share"] = float(mask.mean())
            if self.config.paste:
                share = edited_share(frames, clip.frames, mask)
                video = replace(video, make=partial(_pasted, frames, own().make, share))
                frames = paste(frames, clip.frames, share)
        if seams is not None:
            worst = {"worst_seam": seams.worst[0].ratio} if seams.worst else {}
            metrics |= {"median_seam": seams.median, **worst, "drift": seams.drift}
        if keys is not None:
            metrics["key_frames"] = float(len(keys))
        if pictures:
            video = replace(video, make=partial(_shown, video.make, dict(zip(self.at, pictures, strict=True))))
        metrics |= mask_metrics.of(fidelity(frames, clip.frames), round_trip, mask, clip.size)
        if self.footage.stretched:
            video = _put_back(video, self.footage.begin, whole())
        if self.track.audio is not None:
            video = soundtrack.add_to(video, self.track, mixed=self.config.audio_mix)
        found: dict[str, Any] = {"control": self._controls(default_controls)}
        if shots is not None and len(shots.counted) > 1:
            found["shots"] = ",".join(str(self.footage.begin + start) for start in shots.counted[1:])
        config = self.config.model_copy(update=found)
        return EditResult(video, config, metrics, results.made_with(self.model), whole, clip, seams=self._told(seams))

    def _full_size(self, clip: Clip, moved: Moved | None) -> LazyClip:
        """What is edited, at the size of the clip's own pictures: with its things moved, where they are."""
        if moved is None:
            return self.footage.full_size(self.config, clip)
        if clip.size == self.footage.size:
            return LazyClip.of(clip)
        original = self.footage.full_size(self.config, clip)

        def make(indices: Sequence[int]) -> Iterator[Tensor]:
            for index, frame in zip(indices, original.make(indices), strict=True):
                yield moved.shown(index, frame)

        return replace(original, make=make)

    def _told(self, seams: Seams | None) -> tuple[Seam, ...]:
        """The worst seams, by the indices of the whole clip's frames; warns where one shows."""
        begin = self.footage.begin
        worst = () if seams is None else tuple(replace(each, frame=begin + each.frame) for each in seams.worst)
        if shown := [each for each in worst if each.shows]:
            places = ", ".join(f"{each.frame} ({each.ratio:.1f} times)" for each in shown)
            warnings.warn(
                f"where windows met, a seam may show: the edit changes more than it mostly does from frame to frame in "
                f"front of frame {places}. A larger --window or --overlap makes fewer; --report shows them.",
                VeditWarning,
                stacklevel=2,
            )
        return worst

    def _controls(self, default_controls: tuple[Condition, ...] | None) -> tuple[ControlSettings, ...]:
        """Those that were in force."""
        return self.model.outline.notes.edit_controls if default_controls else self.config.control or ()


def _of_inversion(check: InversionCheck | None) -> dict[str, float]:
    if check is None:
        return {}
    found = {"inversion_correction": check.correction}
    return found if check.reconstruction is None else found | {"reconstruction_db": check.reconstruction.db}


def _put_back(edited: LazyClip, begin: int, whole: LazyClip) -> LazyClip:
    """A ``whole`` clip with the frames from ``begin`` on replaced by those that were edited."""

    def make(indices: Sequence[int]) -> Iterator[Tensor]:
        inside = [each for each in indices if begin <= each < begin + len(edited)]
        ours, theirs = edited.make([each - begin for each in inside]), whole.make(indices)
        changed = set(inside)
        for index, frame in zip(indices, theirs, strict=True):
            yield next(ours) if index in changed else frame
        next(ours, None)  # what was amiss is told after the last

    return replace(whole, make=make)


def _pasted(edited: Tensor, original: MakeFrames, share: Tensor, indices: Sequence[int]) -> Iterator[Tensor]:
    """``paste``, frame by frame: of the frames with these ``indices``, which the ``original`` is read for."""
    for index, own in zip(indices, original(indices), strict=True):
        yield paste(edited[index, None], own[None], share[index, None])[0]


def _shown(others: MakeFrames, pictures: Mapping[int, Tensor], indices: Sequence[int]) -> Iterator[Tensor]:
    """The frames of these ``indices``, of which some are pictures (3, H, W), by their indices."""
    for index, frame in zip(indices, others(indices), strict=True):
        yield pictures.get(index, frame)
