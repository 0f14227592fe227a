"""What other tools call a setting or a kind of part, and what it is called here: one table.

None of these names is accepted; who gives one is told ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

NAMES: dict[str, str] = {
    theirs: ours
    for ours, all_of_theirs in {
        # Settings, as diffusers, AUTOMATIC1111, ComfyUI, deforum and FFmpeg know them
        "adapter": "tuned_model unet_path",
        "apg_eta": "saturation eta",
        "audio": "sound music song soundtrack audio_path audio_file",
        "audio_attack": "attack",
        "audio_duration": "sound_duration",
        "audio_gain": "gain",
        "audio_release": "release",
        "audio_scale": "hear audio_strength audio_weight sound_scale",
        "audio_smoothing": "smoothing",
        "audio_start": "sound_start audio_offset",
        "audio_threshold": "threshold",
        "bpm": "tempo",
        "check_inversion": "gate",
        "clip": "video input input_path input_video video_path init_video source_video",
        "codec": "vcodec video_codec encoder",
        "compare_layout": "compare_how",
        "control": "controlnet controlnet_type control_net preprocessor",
        "crf": "quality",
        "device": "gpu cuda",
        "dtype": "fp16 half precision torch_dtype half_precision",
        "emphasis": "attention_weight prompt_weight word_weight",
        "fps": "rate framerate frame_rate r",
        "frames": "num_frames n_frames max_frames video_length frame_count length frames_num",
        "guidance": "cfg cfg_scale guidance_scale scale unconditional_guidance_scale classifier_free_guidance",
        "image": "ip_adapter_image reference reference_image style_image image_prompt ipadapter_image",
        "image_adapter": "ip_adapter ipadapter ip_adapter_path",
        "image_encoder": "clip_vision image_encoder_path",
        "inject": "injection pnp_injection pnp_f_t pnp_attn_t",
        "inversion_corrections": "refine fixed_point_iterations renoise_steps num_renoise_steps",
        "key_frames": "keyframes n_keyframes num_keyframes keyframe_interval",
        "kernel": "xformers attention_backend enable_xformers_memory_efficient_attention",
        "layout": "how",
        "learning_rate": "lr",
        "lora": "loras lora_path lora_weights lora_scale",
        "mask": "mask_image inpaint_mask mask_path mask_video",
        "model": "checkpoint ckpt base_model model_path model_id pretrained_model_name_or_path",
        "motion_adapter": "motion_module animatediff",
        "negative_image": "negative_ip_adapter_image image_negative",
        "negative_prompt": "negative neg neg_prompt uncond n_prompt",
        "only": "range segment trim time_range stretch",
        "overlap": "context_overlap frame_overlap window_overlap chunk_overlap",
        "output": "out outfile output_path output_file outdir save_path save",
        "overwrite": "force yes y",
        "prior": "init noise noise_type",
        "prompt": "target_prompt edit_prompt positive_prompt text instruction",
        "prompt_at": "then prompt_travel prompt_schedule animation_prompts prompts",
        "prompt_blend": "blend",
        "sampler": "scheduler solver sampler_name sampling_method",
        "save_data": "numbers save_json",
        "seed": "manual_seed random_seed generator",
        "sheet": "grid contact_sheet",
        "shots": "cuts scenes scene_detection scenedetect split_scenes",
        "size": "resolution image_size resize max_size",
        "source_prompt": "src_prompt inversion_prompt original_prompt source_text inverse_prompt",
        "start": "start_frame skip skip_frames extract_from_frame",
        "steps": "num_inference_steps inference_steps sampling_steps ddim_steps num_steps n_steps max_train_steps",
        "strength": "denoise denoising_strength image_strength noise_strength strength_schedule",
        "stride": "every_nth frame_stride sample_frame_rate frame_step extract_nth_frame",
        "tune": "train finetune fine_tune train_steps",
        "window": "context_length context_frames window_size chunk_size frame_window_size sliding_window",
        # Kinds of controls
        "depth": "midas zoe dpt depth_anything depth_midas depth_zoe",
        "edge": "canny edges",
        "flow": "optical_flow",
        "lineart": "line_art lineart_anime lineart_realistic",
        "pose": "openpose dwpose dw_openpose skeleton keypoints openpose_full",
        "soft_edge": "hed softedge pidinet softedge_hed softedge_pidinet",
        "tile": "tile_resample",
        # Kinds of attention and of starting noise
        "full": "spatio_temporal joint",
        "gaussian": "random",
        "inversion": "ddim ddim_inversion",
        "shared": "fixed",
        "sparse_causal": "sc_attn sparse_causal_attention cross_frame",
    }.items()
    for theirs in all_of_theirs.split()
}

SEVERAL: dict[str, tuple[str, ...]] = {
    "motion": ("motion_strokes", "motion_of", "motion_adapter"),
    **dict.fromkeys(("motion_from", "driving", "driving_video", "borrow"), ("motion_of",)),
    **dict.fromkeys(("drag", "strokes", "tracks", "trajectory", "trajectories"), ("motion_strokes",)),
}
"""Names that may stand for several of ours, of which a command may have only some."""

CONTROLS = ("depth", "edge", "flow", "lineart", "pose", "soft_edge", "tile")
"""What is a flag of its own elsewhere, and here a kind of --control."""


def ours(name: str, known: Collection[str]) -> str | None:
    """Which of the ``known`` names a name of another tool stands for, if any; of several, the likeliest."""
    plain = name.replace("-", "_").lower()
    return next((each for each in (NAMES.get(plain), *SEVERAL.get(plain, ())) if each in known), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at what was meant: the name that another tool's stands for, else the one that is most alike."""
    names = list(known)
    if (found := ours(name, names)) is not None:
        return f"here it is called '{found}'"
    near = get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(names)}"


def nearest_flag(flag: str, flags: Iterable[str], arguments: Collection[str] = ()) -> str:
    """The same for a flag such as "--cfg-scale"; empty where none is near. ``flags`` have their dashes; ``arguments``
    are those given without a flag."""
    name, known = flag.lstrip("-").replace("-", "_"), list(flags)
    if (argument := ours(name, arguments) or name) in arguments:
        return f"here it is the argument {argument.upper()}, which has no flag"
    settings = [each.lstrip("-").replace("-", "_") for each in known]
    if len(several := [each for each in SEVERAL.get(name, ()) if each in settings]) > 1:
        return f"here it is {' or '.join(f'--{each}'.replace('_', '-') for each in several)}"
    for negation in ("", "no_"):
        if name.startswith(negation) and (found := ours(name.removeprefix(negation), settings)) is not None:
            return f"here it is --{(negation + found).replace('_', '-')}"
    if (kind := NAMES.get(name, name)) in CONTROLS and "--control" in known:
        return f"here it is --control {kind}"
    near = (
        [] if name in {*NAMES, *SEVERAL} else get_close_matches(flag, known, n=1)
    )  # what has no such setting has none near it
    return f"did you mean {near[0]}?" if near else ""
