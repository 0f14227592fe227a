"""The loop, its guiders, and noise that does not depend on the clip's length."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.entrances.tokens import Tokens
from vedit.graph import Store, unfinished
from vedit.graph.unfinished import Unfinished
from vedit.priors.inversion import invert
from vedit.prompt import Prompt, repeat_to_same_length
from vedit.request import Frames, Timestep
from vedit.sampling.denoising import InjectionSource, denoise, keyed, noise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.sampling.solvers import solver_of
from vedit.schedule import Sampler
from vedit.windows import Windows


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def test_noise_is_keyed_by_seed_and_frame() -> None:
    short, long = noise(7, 4, (4, 8, 8)), noise(7, 9, (4, 8, 8))
    assert torch.equal(short, long[:4])
    assert torch.equal(noise(7, 3, (4, 8, 8), first=2), long[2:5])
    assert not torch.equal(short, noise(8, 4, (4, 8, 8)))
    assert not torch.equal(short[0], short[1])
    assert abs(float(noise(0, 64, (4, 16, 16)).std()) - 1) < 0.02


def test_guidance_of_one_is_the_prompt_alone(backbone: Backbone) -> None:
    x = noise(0, 3, (4, 8, 8))
    schedule = backbone.schedule(4)
    one, other = backbone.embed(["a cat"]), backbone.embed(["a dog"])
    expected = denoise(backbone, x, schedule, Unguided(Prompt(one)))
    torch.testing.assert_close(
        denoise(backbone, x, schedule, ClassifierFree(Prompt(one), Prompt(other), 1.0)), expected, atol=1e-4, rtol=1e-4
    )
    assert (
        denoise(backbone, x, schedule, ClassifierFree(Prompt(one), Prompt(other), 6.0)) - expected
    ).abs().max() > 1e-3


def test_repeated_words_change_nothing(backbone: Backbone) -> None:
    x = noise(0, 2, (4, 8, 8))[None]
    short = backbone.embed(["a cat"])
    long = backbone.embed(["a cat on a mat " * 20])
    repeated, _ = repeat_to_same_length(short, long)
    assert repeated.shape == long.shape
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.predict(x, 300, repeated), backbone.predict(x, 300, short), atol=1e-5, rtol=1e-4
        )


def test_one_seed_gives_the_same_bits(backbone: Backbone) -> None:
    def run() -> torch.Tensor:
        guider = ClassifierFree(Prompt(backbone.embed(["a cat"])), Prompt(backbone.embed([""])), 5.0)
        with backbone.attending("sparse_causal"):
            return denoise(backbone, noise(3, 3, (4, 8, 8)), backbone.schedule(3), guider)

    assert torch.equal(run(), run())


def test_progress_is_told(backbone: Backbone) -> None:
    told: list[tuple[str, int, int]] = []
    x = noise(0, 1, (4, 8, 8))
    denoise(
        backbone, x, backbone.schedule(3), Unguided(Prompt(backbone.embed([""]))), progress=lambda *at: told.append(at)
    )
    assert told == [("denoising", 1, 3), ("denoising", 2, 3), ("denoising", 3, 3)]


def test_the_source_lends_its_layout_and_only_while_asked(backbone: Backbone) -> None:
    latents = noise(1, 2, (4, 8, 8))
    words, target = backbone.embed(["a dog"]), backbone.embed(["a cat"])
    trace = invert(backbone, latents, words, 4)
    schedule, guider = backbone.schedule(4), ClassifierFree(Prompt(target), Prompt(backbone.embed([""])), 3.0)
    plain = denoise(backbone, noise(2, 2, (4, 8, 8)), schedule, guider)
    lent = denoise(backbone, noise(2, 2, (4, 8, 8)), schedule, guider, source=InjectionSource(words, trace, 3))
    unused = denoise(backbone, noise(2, 2, (4, 8, 8)), schedule, guider, source=InjectionSource(words, trace, 0))
    assert torch.equal(unused, plain)
    assert (lent - plain).abs().max() > 1e-3


def test_a_source_that_edits_itself_comes_back(backbone: Backbone) -> None:
    """Lending to one's own equal changes nothing: same latents, same words, same features."""
    latents = noise(1, 2, (4, 8, 8))
    words = backbone.embed(["a dog"])
    trace = invert(backbone, latents, words, 4)
    x = trace[-1]
    with torch.no_grad():
        both = backbone.predict(torch.stack([x, x]), 501, words.expand(2, -1, -1), inject=True)
        alone = backbone.predict(x[None], 501, words)
    torch.testing.assert_close(both, alone.expand_as(both), atol=1e-5, rtol=1e-4)
    assert torch.equal(backbone.predict(x[None], 501, words).detach(), alone)


def test_what_varies_in_time_is_each_frame_by_itself(backbone: Backbone) -> None:
    """Prompts, guidance and emphasis of their own for each frame, against one frame at a time."""
    x, schedule = noise(0, 3, (4, 8, 8)), backbone.schedule(3)
    prompts, none = backbone.embed(["a cat", "a dog", "a red star"]), backbone.embed([""])
    weights = torch.ones(3, prompts.shape[1])
    weights[:, 2] = torch.tensor([0.0, 1.5, 3.0])
    scales = [1.0, 4.0, 7.5]
    together = denoise(
        backbone, x, schedule, ClassifierFree(Prompt(prompts[None], weights[None]), Prompt(none), scales, 0.5)
    )
    for frame in range(3):
        guider = ClassifierFree(
            Prompt(prompts[frame][None], weights[frame][None][None]), Prompt(none), scales[frame], 0.5
        )
        alone = denoise(backbone, x[frame][None], schedule, guider)
        torch.testing.assert_close(together[frame][None], alone, atol=1e-4, rtol=1e-4)


def test_a_source_lends_to_prompts_that_vary_and_are_weighed(backbone: Backbone) -> None:
    x, schedule, words = noise(0, 2, (4, 8, 8)), backbone.schedule(4), backbone.embed(["a cat"])
    source = InjectionSource(words, invert(backbone, x, words, 4), 4)
    varied = ClassifierFree(Prompt(words[:, None].expand(-1, 2, -1, -1)), Prompt(backbone.embed([""])), 5.0)
    plain = ClassifierFree(Prompt(words), Prompt(backbone.embed([""])), 5.0)
    expected = denoise(backbone, x, schedule, plain, source=source)
    torch.testing.assert_close(denoise(backbone, x, schedule, varied, source=source), expected, atol=1e-4, rtol=1e-4)
    broadcast_states = ClassifierFree(
        Prompt(words, torch.ones(2, words.shape[1])[None]), Prompt(backbone.embed([""])), 5.0
    )
    torch.testing.assert_close(
        denoise(backbone, x, schedule, broadcast_states, source=source), expected, atol=1e-4, rtol=1e-4
    )


def test_what_a_condition_says_leads_as_a_prompt_would(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(4)
    none, words = backbone.embed([""]), backbone.embed(["a cat", "a dog"])
    expected = denoise(backbone, x, schedule, ClassifierFree(Prompt(words[None]), Prompt(none), 5.0))
    guiding = Condition(Tokens(words, torch.zeros(2)), torch.ones(2))
    silent = ClassifierFree(Prompt(none), Prompt(none), 5.0)
    heard = denoise(backbone, x, schedule, silent, conditions=[guiding])
    torch.testing.assert_close(heard, expected, atol=1e-4, rtol=1e-4)
    # Joining the prompt: twice the same is the same.
    joining = Condition(Tokens(words, torch.ones(2)), torch.zeros(2))
    same = denoise(backbone, x, schedule, ClassifierFree(Prompt(words[None]), Prompt(none), 5.0), conditions=[joining])
    torch.testing.assert_close(same, expected, atol=1e-4, rtol=1e-4)


def test_what_a_condition_says_beside_long_words_and_a_source(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(4)
    none, words = backbone.embed([""]), backbone.embed(["a cat", "a dog"])
    long = backbone.embed(["a cat on a mat " * 20])
    prompt = ClassifierFree(Prompt(long, torch.ones(2, long.shape[1])[None]), Prompt(none), 5.0)
    source = InjectionSource(words[:1], invert(backbone, x, words[:1], 4), 4)
    alone = denoise(backbone, x, schedule, prompt, source=source)
    said = Condition(Tokens(words, torch.ones(2)), torch.ones(2))
    assert (denoise(backbone, x, schedule, prompt, conditions=[said], source=source) - alone).abs().max() > 1e-2
    mute = Condition(Tokens(words, torch.zeros(2)), torch.zeros(2))
    kept = denoise(backbone, x, schedule, prompt, conditions=[mute], source=source)
    torch.testing.assert_close(kept, alone, atol=1e-4, rtol=1e-4)


def test_what_a_condition_says_is_heard_in_its_window(backbone: Backbone) -> None:
    x, schedule, none = noise(0, 2, (4, 8, 8)), backbone.schedule(4), backbone.embed([""])
    words = backbone.embed(["a cat", "a dog"])

    def run(start: float, stop: float) -> torch.Tensor:
        said = Condition(Tokens(words, torch.ones(2)), torch.ones(2), start=start, stop=stop)
        return denoise(backbone, x, schedule, ClassifierFree(Prompt(none), Prompt(none), 5.0), conditions=[said])

    plain = denoise(backbone, x, schedule, ClassifierFree(Prompt(none), Prompt(none), 5.0))
    assert torch.equal(run(0.1, 0.2), plain)  # no whole step lies in it
    whole, late = run(0.0, 1.0), run(0.5, 1.0)
    assert 0 < (late - plain).abs().mean() < (whole - plain).abs().mean()


class Passes:
    """Counts the rows that the whole UNet, and that its outermost layers, run on."""

    def __init__(self, backbone: Backbone) -> None:
        self.whole: list[int] = []
        self.ran: list[int] = []
        self._handles = [
            backbone.unet.mid_block.register_forward_pre_hook(lambda _, given: self.whole.append(len(given[0]))),
            backbone.unet.conv_in.register_forward_pre_hook(lambda _, given: self.ran.append(len(given[0]))),
        ]

    def stop(self) -> None:
        for handle in self._handles:
            handle.remove()


def test_outside_of_its_interval_guidance_takes_no_pass(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(4)
    prompt, none = (Prompt(each) for each in backbone.embed(["a cat", ""]).split(1))
    plain = denoise(backbone, x, schedule, ClassifierFree(prompt, none, 5.0))
    passes = Passes(backbone)
    early = denoise(backbone, x, schedule, ClassifierFree(prompt, none, 5.0, interval=(0.0, 0.5)))
    passes.stop()
    assert passes.ran == [4, 4, 2, 2]
    assert (early - plain).abs().max() > 1e-3
    assert torch.equal(
        denoise(backbone, x, schedule, ClassifierFree(prompt, none, 5.0, interval=(0.1, 0.2))),
        denoise(backbone, x, schedule, Unguided(prompt)),
    ), "no whole step lies in it"


def test_outside_of_the_interval_what_is_said_beside_does_not_guide(backbone: Backbone) -> None:
    x, schedule, none = noise(0, 2, (4, 8, 8)), backbone.schedule(4), Prompt(backbone.embed([""]))
    said = Condition(Tokens(backbone.embed(["a cat", "a dog"]), torch.ones(2)), torch.ones(2))
    passes = Passes(backbone)
    denoise(backbone, x, schedule, ClassifierFree(none, none, 5.0, interval=(0.5, 1.0)), conditions=[said])
    passes.stop()
    assert passes.ran == [2, 2, 6, 6]


@pytest.mark.parametrize("kind", ["sparse_causal", "full"])
@pytest.mark.parametrize("windows", [None, Windows(3, 1)])
def test_deep_features_hold_for_some_steps(backbone: Backbone, kind: str, windows: Windows | None) -> None:
    x, schedule = noise(0, 5, (4, 8, 8)), backbone.schedule(6)
    words, target, none = backbone.embed(["a dog", "a cat", ""]).split(1)
    guider = ClassifierFree(Prompt(target), Prompt(none), 5.0)
    source = InjectionSource(words, invert(backbone, x, words, 6), 3)

    def run(deep_cache: int) -> torch.Tensor:
        with backbone.attending(kind, windows=windows):
            return denoise(backbone, x, schedule, guider, source=source, deep_cache=deep_cache)

    plain, passes = run(1), Passes(backbone)
    held = run(2)
    passes.stop()
    if windows is None:
        assert len(passes.ran) == 6
        assert len(passes.whole) == 4  # steps 0 and 2, and 3, where the source leaves, and 5
    assert len(passes.whole) < len(passes.ran)
    assert torch.equal(run(2), held)
    moved = denoise(backbone, x, schedule, Unguided(Prompt(none)))
    assert 0 < (held - plain).norm() < 0.5 * (moved - plain).norm()


def test_deep_features_of_a_loop_are_each_frames_own(backbone: Backbone) -> None:
    x, schedule, words = noise(0, 4, (4, 8, 8)), backbone.schedule(4), Prompt(backbone.embed(["a cat"]))
    plain, held = (denoise(backbone, x, schedule, Unguided(words), loop=True, deep_cache=each) for each in (1, 2))
    straight = denoise(backbone, x, schedule, Unguided(words), deep_cache=2)
    torch.testing.assert_close(held, straight, atol=1e-4, rtol=1e-3)  # frames see themselves alone
    assert not torch.equal(held, plain)


def test_controls_rest_while_deep_features_hold(backbone: Backbone) -> None:
    config, asked = backbone.unet.config, []
    skips = 1 + len(config.block_out_channels) * (config.layers_per_block + 1) - 1

    def control(x: torch.Tensor, t: Timestep, text: torch.Tensor, frames: Frames) -> Residuals:
        asked.append(int(t))
        rows = len(text) * len(x)
        return Residuals((torch.ones(rows, 1, 1, 1),) * skips, torch.ones(rows, config.block_out_channels[-1], 1, 1))

    x, schedule, words = noise(0, 2, (4, 8, 8)), backbone.schedule(6), Prompt(backbone.embed(["a cat"]))
    steering = Condition(AddResiduals(control), torch.ones(2), stop=0.7)
    denoise(backbone, x, schedule, Unguided(words), conditions=[steering], deep_cache=3)
    times = schedule.timesteps.tolist()
    assert asked == [times[0], times[3]]
    passes = Passes(backbone)
    denoise(backbone, x, schedule, Unguided(words), conditions=[steering], deep_cache=3)
    passes.stop()
    assert len(passes.whole) == 3  # and where it leaves


@pytest.mark.parametrize("sampler", ["ddim", "dpm++", "lcm"])
@pytest.mark.parametrize("deep_cache", [1, 2, 3])
def test_sampling_that_was_stopped_goes_on_to_the_same_bytes(
    backbone: Backbone, sampler: Sampler, deep_cache: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "EVERY", 0.0)
    monkeypatch.setattr(unfinished, "SHARE", 0)
    x, schedule, words = noise(0, 2, (4, 8, 8)), backbone.schedule(7, sampler), Prompt(backbone.embed(["a cat"]))

    def run(state: Unfinished | None, **told: Any) -> torch.Tensor:
        solver = solver_of(backbone.scheduler_config, schedule, partial(keyed, 0))
        return denoise(
            backbone, x, schedule, Unguided(words), solver=solver, deep_cache=deep_cache, unfinished=state, **told
        )

    def stop(name: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    whole, state = run(None), Unfinished(Store(tmp_path), "a" * 32, "sampling")
    with pytest.raises(KeyboardInterrupt):
        run(state, progress=stop)
    saved = state.read()
    expected = {1: 5, 2: 4, 3: 3}[deep_cache] if sampler == "ddim" else None
    assert (None if saved is None else int(saved["steps"])) == expected
    assert torch.equal(run(state), whole)
