"""Diffsound, the paper's rival: a page of code words, filled in from a page of masks.

A transformer, told the prompt, guesses all words of a page (maa.codebook) from one on which most
are masked and some replaced. It samples by filling in and correcting a page of masks.

Conventions: tokens (clips, 5 · columns) whole numbers 0 … codes - 1, `codes` itself is the mask;
    text (clips, tokens, width) from maa.text; noise steps t are 0 … 99, the last leaves nothing.
Source: Table 1; Yang et al. 2022 (Diffsound), Gu et al. 2022 (mask and replace).
    Differs: the loss is the cross-entropy of the clean page alone, without the variational bound;
    weights are averaged; the text comes from our encoder; sizes.
Notebook: 23_diffsound.
"""

from pathlib import Path

import torch
from diffusers import Transformer2DModel, VQDiffusionScheduler, VQModel
from diffusers.models.normalization import AdaLayerNorm
from torch.nn import functional as F

from maa import codebook, training

MASKED = 0.9  # of the words after the last noise step; the others are random
LEAST = -70.0  # logarithm of a chance of nothing


def build_transformer(*, codes=256, columns=53, width=1024, heads=16, layers=19, text_width=512,
                      noise_steps=100, dropout=0.0, bend="geglu"):
    """Untrained denoiser of pages of 5 rows and `columns` columns.

    Its places are those of a square; a page is the upper part of one.

    bend:    non-linearity between the layers of each block, by diffusers' name
    """
    if columns < codebook.ROWS or width % heads:
        raise ValueError(
            f"{columns} columns, width {width} and {heads} heads, expected {codebook.ROWS} columns "
            f"or more (80 frames) and a width that the heads divide")
    return with_own_steps(Transformer2DModel(
        num_attention_heads=heads, attention_head_dim=width // heads, num_layers=layers,
        dropout=dropout, cross_attention_dim=text_width, attention_bias=True, sample_size=columns,
        num_vector_embeds=codes + 1, norm_type="ada_norm", num_embeds_ada_norm=noise_steps,
        activation_fn=bend))


def with_own_steps(transformer):
    """The transformer, now for one noise step a clip: as it comes it takes one for all of them."""
    for module in transformer.modules():
        if isinstance(module, AdaLayerNorm):
            module.chunk_dim = 1
    return transformer


def schedule(codes, noise_steps=100, device="cpu"):
    """diffusers' scheduler of mask and replace; fewer steps walk the same way in longer strides."""
    if noise_steps < 2:
        raise ValueError(f"{noise_steps} noise steps, expected 2 or more")
    scheduler = VQDiffusionScheduler(codes + 1, noise_steps, gamma_cum_end=MASKED)
    scheduler.set_timesteps(noise_steps, device)
    return scheduler


def corrupt(tokens, t, scheduler, generator):
    """Page after noise step t: words masked or replaced, more of them the later the step.

    tokens:   (clips, words)
    t:        (clips,) step numbers
    """
    masked = scheduler.log_cumprod_ct[t].exp()[:, None]
    kept = scheduler.log_cumprod_at[t].exp()[:, None]
    chance = torch.rand(tokens.shape, generator=generator, device=tokens.device)
    other = torch.randint(
        scheduler.mask_class, tokens.shape, generator=generator, device=tokens.device)
    page = torch.where(chance < 1 - kept, other, tokens)
    return torch.where(chance < masked, scheduler.mask_class, page)


def guess(transformer, page, t, text, empty_text, scale=1.0):
    """Logarithm of the chance of each code in each place of the clean page.

    page:      (clips, words), masks among them
    t:         (clips,) step numbers
    text, empty_text, scale:  as in diffusion.guided_noise
    returns    (clips, codes, words); exp sums to 1 over the codes
    """
    if scale < 0:
        raise ValueError(f"guidance {scale}, expected 0 or more; 1 means no guidance")
    if scale == 1:
        return transformer(page, text, t, return_dict=False)[0]
    both = transformer(torch.cat([page, page]), torch.cat([empty_text, text]), t.repeat(2),
                       return_dict=False)[0]
    empty, prompted = both.chunk(2)
    return F.log_softmax(empty + scale * (prompted - empty), 1)


def truncate(log_chance, share):
    """Only the likeliest codes, until they have `share` of the chance, and never none.

    log_chance:   (clips, codes, words)
    """
    ordered, order = log_chance.sort(1, descending=True)
    before = ordered.exp().cumsum(1) - ordered.exp()
    ordered = torch.where(before < share, ordered, -torch.inf)
    return torch.empty_like(ordered).scatter_(1, order, ordered).log_softmax(1)


@torch.no_grad()
def sample(transformer, vq, text, empty_text, *, steps=100, guidance=3.0, truncation=0.85,
           generator=None):
    """Mels read from pages that were filled in, one for each row of `text`.

    steps:       2 up to the noise steps of the training; fewer walk in longer strides
    guidance:    as in diffusion.guided_noise, on logarithms of chances
    truncation:  share of the chance that the likeliest codes keep; 1 keeps all
    generator:   one for all, or a list with one a clip: a clip then depends on its own only
    returns      (clips, 1, 80, frames)

    Source: Yang et al. 2022.  Notebook: 23_diffsound.
    """
    return codebook.read(vq, fill(transformer, text, empty_text, steps=steps, guidance=guidance,
                                  truncation=truncation, generator=generator)[-1])


@torch.no_grad()
def fill(transformer, text, empty_text, *, steps=100, guidance=3.0, truncation=0.85,
         generator=None):
    """Pages from the first, nothing but noise, to the last, complete: list of (clips, words).

    Arguments as in sample.
    """
    config = transformer.config
    trained, codes = config.num_embeds_ada_norm, config.num_vector_embeds - 1
    if not 2 <= steps <= trained or not 0 < truncation <= 1:
        raise ValueError(f"{steps} steps with truncation {truncation}, expected 2 to {trained} "
                         f"steps and a truncation above 0, at most 1")
    scheduler = schedule(codes, steps, text.device)
    clean = torch.zeros(len(text), codebook.ROWS * config.sample_size, dtype=torch.long,
                        device=text.device)
    last = torch.full((len(text),), steps - 1, device=text.device)
    parts = [(clean, generator)]
    if isinstance(generator, (list, tuple)):
        parts = list(zip(clean.split(1), generator, strict=True))
    pages = [torch.cat([corrupt(part, last[:len(part)], scheduler, one) for part, one in parts])]
    empty_text = empty_text.expand_as(text)
    for t in scheduler.timesteps:
        asked = torch.full_like(last, round(t.item() * (trained - 1) / (steps - 1)))
        chance = truncate(
            guess(transformer, pages[-1], asked, text, empty_text, guidance), truncation)
        size = len(parts[0][0])
        pages.append(torch.cat([
            scheduler.step(some, t, page, one).prev_sample for some, page, (_, one)
            in zip(chance.clamp(min=LEAST).split(size), pages[-1].split(size), parts)]))
    return pages


def train_decoder(folder, tokens, text, empty_text, *, codes, held_out=None, width=256, heads=8,
                  layers=8, dropout=0.0, noise_steps=100, steps=10_000, batch=128,
                  learning_rate=0.0005, drop_prompt=0.1, decay=0.99, seed=0, save_every=500,
                  fingerprint=""):
    """Transformer trained to guess pages from damaged ones.

    tokens:    (scenes, 5 · columns), from codebook.tokenize; kept on the device
    text, empty_text, drop_prompt:  as in diffusion.train
    held_out:  (tokens, text tensor) on which the loss is logged, or None
    returns    Transformer2DModel, averaged weights, in eval mode

    Source: Yang et al. 2022.  Notebook: 23_diffsound.
    """
    place = training.device()
    with training.seeded(seed):
        transformer = build_transformer(
            codes=codes, columns=tokens.shape[1] // codebook.ROWS, width=width, heads=heads,
            layers=layers, text_width=empty_text.shape[-1], noise_steps=noise_steps,
            dropout=dropout)
    tokens, empty_text = tokens.to(place), empty_text.to(place)
    scheduler = schedule(codes, noise_steps, place)

    def draw(generator):
        rows = torch.randint(
            len(tokens), (training.share(batch),), generator=generator, device=place)
        words = text(generator, rows)
        dropped = torch.rand(len(rows), 1, 1, generator=generator, device=place) < drop_prompt
        words = torch.where(dropped, empty_text, words)
        return damaged(tokens[rows], words, scheduler, generator)

    def loss(now, step):
        value = F.nll_loss(guess(transformer, now["page"], now["t"], now["text"], None),
                           now["clean"])
        return value, {"word error": value}

    settings = {"codes": codes, "width": width, "heads": heads, "layers": layers,
                "dropout": dropout, "noise_steps": noise_steps, "steps": steps, "batch": batch,
                "learning_rate": learning_rate, "drop_prompt": drop_prompt, "decay": decay,
                "seed": seed, "scenes": len(tokens), "data": fingerprint}
    return training.train(
        folder, modules={"transformer": transformer}, batch=draw, steps=steps, settings=settings,
        turns=[training.Turn(("transformer",), loss, learning_rate)], seed=seed,
        averaged=("transformer",), decay=decay, save_every=save_every,
        held_out=None if held_out is None else lambda nets: {
            "word error": held_out_error(nets["transformer"], *held_out, scheduler)},
        compiled=[transformer], label="Diffsound")["transformer"]


def damaged(tokens, text, scheduler, generator):
    """One training example for each page: a random noise step and what it leaves."""
    t = torch.randint(len(scheduler.timesteps), (len(tokens),), generator=generator,
                      device=tokens.device)
    return {"page": corrupt(tokens, t, scheduler, generator), "clean": tokens, "t": t,
            "text": text}


@torch.no_grad()
def held_out_error(transformer, tokens, text, scheduler, batch=64):
    """Loss on held-out pages: always the same steps and damage, so that rows compare."""
    place, total = scheduler.timesteps.device, 0.0
    generator = torch.Generator(place).manual_seed(0)
    for page, words in zip(tokens.split(batch), text.split(batch)):
        now = damaged(page.to(place), words.to(place), scheduler, generator)
        chance = guess(transformer, now["page"], now["t"], now["text"], None)
        total += F.nll_loss(chance, now["clean"], reduction="sum").item()
    return total / tokens.numel()


def save(vq, transformer, folder):
    """Both networks → folder, for load()."""
    vq.save_pretrained(Path(folder) / "tokenizer")
    transformer.save_pretrained(Path(folder) / "transformer")


def load(folder):
    """(VQModel, Transformer2DModel) that save() wrote, in eval mode."""
    vq, transformer = (
        kind.from_pretrained(Path(folder) / name, local_files_only=True).eval()
        for name, kind in (("tokenizer", VQModel), ("transformer", Transformer2DModel)))
    return vq, with_own_steps(transformer)
