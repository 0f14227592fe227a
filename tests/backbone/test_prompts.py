"""What a tokenizer knows of the words of a prompt."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPTokenizer

from tests.backbone import toys
from vedit.backbone.model_files import MINI
from vedit.backbone.prompts import MANY_WORDS, knows, nearest_words, unknown_words


def test_words_that_a_small_vocabulary_lacks_are_named() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    assert unknown_words(tokenizer, ["a Zebra, red star", "over zebra-grass in 2020", ""]) == ["zebra"]


def test_a_word_that_was_taught_is_known() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    assert unknown_words(tokenizer, ["a <rex> star"]) == ["rex"]
    assert not knows(tokenizer, "<rex>")
    assert knows(tokenizer, "red")
    tokenizer.add_tokens(["<rex>"])
    assert unknown_words(tokenizer, ["a <rex> star"]) == []
    assert knows(tokenizer, "<rex>")


def test_the_known_words_most_like_unknown_ones_are_found() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    assert nearest_words(tokenizer, ["stra", "gras", "circel", "zebra", "stra"]) == ["star", "grass", "circle"]
    assert nearest_words(tokenizer, ["rcl", "sno"]) == ["snow"]  # no pieces of words


def test_nothing_is_said_of_a_vocabulary_that_spells_all_or_knows_thousands(tmp_path: Path) -> None:
    toys.save_tokenizer(tmp_path / "toy")
    assert unknown_words(CLIPTokenizer.from_pretrained(tmp_path / "toy"), ["a zebra"]) == []
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    tokenizer.add_tokens([f"word{number}" for number in range(MANY_WORDS)])
    assert unknown_words(tokenizer, ["a zebra"]) == []
