"""What is said after an edit."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

from vedit.config import EditConfig
from vedit.jobs.summary import of_time, sentences


def db(deviation: float) -> float:
    return -20 * math.log10(deviation)


MASKED = {
    "vae_db": 32.84,
    "reconstruction_db": 31.9,
    "edited_share": 0.213,
    "inside_db": db(0.17),
    "inside_vae_db": db(0.03),
    "outside_db": 34.04,
    "outside_vae_db": 33.0,
}


def test_what_may_change_and_does_what_is_kept_and_what_can_be_shown() -> None:
    assert sentences(MASKED) == [
        "The edit may change 21% of the picture, and changed the colours there by 17% of their range.",
        "The rest of the picture is kept: 34.0 dB (the VAE alone: 33.0 dB).",
        "Of the whole clip the model's VAE keeps 32.8 dB, and 31.9 dB come back from the inversion.",
    ]


def test_an_edit_that_did_next_to_nothing_says_so_and_what_to_do() -> None:
    said = sentences(MASKED | {"inside_db": db(0.033)})[0]
    assert "hardly did: colours changed by 3.3% of their range there, and the VAE alone changes them by 3.0%" in said
    assert "--guidance" in said
    given = sentences(MASKED | {"inside_db": db(0.033)}, given=True)[0]
    assert "What --first shows" in given
    assert "--guidance" not in given


def test_the_frames_of_a_stretch_are_counted_and_only_pictures_keep_their_bits() -> None:
    told = {"clip": Path("a.mp4"), "prompt": "a cat", "only": "6..99"}
    video, folder = (EditConfig.model_validate(told | {"output": output}) for output in ("o.mp4", "o"))
    said = "Of the clip's 8 frames 6 to 7 were edited; the others are its own"
    assert of_time(video, Fraction(8), 8) == [f"{said}."]
    assert of_time(folder, Fraction(8), 8) == [f"{said}, to the bit."]


def test_the_sources_own_pixels_are_kept_as_they_were() -> None:
    assert "The rest of the picture is kept as it was." in sentences(MASKED | {"outside_db": 100.0})


def test_without_a_mask_and_without_a_gate() -> None:
    assert sentences({"vae_db": 30.0, "inside_db": db(0.2), "inside_vae_db": 30.0}) == [
        "The edit may change all of the picture, and changed the colours there by 20% of their range.",
        "Of the whole clip the model's VAE keeps 30.0 dB.",
    ]


def test_an_inversion_that_the_gate_let_pass() -> None:
    passed = {"vae_db": 30.0, "inversion_correction": 0.1}
    assert (
        sentences(passed, checked=True)[-1]
        == "Of the whole clip the model's VAE keeps 30.0 dB, and its inversion is steady."
    )
    assert "steady" not in sentences(passed)[-1], "nobody looked"


def test_an_inversion_that_was_hard_and_that_nobody_looked_at() -> None:
    hard = {"vae_db": 30.0, "inversion_correction": 0.6}
    assert "was not looked at (--check-inversion does)" in sentences(hard)[-1]
    assert "looked at" not in sentences({**hard, "inversion_correction": 0.1})[-1]
    assert "looked at" not in sentences({**hard, "reconstruction_db": 29.0}, checked=True)[-1]


def test_a_mask_that_is_empty_or_open_throughout() -> None:
    assert sentences({"edited_share": 0.0, "vae_db": 30.0})[0] == "The edit may change 0% of the picture."
    whole = {"edited_share": 1.0, "inside_db": db(0.2), "inside_vae_db": 30.0, "vae_db": 30.0}
    assert sentences(whole)[0].startswith("The edit may change all of the picture, and changed")
