"""The shots of a job's clip: those that are found, or those that the settings name."""

from __future__ import annotations

from vedit.clip import Clip
from vedit.config import CutSettings, frame_of
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.jobs.source import Footage
from vedit.shots import Shots
from vedit.stages.shots import FindShots, GivenShots, check_named


def shots_stage(config: CutSettings, clip: Stage[Clip], footage: Footage, named: int = 1) -> Stage[Shots] | None:
    """The stage that says where shots begin; None for a clip that is one.

    Args:
        named: the last shot that the prompts name, counted from 1

    Raises:
        ConfigError: for cuts that cannot be, and for a shot that is named and that there is not
    """
    if config.shots == "auto":
        return FindShots(clip, named)
    given = given_shots(config, footage)
    check_named(given, named)
    return GivenShots(given) if len(given.counted) > 1 else None


def given_shots(config: CutSettings, footage: Footage) -> Shots:
    """Those that the settings name; one where they name none. Of a stretch of a clip, those that it has, with cuts
    counted from the clip's beginning all the same. Raises ConfigError for cuts out of order or out of the clip."""
    if config.shots in ("auto", "none"):
        return Shots()
    cuts = [frame_of(each, footage.rate) for each in config.shots.split(",")]
    try:
        Shots((0, *cuts))
    except ValueError as error:
        raise ConfigError(
            f"shots: {config.shots} begin at the frames {', '.join(map(str, cuts))}; expected each after the one "
            "before, and the first after frame 0."
        ) from error
    if cuts[-1] >= footage.frames and not footage.stretched:
        raise ConfigError(f"shots: there is no frame {cuts[-1]} to cut at; the clip has {footage.frames}.")
    every = tuple(each - footage.begin for each in (0, *cuts))
    inside = (each for each in every if 0 < each < footage.frames)
    return Shots((0, *inside), every if footage.stretched else ())
