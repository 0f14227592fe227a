"""What masks buy: the edit inside, the source outside: ``python -m benchmarks.mask_accuracy``.

Held-out clips of 8 frames, one attribute changed in each. The exact mask is the union of the old and the new object,
and for a new ground all but the object. "outside" is measured where no latent may change, beside the VAE's own round
trip of the same pixels; a clip whose mask leaves no such place has no figure. Brackets are 95 % bootstrap intervals
over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import vedit
from benchmarks.held_out import CHANGES, OF_OBJECTS, Case, cases, measure, of_objects
from benchmarks.judge import Judge, load_judge
from benchmarks.table import figure, percent, show
from vedit.backbone import Backbone
from vedit.backbone.prompts import tokens_of
from vedit.masks import word_mask

NAN = float("nan")


def exact(case: Case) -> Tensor:
    """Where the edit should happen (F, 1, H, W)."""
    before, after = (torch.from_numpy(each.masks[:, :1]).float() for each in (case.source, case.wanted))
    return 1 - torch.minimum(before, after) if case.change == "background" else torch.maximum(before, after)


def word(case: Case) -> str:
    """The shape's word: what is to change, or what a new ground is to leave."""
    return case.source.scene.objects[0].shape


WAYS: dict[str, Callable[[Case], Any]] = {
    "none": lambda case: "none",
    "auto": lambda case: "auto",
    "the exact mask": exact,
    "word:SHAPE": lambda case: f"word:{word(case)}",
}


def found(backbone: Backbone, case: Case) -> float:
    """Intersection over union, in pixels, of what the word finds with the object that it names."""
    text = backbone.embed([case.source_prompt])
    tokens = tokens_of(backbone.tokenizer, case.source_prompt, word(case))
    mask = word_mask(backbone, backbone.encode(case.clip.frames), text, tokens)
    inside = F.interpolate(mask, scale_factor=backbone.vae_scale_factor) == 1
    truth = torch.from_numpy(case.source.masks[:, :1]) > 0.5
    return float((inside & truth).sum() / (inside | truth).sum())


def row(title: str, backbone: Backbone, chosen: list[Case], judge: Judge, steps: int) -> list[str]:
    """One line of the table. A word cannot name what a thing is not, so its edits are the object's own; its overlap
    with the object's true mask is measured on all clips."""
    figures = []
    for case in chosen:
        if title.startswith("word") and case.change == "background":
            continue
        result = vedit.edit(
            backbone,
            case.clip,
            case.prompt,
            source_prompt=case.source_prompt,
            steps=steps,
            check_inversion=False,
            mask=WAYS[title](case),
        )
        outside, vae = (result.metrics.get(name, NAN) for name in ("outside_db", "outside_vae_db"))
        figures.append(
            {"change": case.change, **measure(result.clip.frames, case, judge), "outside": outside, "vae": vae}
        )
        print(title, figures[-1], flush=True)
    of_word = [found(backbone, case) for case in chosen] if title.startswith("word") else [NAN]
    of = {name: [each[name] for each in figures] for name in figures[0]}
    by = [[each["changed"] for each in figures if each["change"] == change] for change in CHANGES]
    below = [each["outside"] - each["vae"] for each in figures]
    lines = [title, str(len(figures)), *(percent(each) for each in [*by, of["changed"], of["kept"]])]
    numbers = [figure(each) for each in (of["unchanged"], of["outside"], below)]
    return [*lines, *numbers, figure(of_word, 2), *of_objects(figures)]


HEADER = [
    "", "clips", *(f"{change} right" for change in CHANGES), "all right", "others kept",
    "unchanged dB", "outside dB", "less the VAE's", "the word's IoU", *OF_OBJECTS,
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--first", type=int, default=900_000, help="seed of the first clip")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rows", nargs="*", help="rows by the starts of their names")
    arguments = parser.parse_args()
    chosen, judge = cases(arguments.clips, arguments.first), load_judge()
    backbone = vedit.load_backbone(arguments.model)
    titles = [title for title in WAYS if not arguments.rows or title.startswith(tuple(arguments.rows))]
    lines = [row(title, backbone, chosen, judge, arguments.steps) for title in titles]
    show(f"{len(chosen)} held-out clips of 8 frames, {arguments.steps} steps", HEADER, lines)


if __name__ == "__main__":
    main()
