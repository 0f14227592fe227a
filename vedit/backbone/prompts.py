"""Prompts of any length to text embeddings, and where a word's tokens are in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.errors import ConfigError

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

MANY_WORDS, FEW_WORDS = 5_000, 20
"""Entries of a vocabulary from which on it knows most words by themselves or their parts, and words of three letters
below which it knows none. (CLIP's has 49,408.)"""


@torch.no_grad()
def embed(
    tokenizer: CLIPTokenizer, encoder: CLIPTextModel, texts: Sequence[str], ignored_tokens: Sequence[Sequence[int]] = ()
) -> Tensor:
    """As ``embed_with_gradient``, without one."""
    return embed_with_gradient(tokenizer, encoder, texts, ignored_tokens)


def embed_with_gradient(
    tokenizer: CLIPTokenizer, encoder: CLIPTextModel, texts: Sequence[str], ignored_tokens: Sequence[Sequence[int]] = ()
) -> Tensor:
    """Prompts to last hidden states (N, T, D) in the encoder's dtype.

    A prompt longer than the tokenizer's length is cut into chunks of that length, each with its own start and end
    tokens, whose states are joined; shorter prompts are padded to as many chunks. The usual practice since
    AUTOMATIC1111's web UI.

    unheard: for each prompt, the places among its T tokens that the others do not look at: what it says without them
    """
    room = tokenizer.model_max_length - 2
    ids = [tokenizer(text, add_special_tokens=False, verbose=False).input_ids for text in texts]
    count = max(1, max(-(-len(each) // room) for each in ids))
    chunks = [each[start : start + room] for each in ids for start in range(0, count * room, room)]
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    rows = []
    for chunk in chunks:
        row = [tokenizer.bos_token_id, *chunk, tokenizer.eos_token_id]
        rows.append(row + [padding] * (tokenizer.model_max_length - len(row)))
    tokens = torch.tensor(rows, device=encoder.device)
    looked_at = None
    if any(ignored_tokens):
        looked_at = torch.ones(len(texts), tokens.shape[1] * count, dtype=torch.long, device=encoder.device)
        for row_of, positions in zip(looked_at, ignored_tokens, strict=True):
            row_of[list(positions)] = 0
        looked_at = looked_at.view(tokens.shape)
    states = encoder(tokens, attention_mask=looked_at).last_hidden_state
    return states.unflatten(0, (len(texts), count)).flatten(1, 2)


def chunks_of(tokenizer: CLIPTokenizer, text: str) -> int:
    """How many chunks of the tokenizer's length a prompt is cut into, 1 or more."""
    count = len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)
    return max(1, -(-count // (tokenizer.model_max_length - 2)))


def knows(tokenizer: CLIPTokenizer, word: str) -> bool:
    """Whether a word is one entry of the vocabulary, at the end of a word or by itself."""
    found = tokenizer.tokenize(word)
    return len(found) == 1 and found[0] != tokenizer.unk_token


def unknown_words(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> list[str]:
    """The words that a tokenizer of few words has to spell, in their order; none where it has thousands, which spell
    rare words well, or hardly any, which spell all."""
    entries = [entry.removesuffix("</w>") for entry in tokenizer.get_vocab()]
    if len(entries) >= MANY_WORDS or sum(len(entry) > 2 and entry.isalpha() for entry in entries) < FEW_WORDS:
        return []
    taught = [re.escape(each) for each in tokenizer.get_added_vocab()]  # such as <rex>, which is no word but for that
    plain = [re.sub("|".join(taught), " ", text) if taught else text for text in texts]
    words = dict.fromkeys(word for text in plain for word in re.findall(r"[^\W\d_]+", text.lower()))
    return [word for word in words if not knows(tokenizer, word)]


def nearest_words(tokenizer: CLIPTokenizer, words: Sequence[str]) -> list[str]:
    """The words that a tokenizer of few words knows which are most like these, for those that have one so alike.

    What ends a longer entry is not counted: it is most likely a piece of words, as "rcle" is of "circle".
    """
    entries = [entry.removesuffix("</w>") for entry in tokenizer.get_vocab() if entry.endswith("</w>")]
    known = [one for one in entries if len(one) > 2 and not any(each != one and each.endswith(one) for each in entries)]
    found = [near for word in words for near in get_close_matches(word, known, n=1, cutoff=0.7)]
    return [*dict.fromkeys(found)]


def tokens_of(tokenizer: CLIPTokenizer, text: str, word: str, whose: str = "the prompt") -> list[int]:
    """Where ``embed`` puts a word, or several in a row, of the prompt ``text`` among the T tokens; all of its places.

    Raises ConfigError, with ``whose`` text it is and the words that there are, where it is not said.
    """
    room = tokenizer.model_max_length - 2
    all_of, wanted = (tokenizer.tokenize(each) for each in (text, word))
    begins = [
        index
        for index in range(len(all_of) - len(wanted) + 1)
        if wanted and all_of[index : index + len(wanted)] == wanted
        # A word may be cut into several tokens; the last of them bears the mark of its end.
        if index == 0 or all_of[index - 1].endswith("</w>")
    ]
    if not begins:
        said = dict.fromkeys(text.split())
        raise ConfigError(f"{whose} does not say '{word}'; its words are: {', '.join(said) or 'none'}.")
    positions = [begin + offset for begin in begins for offset in range(len(wanted))]
    return [position // room * tokenizer.model_max_length + 1 + position % room for position in positions]
