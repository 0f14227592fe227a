"""The sentences that the miniature is taught, and the tokenizer that reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

import world
from training.presets import TOKENS
from world.scene import FAINTEST, Object, Scene

START, END = "<|startoftext|>", "<|endoftext|>"

WORDS = (
    *world.SHAPES, *world.COLOURS, *world.BACKGROUNDS, *world.DIRECTIONS, *world.WEATHERS, *world.LOOKS,
    *world.STRENGTHS, "moving", "bouncing", "circling", "standing", "still", "slowly", "fast", "then", "a", "an", "the",
    "and", "over", "in", "of", "as", "camera", "pans",
)  # fmt: skip
"""Every word of a caption, each one token."""

EMPTY, WHOLE = 0.10, 0.65
"""Shares of the prompts that are empty (for guidance), and of the others that leave nothing unsaid."""

MIXED = 0.5
"""Share of the scenes with weather that are told by mixed embeddings."""


def sentence(scene: Scene, rng: np.random.Generator) -> str:
    """The scene's caption, mostly whole; one time in ten empty, else with some of it left unsaid.

    Weather and look are never left unsaid, or a prompt that says nothing of them might get them; nor is an object.
    """
    if rng.random() < EMPTY:
        return ""
    if rng.random() < WHOLE:
        return scene.caption
    if rng.random() < 0.5:
        scene = replace(scene, pan=None)
    if len(scene.objects) == 1 and rng.random() < 0.12:
        return scene.said(scene.background)
    what = " and ".join(_partly(thing, rng) for thing in scene.objects)
    return scene.said(what if rng.random() < 0.25 else f"{what} over {scene.background}")


def _partly(thing: Object, rng: np.random.Generator) -> str:
    """An object's phrase without its motion, its colour or its article."""
    roll = rng.random()
    if roll < 0.5:
        return thing.phrase.removesuffix(f" {world.paths.words(thing)}")
    if roll < 0.65:
        return f"{thing.colour} {thing.shape}"
    if roll < 0.8:
        return f"a {thing.shape} {world.paths.words(thing)}"
    return thing.phrase


def told(scene: Scene, rng: np.random.Generator) -> tuple[str, str, float]:
    """Two prompts, and how much of the second there is in the mix of their embeddings.

    How hard it rains or snows is said by a word, and between the words by the mix: half of the scenes with weather are
    told as so much of "light" and so much of "heavy" as is exact. So there is a straight line in the space of
    embeddings along which it rains ever harder.
    """
    if scene.weather == "clear" or rng.random() >= MIXED:
        text = sentence(scene, rng)
        return text, text, 0.0
    ground_only = len(scene.objects) == 1 and rng.random() < 0.3
    light, heavy = (replace(scene, intensity=level) for level in (FAINTEST, 1.0))
    if ground_only:
        return light.said(scene.background), heavy.said(scene.background), scene.strength
    return light.caption, heavy.caption, scene.strength


def save_tokenizer(folder: Path) -> CLIPTokenizer:
    """Train byte-pair merges on every caption's words and save a CLIPTokenizer; unknown words fall into letters."""
    corpus = [" ".join(pair) for pair in product(WORDS, WORDS)]
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    # As in CLIP: every byte, alone and at a word's end, so that no prompt meets an unknown sign.
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1024, min_frequency=1, end_of_word_suffix="</w>", initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    known = [*letters, *(f"{letter}</w>" for letter in letters)]
    merged = [token for token in sorted(state["vocab"], key=state["vocab"].__getitem__) if token not in {*known, END}]
    vocabulary = {token: index for index, token in enumerate([*known, *merged, START, END])}
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in state["merges"]]
    clip = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=TOKENS,
        bos_token=START, eos_token=END, unk_token=END, pad_token=END,
    )  # fmt: skip
    clip.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)
