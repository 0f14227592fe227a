"""Names of outputs from templates."""

from __future__ import annotations

import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedit.batches.names import LONGEST, TemplateError, clean, fields_of, fill

VALUES = {"clip": Path("/clips/wave.mp4"), "prompt": "a fox", "seed": 7, "strength": 0.5, "mask": None, "paste": True}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{clip}/{prompt}-{seed}.mp4", "wave/a-fox-7.mp4"),
        ("{clip}", "wave"),
        ("./x//{seed}.mp4", "x/7.mp4"),
        ("x\\{seed}.mp4", "x/7.mp4"),
        ("{seed:04}.mp4", "0007.mp4"),
        ("{seed:03d}-{seed:01}.mp4", "007-7.mp4"),
        ("{strength}-{mask}-{paste}.mp4", "0.5-none-True.mp4"),
        ("{{seed}}.mp4", "{seed}.mp4"),
        ("ein Füchslein 狐 🦊.mp4", "ein Füchslein 狐 🦊.mp4"),
    ],
)
def test_a_template_becomes_a_path(template: str, name: str) -> None:
    assert fill(template, VALUES.__getitem__) == Path(name)


def test_fields_are_in_their_order() -> None:
    assert fields_of("{clip}/{prompt}-{seed:04}-{{no}}.mp4") == ["clip", "prompt", "seed"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{prompt", "is no template: expected '}'"),
        ("}", "is no template"),
        ("{}.mp4", "'{}' is no field"),
        ("{0}.mp4", "'{0}' is no field"),
        ("{prompt.__class__}.mp4", "'{prompt.__class__}' is no field"),
        ("{prompt[0]}.mp4", "'{prompt[0]}' is no field"),
        ("{prompt!r}.mp4", "'{prompt!r}' is no field"),
        ("{strength:.2f}.mp4", "'{strength:.2f}' is no field"),
        ("{seed:4}.mp4", "'{seed:4}' is no field"),
        ("{seed:0999}.mp4", "'{seed:0999}' is no field"),
        ("{seed:{strength}}.mp4", "'{seed:{strength}}' is no field"),
        ("{prompt:04}.mp4", "prompt is 'a fox', no whole number"),
        ("{strength:04}.mp4", "strength is 0.5, no whole number"),
        ("{paste:04}.mp4", "paste is True, no whole number"),
        ("../x.mp4", "leads out of the output folder"),
        ("x/../../y.mp4", "leads out"),
        ("x\\..\\..\\y.mp4", "leads out"),
        ("/x.mp4", "leads out"),
        ("~/x.mp4", "leads out"),
        ("C:x.mp4", "leads out"),
        ("", "leads out"),
        (".", "leads out"),
        (".mp4", "is hidden"),
        ("x/.vedit-y.mp4", "is hidden"),
        ("...", "is hidden"),
        ("a\nb.mp4", "holds characters"),
        ("a\0b.mp4", "holds characters"),
        ("a\x1b[31mb.mp4", "holds characters"),
        ("a\u202eb.mp4", "holds characters"),
        ("\udcff.mp4", "holds characters"),
        ("x" * 260, "makes a name of 260 bytes; expected at most 250"),
        ("ü" * 130 + "/x.mp4", "makes a name of 260 bytes"),
    ],
)
def test_what_is_no_name_in_the_folder(template: str, said: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(said)):
        fill(template, VALUES.__getitem__)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a fox, running", "a-fox,-running"),
        ("a/b/../c", "a-b-..-c"),
        ("../../etc", "etc"),
        ("a\0b\x1b[31m", "a-b-31m"),
        ("日本 Füchse", "日本-Füchse"),
        ("a 🦊 fox", "a-fox"),
        ("C:\\x", "C-x"),
        ("-x-", "x"),
        ("", "none"),
        (" ", "none"),
        (None, "none"),
        (-3, "-3"),
        (0.1 + 0.2, "0.3"),
        (3e-5, "3e-05"),
        (("a b", "c"), "a-b+c"),
        ((Path("/x/one.safetensors"), 2), "one+2"),
    ],
)
def test_values_in_names(value: object, name: str) -> None:
    assert clean(value) == name


def test_what_has_no_letters_is_told_apart_none_the_less() -> None:
    assert len({clean(text) for text in ("🦊", "🐱", "..", "/", "?")}) == 5
    assert clean("🦊") == clean("🦊")


def test_long_texts_are_cut_and_told_apart() -> None:
    one, other = clean("a" * 300), clean("a" * 301)
    assert one != other
    assert len(one) == len(other) == LONGEST
    assert one.startswith("aaaa")
    assert len(clean("狐" * 300).encode()) <= LONGEST


def test_one_letter_however_it_is_composed() -> None:
    assert clean("caf\u00e9") == clean("cafe\u0301") == "caf\u00e9"


@given(st.text(alphabet=st.characters(codec=None), max_size=400))
def test_any_text_is_a_name(text: str) -> None:
    """One that stays in its folder, on any file system, and stays what it is."""
    name = clean(text)
    path = fill("{x}.mp4", lambda _: text)
    assert path == Path(f"{name}.mp4")
    assert 0 < len(name.encode()) <= LONGEST
    assert name.isprintable()
    assert not {*name} & {*'/\\:*?"<>|\0 '}
    assert clean(name) == name
    assert name[0] not in ".-"
    assert unicodedata.is_normalized("NFC", name)


@given(st.text(alphabet="{}.:!/\\~ab0[]seed\0", max_size=20))
def test_any_template_stays_inside_or_is_refused(template: str) -> None:
    value = random.Random(template).choice(["..", "/", 3, None])
    try:
        path = fill(template, lambda _: value)
    except TemplateError:
        return
    assert not path.is_absolute()
    assert not {"..", ".", "~"} & {*path.parts}
