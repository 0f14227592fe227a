"""What the network predicts for a request: all branches in one pass, with the source beside them if it is injected."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.entrances.residuals import Residuals
from vedit.prompt import Prompt
from vedit.request import Request


class Predictor:
    """Predicts all branches of requests as one batch; where memory does not suffice for that, one after the other from
    then on."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._one_by_one = False

    def __call__(self, request: Request, source: Request | None = None) -> Tensor:
        """The network's output (N, F, C, h, w) float32 for all branches of ``request``, those beside the others last,
        with the one branch of ``source`` injected into them."""
        request = request.with_all_branches()
        if not self._one_by_one:
            try:
                return predict(self._backbone, request, source)
            except torch.OutOfMemoryError:
                self._one_by_one = True
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
        return torch.cat([predict(self._backbone, each, source) for each in request.split()])


def predict(backbone: Backbone, request: Request, source: Request | None = None) -> Tensor:
    """The network's output (N, F, C, h, w) float32 for the N branches of ``request``. A ``source`` runs beside them as
    a further branch, which is injected into them (``backbone/injection.py``); whatever has entered it has entered
    ``request`` too."""
    x = request.latents.expand(len(request.prompt), *request.latents.shape)
    channels = None if request.channels is None else request.channels.expand(len(x), *request.channels.shape)
    if source is None:
        return backbone.predict(
            x,
            request.timestep,
            request.prompt.states,
            residuals=request.residuals(),
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
        residuals=_behind(source.residuals(), request.residuals(), frames=x.shape[1]),
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
