"""The prompt of each frame: which words are emphasised, and which prompts the clip goes on to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.backbone.prompts import nearest_words, tokens_of, unknown_words
from vedit.config import EmphasisSettings, Guided, PromptAtSettings
from vedit.errors import ConfigError, VeditHint
from vedit.mapped import in_chunks, room_for
from vedit.prompt import Prompt
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.shots import check_named
from vedit.timeline import Moments

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

LONGEST_WAY = 100_000
"""Frames up to which a prompt to go on to may lie ahead."""


def per_frame(
    config: Guided,
    backbone: Backbone,
    moments: Moments,
    ahead: Callable[[int], Moments],
    shots: Shots = ONE_SHOT,
) -> Prompt:
    """The prompt of each frame, in one branch.

    Between two prompts their states are interpolated: by time, or by the running sum of ``prompt_blend`` (Liu et al.
    2023, "Generative Disco", section 4). ``ahead`` returns the moments of a longer clip, since the last interpolation
    may end after this clip; so a longer clip has the same first frames. A prompt that is reached with a shot is so at
    once, and not before. Raises ConfigError.
    """
    states, weights = emphasised_prompts(config, backbone, moments)
    along = _shares(config, moments, ahead, shots)
    mixed = room_for((1, len(along), *states[0].shape[1:]), states[0].dtype, states[0].device)
    for cut in in_chunks(len(along), mixed, *states):
        for frame in range(cut.start, cut.stop):
            mixed[0, frame] = _mixed(states, frame, *along[frame])
    if not config.emphasis:
        return Prompt(mixed)
    counted = [_mixed(weights, frame, stretch, share) for frame, (stretch, share) in enumerate(along)]
    return Prompt(mixed, torch.stack(counted)[None])


def prompts(config: Guided) -> list[str]:
    """The prompt, and those that the clip goes on to, in their order."""
    return [config.prompt, *(each.prompt for each in config.prompt_at)]


def hint_at_unknown(tokenizer: CLIPTokenizer, *texts: str) -> None:
    """Say which words a model with a small vocabulary has never seen whole."""
    if words := unknown_words(tokenizer, texts):
        named = ", ".join(f"'{word}'" for word in words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
        if near := nearest_words(tokenizer, words[:5]):
            named += f" (did you mean {', '.join(near)}?)"
        warnings.warn(
            f"not in this model's vocabulary of {len(tokenizer.get_vocab()):,}: {named}; such words are spelt, and "
            "hardly understood",
            VeditHint,
            stacklevel=2,
        )


def emphasised_tokens(config: Guided, tokenizer: CLIPTokenizer) -> list[tuple[EmphasisSettings, int, list[int]]]:
    """For each word to emphasise and each prompt with it: the setting, the prompt's index, and the word's token
    positions.

    Raises ConfigError for a word that is in no prompt.
    """
    everywhere = []
    for each in config.emphasis:
        found, lacking = [], None
        for number, text in enumerate(prompts(config)):
            try:
                found.append((each, number, tokens_of(tokenizer, text, each.word)))
            except ConfigError as error:
                lacking = lacking or error
        if not found and lacking is not None:
            raise lacking
        everywhere += found
    return everywhere


def emphasised_prompts(config: Guided, backbone: Backbone, moments: Moments) -> tuple[list[Tensor], list[Tensor]]:
    """For each prompt: its states (F, T, D), and the weights of its tokens (F, T).

    A word's weight scales its own cross-attention (Lee et al. 2023, "AADiff", eq. 4). But the tokens after the word,
    the end token above all, have attended to it and repeat much of it. So their states are moved along the line from
    those without the word (weight 0) through those with it (1), and beyond. Raises ConfigError for a word that is in no
    prompt.
    """
    said = prompts(config)
    found = emphasised_tokens(config, backbone.tokenizer)
    texts = [*said, *(said[number] for _, number, _ in found)]
    embedded = backbone.embed_alike(texts, [*([()] * len(said)), *(where for _, _, where in found)])
    states = [each.expand(moments.frames, -1, -1) for each in embedded[: len(said)]]
    weights = [torch.ones(moments.frames, each.shape[1]) for each in states]
    for (each, number, where), without in zip(found, embedded[len(said) :], strict=True):
        weight = torch.tensor(each.per_frame("weight", moments))
        told = embedded[number] - without
        told[:, where] = 0
        moved, further = room_for(states[number].shape, told.dtype, told.device), (weight - 1).to(told)[:, None, None]
        for cut in in_chunks(len(moved), moved, states[number]):
            moved[cut] = states[number][cut] + further[cut] * told
        states[number] = moved
        weights[number][:, where] *= weight[:, None]
    return states, weights


def last_shot(config: Guided) -> int:
    """The last shot that the prompts name, counted from 1."""
    return max((each.shot for each in config.prompt_at if each.shot is not None), default=1)


def arrivals(config: Guided, moments: Moments, shots: Shots | None) -> list[int]:
    """The frames in which the later prompts are reached; without those that are so with a shot where the ``shots`` are
    not known yet (None). Raises ConfigError where they are not in order, or are set in beats or shots that there are
    not."""
    known = [each for each in config.prompt_at if each.shot is None or shots is not None]
    found = [_frame(each, moments, shots or ONE_SHOT) for each in known]
    if any(one >= other for one, other in pairwise([0, *found])):
        raise ConfigError(
            "prompt_at: the prompts are not in the order of their times; expected each after the one before, and the "
            "first after the clip's beginning."
        )
    return found


def _shares(config: Guided, moments: Moments, ahead: Callable[[int], Moments], shots: Shots) -> list[tuple[int, float]]:
    """For each frame the index of the prompt that it has passed, and the share of the way to the next."""
    reached = [0, *arrivals(config, moments, shots)]
    end = moments.begin + moments.frames
    whole = ahead(reached[-1] + 1) if reached[-1] + 1 > end else moments.from_start
    moving = [1.0] * whole.frames if config.prompt_blend is None else config.per_frame("prompt_blend", whole)
    found = []
    for frame in range(moments.begin, end):
        stretch = max(index for index, first in enumerate(reached) if first <= frame)
        if stretch == len(reached) - 1 or config.prompt_at[stretch].shot is not None:
            found.append((stretch, 0.0))
            continue
        first, last = reached[stretch], reached[stretch + 1]
        total = sum(moving[first:last])
        found.append((stretch, sum(moving[first:frame]) / total if total > 0 else (frame - first) / (last - first)))
    return found


def _mixed(each: list[Tensor], frame: int, stretch: int, share: float) -> Tensor:
    """One frame's tensor (...), interpolated between the prompt passed and the next by the share of the way; ``each``
    is (F, ...) for each prompt."""
    if share == 0:
        return each[stretch][frame]
    return torch.lerp(each[stretch][frame], each[stretch + 1][frame], share)


def _frame(each: PromptAtSettings, moments: Moments, shots: Shots) -> int:
    """The frame in which a prompt is reached. Raises ConfigError where its time is in beats or shots that there are
    not."""
    if each.shot is not None:
        check_named(shots, each.shot)
        return moments.begin + shots.counted[each.shot - 1]
    frame = moments.frame_of(each.time, "prompt_at")
    if frame > LONGEST_WAY:
        raise ConfigError(f"prompt_at: '{each.time}' is reached in frame {frame:,}; expected at most {LONGEST_WAY:,}.")
    return frame
