"""The sentences that the miniature is taught, and the tokenizer that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

import world
from training.presets import TOKENS
from world.scene import Scene

START, END = "<|startoftext|>", "<|endoftext|>"


def sentence(scene: Scene, rng: np.random.Generator) -> str:
    """The scene's caption, mostly whole; one time in ten empty (for guidance), else with some of it left unsaid."""
    thing = scene.objects[0]
    roll = rng.random()
    if roll < 0.10:
        return ""
    if roll < 0.70 or len(scene.objects) > 1:
        return scene.caption
    kind = rng.integers(6)
    # Weather and look are never left unsaid, or a prompt that says nothing of them might get them.
    whats = [
        f"a {thing.colour} {thing.shape} over {scene.background}",
        f"a {thing.colour} {thing.shape}",
        f"{thing.colour} {thing.shape} {scene.background}",
        f"a {thing.shape} moving {thing.direction} over {scene.background}",
        f"a {thing.shape} over {scene.background}",
        f"{scene.background}",
    ]
    return scene.said(whats[kind])


def with_words(tokenizer: CLIPTokenizer, words: Iterable[str], folder: Path) -> CLIPTokenizer:
    """A tokenizer that also has these words as one token each, at the end of the vocabulary; saved in ``folder``."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    vocabulary, merges = dict(state["vocab"]), [tuple(each) for each in state["merges"]]
    for word in words:
        whole, *rest = tokenizer.tokenize(word)
        for piece in rest:
            merges.append((whole, piece))
            whole += piece
            vocabulary.setdefault(whole, len(vocabulary))
    more = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=tokenizer.model_max_length,
        bos_token=START, eos_token=END, unk_token=END, pad_token=END,
    )  # fmt: skip
    more.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def save_tokenizer(folder: Path) -> CLIPTokenizer:
    """Train byte-pair merges on every caption's words and save a CLIPTokenizer; unknown words fall into letters."""
    words = [*world.SHAPES, *world.COLOURS, *world.BACKGROUNDS, *world.DIRECTIONS, *world.WEATHERS, *world.LOOKS]
    corpus = [" ".join(["a", "an", "moving", "over", "in", "of", "and", *pair]) for pair in product(words, words)]
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
