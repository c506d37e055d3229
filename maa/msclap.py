"""Microsoft's CLAP of 2022: the text tower that steers the authors' release, and its CLAP score.

Text: BERT, then two layers that lead each token into the common space. Sound: Cnn14 hears
log-mels at 44.1 kHz, then two layers of the same kind. For the score the first token speaks for the
sentence; the release steers by all 77, padding included, with no mask. The mel filters are weights
of the file: its configuration says 50 to 14,000 Hz, where the paper says 50 to 8000.

Conventions: token numbers (prompts, 77); waves (clips, samples); the common space has 1024 numbers.
Source: Sections 3.3 and 5.3; Elizalde et al. 2022. Differs: sounds are heard whole; the release
    hears 3 to 9 of 10 seconds, begun at random (it mistakes their sample rate).
Notebook: none.
"""

import re
from pathlib import Path

import torch
import torchaudio
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, PreTrainedModel
from transformers.audio_utils import mel_filter_bank

from maa import files, folders, mel, untrusted
from maa.errors import MaaError

SPACE = 1024  # numbers of an embedding
TOKENS = 100  # of a sentence that is scored
RATE, WINDOW, HOP, BANDS = 44_100, 1024, 320, 64
LOWEST, HIGHEST = 50, 14_000  # Hz, of filters that no file has replaced
WIDTHS = (64, 128, 256, 512, 1024, 2048)  # channels of Cnn14's blocks
LEAST = 31 * HOP  # samples at 44.1 kHz: 32 frames, halved five times, leave one moment
TEXT, SOUND = "caption_encoder.", "audio_encoder."
DROPPED = "|".join((
    r".*embeddings\.position_ids",  # counted anew
    r".*base\.pooler\.dense\.(weight|bias)",  # the score takes the first token as it is
    r".*spectrogram_extractor\.stft\.conv_(real|imag)\.weight",  # sines and cosines
    r".*base\.fc_audioset\.(weight|bias)",  # names AudioSet's classes
    r"logit_scale",  # of the training loss alone
))


class Projection(nn.Module):
    """Two layers, the second added to the first, then a norm."""

    def __init__(self, width, space):
        super().__init__()
        self.linear1 = nn.Linear(width, space, bias=False)
        self.linear2 = nn.Linear(space, space, bias=False)
        self.layer_norm = nn.LayerNorm(space)

    def forward(self, x):
        x = self.linear1(x)
        return self.layer_norm(x + self.linear2(F.gelu(x)))


class MsClapText(PreTrainedModel):
    """The text tower: token numbers → (prompts, tokens, 1024), each token on its own way.

    config:   BertConfig; its projection_dim is 1024 unless it says otherwise
    """

    config_class, _supports_sdpa = BertConfig, True

    def __init__(self, config):
        super().__init__(config)
        self.base = BertModel(config, add_pooling_layer=False)
        self.projection = Projection(config.hidden_size, getattr(config, "projection_dim", SPACE))
        self.post_init()

    def get_input_embeddings(self):
        return self.base.get_input_embeddings()

    def forward(self, input_ids, attention_mask=None):
        """Without a mask padding is read as words are, as the release does."""
        states = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.projection(states)


class Cnn14(nn.Module):
    """Six pairs of 3 × 3 convolutions: log-mels (clips, 1, frames, 64) → (clips, 2048)."""

    def __init__(self, widths=WIDTHS):
        super().__init__()
        filters = mel_filter_bank(WINDOW // 2 + 1, BANDS, LOWEST, HIGHEST, RATE, norm="slaney",
                                  mel_scale="slaney")
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32))  # (513, 64)
        self.bn0 = nn.BatchNorm2d(BANDS)
        self.blocks = nn.ModuleList()
        for before, width in zip((1, *widths), widths):
            self.blocks.append(nn.Sequential(
                nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width), nn.ReLU()))
        self.fc1 = nn.Linear(widths[-1], widths[-1])

    def forward(self, mels):
        x = self.bn0(mels.transpose(1, 3)).transpose(1, 3)
        for number, block in enumerate(self.blocks):
            x = block(F.avg_pool2d(x, 2) if number else x)
        x = x.mean(3)  # over bands: (clips, 2048, moments)
        return F.relu(self.fc1(x.amax(2) + x.mean(2)))


class MsClap(PreTrainedModel):
    """Both towers: sounds() and texts() give unit vectors, whose product is the CLAP score.

    config:   BertConfig; audio_widths are WIDTHS unless it says otherwise
    """

    config_class, _supports_sdpa = BertConfig, True

    def __init__(self, config):
        super().__init__(config)
        widths = getattr(config, "audio_widths", WIDTHS)
        self.caption_encoder, self.ear = MsClapText(config), Cnn14(widths)
        self.projection = Projection(widths[-1], getattr(config, "projection_dim", SPACE))
        self.post_init()

    @torch.no_grad()
    def sounds(self, waves, rate=mel.RATE):
        """Unit vector of each sound: (clips, samples) → (clips, 1024). Raises as log_mel()."""
        mels = log_mel(waves.to(self.device), self.ear.filters, rate)
        return F.normalize(self.projection(self.ear(mels)), dim=-1)

    @torch.no_grad()
    def texts(self, tokenizer, sentences):
        """Unit vector of each sentence: (sentences, 1024)."""
        found = tokenizer(list(sentences), padding="max_length", truncation=True,
                          max_length=TOKENS, return_tensors="pt").to(self.device)
        first = self.caption_encoder(found["input_ids"], found["attention_mask"])[:, 0]
        return F.normalize(first, dim=-1)


def load(folder):
    """The MsClap that import_checkpoint() wrote, in eval mode on the CPU.

    Raises MaaError K-MISSING or K-HASH for a folder that is not whole, K-FORMAT for another network.
    """
    files.check_hashes(folder)
    kind = files.read_json(Path(folder) / "config.json").get("architectures")
    if kind != [MsClap.__name__]:
        raise MaaError("K-FORMAT", (
            f"{str(folder)!r} holds {kind}, expected [{MsClap.__name__!r}]; was it made by "
            f"`maa import-clap` without --laion?"))
    return MsClap.from_pretrained(folder, local_files_only=True).eval()


def log_mel(waves, filters, rate=mel.RATE):
    """Cnn14's log-mels: (clips, samples) → (clips, 1, frames, 64), 10 · log10 of the power.

    filters:  (513, 64), the network's

    Raises ValueError for another shape or a sound of less than 0.225 s.
    """
    least = -(-LEAST * rate // RATE)
    if waves.dim() != 2 or waves.shape[1] < least:
        raise ValueError(f"waves have shape {tuple(waves.shape)}, expected (clips, {least} samples "
                         f"or more); is a sound shorter than 0.225 s?")
    waves = torchaudio.functional.resample(waves.float(), rate, RATE)
    window = torch.hann_window(WINDOW, device=waves.device)
    bins = torch.stft(waves, WINDOW, HOP, window=window, pad_mode="reflect", return_complex=True)
    power = bins.abs().square().transpose(1, 2) @ filters  # (clips, frames, 64)
    return 10 * power.clamp(min=1e-10).log10()[:, None]


def original(name):
    """The name in Microsoft's file of one of MsClap's weights."""
    if name.startswith(TEXT):
        return name
    if name.startswith("projection."):
        return SOUND + name
    layers = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2"}
    name = re.sub(r"blocks\.(\d+)\.(\d+)",
                  lambda m: f"conv_block{int(m[1]) + 1}.{layers[m[2]]}", name)
    name = name.replace("filters", "logmel_extractor.melW")
    return SOUND + name.replace("ear.", "base.", 1)


def import_checkpoint(path, folder, *, sizes=None):
    """Turn CLAP_weights_2022.pth into a folder for MsClap.from_pretrained.

    path:     the file as published; no code in it is run
    folder:   a new one; gets weights, configuration, source.json and hashes.json. BERT's tokenizer
              is not in the file
    sizes:    keywords of BertConfig, and audio_widths, for a network of another size
    returns   what source.json holds: names and hashes of file and result

    Raises MaaError as untrusted.named and untrusted.fit, K-EXISTS, F-ACCESS; nothing is left then.
    Source: Section 5.3.  Notebook: none.
    """
    with folders.new(folder) as made:
        network = MsClap(BertConfig(**(sizes or {})))
        found = untrusted.named(path, under=("model",))
        untrusted.fit(network, found, original, DROPPED, path)
        network.save_pretrained(made)
        told = folders.record(made, [path], "model.safetensors")
        files.write_hashes(made)
    return told
