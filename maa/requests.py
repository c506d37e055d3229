"""What a caller may ask of the pipeline: every value checked at the door, before any work.

Each function gives its value back in the one form the pipeline works with, or raises MaaError with
a code P-…, in one line.

Conventions: seconds at 16 kHz; latents (sounds, 4, 10, columns), one column is 2048 samples.
Source: Section 3.6 (guidance and sampling).  Notebook: 30_text_to_audio.
"""

import difflib
import inspect
import numbers
import re
import secrets

import psutil
import torch

from maa import mel
from maa.errors import MaaError, warn

LONGEST = 600.0  # seconds of one sound
MOST = 1024  # sounds of one call
GUIDANCE = 50.0  # largest strength, either sign
UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # control, half characters
DECODED_AT_ONCE = 4  # sounds; bounds the memory of the decoder
# measured peaks: 38 to 43 floats in the U-Net and 4 to 6 in the decoder, see memory()
UNET_FLOATS, DECODER_FLOATS = 43, 6


def texts(prompt, name="prompt"):
    """Prompts as a list of strings with single spaces; says so if one is empty.

    prompt:   a string or a list of strings

    Raises MaaError P-EMPTY (no prompt), P-TYPE (not text) or P-TEXT (NUL, half a character).
    """
    items = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
    if not items:
        raise MaaError("P-EMPTY", f"{name} is an empty list, expected text or a list of texts")
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise MaaError("P-TYPE", (
                f"{name} {place} is {shown(item)}, expected text; was a missing value or "
                f"undecoded bytes passed on?"))
        if found := UNUSABLE.search(item):
            raise MaaError("P-TEXT", (
                f"{name} {place} has {found[0]!r} at position {found.start()}, expected printable "
                f"text; was it read in another encoding?"))
    return [" ".join(item.split()) for item in items]


def both_texts(prompt, negative_prompt, guidance):
    """Prompts and what to steer away from: two lists of one length; notes on unusual ones."""
    prompts = texts(prompt)
    empty = [place for place, text in enumerate(prompts) if not text]
    if empty:
        warn("P-EMPTY", f"prompt {empty} has no words: the sound will be one of any kind")
    if negative_prompt is None:
        return prompts, [""] * len(prompts)
    negatives = texts(negative_prompt, "negative_prompt")
    if len(negatives) == 1:
        negatives = negatives * len(prompts)
    if len(negatives) != len(prompts):
        raise MaaError(
            "P-TYPE",
            f"negative_prompt has {len(negatives)} texts, expected 1 or {len(prompts)}, as prompts",
        )
    if guidance == 1:
        warn("P-RANGE", "guidance_scale 1 looks at the prompt only: negative_prompt has no effect")
    return prompts, negatives


def note_cut(tokenizer, words, most, name="prompt"):
    """Say how many tokens of too long texts are not read: those after the first `most`."""
    for one in dict.fromkeys(words):
        count = len(tokenizer(one, verbose=False)["input_ids"])
        if count > most:
            warn("P-LONG", f"{name} {words.index(one)} has {count} tokens: the last {count - most} "
                           f"are not read")


def whole(value, name, low, high, code):
    """A whole number from low to high, as int; True and 2.0 are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise MaaError(code, f"{name} is {shown(value)}, expected a whole number {low} … {high}")
    if not low <= value <= high:
        raise MaaError(code, f"{name} is {value}, expected {low} … {high}")
    return int(value)


def number(value, name, low, high, code="P-RANGE", hint=""):
    """A finite number from low to high, as float; True and "3" are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise MaaError("P-TYPE", f"{name} is {shown(value)}, expected a number {low:g} … {high:g}")
    if not low <= value <= high:  # false for NaN too
        raise MaaError(code, f"{name} is {value}, expected {low:g} … {high:g}{hint}")
    return float(value)


def guidance(value):
    """Strength of guidance; below 0 is allowed with a note."""
    if isinstance(value, numbers.Real) and -GUIDANCE <= value < 0:
        warn("P-RANGE", f"guidance_scale {value} is below 0: the sound avoids its prompt")
        return float(value)
    return number(value, "guidance_scale", 0, GUIDANCE, hint="; the usual range is 1 … 10")


def samples(seconds, columns):
    """Samples of one sound: round(seconds * 16000), or the width the model was trained on.

    columns:   latent columns of the model's training, for seconds None
    """
    if seconds is None:
        return columns * mel.COLUMN * mel.HOP
    shortest = 1 / mel.RATE
    hint = f": at least one sample, and at most {LONGEST:g} s"
    return round(number(seconds, "audio_length_in_s", shortest, 1e9, "P-DURATION", hint) * mel.RATE)


def memory(unet, vae, sounds, columns):
    """Estimated bytes that sampling and decoding need beside the weights."""
    positions = columns * mel.BANDS // mel.COLUMN
    size = torch.finfo(unet.dtype).bits // 8
    sampling = 2 * sounds * positions * unet.config.block_out_channels[0] * UNET_FLOATS * size
    pixels = min(sounds, DECODED_AT_ONCE) * columns * mel.COLUMN * mel.BANDS
    decoding = pixels * max(vae.config.block_out_channels[:2]) * DECODER_FLOATS * size
    return max(sampling, decoding) + 4 * sounds * columns * mel.COLUMN * (mel.HOP + mel.BANDS)


def free_memory(device):
    """Bytes of memory that can still be had on a device."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return psutil.virtual_memory().available


def check_size(length, sounds, need, device):
    """Refuse what would take too long or too much memory, before any of it is allocated.

    Raises MaaError P-DURATION (one sound too long) or P-MEMORY (too much at once).
    """
    seconds, room = length / mel.RATE, free_memory(device)
    asked = f"{sounds} × {seconds:g} s of sound need about {need / 1e9:.3g} GB of memory"
    if seconds > LONGEST:
        raise MaaError("P-DURATION", f"{asked}, expected at most {LONGEST:g} s a sound")
    if need > room:
        raise MaaError("P-MEMORY", (
            f"{asked}, expected at most the {room / 1e9:.3g} GB that are free; ask for "
            f"shorter sounds or fewer at once"))


def check_finite(waves, dtype):
    """Refuse sounds with NaN or infinite values, P-NUMERIC; `dtype` is that of the weights."""
    if not torch.isfinite(waves).all():
        raise MaaError("P-NUMERIC", (
            f"the sound has NaN or infinite values, expected finite ones; do {dtype} "
            f"weights overflow? Try dtype=torch.float32"))


def seeded(seed, count=1):
    """Generators for `count` sounds with the seeds seed, seed + 1, …, one a sound.

    seed:      0 … 2**64 - 1, or None for one drawn at random
    returns    list of torch.Generator on the CPU; their .initial_seed() tells the seed

    Raises MaaError P-SEED.
    """
    count = whole(count, "count", 1, MOST, "P-COUNT")
    if seed is None:
        seed = secrets.randbelow(2**32)
    seed = whole(seed, "seed", 0, 2**64 - count, "P-SEED")
    return [torch.Generator().manual_seed(seed + place) for place in range(count)]


def generators(generator, prompts, each, device):
    """One generator, None, or a list with one a sound.

    prompts, each:   number of prompts, and of sounds for each of them

    Raises MaaError P-SEED (not a generator, wrong number) or P-DEVICE (lives elsewhere).
    """
    if generator is None:
        return None
    alone = not isinstance(generator, (list, tuple))
    items = [generator] if alone else list(generator)
    for item in items:
        if not isinstance(item, torch.Generator):
            raise MaaError(
                "P-SEED",
                f"generator is {shown(item)}, expected torch.Generator or a list of them; "
                f"maa.requests.seeded(3) makes one from a number",
            )
        if item.device.type not in ("cpu", device.type):
            raise MaaError(
                "P-DEVICE",
                f"generator is on {item.device}, expected cpu or {device}, where the pipeline is",
            )
    if not alone and len(items) != prompts * each:
        raise MaaError(
            "P-SEED",
            f"generator has {len(items)} entries, expected {prompts} × {each}: one a sound",
        )
    return generator if alone else items


def check_latents(latents, shape):
    """Refuse starting noise of another shape or with NaN in it, P-LATENTS."""
    if not isinstance(latents, torch.Tensor) or not latents.is_floating_point():
        raise MaaError("P-LATENTS", f"latents is {shown(latents)}, expected a tensor of floats")
    if tuple(latents.shape) != shape:
        raise MaaError(
            "P-LATENTS",
            f"latents has shape {tuple(latents.shape)}, expected {shape}; does "
            f"audio_length_in_s fit them?",
        )
    if not torch.isfinite(latents).all():
        raise MaaError("P-LATENTS", "latents has NaN or infinite values, expected finite noise")


def choice(word, known, name, code):
    """The word if it is known; otherwise MaaError with the nearest known one."""
    if word in known:
        return word
    near = difflib.get_close_matches(str(word).lower(), known, 1, 0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise MaaError(code, f"{name} is {shown(word)}, expected one of {list(known)}{hint}")


def step_options(scheduler, eta, generator):
    """Extra keywords of this scheduler's step(); eta only where it has a meaning.

    Raises MaaError P-RANGE if eta is outside 0 … 1, P-SAMPLER if the sampler takes none.
    """
    eta = number(eta, "eta", 0, 1)
    known = inspect.signature(scheduler.step).parameters
    if eta and "eta" not in known:
        raise MaaError(
            "P-SAMPLER",
            f"eta is {eta}, expected 0 for {type(scheduler).__name__}; only ddim adds noise again",
        )
    wanted = {"eta": eta, "generator": generator}
    return {name: value for name, value in wanted.items() if name in known}


def shown(value):
    """A value in a message: its text, cut at 60 characters, and its type."""
    text = repr(value) if not isinstance(value, torch.Tensor) else str(tuple(value.shape))
    return f"{text if len(text) <= 60 else text[:59] + '…'} ({type(value).__name__})"
