"""What the network predicts for a request: all branches in one pass, with the source beside them if it is injected,
and a long clip in windows."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vedit.attention.anchors import Anchors
from vedit.attention.carried import CarriedTokens, TokenPaths
from vedit.backbone.deep_features import DeepFeatures, Turns
from vedit.backbone.model import Backbone
from vedit.entrances.residuals import Residuals
from vedit.errors import VeditWarning
from vedit.key_frames import KeyFrames
from vedit.mapped import let_go, room_for
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.windows import Turn, as_index, strided, views


@dataclass(frozen=True, eq=False)
class Carried:
    """Key frames, and the paths along which what attention says of them is carried to the frames between them."""

    keys: KeyFrames
    paths: TokenPaths

    def groups(self) -> list[tuple[Sequence[int], Anchors | None]]:
        """The frames that the network sees one after the other in a step, those of each group together, and what the
        key frames of their shot leave for them."""
        found: list[tuple[Sequence[int], Anchors | None]] = []
        for keys in self.keys.together:
            tokens = CarriedTokens(keys, self.paths)
            between = [each[1:-1] for each in self.keys.segments if keys[0] <= each.start < keys[-1]]
            found += [(group, tokens) for group in (keys, *between)]
        return found


class Predictor:
    """Predicts all branches of requests as one batch; where memory does not suffice for that, one after the other from
    then on. Each shot is seen by itself, and one that is longer than the windows in force (``Backbone.attending``) in
    these."""

    def __init__(
        self,
        backbone: Backbone,
        only: Sequence[Sequence[int]] | None = None,
        *,
        carried: Carried | None = None,
        loop: bool = False,
        strided_steps: int = 0,
        deep_cache: int = 1,
    ) -> None:
        """What is predicted.

        Args:
            only: groups of frames, by their indices, in place of shots and windows: the network sees each group by
                itself, and of frames in none of them it says 0. None is all frames
            carried: key frames, seen together, whose attention the frames between them take over
            loop: whether the clip's last frame is followed by its first
            strided_steps: of so many first steps every second one sees a clip that is too long for the motion modules
                in groups that reach over all of it, so that its windows agree on where things are and where they go.
                Where gradients lead through the network it sees windows alone.
                Source: AnimateDiff-Evolved's "uniform" contexts with a stride
            deep_cache: in each so manieth step the network runs whole, in the others its outermost layers alone. A step
                that gradients lead through always runs it whole
        """
        self._backbone = backbone
        self._only, self._carried = only, carried
        self._loop, self._strided_steps = loop, strided_steps
        self._one_by_one = False
        self._deep_cache = deep_cache
        self._turns, self._deep = Turns(deep_cache), DeepFeatures(0)

    def __call__(self, request: Request, source: Request | None = None, *, step: int = 0) -> Tensor:
        """The network's output (N, F, C, h, w) float32 for all branches of ``request``, those beside the others last,
        with the one branch of ``source`` injected into them. In each ``step`` of the whole schedule windows lie
        elsewhere."""
        request = request.with_all_branches()
        if not self._one_by_one:
            try:
                with self._backbone.keeping_deep(self._features(request, source)):
                    return self._predict(request, source, step)
            except torch.OutOfMemoryError:
                self._one_by_one = True
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
            if self._deep_cache > 1:
                self._deep_cache, self._deep = 1, DeepFeatures(0)
                warnings.warn(
                    "not all branches of guidance fit into memory together; deep features are kept no longer.",
                    VeditWarning,
                    stacklevel=2,
                )
        return torch.cat([self._predict(one, source, step) for one in request.split()])

    @property
    def remembers(self) -> bool:
        """Whether the next step may need what was kept of those before it."""
        return self._deep_cache > 1 and not self._turns.begins

    def _features(self, request: Request, source: Request | None) -> DeepFeatures | None:
        """Where deep features are kept in this step, or taken from; None where they are neither."""
        if self._deep_cache == 1:
            return None
        if request.latents.requires_grad:
            self._turns = Turns(self._deep_cache)
            return None
        if self._turns.whole((_kind(request), None if source is None else _kind(source))):
            first = 0 if request.indices is None else request.indices[0]
            self._deep = DeepFeatures(len(request.latents), first)
        else:
            self._deep.filling = False
        return self._deep

    def _predict(self, request: Request, source: Request | None, step: int) -> Tensor:
        if self._loop:
            return predict_loop(self._backbone, request, step)
        if self._carried is not None:
            return self._predict_groups(self._carried.groups(), request, source)
        if self._only is not None:
            return self._predict_groups([(each, None) for each in self._only], request, source)
        if step < self._strided_steps and step % 2 == 0 and not request.latents.requires_grad:
            frames, size = len(request.latents), self._backbone.seen_by_motion(len(request.latents))
            if size < frames:
                return self._predict_groups([(each, None) for each in strided(frames, size)], request, source)
        return predict_in_windows(self._backbone, request, source, step)

    def _predict_groups(
        self, groups: Iterable[tuple[Sequence[int], Anchors | None]], request: Request, source: Request | None
    ) -> Tensor:
        output = room_for((len(request.prompt), *request.latents.shape), device=self._backbone.device).zero_()
        for group, anchors in groups:
            seen = request.frames(group)
            with self._backbone.in_window(seen.indices or group, anchors):
                lent = None if source is None else source.frames(group)
                output[:, as_index(group)] = predict(self._backbone, seen, lent)
                let_go(output, request.latents, None if source is None else source.latents)
        return output


def predict_in_windows(backbone: Backbone, request: Request, source: Request | None, step: int) -> Tensor:
    """``predict``, shot by shot, and window by window where a shot is longer than the windows in force; what is said of
    each frame is taken of one of them. The first window of a shot runs first, and lends the others the first frame."""
    seen = views(backbone.windows, backbone.shots, len(request.latents), step)
    if len(seen) == len(seen[0]) == 1:
        return predict(backbone, request, source)
    told = _Together(len(request.latents), backbone.device)
    for shot in seen:
        anchors = Anchors(shot[0].first) if len(shot) > 1 else None
        for window in shot:
            with backbone.in_window(window.frames, anchors):
                lent = None if source is None else source.frames(window.frames)
                told.add(predict(backbone, request.frames(window.frames), lent)[:, window.taken])
                let_go(request.latents, request.prompt.states, None if source is None else source.latents)
    return told.all()


def _kind(request: Request) -> Hashable:
    """What of a request must be alike for deep features to hold: its branches, and what has entered it."""
    shape = len(request.prompt), tuple(request.latents.shape)
    return shape, len(request.controls), len(request.tokens_apart), request.channels is None


class _Together:
    """What is said of stretches (N, F', C, h, w) of so many ``frames``, one after the other, put together: where it is
    large in a file, unless gradients lead through it."""

    def __init__(self, frames: int, device: torch.device) -> None:
        self._frames, self._device = frames, device
        self._parts: list[Tensor] = []
        self._room: Tensor | None = None
        self._filled = 0

    def add(self, part: Tensor) -> None:
        if part.requires_grad:
            self._parts.append(part)
            return
        if self._room is None:
            self._room = room_for((len(part), self._frames, *part.shape[2:]), device=self._device)
        self._room[:, self._filled : self._filled + part.shape[1]] = part
        self._filled += part.shape[1]
        let_go(self._room)

    def all(self) -> Tensor:
        """(N, F, C, h, w)."""
        return torch.cat(self._parts, dim=1) if self._room is None else self._room


def predict_loop(backbone: Backbone, request: Request, step: int) -> Tensor:
    """``predict_in_windows`` for a clip whose last frame is followed by its first, and which has no source.

    In each step the network goes once round, from another frame on, and a little further, so that the two are
    neighbours like any others. The frame that a turn begins with is the one that all look at where the attention kind
    has them look at the first.

    Source: closed-loop windows, AnimateDiff-Evolved's "looped uniform", with one frame or overlap more.
    """
    turn = Turn.of_step(len(request.latents), seen_again(backbone, len(request.latents)), step)
    order, taken = torch.tensor(turn.order), torch.tensor(turn.taken)
    with backbone.reordered(order):
        seen = predict_in_windows(backbone, request.reordered(order), None, step)
    return seen[:, turn.start + taken.argsort()]


def seen_again(backbone: Backbone, frames: int) -> int:
    """How many frames of a loop are seen again at the end of a turn: as many as windows share, else one, where motion
    modules have a position for it."""
    if backbone.windows is not None and frames > backbone.windows.size:
        return min(backbone.windows.overlap, frames - 1)
    seen = backbone.seen_at_once(frames)
    if seen is not None and seen < frames:
        return seen // 2
    return int(backbone.seen_at_once(frames + 1) in (None, frames + 1))


def predict(backbone: Backbone, request: Request, source: Request | None = None) -> Tensor:
    """The network's output (N, F, C, h, w) float32 for the N branches of ``request``. A ``source`` runs beside them as
    a further branch, which is injected into them (``backbone/injection.py``); whatever has entered it has entered
    ``request`` too."""
    x = request.latents.expand(len(request.prompt), *request.latents.shape)
    rests = backbone.outermost_alone  # and with it what makes residuals
    channels = None if request.channels is None else request.channels.expand(len(x), *request.channels.shape)
    if source is None:
        return backbone.predict(
            x,
            request.timestep,
            request.prompt.states,
            residuals=None if rests else request.residuals(),
            emphasis=request.prompt.weights,
            tokens_apart=request.tokens_apart,
            channels=channels,
        )
    prompt = Prompt.together(source.prompt, request.prompt)
    source = replace(source, latents=source.latents.to(x), prompt=prompt.branches(0, 1))
    if channels is not None:
        shown = torch.zeros_like(channels[0]) if source.channels is None else source.channels
        channels = torch.cat([shown[None], channels])
    return backbone.predict(
        torch.cat([source.latents[None], x]),
        request.timestep,
        prompt.states,
        inject=True,
        residuals=None if rests else _behind(source.residuals(), request.residuals(), frames=x.shape[1]),
        emphasis=prompt.weights,
        tokens_apart=[
            *(each.between(0, len(x)) for each in source.tokens_apart),
            *(each.between(1, 0) for each in request.tokens_apart),
        ],
        channels=channels,
    )[1:]


def _behind(source: Residuals | None, residuals: Residuals | None, frames: int) -> Residuals | None:
    """The residuals of all branches, with the source's put before them, or none for its frames."""
    if residuals is None:
        return None
    return residuals.after(residuals.none_for(frames) if source is None else source)
