"""The settings that functions take by name. Written from the configs by `python -m tools.options`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from vedit.config import (
        ConditionSettings,
        ControlSettings,
        EmphasisSettings,
        ImageSettings,
        KeyPictureSettings,
        PromptAtSettings,
    )


class EditOptions(TypedDict, total=False):
    """The settings by name of EditConfig."""

    frames: int | None
    """How many frames to take; all by default."""
    start: int
    """Frames to leave out at the beginning. [default: 0]"""
    stride: int
    """Take each n-th frame. The clip lasts as long as before. [default: 1]"""
    allow_partial: bool
    """Go on with what can be decoded of a damaged file. [default: False]"""
    shots: str
    """Where the clip is cut: auto, none, or frames as 24,60 or 2s,4.5s. Each shot is seen by
    itself; auto finds them, none takes the clip for one. [default: 'auto']"""
    size: int | None
    """Longer side, in pixels, at which the model works. By default the one it was trained at; the
    result has the clip's own size."""
    key_frames: int | Literal["auto"] | None
    """Edit so many frames together, fill in the others: 8, or auto. Sooner done than all frames.
    auto takes as many as the clip's motion asks for; the first and the last frame of each shot are
    always among them."""
    fill: Literal["flow", "recursive", "tokens"]
    """How the others are filled in: flow, recursive or tokens. flow: the edited key frames are
    carried along the clip's motion, and refined; recursive: so too, but level by level, the middle
    of two of them first, which is then one of them; tokens: each frame is sampled with its key
    frames' attention (TokenFlow), as long as all frames take. [default: 'flow']"""
    fill_strength: float
    """With --fill flow and recursive, noise from which what was carried is refined; up to 1.
    [default: 0.3]"""
    first: str | dict[str, Any] | Sequence[str | dict[str, Any] | KeyPictureSettings]
    """First frame of the edit, made elsewhere: edited.png, 2s:later.png. It is spread along the
    clip's motion, and the prompt may be left out. In full [TIME:]FILE; may be given several times,
    each at its time, one fading into the other."""
    first_hold: float
    """Share of the steps up to which what --first shows is held to where it was led. [default:
    0.8]"""
    negative_prompt: str
    """What guidance leads away from. By default nothing in particular."""
    guidance: float | str
    """How far to lead towards the prompt; 1 is none. May vary in time (`vedit inspect timeline`).
    [default: 6.0]"""
    apg_eta: float
    """Eta of adaptive projected guidance: the share kept of the part that only saturates. 1 is
    classifier-free guidance as it was published, 0 projects that part away. [default: 0.0]"""
    seed: int
    """Of the noise, and of tuning. The same seed gives the same result. [default: 0]"""
    guidance_interval: str
    """Share of the steps that are guided: 0-0.7. The others ask the prompt alone, in one pass where
    guidance takes two. [default: '0-1']"""
    noise_walk: float | str
    """With --prior walk, how far the noise wanders in a frame. 0 stays with that of the frame
    before, 1 is fresh; may vary in time. [default: 0.1]"""
    motion_scale: float | str
    """Weight of the temporal layers. Those of --motion-adapter or of a tuning; 0 is off, 1 as they
    were trained; may vary in time. [default: 1.0]"""
    source_prompt: str | None
    """What the clip shows now; what both prompts agree on is kept. By default the words that the
    adapter was tuned on, else none: then the whole frame is open to change."""
    mask: str | Path | Tensor | NDArray[Any]
    """Where to edit: auto, none, box:X,Y,W,H, word:WORD, or a file. The rest is kept. auto: where
    the prompt and the source prompt disagree (needs both); none: everywhere; a picture, video or
    folder that is white there; box:X,Y,W,H in pixels of the clip, or in shares of it where all four
    are at most 1; word:WORD, where the clip shows this word of the source prompt. [default:
    'auto']"""
    mask_samples: int
    """Times that --mask auto compares the prompts, at each of four levels of noise. [default: 2]"""
    paste: bool
    """Put the clip's own pixels back outside of the mask, and inside where the edit does not change
    them to the eye. Without it they are the VAE's. [default: True]"""
    inject: float
    """Share of steps that inject the clip's features (plug-and-play). 0 leaves the layout open.
    [default: 0.45]"""
    strength: float
    """Noise to start from, up to 1; less keeps more of the layout. [default: 0.95]"""
    prior: str
    """Start from: inversion, gaussian, shared, walk, reshuffled, flow_warped, bounce. The clip's
    inversion, or noise: gaussian, fresh in each frame; shared by all frames; walk, wandering from
    frame to frame; reshuffled, that of a long clip's first frames in other orders; flow_warped,
    carried along the clip's motion; or bounce, a first sketch carried along it. [default:
    'inversion']"""
    tune: int
    """Steps to tune the model on the clip first; 0 is not at all. [default: 0]"""
    motion_strokes: str | Path | None
    """Strokes file: where things go, and what stays."""
    motion_field: Literal["auto", "learnt", "rigid", "similarity", "thin_plate"]
    """What happens between strokes: learnt, rigid, similarity or thin_plate. Whole things turn and
    move as one, which a network sees in the picture; what is near does; may be scaled too; or the
    whole picture bends as a thin plate does. auto: learnt where the model brings such a network,
    else rigid. [default: 'auto']"""
    motion_model: str | Path | None
    """Folder that `training.strokes` wrote, of what is learnt of strokes; by default what the model
    brings."""
    image_adapter: str | None
    """IP-Adapter: the name of a kind, or a file. Kinds are base, plus, plus-face and full-face;
    OWNER/NAME/FILE is a file of the hub; by default the model's own, else base."""
    image_encoder: str | None
    """CLIP that it looks through: a folder or a hub id. By default the folder image_encoder beside
    it."""
    image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """Picture whose look is taken: look.png, look.png:0.6, 2s:other.png. In full
    [TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP]; LAYERS are all, style, layout or
    numbers. May be given several times: those with a time follow each other, others act side by
    side and their weights add up."""
    negative_image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """A picture whose look is led away from. Given as --image is; by default no picture at all."""
    control: str | dict[str, Any] | Sequence[str | ControlSettings] | None
    """What of the clip steers it: pose, edge:0.8, depth:0.5@0-0.6. In full
    KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as edge:0.8 or depth:0.5@0-0.6; kinds are
    listed by `vedit parts`; may be given several times. By default what the model brings for edits,
    where the two prompts leave shapes as they are; none: nothing."""
    condition: str | dict[str, Any] | Sequence[str | dict[str, Any] | ConditionSettings]
    """Any other conditioner: KIND[:KEY=VALUE,...]. May be given several times."""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    steps: int
    """Steps of sampling, each way. [default: 25]"""
    cache: bool
    """Keep what the next job with the clip can use, and what this one goes on from if it is killed;
    `vedit cache` shows it. [default: True]"""
    fast: bool
    """Fewer passes for nearly the same result. Settings that go together, which `--dry-run` shows;
    what is given beside it wins. [default: False]"""
    preview: bool
    """Fewer still, to see roughly what will come. As --fast. [default: False]"""
    sampler: Literal["ddim", "ddpm", "dpm++", "lcm"]
    """How steps are taken: ddim, ddpm, dpm++ or lcm. From fresh noise, ddpm adds some in each,
    which mends shapes; dpm++ (DPM-Solver++) needs fewer, and lcm very few, of a checkpoint or LoRA
    made for it. An inverted clip comes back by ddim alone. [default: 'ddim']"""
    deep_cache: int
    """Run the UNet's deep blocks in each n-th step alone (DeepCache). In the others what they said
    last holds, and ControlNets rest too; 1 runs all of it in each. [default: 1]"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    learning_rate: float | None
    """Of one-shot tuning. By default what the model asks for, else 3e-5."""
    recipe: Literal["motion", "original"]
    """How a clip is learnt: motion or original. motion: so that it also comes back from fresh
    noise; original: as Tune-A-Video does it. [default: 'motion']"""
    early_stop: bool
    """End tuning once it has learnt. Its error on the same noise is looked at every 25 steps; what
    it may take at most stays as it is given. [default: False]"""
    tuned_blocks: Literal["all", "up"]
    """Blocks of the UNet that learn: all or up. With up a step is quicker, and learns less.
    [default: 'all']"""
    inversion_corrections: int
    """Times that each step of the inversion is corrected. A pass each; 0 is plain DDIM inversion,
    as long as 1 and less exact. [default: 1]"""
    audio_attack: float
    """Seconds in which a feature rises to 63 %. [default: 0.0]"""
    audio_release: float
    """Seconds in which a feature falls by 63 %. [default: 0.2]"""
    audio_threshold: float
    """Level below which a feature is 0; the rest is stretched. [default: 0.0]"""
    audio_gain: float
    """Factor of a feature. [default: 1.0]"""
    audio_smoothing: float
    """Seconds over which a feature is smoothed last. [default: 0.0]"""
    audio: str | Path | None
    """Sound to follow: a sound file or a video."""
    audio_start: float
    """Seconds of the sound to leave out at the beginning. [default: 0.0]"""
    audio_duration: float | None
    """Seconds of the sound to take from there. Silence after them; all by default."""
    bpm: float | None
    """Beats per minute, where they are known."""
    audio_scale: float | str | None
    """Weight of the sound encoder's tokens, 1 as much as the prompt. By default 1 where the model
    has an encoder, else 0."""
    sound_encoder: str | Path | None
    """Sound encoder (.safetensors) to listen with. By default the model's own."""
    emphasis: str | dict[str, Any] | Sequence[str | dict[str, Any] | EmphasisSettings]
    """How much a word counts: WORD=TIMELINE, such as rain=1+2*loudness. May be given several
    times."""
    prompt_at: str | dict[str, Any] | Sequence[str | dict[str, Any] | PromptAtSettings]
    """A prompt to go on to: TIME:PROMPT, such as '2s:snow', or in an edit 'shot2:snow'. May be
    given several times; with a shot it comes at once, else the one before fades into it."""
    prompt_blend: float | str | None
    """What moves the clip from prompt to prompt: a feature or a timeline. Its running sum between
    two prompts is the share of the way; by default time itself."""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    only: str | None
    """Edit a stretch alone, as 2s..4s or 48..96. To before the second; the rest stays as it is, to
    the bit, and times count from the clip's beginning all the same."""
    audio_mix: bool
    """Keep the clip's own sound beside the --audio. Each is half as loud. [default: False]"""
    check_inversion: bool
    """Reconstruct the clip where its inversion was hard. Warns where that is poor. [default:
    True]"""
    control_inversion: bool
    """Let the controls guide the inversion too. [default: False]"""
    sheet: str | Path | None
    """Also write a contact sheet (.png). The source above, the edit below."""
    report: str | Path | None
    """Also write a page (.html) that plays it, with all that made it. One file, to be opened in a
    browser."""
    compare: str | Path | None
    """Also write a clip of the source and the edit together. Named as --output may be."""
    compare_layout: Literal["side", "wipe", "stack"]
    """How both are shown: side, stack or wipe. Beside one another, above one another, or with a
    moving line. [default: 'side']"""


class GenerateOptions(TypedDict, total=False):
    """The settings by name of GenerateConfig."""

    negative_prompt: str
    """What guidance leads away from. By default nothing in particular."""
    guidance: float | str
    """How far to lead towards the prompt; 1 is none. May vary in time (`vedit inspect timeline`).
    [default: 6.0]"""
    apg_eta: float
    """Eta of adaptive projected guidance: the share kept of the part that only saturates. 1 is
    classifier-free guidance as it was published, 0 projects that part away. [default: 0.0]"""
    seed: int
    """Of the noise, and of tuning. The same seed gives the same result. [default: 0]"""
    guidance_interval: str
    """Share of the steps that are guided: 0-0.7. The others ask the prompt alone, in one pass where
    guidance takes two. [default: '0-1']"""
    noise_walk: float | str
    """With --prior walk, how far the noise wanders in a frame. 0 stays with that of the frame
    before, 1 is fresh; may vary in time. [default: 0.1]"""
    motion_scale: float | str
    """Weight of the temporal layers. Those of --motion-adapter or of a tuning; 0 is off, 1 as they
    were trained; may vary in time. [default: 1.0]"""
    motion_strokes: str | Path | None
    """Strokes file: where things go, and what stays."""
    motion_field: Literal["auto", "learnt", "rigid", "similarity", "thin_plate"]
    """What happens between strokes: learnt, rigid, similarity or thin_plate. Whole things turn and
    move as one, which a network sees in the picture; what is near does; may be scaled too; or the
    whole picture bends as a thin plate does. auto: learnt where the model brings such a network,
    else rigid. [default: 'auto']"""
    image_adapter: str | None
    """IP-Adapter: the name of a kind, or a file. Kinds are base, plus, plus-face and full-face;
    OWNER/NAME/FILE is a file of the hub; by default the model's own, else base."""
    image_encoder: str | None
    """CLIP that it looks through: a folder or a hub id. By default the folder image_encoder beside
    it."""
    image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """Picture whose look is taken: look.png, look.png:0.6, 2s:other.png. In full
    [TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP]; LAYERS are all, style, layout or
    numbers. May be given several times: those with a time follow each other, others act side by
    side and their weights add up."""
    negative_image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """A picture whose look is led away from. Given as --image is; by default no picture at all."""
    control: str | dict[str, Any] | Sequence[str | ControlSettings] | None
    """What steers it: edge:1:lines.mp4, pose:0.8:poses.json. In full
    KIND:WEIGHT:FILE[:net=NET][@START-STOP], FILE being keypoints, or pictures drawn before, as
    `vedit inspect` draws them: a video, a folder or one picture; may be given several times."""
    condition: str | dict[str, Any] | Sequence[str | dict[str, Any] | ConditionSettings]
    """Any other conditioner: KIND[:KEY=VALUE,...]. May be given several times."""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    steps: int
    """Steps of sampling, each way. [default: 50]"""
    cache: bool
    """Keep what the next job with the clip can use, and what this one goes on from if it is killed;
    `vedit cache` shows it. [default: True]"""
    fast: bool
    """Fewer passes for nearly the same result. Settings that go together, which `--dry-run` shows;
    what is given beside it wins. [default: False]"""
    preview: bool
    """Fewer still, to see roughly what will come. As --fast. [default: False]"""
    sampler: Literal["ddim", "ddpm", "dpm++", "lcm"]
    """How steps are taken: ddim, ddpm, dpm++ or lcm. From fresh noise, ddpm adds some in each,
    which mends shapes; dpm++ (DPM-Solver++) needs fewer, and lcm very few, of a checkpoint or LoRA
    made for it. An inverted clip comes back by ddim alone. [default: 'ddpm']"""
    deep_cache: int
    """Run the UNet's deep blocks in each n-th step alone (DeepCache). In the others what they said
    last holds, and ControlNets rest too; 1 runs all of it in each. [default: 1]"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    audio_attack: float
    """Seconds in which a feature rises to 63 %. [default: 0.0]"""
    audio_release: float
    """Seconds in which a feature falls by 63 %. [default: 0.2]"""
    audio_threshold: float
    """Level below which a feature is 0; the rest is stretched. [default: 0.0]"""
    audio_gain: float
    """Factor of a feature. [default: 1.0]"""
    audio_smoothing: float
    """Seconds over which a feature is smoothed last. [default: 0.0]"""
    audio: str | Path | None
    """Sound to follow: a sound file or a video."""
    audio_start: float
    """Seconds of the sound to leave out at the beginning. [default: 0.0]"""
    audio_duration: float | None
    """Seconds of the sound to take from there. Silence after them; all by default."""
    bpm: float | None
    """Beats per minute, where they are known."""
    audio_scale: float | str | None
    """Weight of the sound encoder's tokens, 1 as much as the prompt. By default 1 where the model
    has an encoder, else 0."""
    sound_encoder: str | Path | None
    """Sound encoder (.safetensors) to listen with. By default the model's own."""
    emphasis: str | dict[str, Any] | Sequence[str | dict[str, Any] | EmphasisSettings]
    """How much a word counts: WORD=TIMELINE, such as rain=1+2*loudness. May be given several
    times."""
    prompt_at: str | dict[str, Any] | Sequence[str | dict[str, Any] | PromptAtSettings]
    """A prompt to go on to: TIME:PROMPT, such as '2s:snow', or in an edit 'shot2:snow'. May be
    given several times; with a shot it comes at once, else the one before fades into it."""
    prompt_blend: float | str | None
    """What moves the clip from prompt to prompt: a feature or a timeline. Its running sum between
    two prompts is the share of the way; by default time itself."""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    frames: int | None
    """How many frames; by default as long as the sound, or 16."""
    fps: float
    """Frames per second. [default: 8.0]"""
    first: str | Path | None
    """Picture that is the first frame; `vedit animate` also moves it."""
    last: str | Path | None
    """Picture that is the last frame."""
    width: int | None
    """In pixels. By default what the model was trained at."""
    height: int | None
    """In pixels. By default what the model was trained at."""
    prior: str
    """Start from: shared, walk, gaussian or reshuffled; with --motion-strokes flow_warped or
    bounce. Noise: shared by all frames; wandering from frame to frame; fresh in each; or, where
    motion modules see a long clip in windows, fresh in the first and then the same in other orders
    (FreeNoise); carried along the strokes, or with a first sketch carried along them. [default:
    'shared']"""
    loop: bool
    """Let the last frame be followed by the first. [default: False]"""
    fifo: bool
    """Make a clip of any length frame after frame (FIFO-Diffusion). A queue holds a frame for each
    of --steps, 64 by default, at all levels of noise; the memory is that of --window frames, 16 by
    default. Takes --prior gaussian unless another is named. [default: False]"""
    sheet: str | Path | None
    """Also write a contact sheet (.png)."""
    report: str | Path | None
    """Also write a page (.html) that plays it, with all that made it. One file, to be opened in a
    browser."""


class AnimateOptions(TypedDict, total=False):
    """The settings by name of AnimateConfig."""

    negative_prompt: str
    """What guidance leads away from. By default nothing in particular."""
    guidance: float | str
    """How far to lead towards the prompt; 1 is none. May vary in time (`vedit inspect timeline`).
    [default: 6.0]"""
    apg_eta: float
    """Eta of adaptive projected guidance: the share kept of the part that only saturates. 1 is
    classifier-free guidance as it was published, 0 projects that part away. [default: 0.0]"""
    seed: int
    """Of the noise, and of tuning. The same seed gives the same result. [default: 0]"""
    guidance_interval: str
    """Share of the steps that are guided: 0-0.7. The others ask the prompt alone, in one pass where
    guidance takes two. [default: '0-1']"""
    noise_walk: float | str
    """With --prior walk, how far the noise wanders in a frame. 0 stays with that of the frame
    before, 1 is fresh; may vary in time. [default: 0.1]"""
    motion_scale: float | str
    """Weight of the temporal layers. Those of --motion-adapter or of a tuning; 0 is off, 1 as they
    were trained; may vary in time. [default: 1.0]"""
    motion_strokes: str | Path | None
    """Strokes file: where things go, and what stays."""
    motion_field: Literal["auto", "learnt", "rigid", "similarity", "thin_plate"]
    """What happens between strokes: learnt, rigid, similarity or thin_plate. Whole things turn and
    move as one, which a network sees in the picture; what is near does; may be scaled too; or the
    whole picture bends as a thin plate does. auto: learnt where the model brings such a network,
    else rigid. [default: 'auto']"""
    motion_model: str | Path | None
    """Folder that `training.strokes` wrote, of what is learnt of strokes; by default what the model
    brings."""
    motion_of: str | Path | None
    """Clip whose motion the picture takes on, in place of strokes. Its camera's, and its
    thing's."""
    motion_mask: str
    """What of the picture takes it on: auto, box:X,Y,W,H, or a picture that is white there. auto is
    what stands out. [default: 'auto']"""
    motion_words: str
    """Flow diffusion that moves the picture as the prompt says: auto, none, or a folder. It does so
    where neither strokes nor a clip do. auto is the one that the model brings, a folder one that
    `training.flow_diffusion` wrote. [default: 'auto']"""
    image_adapter: str | None
    """IP-Adapter: the name of a kind, or a file. Kinds are base, plus, plus-face and full-face;
    OWNER/NAME/FILE is a file of the hub; by default the model's own, else base."""
    image_encoder: str | None
    """CLIP that it looks through: a folder or a hub id. By default the folder image_encoder beside
    it."""
    image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """Picture whose look is taken: look.png, look.png:0.6, 2s:other.png. In full
    [TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP]; LAYERS are all, style, layout or
    numbers. May be given several times: those with a time follow each other, others act side by
    side and their weights add up."""
    negative_image: str | Path | dict[str, Any] | Sequence[str | Path | dict[str, Any] | ImageSettings]
    """A picture whose look is led away from. Given as --image is; by default no picture at all."""
    control: str | dict[str, Any] | Sequence[str | ControlSettings] | None
    """What of the clip steers it: pose, edge:0.8, depth:0.5@0-0.6. In full
    KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as edge:0.8 or depth:0.5@0-0.6; kinds are
    listed by `vedit parts`; may be given several times. By default what the model brings for edits,
    where the two prompts leave shapes as they are; none: nothing."""
    condition: str | dict[str, Any] | Sequence[str | dict[str, Any] | ConditionSettings]
    """Any other conditioner: KIND[:KEY=VALUE,...]. May be given several times."""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    steps: int
    """Steps of sampling, each way. [default: 25]"""
    cache: bool
    """Keep what the next job with the clip can use, and what this one goes on from if it is killed;
    `vedit cache` shows it. [default: True]"""
    fast: bool
    """Fewer passes for nearly the same result. Settings that go together, which `--dry-run` shows;
    what is given beside it wins. [default: False]"""
    preview: bool
    """Fewer still, to see roughly what will come. As --fast. [default: False]"""
    sampler: Literal["ddim", "ddpm", "dpm++", "lcm"]
    """How steps are taken: ddim, ddpm, dpm++ or lcm. From fresh noise, ddpm adds some in each,
    which mends shapes; dpm++ (DPM-Solver++) needs fewer, and lcm very few, of a checkpoint or LoRA
    made for it. An inverted clip comes back by ddim alone. [default: 'ddim']"""
    deep_cache: int
    """Run the UNet's deep blocks in each n-th step alone (DeepCache). In the others what they said
    last holds, and ControlNets rest too; 1 runs all of it in each. [default: 1]"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    audio_attack: float
    """Seconds in which a feature rises to 63 %. [default: 0.0]"""
    audio_release: float
    """Seconds in which a feature falls by 63 %. [default: 0.2]"""
    audio_threshold: float
    """Level below which a feature is 0; the rest is stretched. [default: 0.0]"""
    audio_gain: float
    """Factor of a feature. [default: 1.0]"""
    audio_smoothing: float
    """Seconds over which a feature is smoothed last. [default: 0.0]"""
    audio: str | Path | None
    """Sound to follow: a sound file or a video."""
    audio_start: float
    """Seconds of the sound to leave out at the beginning. [default: 0.0]"""
    audio_duration: float | None
    """Seconds of the sound to take from there. Silence after them; all by default."""
    bpm: float | None
    """Beats per minute, where they are known."""
    audio_scale: float | str | None
    """Weight of the sound encoder's tokens, 1 as much as the prompt. By default 1 where the model
    has an encoder, else 0."""
    sound_encoder: str | Path | None
    """Sound encoder (.safetensors) to listen with. By default the model's own."""
    emphasis: str | dict[str, Any] | Sequence[str | dict[str, Any] | EmphasisSettings]
    """How much a word counts: WORD=TIMELINE, such as rain=1+2*loudness. May be given several
    times."""
    prompt_at: str | dict[str, Any] | Sequence[str | dict[str, Any] | PromptAtSettings]
    """A prompt to go on to: TIME:PROMPT, such as '2s:snow', or in an edit 'shot2:snow'. May be
    given several times; with a shot it comes at once, else the one before fades into it."""
    prompt_blend: float | str | None
    """What moves the clip from prompt to prompt: a feature or a timeline. Its running sum between
    two prompts is the share of the way; by default time itself."""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    prompt: str
    """What the picture shows, and does; (word:1.4) lets a word count more."""
    frames: int | None
    """How many frames. By default as long as the sound, else those that the strokes are drawn for,
    or 16, or fewer where --motion-of ends before."""
    fps: float
    """Frames per second. [default: 8.0]"""
    size: int | None
    """Longer side, in pixels. By default the one that the model was trained at."""
    strength: float
    """Noise to start from, up to 1, where no stroke acts. More lets the model change more of what
    was cut and dragged, and fill better what was hidden. [default: 0.5]"""
    motion_hold: float
    """Share of the steps up to which what strokes move is held to its path. [default: 0.8]"""
    still_hold: float | None
    """Share of the steps up to which the rest of the picture is held as it is, but for what comes
    into view. By default 1 where it is said what moves, and 0.7 where the model is free to."""
    motion_control: Literal["auto", "none", "together", "roll_out"]
    """How the ControlNet `motion` draws frames: together, roll_out or none. All at once, each from
    the picture; or one after the other, each from the one before. auto: together where the model
    brings one. [default: 'auto']"""
    paste: bool
    """Put the picture's own pixels, dragged along, where they are held and where the model does not
    change them to the eye. Without it they are the VAE's. [default: True]"""
    keep_first: bool
    """Let the first frame be the picture itself. [default: True]"""
    prior: str
    """Start from: flow_warped, bounce, shared, walk or gaussian. Noise: carried along the strokes;
    with a first sketch carried along them; shared by all frames; wandering from frame to frame; or
    fresh in each. [default: 'flow_warped']"""
    sheet: str | Path | None
    """Also write a contact sheet (.png). What was cut and dragged above, the result below."""
    report: str | Path | None
    """Also write a page (.html) that plays it, with all that made it. One file, for a browser."""


class TuneOptions(TypedDict, total=False):
    """The settings by name of TuneConfig."""

    frames: int | None
    """How many frames to take; all by default."""
    start: int
    """Frames to leave out at the beginning. [default: 0]"""
    stride: int
    """Take each n-th frame. The clip lasts as long as before. [default: 1]"""
    allow_partial: bool
    """Go on with what can be decoded of a damaged file. [default: False]"""
    shots: str
    """Where the clip is cut: auto, none, or frames as 24,60 or 2s,4.5s. Each shot is seen by
    itself; auto finds them, none takes the clip for one. [default: 'auto']"""
    size: int | None
    """Longer side, in pixels, at which the model works. By default the one it was trained at; the
    result has the clip's own size."""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    learning_rate: float | None
    """Of one-shot tuning. By default what the model asks for, else 3e-5."""
    recipe: Literal["motion", "original"]
    """How a clip is learnt: motion or original. motion: so that it also comes back from fresh
    noise; original: as Tune-A-Video does it. [default: 'motion']"""
    early_stop: bool
    """End tuning once it has learnt. Its error on the same noise is looked at every 25 steps; what
    it may take at most stays as it is given. [default: False]"""
    tuned_blocks: Literal["all", "up"]
    """Blocks of the UNet that learn: all or up. With up a step is quicker, and learns less.
    [default: 'all']"""
    steps: int
    """Training steps. [default: 500]"""
    seed: int
    """Of the noise and the timesteps of training. [default: 0]"""
    pictures: str | Path | None
    """Folder of pictures to learn beside the clip, as a set with its frames (Dreamix). Each may
    have its words in a .txt of its name; else they are the clip's."""
    mix: float | None
    """Share of the clip as video in what is learnt; the rest are its frames and --pictures as a
    set. By default 0.65 with pictures, else 1. Less lets another motion be asked for."""
    output: str | Path | None
    """Where to write the adapter (.safetensors)."""
    overwrite: bool
    """Replace an adapter that exists. [default: False]"""


class InvertOptions(TypedDict, total=False):
    """The settings by name of InvertConfig."""

    frames: int | None
    """How many frames to take; all by default."""
    start: int
    """Frames to leave out at the beginning. [default: 0]"""
    stride: int
    """Take each n-th frame. The clip lasts as long as before. [default: 1]"""
    allow_partial: bool
    """Go on with what can be decoded of a damaged file. [default: False]"""
    shots: str
    """Where the clip is cut: auto, none, or frames as 24,60 or 2s,4.5s. Each shot is seen by
    itself; auto finds them, none takes the clip for one. [default: 'auto']"""
    size: int | None
    """Longer side, in pixels, at which the model works. By default the one it was trained at; the
    result has the clip's own size."""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    steps: int
    """Steps of sampling, each way. [default: 25]"""
    cache: bool
    """Keep what the next job with the clip can use, and what this one goes on from if it is killed;
    `vedit cache` shows it. [default: True]"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    inversion_corrections: int
    """Times that each step of the inversion is corrected. A pass each; 0 is plain DDIM inversion,
    as long as 1 and less exact. [default: 1]"""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    source_prompt: str | None
    """What the clip shows. By default the words that the adapter was tuned on, else none."""


class UpscaleOptions(TypedDict, total=False):
    """The settings by name of UpscaleConfig."""

    frames: int | None
    """How many frames to take; all by default."""
    start: int
    """Frames to leave out at the beginning. [default: 0]"""
    stride: int
    """Take each n-th frame. The clip lasts as long as before. [default: 1]"""
    allow_partial: bool
    """Go on with what can be decoded of a damaged file. [default: False]"""
    shots: str
    """Where the clip is cut: auto, none, or frames as 24,60 or 2s,4.5s. Each shot is seen by
    itself; auto finds them, none takes the clip for one. [default: 'auto']"""
    negative_prompt: str
    """What guidance leads away from. By default nothing in particular."""
    guidance: float | str
    """How far to lead towards the prompt; 1 is none. May vary in time (`vedit inspect timeline`).
    [default: 6.0]"""
    apg_eta: float
    """Eta of adaptive projected guidance: the share kept of the part that only saturates. 1 is
    classifier-free guidance as it was published, 0 projects that part away. [default: 0.0]"""
    seed: int
    """Of the noise, and of tuning. The same seed gives the same result. [default: 0]"""
    motion_adapter: str | None
    """AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a
    model brings."""
    lora: str | Sequence[str]
    """LoRA file, or file:scale. May be given several times."""
    adapter: str | Path | None
    """Adapter that `vedit tune` wrote for this model."""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"]
    """Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32
    elsewhere. [default: 'auto']"""
    kernel: Literal["auto", "xformers", "sdpa", "math"]
    """Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.
    [default: 'auto']"""
    steps: int
    """Steps of sampling, each way. [default: 25]"""
    cache: bool
    """Keep what the next job with the clip can use, and what this one goes on from if it is killed;
    `vedit cache` shows it. [default: True]"""
    attention: str | None
    """Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model
    was tuned with; else per_frame with motion modules, full among key frames, and sparse_causal
    without either."""
    window: int | None
    """Frames that the network sees at once. A longer clip is seen in windows that overlap; by
    default only where its frames do not fit into memory together."""
    overlap: int | None
    """Frames that windows share, up to half of the --window it goes with. A quarter by default."""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    times: int
    """How many times as wide and as high. [default: 2]"""
    prompt: str
    """What the clip shows. May be left out; then only what is seen says what is drawn."""
    strength: float
    """How much is drawn anew, up to 1. It is the share of the steps; less stays nearer to the clip.
    [default: 0.3]"""
    tile: int | None
    """Side, in pixels, of the tiles in which a picture is seen. By default what the model was
    trained at."""
    tile_net: str
    """ControlNet `tile`, which holds what is there: auto, none, a folder or a hub id. auto is the
    one that the model brings, if it does. [default: 'auto']"""
    prior: str
    """Noise that is added: shared, gaussian or reshuffled. Shared by all frames, so that nothing
    flickers; fresh in each; or fresh in the first, and then the same in other orders. [default:
    'shared']"""


class InspectOptions(TypedDict, total=False):
    """The settings by name of InspectConfig."""

    frames: int | None
    """How many frames to take; all by default."""
    start: int
    """Frames to leave out at the beginning. [default: 0]"""
    stride: int
    """Take each n-th frame. The clip lasts as long as before. [default: 1]"""
    allow_partial: bool
    """Go on with what can be decoded of a damaged file. [default: False]"""
    size: int | None
    """Longer side, in pixels, at which to look. By default the clip's own; the result has that."""
    output: str | Path | None
    """Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix
    makes a folder of PNGs."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
    crf: int
    """Quality of the encoder, 0 to 51; 0 is best, larger is smaller. [default: 18]"""
    codec: Literal["libx264", "libx265", "libvpx-vp9"]
    """Encoder: libx264, libx265 or libvpx-vp9. [default: 'libx264']"""
    options: dict[str, Any]
    """Of the kind. [default: {}]"""
    device: str
    """auto, cpu, cuda, cuda:1 or mps. [default: 'auto']"""
    save_data: str | Path | None
    """Also write what was found as numbers, where the kind has them."""
    sheet: str | Path | None
    """Also write a contact sheet (.png). The source above, what was found below."""


class InspectAudioOptions(TypedDict, total=False):
    """The settings by name of InspectAudioConfig."""

    fps: float
    """Frames per second. [default: 24.0]"""
    frames: int | None
    """How many frames; by default as long as the sound."""
    audio_attack: float
    """Seconds in which a feature rises to 63 %. [default: 0.0]"""
    audio_release: float
    """Seconds in which a feature falls by 63 %. [default: 0.2]"""
    audio_threshold: float
    """Level below which a feature is 0; the rest is stretched. [default: 0.0]"""
    audio_gain: float
    """Factor of a feature. [default: 1.0]"""
    audio_smoothing: float
    """Seconds over which a feature is smoothed last. [default: 0.0]"""
    audio_start: float
    """Seconds of the sound to leave out at the beginning. [default: 0.0]"""
    audio_duration: float | None
    """Seconds of the sound to take from there. Silence after them; all by default."""
    bpm: float | None
    """Beats per minute, where they are known."""
    feature: str
    """What to draw: loudness, bass, onset, beat or others. All are loudness, percussive, bass, mid,
    treble, onset, beat, centroid, chroma_c, chroma_cs, chroma_d, chroma_ds, chroma_e, chroma_f,
    chroma_fs, chroma_g, chroma_gs, chroma_a, chroma_as, chroma_b. [default: 'loudness']"""
    output: str | Path | None
    """Where to write the picture (.png). By default named after the sound."""
    save_data: str | Path | None
    """Also write all features as numbers (.json)."""
    overwrite: bool
    """Replace outputs that exist. [default: False]"""
