"""Latent diffusion: noise is predicted, prompts steer it, guidance steers it harder.

Conventions: latents (clips, channels, 10, columns), standard deviation near 1; text (clips, tokens,
    width) from maa.text; steps t are whole numbers 0 … 999, 999 almost pure noise.
Source: Sections 3.5, 3.6, 5.2, Appendix D. Differs: averaged weights; training from the start with
    dropped prompts instead of a second fine-tuning run; `lean` and `minimise`, for short training.
Notebook: 22_diffusion.
"""

import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                       UNet2DConditionModel)
from torch.nn import functional as F

from maa import requests, training
from maa.errors import MaaError

STEPS, BETA_FROM, BETA_TO = 1000, 0.00085, 0.012  # β is linear in its square root
NOISE = {"num_train_timesteps": STEPS, "beta_start": BETA_FROM, "beta_end": BETA_TO,
         "beta_schedule": "scaled_linear"}


def ddim():
    """The release's sampler, for every number of steps that begin() takes."""
    return DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False, steps_offset=1,
                         timestep_spacing="leading", prediction_type="epsilon")


def dpm():
    """DPM-Solver++ of order 2: as good in 25 steps as DDIM in 100."""
    return DPMSolverMultistepScheduler(**NOISE, algorithm_type="dpmsolver++", solver_order=2,
                                       timestep_spacing="trailing", prediction_type="epsilon")


SCHEDULERS = {"ddim": ddim, "dpm++": dpm}
ERRORS = {  # that training makes small: how much the noise's counts, from ᾱ of the step
    "noise": torch.ones_like,  # the paper's
    "velocity": torch.reciprocal,  # of √ᾱ · noise − √(1 − ᾱ) · latent (Salimans and Ho 2022)
}


def begin(scheduler, steps, device=None):
    """Lay a sampler's steps over the whole way from noise to sound.

    scheduler:  one of SCHEDULERS, or of diffusers; changed in place
    steps:      1 … 1000. DDIM's lie 1000 // steps apart, so that their number must divide 1000: of
                600 the first would be at 600, where a sound has .4 of its strength already
    device:     of the step numbers; None is host memory

    Raises MaaError P-STEPS for another number.
    Source: the release. Differs: it goes to steps 1000 … 1 when asked for 1000, and stops, since
        there is no 1000; here they are 999 … 0. Other numbers it changes: 31 steps for 30.
    Notebook: 22_diffusion.
    """
    most = scheduler.config.num_train_timesteps
    steps = requests.whole(steps, "num_inference_steps", 1, most, "P-STEPS")
    leading = scheduler.config.get("timestep_spacing") == "leading"
    if leading and most % steps:
        known = [count for count in range(1, most + 1) if most % count == 0]
        below, above = max(n for n in known if n < steps), min(n for n in known if n > steps)
        raise MaaError("P-STEPS", (
            f"num_inference_steps is {steps}, expected a number that divides {most}, such as "
            f"{below} or {above}: others begin far from noise with ddim; dpm++ takes any"))
    scheduler.set_timesteps(steps, device=device)
    if leading and steps == most:
        scheduler.timesteps = scheduler.timesteps - scheduler.config.steps_offset


def build_unet(*, widths=(320, 640), layers=2, heads=8, text_width=1024, channels=4,
               size=(10, 78), attention=None, dropout=0.0):
    """Untrained denoiser; the defaults are the paper's, 160,223,684 parameters.

    widths:      channels of each level
    attention:   how many of the coarsest levels attend to the text and themselves; None is all
    size:        (bands, columns) of the latents it is trained on; others work too
    dropout:     share of values hidden in residual blocks while it is trained
    """
    levels = len(widths)
    attention = levels if attention is None else attention
    if not 0 < attention <= levels:
        raise ValueError(f"attention is {attention}, expected 1 to {levels} levels")
    down = ["DownBlock2D"] * (levels - attention) + ["CrossAttnDownBlock2D"] * attention
    up = ["CrossAttnUpBlock2D"] * attention + ["UpBlock2D"] * (levels - attention)
    return UNet2DConditionModel(
        sample_size=tuple(size), in_channels=channels, out_channels=channels,
        down_block_types=tuple(down), up_block_types=tuple(up), block_out_channels=tuple(widths),
        layers_per_block=layers, norm_eps=1e-5, norm_num_groups=training.norm_groups(widths),
        cross_attention_dim=text_width, attention_head_dim=heads, dropout=dropout)


def noise_schedule():
    """ᾱ for each of the 1000 steps: the share of the signal's variance that is left, (1000,)."""
    return DDPMScheduler(**NOISE).alphas_cumprod


def corrupt(latent, noise, t, kept):
    """Latent at step t: √ᾱ · latent + √(1 − ᾱ) · noise.

    latent, noise:  (clips, channels, 10, columns)
    t:              (clips,) step numbers, 0 … 999
    kept:           noise_schedule() on the same device
    """
    kept = kept[t].view(-1, 1, 1, 1)
    return kept.sqrt() * latent + (1 - kept).sqrt() * noise


def upward(text, empty_text, scale):
    """The same guidance with a scale above 0, as guided_noise wants it: (text, empty_text, scale).

    0 and less go the same line from its other end: e + s (p - e) = p + (1 - s) (e - p).

    text, empty_text, scale:  as for guided_noise, but for a scale of any sign

    Source: Section 3.6.  Notebook: 22_diffusion.
    """
    if scale > 0:
        return text, empty_text, scale
    return empty_text, text, 1 - scale


def guided_noise(unet, latent, t, text, empty_text, scale):
    """Noise estimate pushed away from "no prompt" and towards the prompt.

    latent:      (clips, 4, 10, 78), standard deviation near 1
    t:           step number, 0 … 999, or one for each clip
    text:        (clips, tokens, 1024), from maa.text
    empty_text:  as text, for the prompt ""
    scale:       1 is plain conditional sampling and skips the second forward
    returns      (clips, 4, 10, 78)

    Raises ValueError if scale < 0, which upward() turns round.
    Source: Section 3.6.  Notebook: 22_diffusion.
    """
    if scale < 0:
        raise ValueError(f"guidance {scale}, expected 0 or more; 1 means no guidance")
    if scale == 1:
        return unet(latent, t, encoder_hidden_states=text).sample
    t = t.repeat(2) if torch.is_tensor(t) and t.dim() else t
    both = unet(torch.cat([latent, latent]), t,
                encoder_hidden_states=torch.cat([empty_text, text])).sample
    empty, prompted = both.chunk(2)
    return empty + scale * (prompted - empty)


@torch.no_grad()
def sample(unet, text, empty_text, *, size, scale=3.0, steps=25, sampler="dpm++", generator=None):
    """Latents denoised from noise, one for each row of `text`.

    size:      (bands, columns) of the latents
    returns    (clips, channels, bands, columns)

    Raises ValueError for an unknown sampler, MaaError P-STEPS as begin() does.
    Source: Section 3.6.  Notebook: 22_diffusion.
    """
    if sampler not in SCHEDULERS:
        raise ValueError(f"sampler {sampler!r} is unknown, expected one of {sorted(SCHEDULERS)}")
    scheduler = SCHEDULERS[sampler]()
    begin(scheduler, steps)
    latent = torch.randn(
        len(text), unet.config.in_channels, *size, generator=generator, device=text.device)
    for t in scheduler.timesteps:
        noise = guided_noise(unet, latent, t.to(latent.device), text, empty_text, scale)
        latent = scheduler.step(noise, t, latent).prev_sample
    return latent


def train(folder, latents, text, empty_text, *, held_out=None, widths=(128, 256), layers=2, heads=8,
          attention=None, dropout=0.0, steps=10_000, batch=256, learning_rate=0.0005,
          drop_prompt=0.1, lean=1.0, minimise="noise", decay=0.999, seed=0, save_every=500,
          fingerprint=""):
    """Denoiser trained on cached latents.

    latents:     (scenes, channels, 10, columns), standardised; kept on the device
    text:        text(generator, rows) -> (rows, tokens, width): the prompts of these scenes
    empty_text:  (1, tokens, width), the prompt ""
    held_out:    (latents, text tensor) on which the loss is logged, or None
    attention, dropout:  as in build_unet; without dropout a small corpus is learnt by heart
    drop_prompt: share of prompts replaced by ""
    lean:        towards noise: 1 draws every step equally often, 2 in proportion to its number.
                 What is heard, and in what order, is decided while there is much noise
    minimise:    word of ERRORS; the velocity's weighs steps with much noise higher
    returns      UNet2DConditionModel, averaged weights, in eval mode

    Raises ValueError for an unknown word.
    Source: Sections 3.5, 5.2, Appendix E.2.  Notebook: 22_diffusion.
    """
    if minimise not in ERRORS:
        raise ValueError(f"minimise is {minimise!r}, expected one of {sorted(ERRORS)}")
    place = training.device()
    with training.seeded(seed):
        unet = build_unet(widths=widths, layers=layers, heads=heads, channels=latents.shape[1],
                          text_width=empty_text.shape[-1], size=tuple(latents.shape[2:]),
                          attention=attention, dropout=dropout)
    unet.to(memory_format=training.layout(place))
    latents, empty_text = latents.to(place), empty_text.to(place)
    kept = noise_schedule().to(place)
    weight = ERRORS[minimise](kept)

    def draw(generator):
        rows = torch.randint(
            len(latents), (training.share(batch),), generator=generator, device=place)
        words = text(generator, rows)
        dropped = torch.rand(len(rows), 1, 1, generator=generator, device=place) < drop_prompt
        words = torch.where(dropped, empty_text, words)
        return noisy(latents[rows].float(), words, kept, generator, lean)

    def loss(now, step):
        guess = unet(now["latent"], now["t"], encoder_hidden_states=now["text"]).sample
        each = (guess.float() - now["noise"]).square().mean((1, 2, 3))
        return (weight[now["t"]] * each).mean(), {"noise error": each.mean()}

    settings = {"widths": list(widths), "layers": layers, "heads": heads,
                "attention": attention, "dropout": dropout, "steps": steps, "batch": batch,
                "learning_rate": learning_rate, "drop_prompt": drop_prompt, "lean": lean,
                "minimise": minimise, "decay": decay, "seed": seed, "scenes": len(latents),
                "data": fingerprint}
    return training.train(
        folder, modules={"unet": unet}, batch=draw, steps=steps, settings=settings, seed=seed,
        turns=[training.Turn(("unet",), loss, learning_rate)], averaged=("unet",), decay=decay,
        held_out=None if held_out is None else lambda nets: {
            "noise error": held_out_error(nets["unet"], *held_out, kept, lean=lean)},
        save_every=save_every, compiled=[unet], recorded=True, label="diffusion")["unet"]


def noisy(latent, text, kept, generator, lean=1.0):
    """One training example for each latent: a random step, the noise, the noised latent."""
    even = torch.rand(len(latent), generator=generator, device=latent.device)
    t = (STEPS * even ** (1 / lean)).long().clamp(max=STEPS - 1)
    noise = torch.randn(latent.shape, generator=generator, device=latent.device)
    return {"latent": corrupt(latent, noise, t, kept), "noise": noise, "t": t, "text": text}


@torch.no_grad()
def held_out_error(unet, latents, text, kept, batch=64, lean=1.0):
    """Noise error on held-out latents: always the same steps and noise, so that rows compare."""
    generator = torch.Generator(kept.device).manual_seed(0)
    total = 0.0
    for latent, words in zip(latents.split(batch), text.split(batch)):
        now = noisy(latent.to(kept.device).float(), words.to(kept.device), kept, generator, lean)
        guess = unet(now["latent"], now["t"], encoder_hidden_states=now["text"]).sample
        total += F.mse_loss(guess.float(), now["noise"], reduction="sum").item()
    return total / latents.numel()
