"""What an edit is made of: its stages, named before any is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from vedit.attention.kinds import ATTENTION
from vedit.backbone.prompts import tokens_of
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.config import ControlSettings, EditConfig, GuidanceSettings, mask_kind
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.jobs import controls, guidance
from vedit.jobs.controls import Conditions
from vedit.jobs.first import KeyPictures
from vedit.jobs.parts import attention_kind
from vedit.jobs.resources import Canvas
from vedit.jobs.shots import shots_stage
from vedit.jobs.source import Footage
from vedit.jobs.strokes import field_of, learnt_motion, with_words
from vedit.jobs.windows import windows_of
from vedit.key_frames import LONGEST
from vedit.priors import PRIORS
from vedit.priors.inversion import BETWEEN
from vedit.session import Model
from vedit.shots import Shots
from vedit.stages import prompt_schedule
from vedit.stages.between import FillPart, JoinMasks, JoinParts, parts_of
from vedit.stages.conditions import Controls
from vedit.stages.denoise import Denoise, Source
from vedit.stages.difference import ComparePrompts
from vedit.stages.first import HoldSpread, KeepPictures, SpreadClip, SpreadMask, SpreadPictures
from vedit.stages.flow import EstimateFlow
from vedit.stages.guidance import Guidance
from vedit.stages.held import DenoiseHeld
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Decode, Encode, RoundTrip
from vedit.stages.mask import AutoMask, BoxMask, FileMask, GivenMask, WordMask
from vedit.stages.motion import DrawStrokes, FirstPicture, MovedClip, MovedMask, MoveThings
from vedit.stages.noise import CheckInversion, StartingNoise, drawn, starts_from_clip
from vedit.stages.sampled_keys import DenoiseKeys, EditedKeys, OfKeys
from vedit.stages.seams import MeasureSeams
from vedit.stages.sound import SoundTokens
from vedit.stages.soundtrack import Soundtrack
from vedit.stages.tokens import DenoiseCarried, FindTokenPaths
from vedit.stages.tune import Tune
from vedit.stages.words import Words, words_of
from vedit.timeline import Moments
from vedit.windows import Windows

TOGETHER = "full"
"""The attention kind of key frames: each sees all of them."""

FOLLOWS_FIRST = "first_frame_flow"
"""The attention kind of a plain model whose clip follows its first frame."""


@dataclass(frozen=True, eq=False)
class EditStages:
    """The stages of one edit, each named when it is first asked for; None where the edit needs none.

    Attributes:
        config: of the edit, its source prompt and windows filled in
        given_mask: a mask in memory, instead of the config's
        size: the working size (H, W)
    """

    config: EditConfig
    model: Model
    footage: Footage
    size: Size
    track: Soundtrack
    given_mask: Tensor | None = None

    @property
    def moments(self) -> Moments:
        return self.track.moments

    @cached_property
    def attention(self) -> str:
        if self.keys is not None:
            return self.config.attention or TOGETHER
        pictures = self.pictures
        if pictures is not None and pictures.at[0] == 0:
            return attention_kind(self.config, self.model.outline, FOLLOWS_FIRST)
        return attention_kind(self.config, self.model.outline)

    @cached_property
    def windows(self) -> Windows | None:
        """In which all frames are sampled; None where that is all at once, or key frames are sampled."""
        return None if self.config.key_frames else windows_of(self.config, self.footage.frames)

    @cached_property
    def _windows_beside(self) -> Windows | None:
        """In which all frames are looked at before; beside key frames, which are for long clips, small ones."""
        if self.config.key_frames is None:
            return self.windows
        return Windows.of(LONGEST) if self.footage.frames > LONGEST else None

    @property
    def canvas(self) -> Canvas:
        footage, recursive = self.footage, self.config.fill == "recursive"
        group = None if self.keys is None else self.keys.largest_group(recursive=recursive)
        return Canvas(footage.frames, self.size, footage.size, footage.whole, self.windows, footage.rate, group)

    @cached_property
    def keys(self) -> ChooseKeys | None:
        """The key frames."""
        wanted = self.config.key_frames
        if wanted is None:
            return None
        flow, count = (EstimateFlow(self.clip), None) if wanted == "auto" else (None, int(wanted))
        return ChooseKeys(self.clip, flow, self.shots, count, self.footage.frames)

    @property
    def _carries(self) -> bool:
        """Whether edited key frames are carried along the clip's motion."""
        return self.keys is not None and self.config.fill != "tokens"

    @cached_property
    def words(self) -> tuple[Words, ...]:
        """Source prompt, prompt and negative prompt."""
        config = self.config
        return words_of(self.model.outline.tokenizer, config.source_prompt or "", config.prompt, config.negative_prompt)

    # The clip

    @cached_property
    def clip(self) -> Stage[Clip]:
        """What is edited: with its things moved, where strokes say so."""
        read = self.footage.stage(self.config, self.size)
        return read if self.moved is None else MovedClip(read, self.moved)

    @cached_property
    def moved(self) -> MoveThings | None:
        if self.config.motion_strokes is None:
            return None
        read = self.footage.stage(self.config, self.size)
        config = self.config
        drawn = DrawStrokes.of(config.motion_strokes, self.size, self.moments)
        said = config.source_prompt or ""
        drawn = with_words(drawn, FirstPicture(read), self.model, said, "--source-prompt", config.seed)
        between = field_of(config, learnt_motion(config, self.model.outline))
        return MoveThings(read, EstimateFlow(read), drawn, *between)

    @cached_property
    def shots(self) -> Stage[Shots] | None:
        return shots_stage(self.config, self.clip, self.footage, prompt_schedule.last_shot(self.config))

    @cached_property
    def pictures(self) -> KeyPictures | None:
        """The frames that were edited elsewhere. Raises ConfigError and MediaError, as ``KeyPictures.of``."""
        return KeyPictures.of(self.config, self.moments, self.footage.size, self.size) if self.config.first else None

    @cached_property
    def spread(self) -> SpreadPictures | None:
        if self.pictures is None:
            return None
        return SpreadPictures(self.clip, EstimateFlow(self.clip), self.pictures.working, self.pictures.at)

    @cached_property
    def looked_at(self) -> Stage[Clip]:
        """What controls look at: the clip, or what pictures have made of it."""
        return self.clip if self.spread is None else SpreadClip(self.clip, self.spread, self._given_mask)

    @cached_property
    def latents(self) -> Encode:
        return Encode(self.clip, self.model)

    @cached_property
    def round_trip(self) -> RoundTrip:
        return RoundTrip(self.clip, self.latents, self.model)

    @cached_property
    def flow(self) -> EstimateFlow | None:
        needs = ATTENTION.load(self.attention).needs | PRIORS.load(self.config.prior).needs
        return EstimateFlow(self.clip) if "flow" in needs else None

    @cached_property
    def tuned(self) -> Tune | None:
        config = self.config
        if not config.tune:
            return None
        prompt, rate, windows = config.source_prompt or "", config.learning_rate, self._windows_beside
        attention = self.attention if self.keys is None else attention_kind(config, self.model.outline)
        return Tune(
            self.clip, self.latents, self.flow, self.model, prompt, config.tune, rate, config.recipe, attention,
            config.seed, window=windows.size if windows else None, shots=self.shots, early_stop=config.early_stop,
            blocks=config.tuned_blocks,
        )  # fmt: skip

    # What steers

    @cached_property
    def _default_settings(self) -> tuple[ControlSettings, ...]:
        return controls.default_controls(self.config, self.model.outline.notes)

    @cached_property
    def differences(self) -> ComparePrompts | None:
        """How the prompt differs from the source's, and then each single change of it."""
        config, defaults = self.config, self._default_settings
        if not (defaults or self._masked_by_words):
            return None
        changes = controls.single_changes(config.source_prompt or "", config.prompt) if defaults else []
        targets = (self.words[1], *(Words(each) for each in changes))
        return ComparePrompts(
            self.latents, self.tuned, self.flow, self.model, self.attention, self.words[0], targets, config.seed,
            self._windows_beside, self.shots, self.keys if self._carries else None, config.mask_samples,
        )  # fmt: skip

    @cached_property
    def default_controls(self) -> Controls | None:
        """Those that the model brings, in force where shapes stay as they are."""
        if not self._default_settings:
            return None
        settings = self._default_settings
        return controls.control_stage(settings, self.clip, self.moments, self.model, self.differences)

    @cached_property
    def asked(self) -> tuple[Conditions, ...]:
        """The conditions that the settings name."""
        return controls.asked(self.config, self.looked_at, self.looked_at, self.moments, self.model)

    @cached_property
    def conditions(self) -> tuple[Conditions, ...]:
        """All that steers beside the prompt, but for the sound."""
        return (*([self.default_controls] if self.default_controls else []), *self.asked)

    @cached_property
    def sound(self) -> tuple[SoundTokens, ...]:
        return guidance.sound_tokens(self.config, self.model, self.track)

    @property
    def all_conditions(self) -> tuple[Conditions, ...]:
        return (*self.conditions, *self.sound)

    # Where

    @cached_property
    def _masked_by_words(self) -> bool:
        """Whether the mask is where the prompts differ. That is no answer to where what a sound says, or a picture's
        look, may be seen."""
        said = mask_kind(self.config.mask) == "auto" and bool((self.config.source_prompt or "").strip())
        return said and self.given_mask is None and not (self.sound or self.config.image or self.config.first)

    @cached_property
    def mask(self) -> Stage[Tensor] | None:
        """Where the edit may happen: where it is asked to, where pictures show it, and where strokes move things."""
        config, given = self.config, self._given_mask
        if self.spread is not None and given is None and mask_kind(config.mask) == "auto":
            return SpreadMask(self.spread, self.model.outline.vae_scale_factor, config.steps_taken)
        if self.keys is not None and self._carries and isinstance(given, AutoMask):
            return JoinMasks(self.keys, given, self.parts)
        if self.moved is None or (given is None and mask_kind(config.mask) == "none"):
            return given
        return MovedMask(self.moved, given, self.model.outline.vae_scale_factor, config.steps_taken)

    @cached_property
    def _given_mask(self) -> Stage[Tensor] | None:
        config, kind, cell = self.config, mask_kind(self.config.mask), self.model.outline.vae_scale_factor
        if self.given_mask is not None:
            return GivenMask(self.clip, self.footage.own(self.given_mask), cell, config.steps_taken)
        if kind == "box":
            return BoxMask(self.clip, config.mask, self.footage.size, cell, config.steps_taken)
        if kind == "path":
            cut = self.footage.cut(config)
            return FileMask.of(self.clip, Path(config.mask), cut, self.footage.whole, cell, config.steps_taken)
        if kind == "word":
            tokens = tuple(self._mask_tokens)
            return WordMask(
                self.latents, self.tuned, self.flow, self.model, self.attention, self.words[0], tokens, config.seed,
                self.footage.frames,
            )  # fmt: skip
        return AutoMask(self.differences) if self._masked_by_words and self.differences else None

    @property
    def _mask_tokens(self) -> list[int]:
        mask, prompt = self.config.mask, self.config.source_prompt or ""
        if not prompt.strip():
            raise ConfigError(f"--mask {mask} is a word of the source prompt; give one with --source-prompt.")
        return tokens_of(self.model.outline.tokenizer, prompt, mask.removeprefix("word:"), "the source prompt")

    # Sampling

    @cached_property
    def _steering(self) -> tuple[Conditions, ...]:
        return self.conditions if self.config.control_inversion else ()

    @cached_property
    def start(self) -> StartingNoise:
        config, walk = self.config, tuple(self.config.per_frame("noise_walk", self.moments))
        return StartingNoise(
            self.latents, self.tuned, self.flow, self._steering, self.model, self.attention, config.prior,
            self.words[0], config.steps, config.inversion_corrections, *drawn(config.prior, config.seed, walk),
            windows=self.windows, shots=self.shots, keys=self.keys,
            fill_steps=0 if self.keys is None or self._carries else config.steps,
        )  # fmt: skip

    @cached_property
    def check(self) -> CheckInversion | None:
        if not starts_from_clip(self.config.prior):
            return None
        taken, wanted = self.config.steps_taken, self.config.check_inversion
        return CheckInversion(
            self.clip, self.start, self.tuned, self.flow, self._steering, taken, wanted, self.shots, self.keys
        )

    @property
    def _sampling(self) -> dict[str, Any]:
        """What all sampling of the edit has in common."""
        config, track = self.config, self.track
        _, prompt, negative = self.words
        settings = config.part(GuidanceSettings)
        return {
            "start": self.start,
            "flow": self.flow,
            "conditions": self.all_conditions,
            "model": self.model,
            "attention": self.attention,
            "guidance": Guidance(
                settings, prompt, negative, self.moments, track.timed_sound, bool(self.sound),
                self.model.outline.embeds_guidance,
            ),
            "steps": config.steps,
            "steps_taken": config.steps_taken,
            "motion_scale": guidance.motion_scale(config, self.model.outline, self.moments, tuned=bool(config.tune)),
            "windows": self.windows,
            "sampler": config.sampler,
            "deep_cache": config.deep_cache,
            "what": "edit",
            "tuned": self.tuned,
            "shots": self.shots,
        }  # fmt: skip

    @property
    def _source(self) -> Source:
        config = self.config
        return Source(self.words[0], round(config.inject * config.steps_taken), config.control_inversion)

    @cached_property
    def denoised(self) -> Denoise | DenoiseHeld | JoinParts:
        common, config = self._sampling, self.config
        if self.keys is not None and self.sampled_keys is not None:
            return JoinParts(self.latents, self.keys, self.sampled_keys, self.parts)
        if self.spread is not None:
            cell = self.model.outline.vae_scale_factor
            until = HoldSpread(self.spread, self.mask, config.first_hold, cell)
            return DenoiseHeld(latents=Encode(self.looked_at, self.model), until=until, **common)
        common |= {"latents": self.latents, "mask": self.mask, "source": self._source}
        if self.keys is not None:
            paths = FindTokenPaths(
                self.latents, EstimateFlow(self.clip), self.keys, self.tuned, self.model, self.words[0]
            )
            return DenoiseCarried(keys=self.keys, paths=paths, **common)
        return Denoise(**common)

    # Key frames that are carried along the clip's motion

    @cached_property
    def _keys_mask(self) -> Stage[Tensor] | None:
        """Where key frames may change (K, 1, h, w)."""
        given = self._given_mask
        if given is None or self.keys is None or isinstance(given, AutoMask):
            return given
        return OfKeys(given, self.keys)

    @cached_property
    def sampled_keys(self) -> DenoiseKeys | None:
        if self.keys is None or not self._carries:
            return None
        return DenoiseKeys(
            latents=self.latents, mask=self._keys_mask, source=self._source, keys=self.keys,
            fill_steps=self.config.fill_steps, **self._sampling,
        )  # fmt: skip

    @cached_property
    def parts(self) -> tuple[FillPart, ...]:
        """What lies between them, part by part."""
        if self.keys is None or self.sampled_keys is None:
            return ()
        edited = EditedKeys(self.clip, self.latents, self.keys, self.sampled_keys, self._keys_mask, self.model)
        by_motion, count = isinstance(self._given_mask, AutoMask), parts_of(self.footage.frames)
        common = self._sampling | {"attention": BETWEEN, "steps_taken": self.config.fill_steps}
        return tuple(
            FillPart(
                clip=self.clip, latents=self.latents, motion=EstimateFlow(self.clip), keys=self.keys, edited=edited,
                sampled_keys=self.sampled_keys, steering=self._steering, mask=None if by_motion else self._given_mask,
                by_motion=by_motion, part=part, parts=count, recursive=self.config.fill == "recursive", **common,
            )
            for part in range(count)
        )  # fmt: skip

    @cached_property
    def frames(self) -> Stage[Tensor]:
        decoded = Decode(self.denoised, None, self.model, "edit", self.words[0])
        if self.spread is None or self.pictures is None:
            return decoded
        return KeepPictures(decoded, self.spread, self.pictures.working)

    @cached_property
    def seams(self) -> MeasureSeams | None:
        """What shows of the windows."""
        if self.windows is None:
            return None
        steps, taken = self.config.steps, self.config.steps_taken
        flow = EstimateFlow(self.clip)
        return MeasureSeams(self.clip, self.frames, flow, self.mask, self.shots, self.windows, steps, taken)
