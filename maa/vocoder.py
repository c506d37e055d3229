"""Vocoders: from a log-mel spectrogram back to a wave.

"istft" predicts magnitude and phase of each frame and inverts the transform: fast on a CPU.
"hifigan" is the paper's network (transformers' SpeechT5HifiGan with our hop and bands).
"bigvgan" is that of the release, read by maa.release.
"griffin_lim" is not trained: the yardstick.

Conventions: mels (clips, 1, 80, frames) log10 from maa.mel; waves (clips, 256 · frames), 16 kHz.
Source: Section 5.2. Differs: the paper's runs use HiFi-GAN, its release BigVGAN.
Notebook: 21_vocoder.
"""

import itertools
from pathlib import Path

import torch
import torchaudio
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from maa import bigvgan, discriminators, files, mel, scenes, training


class ConvNext(nn.Module):
    """Depthwise convolution over time, then a wide layer at each frame; added to its input."""

    def __init__(self, width, inner, scale):
        super().__init__()
        self.spread = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x):  # (clips, width, frames)
        y = self.norm(self.spread(x).transpose(1, 2))
        y = self.narrow(F.gelu(self.wide(y))) * self.scale
        return x + y.transpose(1, 2)


class IstftVocoder(ModelMixin, ConfigMixin):
    """Vocoder with an inverse-transform head (after Vocos, Siuzdak 2023).

    corrections:  times that the wave is analysed and each band brought back to its level in the mel
    """

    @register_to_config
    def __init__(self, width: int = 256, inner: int = 768, depth: int = 8, corrections: int = 2):
        super().__init__()
        self.begin = nn.Conv1d(mel.BANDS, width, 7, padding=3)
        self.first_norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(ConvNext(width, inner, 1 / depth) for _ in range(depth))
        self.head = nn.Linear(width, mel.WINDOW + 2)

    def forward(self, mels):
        """(clips, 1, 80, frames) → (clips, 256 · frames)."""
        x = self.begin((mel.check(mels)[:, 0] - mel.CENTRE) / mel.SPREAD)
        x = self.first_norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        magnitude, phase = self.head(self.last_norm(x.transpose(1, 2))).float().chunk(2, -1)
        magnitude = torch.exp(magnitude).clamp(max=1e3).transpose(1, 2)  # (clips, 513, frames)
        phase = phase.transpose(1, 2)
        wave = overlap_add(torch.complex(magnitude * phase.cos(), magnitude * phase.sin()))
        for _ in range(self.config.corrections):
            wave = correct(wave, 10 ** mels[:, 0].float())
        return wave


class HifiGan(SpeechT5HifiGan):
    """HiFi-GAN V1's generator; mels are taken and given in this package's layout."""

    def forward(self, mels):
        """(clips, 1, 80, frames) → (clips, 256 · frames)."""
        return super().forward(mel.check(mels)[:, 0].transpose(1, 2))


class GriffinLim(ModelMixin, ConfigMixin):
    """No training: least-squares inversion of the mel filters, then Griffin-Lim's phases, which
    begin at random but every time the same."""

    @register_to_config
    def __init__(self, iterations: int = 32):
        super().__init__()
        self.linear = torchaudio.transforms.InverseMelScale(
            mel.WINDOW // 2 + 1, mel.BANDS, mel.RATE, norm="slaney", mel_scale="slaney")

    @torch.no_grad()
    def forward(self, mels):
        """(clips, 1, 80, frames) → (clips, 256 · frames)."""
        magnitude = self.linear((10 ** mel.check(mels)[:, 0].float()).clamp(min=mel.FLOOR))
        with training.seeded(0):
            wave = torchaudio.functional.griffinlim(
                F.pad(magnitude, (2, 2), mode="replicate"), mel.hann(mels.device), mel.WINDOW,
                mel.HOP, mel.WINDOW, 1.0, self.config.iterations, 0.99, None, True)
        start = 2 * mel.HOP - mel.HOP // 2  # its frames are centred on samples 0, 256, …
        return wave[:, start : start + mels.shape[-1] * mel.HOP]


VOCODERS = {"istft": IstftVocoder, "hifigan": HifiGan, "bigvgan": bigvgan.BigVgan,
            "griffin_lim": GriffinLim}


def build(name, **shape):
    """Untrained vocoder by name; `shape` are the keywords of its class."""
    if name not in VOCODERS:
        raise ValueError(f"vocoder {name!r} is unknown, expected one of {sorted(VOCODERS)}")
    if name == "hifigan":
        rates, kernels = (8, 8, 2, 2), (16, 16, 4, 4)
        return HifiGan(SpeechT5HifiGanConfig(
            model_in_dim=mel.BANDS, sampling_rate=mel.RATE, upsample_rates=rates,
            upsample_kernel_sizes=kernels, normalize_before=False, **shape))
    return VOCODERS[name](**shape)


def load(folder):
    """The vocoder that save_pretrained() wrote, whichever of VOCODERS it is, in eval mode."""
    config = files.read_json(Path(folder) / "config.json")
    name = config.get("_class_name") or (config.get("architectures") or ["nothing"])[0]
    kinds = {kind.__name__: kind for kind in VOCODERS.values()}
    if name not in kinds:
        raise ValueError(f"{str(folder)!r} holds a {name!r}, expected one of {sorted(kinds)}")
    return kinds[name].from_pretrained(folder).eval()


def overlap_add(bins):
    """Inverse of mel.spectrum: complex (clips, 513, frames) → (clips, 256 · frames)."""
    window = mel.hann(bins.device)
    pieces = torch.fft.irfft(bins, mel.WINDOW, dim=1) * window[:, None]  # (clips, 1024, frames)
    length = (bins.shape[-1] - 1) * mel.HOP + mel.WINDOW
    join = {"output_size": (1, length), "kernel_size": (1, mel.WINDOW), "stride": (1, mel.HOP)}
    wave = F.fold(pieces, **join)[:, 0, 0]
    weight = F.fold(window.square()[None, :, None].expand(1, -1, bins.shape[-1]), **join)[0, 0, 0]
    edge = (mel.WINDOW - mel.HOP) // 2
    return (wave / weight.clamp(min=1e-3))[:, edge : length - edge]


def correct(wave, wanted):
    """The wave with the bands of its spectrum scaled towards the wanted mel magnitudes.

    wave:    (clips, 256 · frames)
    wanted:  (clips, 80, frames) magnitudes, not logarithms
    """
    bins, bank = mel.spectrum(wave), mel.filters(wave.device)
    found = bank @ torch.sqrt(bins.real**2 + bins.imag**2 + 1e-9)
    ratio = wanted.clamp(min=mel.FLOOR) / found.clamp(min=mel.FLOOR)
    cover = bank.sum(0)[:, None]  # (513, 1); the bins at 0 and 8 kHz lie in no band
    gain = (bank.T @ ratio) / cover.clamp(min=1e-8)
    return overlap_add(bins * torch.where(cover > 1e-8, gain, 1.0).clamp(0.05, 20.0))


def train(folder, waves, *, network="istft", held_out=None, steps=10_000, batch=32, frames=64,
          learning_rate=0.0005, critic_from=0.3, adversarial=0.02, matching=0.05, options=None,
          seed=0, save_every=1000, fingerprint=""):
    """Vocoder trained on random moments of scenes: L1 distance of mels, several spectra, critics.

    waves:     (scenes, samples) tensor, 16 kHz
    options:   shape of the network: the keywords of its class
    held_out:  (clips, samples) waves on which the mel → wave → mel L1 is logged, or None
    returns    the vocoder, averaged weights, in eval mode

    Source: Section 5.2.  Notebook: 21_vocoder.
    """
    with training.seeded(seed):
        vocoder, critic = build(network, **(options or {})), discriminators.Waves()
    place = training.device()
    pool, begin = waves.to(place, torch.float16), round(critic_from * steps)

    def draw(generator):
        samples = frames * mel.HOP
        return {"wave": scenes.moments(pool, training.share(batch), samples, generator)}

    def voice_loss(now, step):
        real = now["wave"]
        now["made"] = made = vocoder(mel.log_mel(real)).float()
        l1 = F.l1_loss(mel.log_mel(made), mel.log_mel(real))
        spectral = spectra_distance(made, real)
        total, shown = l1 + 0.1 * spectral, {"mel L1": l1, "spectra": spectral}
        if step >= begin:
            found, more = discriminators.generator_loss(critic, made, real, adversarial, matching)
            total, shown = total + found, shown | more
        return total, shown

    def critic_loss(now, step):
        value = discriminators.critic_loss(critic(now["wave"])[0], critic(now["made"].detach())[0])
        return value, {"critic": value}

    settings = {
        "network": network, "options": dict(options or {}), "steps": steps, "batch": batch,
        "frames": frames, "learning_rate": learning_rate, "critic_from": critic_from,
        "adversarial": adversarial, "matching": matching, "seed": seed, "scenes": len(waves),
        "data": fingerprint}
    return training.train(
        folder, modules={"vocoder": vocoder, "critic": critic}, batch=draw, steps=steps,
        turns=[training.Turn(("vocoder",), voice_loss, learning_rate, (0.8, 0.99), 0.0),
               training.Turn(("critic",), critic_loss, learning_rate, (0.8, 0.99), 0.0,
                             begin=begin)],
        settings=settings, seed=seed, averaged=("vocoder",), save_every=save_every,
        held_out=None if held_out is None else lambda nets: {
            "mel L1": distance(nets["vocoder"], held_out)},
        label=f"vocoder {network}")["vocoder"]


def spectra_distance(made, real, sizes=(256, 512, 2048)):
    """Mean L1 distance of log10 magnitudes over several window sizes."""
    total = 0
    for size in sizes:
        window = torch.hann_window(size, device=real.device)
        a, b = (torch.stft(w, size, size // 4, window=window, return_complex=True).abs()
                for w in (made, real))
        total = total + F.l1_loss(a.clamp(min=1e-4).log10(), b.clamp(min=1e-4).log10())
    return total / len(sizes)


def where(vocoder):
    """Device of a vocoder, also of one without parameters."""
    return next(itertools.chain(vocoder.parameters(), vocoder.buffers())).device


@torch.no_grad()
def distance(vocoder, waves, batch=16):
    """Mean L1 distance in log10 between mels and the mels of what the vocoder makes of them."""
    place, total = where(vocoder), 0.0
    for part in waves.split(batch):
        wanted = mel.log_mel(part.to(place))
        got = mel.log_mel(vocoder(wanted).float())
        total += F.l1_loss(got, wanted).item() * len(part)
    return total / len(waves)
