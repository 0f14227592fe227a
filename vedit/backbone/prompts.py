"""Prompts to text embeddings, however long they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer


@torch.no_grad()
def embed(tokenizer: CLIPTokenizer, encoder: CLIPTextModel, texts: Sequence[str]) -> Tensor:
    """Prompts to last hidden states (N, T, D) in the encoder's dtype.

    A prompt longer than the tokenizer's length is cut into chunks of that length, each with its own start and end
    tokens, whose states are joined; shorter prompts are padded to as many chunks. The usual practice since
    AUTOMATIC1111's web UI.
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
    states = encoder(tokens).last_hidden_state
    return states.unflatten(0, (len(texts), count)).flatten(1, 2)
