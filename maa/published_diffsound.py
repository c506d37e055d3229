"""Diffsound as its authors published it: their four networks, their way of sampling, their sounds.

    system = published_diffsound.load("results/paper/diffsound")
    waves = system(["a dog barking"], generator=[torch.Generator().manual_seed(0)]).audios

The transformer and the codebook are of the kinds that maa.diffsound and maa.codebook train; the
text encoder is the text half of CLIP ViT-B/32, the vocoder is MelGAN. maa.diffsound_release makes
the folder of the authors' files.

Conventions: pages (clips, 5 · columns) as in maa.codebook; text (clips, 77, 512), a unit vector for
    each token, padding (number 0) read as if it were words; mels (clips, 1, 80, 16 · columns)
    log10 as in maa.melgan, 848 frames; sounds are 9.845 s, resampled to 16 kHz.
Source: Table 1; Yang et al. 2022 and their code. Differs: CLIP computes in float32, theirs in
    float16; prompts with HTML or broken Unicode are read as they are; each sound has its own seed.
Notebook: none.
"""

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AudioPipelineOutput, Transformer2DModel, VQModel
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from maa import (codebook, diffsound, files, mel, melception, melgan, requests, sounds, text,
                 training)
from maa.errors import MaaError

STEPS = 100  # the only number of steps they evaluate

# their untrained networks are ours, with x · sigmoid(1.702 x), which has no gate for all its name,
# and with attention on the last level
build_transformer = functools.partial(diffsound.build_transformer, bend="geglu-approximate")
build_codebook = functools.partial(codebook.build_tokenizer, attention=1)


def schedule(codes, device="cpu"):
    """diffusers' scheduler with their chances: from 1 - 10⁻⁵ kept to 0.9 masked, 0.1 replaced.

    They share the chance of being replaced among codes + 1, the mask too, and lose its part.
    """
    scheduler = diffsound.schedule(codes, STEPS, device)
    lost = math.log((codes + 1) / codes)
    scheduler.log_bt, scheduler.log_cumprod_bt = (
        scheduler.log_bt - lost, scheduler.log_cumprod_bt - lost)
    return scheduler


@torch.no_grad()
def encode(reader, tokenizer, prompts):
    """Unit vector of each token of each prompt, cut to 77: (prompts, 77, 512)."""
    ids = torch.zeros(len(prompts), text.TOKENS, dtype=torch.long)
    read = tokenizer(list(prompts), truncation=True, max_length=text.TOKENS)["input_ids"]
    for row, tokens in zip(ids, read):
        row[:len(tokens)] = torch.tensor(tokens)
    states = reader(input_ids=ids.to(reader.device)).last_hidden_state
    return F.normalize(states.float(), dim=-1)


@torch.no_grad()
def fill(transformer, prompts, known, *, truncation=0.85, generators=None):
    """Complete pages, after 100 steps from pages of masks, without guidance.

    prompts:      (clips, 77, 512) of encode()
    known:        codes of the codebook; some transformers were given one more, which has no vector
    truncation:   as in diffsound.sample
    generators:   one a clip, on the device of prompts
    returns       (clips, 5 · columns), row by row as maa.codebook reads them; theirs fills pages
                  column by column, yet tells places apart row by row

    Source: Yang et al. 2022.  Notebook: none.
    """
    codes, columns = transformer.config.num_vector_embeds - 1, transformer.config.sample_size
    scheduler = schedule(codes, prompts.device)
    page = torch.full((len(prompts), codebook.ROWS * columns), codes, device=prompts.device)
    for t in scheduler.timesteps:
        chance = diffsound.guess(transformer, page, t.expand(len(page)), prompts, None)
        chance[:, known:] = -torch.inf
        chance = diffsound.truncate(chance, truncation).clamp(min=diffsound.LEAST)
        page = torch.cat([
            scheduler.step(some, t, one, generator).prev_sample for some, one, generator in zip(
                chance.split(1), page.split(1), generators or [None] * len(page), strict=True)])
    return page.view(len(page), columns, codebook.ROWS).mT.flatten(1)


@torch.no_grad()
def read(vq, pages):
    """log10 mels of pages: their codebook was trained on mels v in 0 … 1, as 2 v - 1."""
    return melception.BASE + melception.SLOPE * (codebook.read(vq, pages) + 1) / 2


@dataclasses.dataclass
class System:
    """Their networks, called as a pipeline is, so that maa.replication can evaluate them."""

    vq: VQModel
    transformer: Transformer2DModel
    reader: CLIPTextModel
    tokenizer: CLIPTokenizer
    vocoder: melgan.MelGan

    @property
    def longest(self):
        """Seconds of its sounds, 9.845."""
        frames = codebook.SQUARE * self.transformer.config.sample_size
        return frames * melgan.HOP / melgan.RATE

    @torch.no_grad()
    def __call__(self, prompts, audio_length_in_s=10.0, num_inference_steps=STEPS,
                 guidance_scale=1.0, generator=None):
        """Sounds: .audios is (prompts, round(seconds · 16000)) float32, silent after 9.845 s.

        generator:   one a prompt, on any device

        Raises MaaError P-STEPS, P-RANGE or P-DURATION for what the authors' code cannot do.
        """
        self.check(audio_length_in_s, num_inference_steps, guidance_scale)
        place = self.transformer.device
        own = [torch.Generator(place).manual_seed(one.initial_seed()) for one in generator or ()]
        requests.note_cut(self.tokenizer, prompts, text.TOKENS)
        words = encode(self.reader, self.tokenizer, prompts)
        pages = fill(self.transformer, words, len(self.vq.quantize.embedding.weight),
                     generators=own or None)
        waves = self.vocoder(read(self.vq, pages)).cpu().numpy()
        length = round(audio_length_in_s * mel.RATE)
        made = np.zeros((len(waves), length), np.float32)
        for row, wave in zip(made, waves):
            wave = sounds.resample(wave, melgan.RATE, mel.RATE)[:length]
            row[:len(wave)] = wave
        return AudioPipelineOutput(audios=made)

    def check(self, seconds, steps, guidance):
        """Refuse what this system cannot do, though others may: P-STEPS, P-RANGE, P-DURATION."""
        if steps != STEPS:
            raise MaaError("P-STEPS", f"{steps} steps, expected {STEPS}: Diffsound has no other")
        if guidance != 1:
            raise MaaError("P-RANGE", f"guidance is {guidance}, expected 1: Diffsound has none")
        most = math.ceil(self.longest)
        if not 0 < seconds <= most:
            raise MaaError("P-DURATION", f"{seconds} s, expected above 0 and at most {most}: its "
                                         f"sounds have {self.longest:.3f} s")


def save(system, folder):
    """A system → folder, for load(); maa.diffsound.load reads the two networks that it knows."""
    diffsound.save(system.vq, system.transformer, folder)
    for name in ("reader", "vocoder"):
        getattr(system, name).save_pretrained(Path(folder) / name)
    system.tokenizer.save_pretrained(Path(folder) / "words")


def lies_in(folder):
    """Whether save() wrote this folder: no other saved thing has words beside a reader."""
    return all((Path(folder) / name).is_dir() for name in ("words", "reader"))


def load(folder):
    """The System that save() wrote, in eval mode, on training.device().

    Raises MaaError K-MISSING or K-HASH.
    """
    files.check_hashes(folder)
    place = training.device()
    vq, transformer = diffsound.load(folder)
    reader, vocoder = (
        kind.from_pretrained(Path(folder) / name, local_files_only=True).eval()
        for name, kind in (("reader", CLIPTextModel), ("vocoder", melgan.MelGan)))
    words = CLIPTokenizer.from_pretrained(Path(folder) / "words", local_files_only=True)
    return System(vq.to(place), transformer.to(place), reader.to(place), words, vocoder.to(place))
