"""What the job does, imported when it is run."""

from __future__ import annotations

from dataclasses import dataclass

from toy_plugin.jobs import BackwardsConfig
from vedit.clip import Clip, probe
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.jobs.base import Given, Goal, Job
from vedit.jobs.outputs import check_video, default_output
from vedit.printing import Report
from vedit.session import Session
from vedit.stages.clip import ReadClip


@dataclass(frozen=True)
class Turn(Stage[Clip]):
    """A clip with its frames in the other order, so many times."""

    clip: Stage[Clip]
    times: int

    def make(self, session: Session, clip: Clip) -> Clip:
        return clip.with_frames(clip.frames.flip(0)) if self.times % 2 else clip


class Backwards(Job[BackwardsConfig, Clip]):
    """Without ``output``, "<clip>-backwards.mp4" in the current folder."""

    def checked(self, config: BackwardsConfig) -> BackwardsConfig:
        output = config.output or default_output(config.clip, "-backwards.mp4")
        config = config.model_copy(update={"output": output})
        check_video(config)
        return config

    def goal(self, config: BackwardsConfig, session: Session, given: Given) -> Goal[Clip]:
        clip = ReadClip(File.of(config.clip), probe(config.clip).size, config.frames, config.start, config.stride)
        return Goal(Turn(clip, config.times), config)

    def finish(self, config: BackwardsConfig, result: Clip, seconds: dict[str, float]) -> Clip:
        assert config.output is not None
        result.save(config.output, overwrite=config.overwrite)
        return result

    def show(self, result: Clip, report: Report) -> None:
        report.say(f"{len(result)} frames turned")
