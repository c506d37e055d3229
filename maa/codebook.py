"""A codebook: a mel written as a page of whole numbers, one for each square of 16 × 16 points.

An encoder halves the mel four times; each place of what is left is replaced by the nearest of a few
hundred learnt vectors, and only that vector's number is kept. A decoder reads the page back.

Conventions: mels (clips, 1, 80, frames) log10, frames a multiple of 16; tokens (clips, 5 · columns)
    whole numbers 0 … codes - 1, row by row, lowest bands first; 10 s are 5 × 39 of them.
Source: Table 1; Yang et al. 2022 (Diffsound): its tokenizer has 5 × 53 tokens for 848 frames.
    Differs: what a small sound classifier hears is compared, as in maa.autoencoder; codes that
    nothing uses are moved to where latents are.
Notebook: 23_diffsound.
"""

import torch
from diffusers import VQModel
from torch.nn import functional as F

from maa import autoencoder, coarse, discriminators, mel, processes, training

SQUARE = 16  # bands and frames a token
ROWS = mel.BANDS // SQUARE
REVIVED = 0.8  # share of the training in which unused codes are moved


def build_tokenizer(*, widths=(128, 128, 256, 256, 512), attention=0, layers=2, codes=256,
                    code_width=256, start="random"):
    """Untrained VQModel: 80 × frames → 5 × frames / 16 latents → the nearest codes, and back.

    widths:       channels of the five levels, mel resolution first
    code_width:   numbers of a code
    attention, start:   as in autoencoder.build
    """
    if start not in autoencoder.STARTS:
        raise ValueError(f"start is {start!r}, expected one of {autoencoder.STARTS}")
    if len(widths) != 5:
        raise ValueError(f"widths {widths}, expected five: only five levels take 80 bands to 5")
    if not 0 <= attention <= 5:
        raise ValueError(f"attention on {attention} levels, expected 0 to 5")
    vq = VQModel(
        in_channels=1, out_channels=1, **autoencoder.blocks(5, attention),
        block_out_channels=tuple(widths), layers_per_block=layers, latent_channels=code_width,
        num_vq_embeddings=codes, norm_num_groups=training.norm_groups(widths), scaling_factor=1.0)
    if start == "coarse":
        coarse.set_weights(vq)
    return vq


@torch.no_grad()
def tokenize(vq, mels):
    """Words of each mel: (clips, 1, 80, frames) → (clips, 5 · frames / 16) whole numbers."""
    if mels.dim() != 4 or mels.shape[1:3] != (1, mel.BANDS) or mels.shape[3] % SQUARE:
        raise ValueError(
            f"mel has shape {tuple(mels.shape)}, expected (clips, 1, {mel.BANDS}, a multiple of "
            f"{SQUARE}); was it made by maa.mel.log_mel and cut?")
    latents = vq.encode(mels).latents  # (clips, code width, 5, columns)
    return vq.quantize(latents)[2][2].view(len(mels), -1)


@torch.no_grad()
def read(vq, tokens):
    """Mel of each page: (clips, 5 · columns) → (clips, 1, 80, 16 · columns)."""
    codes, width = vq.quantize.embedding.weight.shape
    if tokens.dim() != 2 or tokens.shape[1] % ROWS or tokens.max() >= codes:
        raise ValueError(f"tokens {tuple(tokens.shape)} up to {tokens.max()}, expected (clips, a "
                         f"multiple of {ROWS}) below {codes}; are some still masked?")
    shape = (len(tokens), ROWS, tokens.shape[1] // ROWS, width)
    entries = vq.quantize.get_codebook_entry(tokens, shape)
    return vq.decode(entries, force_not_quantize=True).sample.float()


def rebuild(vq, mels, batch=16):
    """Mels after tokenizing and reading, on the CPU: (clips, 1, 80, frames)."""
    return torch.cat([read(vq, tokenize(vq, part.to(vq.device))).cpu()
                      for part in mels.split(batch)])


def usage(tokens, codes):
    """(codes that occur, as how many equally frequent ones they count: exp of their entropy)."""
    share = torch.bincount(tokens.flatten().cpu(), minlength=codes).double() / tokens.numel()
    return int((share > 0).sum()), torch.exp(torch.special.entr(share).sum()).item()


def revive(vq, mels, batch, generator):
    """Move codes that none of these mels uses to latents drawn from them; how many were moved."""
    with torch.no_grad():
        found = torch.cat([vq.encode(part).latents.float() for part in mels.split(batch)])
        found = found.movedim(1, -1).flatten(0, 2)  # (words, code width)
        codes = vq.quantize.embedding.weight
        used = torch.cdist(found, codes).argmin(1)
        idle = torch.bincount(used, minlength=len(codes)) == 0
        pick = torch.randint(len(found), (len(codes),), generator=generator, device=found.device)
        codes.copy_(torch.where(idle[:, None], found[pick], codes))
        processes.follow_first(vq.quantize)  # each process drew others
    return idle.sum()


def train_vq(folder, waves, *, ear, held_out=None, widths=(64, 64, 128, 128, 256), layers=2,
             codes=256, code_width=64, start="random", steps=10_000, batch=32, frames=304,
             learning_rate=0.0003, critic_from=0.3, perceptual=1.0, adversarial=0.01, matching=0.1,
             commitment=0.25, critic_windows=(32, 64, 128), revive_every=50, seed=0, decay=0.99,
             save_every=1000, fingerprint=""):
    """Tokenizer trained on random moments of scenes.

    waves, ear, held_out, critic_from, perceptual, adversarial, matching:  as autoencoder.train
    commitment:    weight of the distance between latents and their codes
    revive_every:  steps between two searches for unused codes, in the first 80 % of the training
    returns        VQModel, averaged weights, in eval mode

    Source: Yang et al. 2022.  Notebook: 23_diffsound.
    """
    with training.seeded(seed):
        vq = build_tokenizer(widths=widths, layers=layers, codes=codes, code_width=code_width,
                             start=start)
        critic = discriminators.Windows(critic_windows)
    place = training.device()
    vq, critic = (part.to(memory_format=training.layout(place)) for part in (vq, critic))
    pool, ear = waves.to(place, torch.float16), ear.to(place).eval().requires_grad_(False)
    begin = round(critic_from * steps)

    def draw(generator):
        mels = autoencoder.moments(pool, training.share(batch), frames, generator)
        return {"mel": mels, "generator": generator}

    def rebuild_loss(now, step):
        if step % revive_every == 0 and step < REVIVED * steps:
            revive(vq, autoencoder.moments(pool, 8 * batch, frames, now["generator"]), batch,
                   now["generator"])
        target = now["mel"]
        found = vq.decode(vq.encode(target).latents)
        now["made"] = rebuilt = found.sample.float()
        l1, heard = F.l1_loss(rebuilt, target), autoencoder.ear_distance(ear, rebuilt, target)
        total = l1 + perceptual * heard + commitment * found.commit_loss
        shown = {"L1": l1, "perceptual": heard, "commitment": found.commit_loss}
        if step < begin:
            return total, shown
        fooled, more = discriminators.generator_loss(critic, rebuilt, target, adversarial, matching)
        return total + fooled, shown | more

    def critic_loss(now, step):
        value = discriminators.critic_loss(critic(now["mel"])[0], critic(now["made"].detach())[0])
        return value, {"critic": value}

    settings = {
        "widths": list(widths), "layers": layers, "codes": codes, "code_width": code_width,
        "start": start, "steps": steps, "batch": batch, "frames": frames, "decay": decay,
        "learning_rate": learning_rate, "critic_from": critic_from, "perceptual": perceptual,
        "adversarial": adversarial, "matching": matching, "commitment": commitment, "seed": seed,
        "critic_windows": list(critic_windows), "revive_every": revive_every, "data": fingerprint,
        "scenes": len(waves)}
    return training.train(
        folder, modules={"tokenizer": vq, "critic": critic}, batch=draw, steps=steps,
        turns=[training.Turn(("tokenizer",), rebuild_loss, learning_rate, (0.8, 0.99), 0.0),
               training.Turn(("critic",), critic_loss, learning_rate, (0.8, 0.99), 0.0, 1.0, begin)],
        settings=settings, seed=seed, averaged=("tokenizer",), decay=decay, save_every=save_every,
        held_out=None if held_out is None else lambda nets: {
            "L1": F.l1_loss(rebuild(nets["tokenizer"], held_out), held_out.cpu()).item()},
        compiled=[vq.encoder, vq.decoder],
        label="tokenizer")["tokenizer"]
