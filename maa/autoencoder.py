"""The spectrogram autoencoder: mel ↔ latent, 16 numbers to one.

Conventions: mels (clips, 1, 80, frames) log10, frames a multiple of 8; latents
    (clips, channels, 10, frames / 8), each channel with mean 0 and standard deviation 1; what that
    takes travels with the weights as config.latents_mean and config.latents_std.
Source: Section 3.4 (reconstruction + GAN + KL, multi-window discriminator).
    Differs: latents are centred channel by channel, the release divides by one number; besides the
    L1 distance of mels, the distance of what a small sound classifier hears in
    them is minimised; L1 alone blurs textures until their source is no longer recognised.
Notebook: 20_autoencoder.
"""

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from maa import coarse, discriminators, mel, processes, scenes, training

PLAIN = ("DownEncoderBlock2D", "UpDecoderBlock2D")
ATTENTION = ("AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D")
STARTS = ("random", "coarse")


def build(*, widths=(128, 256, 256, 512), attention=2, layers=2, channels=4, frames=624,
          start="random"):
    """Untrained autoencoder; the defaults are the paper's, 68,984,037 parameters.

    widths:     channels of the four levels, mel resolution first
    attention:  how many of the coarsest levels attend to themselves
    channels:   latent channels
    start:      weights: "random" as in the paper, "coarse" for very short trainings, or a trained
                autoencoder of as many latent channels or fewer (both in maa.coarse)
    """
    if start not in STARTS and not isinstance(start, AutoencoderKL):
        raise ValueError(f"start is {start!r}, expected one of {STARTS} or a trained autoencoder")
    if len(widths) != 4 or not 0 <= attention <= 4:
        raise ValueError(
            f"widths {widths} with attention on {attention} levels, expected four widths and "
            f"0 to 4: only four levels take 80 × 624 to 10 × 78")
    vae = AutoencoderKL(
        in_channels=1, out_channels=1, **blocks(4, attention), block_out_channels=tuple(widths),
        layers_per_block=layers, latent_channels=channels, sample_size=frames,
        norm_num_groups=training.norm_groups(widths), scaling_factor=1.0)
    if start == "coarse":
        coarse.set_weights(vae)
    elif start != "random":
        coarse.begin_as(vae, start)
    return vae


def blocks(levels, attention):
    """Keywords for the kinds of levels: the coarsest `attention` of them attend to themselves."""
    plain = levels - attention
    return {"down_block_types": [PLAIN[0]] * plain + [ATTENTION[0]] * attention,
            "up_block_types": [ATTENTION[1]] * attention + [PLAIN[1]] * plain}


def shape(vae):
    """The keywords of build() that give an autoencoder of the same size, but for its channels."""
    config = vae.config
    return {"widths": tuple(config.block_out_channels), "layers": config.layers_per_block,
            "attention": sum(kind in ATTENTION for kind in config.down_block_types)}


def encode(vae, mels, generator=None):
    """Standardised latent of each mel: its mean, or a sample where a generator is given.

    mels:     (clips, 1, 80, frames), frames a multiple of 8
    returns   (clips, channels, 10, frames / 8)
    """
    if mels.dim() != 4 or mels.shape[1:3] != (1, mel.BANDS) or mels.shape[3] % mel.COLUMN:
        raise ValueError(
            f"mel has shape {tuple(mels.shape)}, expected (clips, 1, {mel.BANDS}, a multiple of "
            f"{mel.COLUMN}); was it made by maa.mel.log_mel and cut to mel.trained_frames?")
    posterior = vae.encode(mels).latent_dist
    latent = posterior.mode() if generator is None else posterior.sample(generator)
    mean, std = statistics(vae, latent)
    return (latent - mean) / std


def decode(vae, latent):
    """Mel of each standardised latent.

    latent:   (clips, channels, 10, columns)
    returns   (clips, 1, 80, 8 · columns)
    """
    fits = (vae.config.latent_channels, mel.BANDS // mel.COLUMN)
    if latent.dim() != 4 or latent.shape[1:3] != fits:
        raise ValueError(
            f"latent has shape {tuple(latent.shape)}, expected (clips, {fits[0]}, {fits[1]}, "
            f"columns); does it come from another autoencoder?")
    mean, std = statistics(vae, latent)
    return vae.decode(latent * std + mean).sample


def statistics(vae, like):
    """Mean and standard deviation of the raw latents, (1, channels, 1, 1) each.

    Without latents_mean and latents_std in its config (an imported autoencoder, or one that is not
    trained yet) 0 and 1 / scaling_factor, as diffusers has it.
    """
    mean = vae.config.latents_mean or [0.0] * vae.config.latent_channels
    std = vae.config.latents_std or [1.0] * vae.config.latent_channels
    mean, std = (torch.stack([like.new_full((), one) for one in x]).view(1, -1, 1, 1)
                 for x in (mean, std))  # filled where they are: no copy, so that it can be recorded
    return mean, std / vae.config.scaling_factor


def train(folder, waves, *, ear, held_out=None, widths=(64, 128, 128, 256), attention=0, layers=2,
          channels=4, start="random", steps=10_000, batch=32, frames=312, learning_rate=0.0003,
          critic_from=0.2, perceptual=1.0, adversarial=0.02, matching=0.2, kl=0.0001,
          critic_windows=(32, 64, 128), seed=0, decay=0.999, save_every=1000, fingerprint=""):
    """Autoencoder trained on random moments of scenes; then its latents are measured.

    folder:       checkpoints and log.csv
    waves:        (scenes, samples) tensor, 16 kHz
    ear:          classifier.Vgg whose stages the perceptual loss compares; not changed
    held_out:     (clips, 1, 80, frames) mels on which L1 is logged, or None
    frames:       mel frames of a training example
    critic_from:  share of the steps before the discriminator sets in
    perceptual, adversarial, matching, kl:  weights beside the L1 distance's 1
    returns       diffusers.AutoencoderKL, averaged weights, in eval mode

    Source: Section 3.4.  Notebook: 20_autoencoder.
    """
    with training.seeded(seed):
        vae = build(widths=widths, attention=attention, layers=layers, channels=channels,
                    start=start)
        critic = discriminators.Windows(critic_windows)
    place = training.device()
    vae, critic = (module.to(memory_format=training.layout(place)) for module in (vae, critic))
    pool, ear = waves.to(place, torch.float16), ear.to(place).eval().requires_grad_(False)
    begin = round(critic_from * steps)

    def draw(generator):
        mels = moments(pool, training.share(batch), frames, generator)
        return {"mel": mels, "generator": generator}

    def rebuild_loss(now, step):
        target = now["mel"]
        posterior = vae.encode(target).latent_dist
        now["rebuilt"] = rebuilt = vae.decode(posterior.sample(now["generator"])).sample.float()
        l1 = F.l1_loss(rebuilt, target)
        divergence = posterior.kl().sum() / target.numel()
        heard = ear_distance(ear, rebuilt, target)
        total, shown = l1 + kl * divergence + perceptual * heard, {
            "L1": l1, "KL": divergence, "perceptual": heard}
        if step >= begin:
            found, more = discriminators.generator_loss(
                critic, rebuilt, target, adversarial, matching)
            total, shown = total + found, shown | more
        return total, shown

    def critic_loss(now, step):
        value = discriminators.critic_loss(
            critic(now["mel"])[0], critic(now["rebuilt"].detach())[0])
        return value, {"critic": value}

    settings = {
        "widths": list(widths), "attention": attention, "layers": layers, "channels": channels,
        "start": start if start in STARTS else "trained", "steps": steps, "batch": batch,
        "frames": frames, "learning_rate": learning_rate, "critic_from": critic_from,
        "perceptual": perceptual, "adversarial": adversarial, "matching": matching, "kl": kl,
        "critic_windows": list(critic_windows), "seed": seed, "decay": decay,
        "scenes": len(waves), "data": fingerprint}
    trained = training.train(
        folder, modules={"autoencoder": vae, "critic": critic}, batch=draw, steps=steps,
        turns=[training.Turn(("autoencoder",), rebuild_loss, learning_rate, (0.8, 0.99), 0.0),
               training.Turn(("critic",), critic_loss, learning_rate, (0.8, 0.99), 0.0,
                             begin=begin)],
        settings=settings, seed=seed, averaged=("autoencoder",), decay=decay, save_every=save_every,
        held_out=None if held_out is None else lambda nets: {
            "L1": distance(nets["autoencoder"], held_out)},
        compiled=[vae.encoder, vae.decoder], label="autoencoder")["autoencoder"]
    mean, std = processes.gathered(measured(trained, pool, frames, seed))[0]  # one for all
    trained.register_to_config(latents_mean=mean, latents_std=std)
    return trained


def moments(pool, count, frames, generator):
    """Mels of random moments of random scenes: (count, 1, 80, frames)."""
    sound = scenes.moments(pool, count, frames * mel.HOP, generator)
    return mel.log_mel(sound).contiguous(memory_format=training.layout(pool.device))


def ear_distance(ear, rebuilt, target):
    """How differently a classifier hears two mels: distance of its stages, points of length 1."""
    with torch.no_grad():
        wanted = ear.stages(target)
    total = 0
    for got, want in zip(ear.stages(rebuilt), wanted):
        total = total + (F.normalize(got, dim=1) - F.normalize(want, dim=1)).square().sum(1).mean()
    return total / len(wanted)


@torch.no_grad()
def latents(vae, waves, frames, batch=32):
    """Standardised latents of sounds, to be kept for all steps of a training.

    waves:    (clips, samples)
    frames:   of their mels, a multiple of 8
    returns   (clips, channels, 10, frames / 8) on the device of `vae`
    """
    return torch.cat([encode(vae, mel.log_mel(part.to(vae.device))[..., :frames]).contiguous()
                      for part in waves.split(batch)])


@torch.no_grad()
def rebuild(vae, mels, batch=16):
    """Mels after encoding and decoding, on the device of `vae`: (clips, 1, 80, frames)."""
    return torch.cat([decode(vae, encode(vae, part.to(vae.device))).float().cpu()
                      for part in mels.split(batch)])


def distance(vae, mels):
    """Mean L1 distance in log10 between mels and their reconstruction."""
    return F.l1_loss(rebuild(vae, mels), mels.cpu()).item()


@torch.no_grad()
def measured(vae, pool, frames, seed, count=256):
    """Mean and standard deviation of each latent channel over random moments: two lists."""
    generator = torch.Generator(pool.device).manual_seed(seed)
    mels = moments(pool, count, frames, generator)
    latents = torch.cat([vae.encode(part).latent_dist.mode() for part in mels.split(16)])
    return latents.mean((0, 2, 3)).tolist(), latents.std((0, 2, 3)).tolist()
