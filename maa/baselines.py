"""Published systems beside ours: the same prompts, lengths and seeds, through diffusers' pipelines.

Nothing is fetched: a system is read from a folder or from what is on this machine already, unless
the caller asks for a download with local_files_only=False. The rival that is trained here on the
same clips as ours is maa.diffsound.

Conventions: sounds (sounds, samples) float32 in -1 … 1 at 16 kHz, round(seconds * 16000) samples;
    several channels are averaged; the sound in row i has the seed `seed` + i and no other sound has
    a part in it.
Source: Table 1. Differs: the systems here were published after the paper.
Notebook: 23_diffsound.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from maa import mel, requests, sounds, training
from maa.errors import MaaError


@dataclasses.dataclass(frozen=True)
class System:
    """How one published system is loaded and called.

    load:     load(where, local_files_only) -> pipeline
    ask:      ask(seconds) -> keywords for a sound of at least that length
    rate:     rate(pipeline) -> its samples a second
    longest:  longest(pipeline) -> seconds it can make at most
    knobs:    keywords of the pipeline that may be changed, with the value its authors recommend
    """

    load: Callable
    ask: Callable
    rate: Callable
    longest: Callable
    knobs: dict


def load_audioldm2(where, local_files_only):
    from diffusers import AudioLDM2Pipeline
    from transformers import GPT2LMHeadModel

    # the published index names GPT2Model, which can no longer generate
    speaker = GPT2LMHeadModel.from_pretrained(
        where, subfolder="language_model", local_files_only=local_files_only)
    return AudioLDM2Pipeline.from_pretrained(
        where, language_model=speaker, local_files_only=local_files_only)


def load_stable_audio(where, local_files_only):
    from diffusers import StableAudioPipeline

    return StableAudioPipeline.from_pretrained(where, local_files_only=local_files_only)


PUBLISHED = {
    "audioldm2": System(
        load=load_audioldm2,
        ask=lambda seconds: {"audio_length_in_s": seconds, "max_new_tokens": 8},
        rate=lambda pipe: pipe.vocoder.config.sampling_rate,
        longest=lambda pipe: float("inf"),
        knobs={"num_inference_steps": 200, "guidance_scale": 3.5,
               "negative_prompt": "Low quality."}),
    "stable_audio": System(
        load=load_stable_audio,
        ask=lambda seconds: {"audio_end_in_s": seconds},
        rate=lambda pipe: pipe.vae.config.sampling_rate,
        longest=lambda pipe: (pipe.transformer.config.sample_size * pipe.vae.hop_length
                              / pipe.vae.config.sampling_rate),
        knobs={"num_inference_steps": 200, "guidance_scale": 7.0,
               "negative_prompt": "Low quality."}),
}


def load(name, where, local_files_only=True):
    """The pipeline of a published system, on training.device().

    where:              folder with its parts, or its name on a hub
    local_files_only:   False allows a download

    Raises ValueError for an unknown name, MaaError K-LOAD if it is not there or not whole.
    """
    system = known(name)
    try:
        pipe = system.load(where, local_files_only)
    except (OSError, ValueError) as fault:
        cause = str(fault).strip().split("\n")[0]
        hint = "was the copy whole?" if Path(where).is_dir() else (
            "expected a folder, or a name that local_files_only=False may fetch")
        raise MaaError(
            "K-LOAD", f"{name} does not load from {str(where)!r}: {cause}; {hint}") from fault
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(training.device())


def known(name):
    if name not in PUBLISHED:
        raise ValueError(f"system {name!r} is unknown, expected one of {sorted(PUBLISHED)}")
    return PUBLISHED[name]


def generate(name, where, prompts, seconds, seed, *, local_files_only=True, **knobs):
    """Sounds of a published system, one for each prompt.

    name:      a word of PUBLISHED
    where:     folder or name as in load, or the pipeline that load gave
    prompts:   a text, or several
    seed:      of the first sound; the next ones have seed + 1, …
    knobs:     in place of the recommended ones in PUBLISHED[name].knobs
    returns    (sounds, round(seconds * 16000)) float32 array

    Raises ValueError for an unknown name or knob, or a length the system cannot make; MaaError as
    load, P-EMPTY, P-TYPE or P-TEXT for prompts that are none.
    Source: Table 1.  Notebook: 23_diffsound.
    """
    system = known(name)
    if unknown := sorted(set(knobs) - set(system.knobs)):
        raise ValueError(f"{name} has no knobs {unknown}, expected some of {sorted(system.knobs)}")
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    requests.texts(prompts)  # refuses what is no text; the systems read them as they were given
    by_path = isinstance(where, (str, Path))
    pipe = load(name, where, local_files_only) if by_path else where
    if not 0 < seconds <= system.longest(pipe):
        raise ValueError(f"{seconds} s asked of {name}, expected above 0 and at most "
                         f"{system.longest(pipe):.1f}: it was trained on no longer sounds")
    rate, samples, made = system.rate(pipe), round(seconds * mel.RATE), []
    if round(int(seconds * rate) * mel.RATE / rate) < samples:  # where diffusers would cut
        seconds = min(seconds + 1 / rate, system.longest(pipe))
    asked = system.knobs | knobs | system.ask(seconds)
    for row, prompt in enumerate(prompts):
        generator = torch.Generator().manual_seed(seed + row)
        audio = pipe(prompt, generator=generator, output_type="np", **asked).audios[0]
        made.append(fitted(audio, rate, samples))
    return np.stack(made)


def fitted(audio, rate, samples):
    """One channel at 16 kHz, cut to `samples` and to -1 … 1.

    audio:     (channels, any) or (any,)
    returns    (samples,) float32

    Raises ValueError if the sound is shorter than that.
    """
    wave = np.asarray(audio, np.float32)
    wave = sounds.resample(wave.mean(0) if wave.ndim == 2 else wave, rate, mel.RATE)
    if len(wave) < samples:
        raise ValueError(f"sound has {len(wave)} samples at 16 kHz, expected {samples} or more; "
                         f"does {rate} Hz belong to it?")
    return np.clip(wave[:samples], -1, 1)
