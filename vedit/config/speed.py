"""Settings that make sampling quicker, and bundles of them under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from vedit.config.groups import Settings

Sampler = Literal["ddim", "ddpm", "dpm++", "lcm"]
"""By which steps are taken from noise to clean latents."""

_FEWER: Mapping[str, Any] = {"guidance_interval": "0-0.7", "deep_cache": 2}
_FROM_A_CLIP: Mapping[str, Any] = {**_FEWER, "mask_samples": 1, "early_stop": True, "check_inversion": False}
_FROM_NOISE: Mapping[str, Any] = {**_FEWER, "sampler": "dpm++"}

BUNDLES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "fast": {
        "edit": {"steps": 10, **_FROM_A_CLIP},
        "generate": {"steps": 12, **_FROM_NOISE},
        "animate": {"steps": 12, **_FEWER},
    },
    "preview": {
        "edit": {"steps": 5, **_FROM_A_CLIP},
        "generate": {"steps": 8, **_FROM_NOISE},
        "animate": {"steps": 8, **_FEWER},
    },
}
"""By its flag and the job: the settings that a bundle stands for, where they are not given themselves."""

LEVERS = (*BUNDLES, "sampler", "guidance_interval", "deep_cache")
"""Settings that make sampling itself quicker."""


class SpeedSettings(Settings):
    """Sampling"""

    fast: bool = Field(
        False,
        description="Fewer passes for nearly the same result. Settings that go together, which `--dry-run` shows; what "
        "is given beside it wins.",
    )
    preview: bool = Field(
        False,
        description="Fewer still, to see roughly what will come. As --fast.",
    )
    sampler: Sampler = Field(
        "ddim",
        description="How steps are taken: ddim, ddpm, dpm++ or lcm. From fresh noise, ddpm adds some in each, which "
        "mends shapes; dpm++ (DPM-Solver++) needs fewer, and lcm very few, of a checkpoint or LoRA made for it. An "
        "inverted clip comes back by ddim alone.",
    )
    deep_cache: int = Field(
        1,
        ge=1,
        le=20,
        description="Run the UNet's deep blocks in each n-th step alone (DeepCache). In the others what they said last "
        "holds, and ControlNets rest too; 1 runs all of it in each.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_bundle(cls, values: Any) -> Any:
        """The settings of a bundle, for all that is not given itself."""
        chosen = [name for name in BUNDLES if isinstance(values, dict) and _is_on(values.get(name))]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other; each stands for other numbers of steps")
        return {**bundle(cls, chosen[0]), **values} if chosen else values


def bundle(kind: type[Settings], name: str) -> Mapping[str, Any]:
    """What a bundle stands for in a job's settings of this ``kind``, or in one that is made of that job's."""
    jobs = (vars(each).get("job", "") for each in kind.__mro__)
    return next((BUNDLES[name][job] for job in jobs if job in BUNDLES[name]), {})


def in_force(config: Settings) -> str:
    """The bundle that is in force; empty where there is none."""
    return next((name for name in BUNDLES if getattr(config, name, False)), "")


def told(config: Settings) -> str:
    """What a bundle in force has come to, such as "--fast: steps 10, deep_cache 2"; empty where there is none."""
    if not (name := in_force(config)):
        return ""
    values = (f"{setting} {getattr(config, setting)}" for setting in bundle(type(config), name))
    return f"--{name}: {', '.join(values)}"


def came_along(config: Settings, setting: str) -> bool:
    """Whether a setting is as the bundle in force has it."""
    meaning = bundle(type(config), in_force(config)) if in_force(config) else {}
    return setting in meaning and getattr(config, setting) == meaning[setting]


def _is_on(value: Any) -> bool:
    """Whether a flag is given as on; what is no flag is told with the other faults."""
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        return False
