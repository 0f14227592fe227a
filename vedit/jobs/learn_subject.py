"""``vedit learn subject``: a few pictures of a subject to a LoRA and a word of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vedit.adapters.lora_training import Subject, token_file
from vedit.backbone.prompts import knows
from vedit.backbone.sizes import native_side
from vedit.clip.images import list_pictures
from vedit.config import LearnSubjectConfig
from vedit.errors import ConfigError, MediaError
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.jobs.base import Given, Goal, Job, opened
from vedit.jobs.images import check_picture, words_beside
from vedit.jobs.outputs import check_output
from vedit.jobs.resources import Canvas
from vedit.session import Session
from vedit.stages.subject import ClassLatents, EncodeSquares, LearnSubject
from vedit.tuning.subject import Naming

if TYPE_CHECKING:
    from vedit.printing import Report

USUAL_SIDE = 512
"""Pixels, where a model does not say what it was trained at."""

MOST_PICTURES = 1000


@dataclass(frozen=True)
class LearnSubjectResult:
    """What was learnt, and the files that hold it: the LoRA with its word, and the word alone."""

    subject: Subject
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FinishSubject(Stage[LearnSubjectResult]):
    """What was learnt."""

    learnt: LearnSubject

    def make(self, session: Session, learnt: Subject) -> LearnSubjectResult:
        return LearnSubjectResult(learnt)


class LearnSubjectJob(Job[LearnSubjectConfig, LearnSubjectResult]):
    """Without ``output``, the subject's word and ".safetensors" in the current folder."""

    def checked(self, config: LearnSubjectConfig) -> LearnSubjectConfig:
        output = config.output or Path(f"{_plain(naming_of(config).token)}.safetensors")
        if output.suffix != ".safetensors":
            raise MediaError(f"{output}: a LoRA is written as .safetensors.")
        for each in (output, token_file(output)):
            check_output(each, config.files_read(), config.overwrite)
        pictures_of(config)
        told_of(config)
        return config.model_copy(update={"output": output})

    def goal(self, config: LearnSubjectConfig, session: Session, given: Given) -> Goal[LearnSubjectResult]:
        naming, files = naming_of(config), tuple(File.of(each) for each in pictures_of(config))
        model = opened(config, session, given)
        if knows(model.outline.tokenizer, naming.token):
            raise ConfigError(
                f"the model knows '{naming.token}' already; call the subject by a new word, such as <rex>."
            )
        cell = model.outline.vae_scale_factor
        wanted = config.size or native_side(model.outline.unet, cell) or USUAL_SIDE
        side = max(1, round(wanted / cell)) * cell
        of_class = None
        if config.prior_pictures and config.prior_weight:
            of_class = ClassLatents(model, replace(naming, token=""), config.prior_pictures, side, config.seed)
        learnt = LearnSubject(
            EncodeSquares(files, side, model), told_of(config), of_class, model, naming, config.prior_weight,
            config.steps, config.learning_rate, config.rank, config.seed,
        )  # fmt: skip
        canvas = Canvas(1, (side, side), (side, side), None, None)
        return Goal(FinishSubject(learnt), config, model, canvas, "take fewer --steps, or a smaller --size")

    def finish(
        self, config: LearnSubjectConfig, result: LearnSubjectResult, seconds: dict[str, float]
    ) -> LearnSubjectResult:
        if config.output is None:
            return result
        return replace(result, files=result.subject.save(config.output, overwrite=config.overwrite))

    def show(self, result: LearnSubjectResult, report: Report) -> None:
        for each in result.files:
            report.file(each, f"{each.stat().st_size / 1e6:.2f} MB")


def naming_of(config: LearnSubjectConfig) -> Naming:
    token, _, kind = config.called.partition(" ")
    return Naming(token, kind)


def pictures_of(config: LearnSubjectConfig) -> list[Path]:
    """The pictures of the folder. Raises MediaError for what is none, and where there are too many."""
    found = list_pictures(config.pictures)
    if len(found) > MOST_PICTURES:
        raise MediaError(f"{config.pictures} holds {len(found):,} pictures; expected {MOST_PICTURES:,} at most.")
    for each in found:
        check_picture(each)
    return found


def told_of(config: LearnSubjectConfig) -> tuple[str, ...]:
    """What each picture shows: the words beside it, which say the subject's own; else that and its class alone. Raises
    MediaError and ConfigError."""
    naming = naming_of(config)
    files = list_pictures(config.pictures)
    told = words_beside(files, naming.prompt)
    for file, words in zip(files, told, strict=True):
        if naming.token not in words:
            said = " ".join(words.split())
            raise ConfigError(
                f"{file.with_suffix('.txt')} says '{said:.60}', without {naming.token}; expected what the picture "
                f"shows, the subject in it by its name, such as '{naming.prompt} on a beach'."
            )
    return told


def _plain(token: str) -> str:
    """A word as the name of a file."""
    return "".join(each for each in token if each.isalnum() or each in "-_") or "subject"
