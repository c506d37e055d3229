"""Text encoders: prompt → a sequence of vectors that steers the denoiser. Frozen once trained.

"clap" is trained here by contrast of audio and text, on transformers' ClapModel; as in the release
every token is projected, and the whole sequence is given to the denoiser, not one vector.
"words" is the plain baseline: a fixed random vector for each token, nothing learnt.

Conventions: prompts are lists of strings; encodings are (prompts, 77, width), each vector with mean
    0 and variance 1; padding is encoded too and attended to, as in the release.
Source: Section 3.3. Differs: padding does not enter the other tokens' encodings.
Notebook: 13_text_encoder.
"""

from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import TemplateProcessing
from torch import nn
from torch.nn import functional as F
from transformers import (AutoTokenizer, ClapConfig, ClapModel, ClapTextModelWithProjection,
                          PreTrainedTokenizerFast)

from maa import mel, training

TOKENS = 77  # of every prompt, after padding or cutting
MARKS = ["<s>", "<pad>", "</s>", "<unk>"]  # the first tokens of every vocabulary
UNKNOWN = MARKS.index("<unk>")


class WordEncoder(ModelMixin, ConfigMixin):
    """A fixed random vector for each token and each place in the prompt, added. Not trained."""

    @register_to_config
    def __init__(self, vocabulary: int = 2000, width: int = 256, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.tokens = nn.Embedding.from_pretrained(
            torch.randn(vocabulary, width, generator=generator))
        self.places = nn.Embedding.from_pretrained(
            0.5 * torch.randn(TOKENS, width, generator=generator))

    def forward(self, input_ids):
        """(prompts, 77) → (prompts, 77, width)."""
        return self.tokens(input_ids) + self.places.weight


ENCODERS = {"clap": ClapTextModelWithProjection, "words": WordEncoder}


def build_tokenizer(texts, vocabulary=2000):
    """Byte-pair tokenizer learnt from `texts`; any string has an encoding, unknown words in pieces.

    Raises ValueError if two different texts would get the same tokens.
    """
    model = ByteLevelBPETokenizer(add_prefix_space=True, lowercase=True)
    model.train_from_iterator(
        texts, vocabulary, min_frequency=1, special_tokens=MARKS,
        show_progress=False)
    model.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model._tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", model_max_length=TOKENS)
    check_tokenizer(tokenizer)
    return tokenizer


def check_tokenizer(tokenizer, probes=("a dog barking", "heavy rain falling")):
    """Raise ValueError if the tokenizer cannot tell two captions apart (an empty vocabulary)."""
    first, second = (tokenizer(probe)["input_ids"] for probe in probes)
    if first == second:
        raise ValueError(
            f"the tokenizer gives {probes[0]!r} and {probes[1]!r} the same tokens {first}, "
            f"expected different ones; are its vocabulary files missing?")


def tokenize(tokenizer, prompts):
    """Token numbers and mask of each prompt, padded or cut to 77: two (prompts, 77) tensors."""
    found = tokenizer(list(prompts), padding="max_length", truncation=True, max_length=TOKENS,
                      return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


@torch.no_grad()
def encode(tokenizer, encoder, prompts):
    """Encoding of each prompt, on the encoder's device.

    prompts:  list of strings; "" stands for no prompt
    returns   (prompts, 77, width)
    """
    ids, mask = (x.to(encoder.device) for x in tokenize(tokenizer, prompts))
    return encode_tokens(encoder, ids, mask)


@torch.no_grad()
def encode_tokens(encoder, ids, mask):
    """As encode, from tokenize()'s numbers on the encoder's device."""
    if isinstance(encoder, WordEncoder):
        states = encoder(ids)
    else:
        states = encoder.text_projection(encoder.text_model(ids, mask).last_hidden_state)
    return F.layer_norm(states.float(), states.shape[-1:])  # (prompts, 77, width)


def build_clap(vocabulary, *, width=192, text_layers=3, spec_size=160, patch=4, audio_width=64,
               audio_depths=(2, 2, 2)):
    """Untrained small CLAP: RoBERTa-like text tower, HTSAT-like audio tower on our log-mels.

    width:       of the text tower and of the shared space
    spec_size:   the audio tower sees 80 bands × spec_size² / 80 moments
    patch:       side of the squares that it reads as one, HTSAT's is 4
    """
    stages = len(audio_depths)
    return ClapModel(ClapConfig(
        projection_dim=width,
        text_config={
            "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 3 * width,
            "num_hidden_layers": text_layers, "num_attention_heads": 4, "projection_dim": width,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": TOKENS + 2},
        audio_config={
            "spec_size": spec_size, "num_mel_bins": mel.BANDS, "window_size": 5,
            "patch_size": patch, "patch_stride": [patch, patch],
            "depths": list(audio_depths), "num_hidden_layers": stages,
            "num_attention_heads": [4 * 2**i for i in range(stages)],
            "patch_embeds_hidden_size": audio_width, "hidden_size": audio_width * 2 ** (stages - 1),
            "projection_dim": width, "hidden_dropout_prob": 0.0}))


def hear(clap, mels):
    """Unit vector of each sound in the space shared with text: mels → (clips, width)."""
    size = clap.config.audio_config.spec_size
    moments = size * (size // mel.BANDS)
    pooled = F.adaptive_avg_pool2d(mels, (mel.BANDS, moments)).transpose(2, 3)
    output = clap.audio_model(input_features=pooled).pooler_output
    return F.normalize(clap.audio_projection(output).float(), dim=-1)


def read(clap, ids, mask):
    """Unit vector of each text: (prompts, 77) token numbers and mask → (prompts, width)."""
    output = clap.text_model(ids, mask).pooler_output
    return F.normalize(clap.text_projection(output).float(), dim=-1)


def train(folder, waves, captions, *, steps, batch=128, frames=624, learning_rate=0.0005, width=192,
          text_layers=3, spec_size=160, patch=4, audio_width=64, audio_depths=(2, 2, 2),
          vocabulary=2000, hide=0.0, seed=0, save_every=1000, fingerprint=""):
    """Tokenizer and small CLAP, trained by contrast: a sound's own words against all others'.

    waves:     (scenes, samples) tensor, 16 kHz
    hide:      share of words hidden from the text tower, which must then not rely on any one
    captions:  one list of true captions for each scene; scenes with the same list are not
               counted as each other's wrong answers
    returns    (tokenizer, ClapModel in eval mode)

    Source: Section 3.3.  Notebook: 13_text_encoder.
    """
    texts = sorted({text for several in captions for text in several})
    tokenizer = build_tokenizer(texts, vocabulary)
    with training.seeded(seed):
        clap = build_clap(len(tokenizer), width=width, text_layers=text_layers,
                          spec_size=spec_size, patch=patch, audio_width=audio_width,
                          audio_depths=audio_depths)
    place = training.device()
    ids, mask = tokenize(tokenizer, texts)
    longest = int(mask.sum(1).max())  # the rest is padding, and would take most of the time
    ids, mask = (x[:, :longest].to(place) for x in (ids, mask))
    position = {text: row for row, text in enumerate(texts)}
    least = min(len(several) for several in captions)
    choices = torch.tensor(
        [[position[text] for text in several[:least]] for several in captions], device=place)
    groups = torch.unique(choices.sort(1).values, dim=0, return_inverse=True)[1]
    pool = waves.to(place, torch.float16)

    def draw(generator):
        pick = torch.randint(len(pool), (batch,), generator=generator, device=place)
        word = torch.randint(least, (batch,), generator=generator, device=place)
        sounds = mel.log_mel(pool[pick].float())[..., :frames]
        row = choices[pick, word]
        hidden = torch.rand(batch, longest, generator=generator, device=place) < hide
        words = torch.where(hidden & (ids[row] >= len(MARKS)), UNKNOWN, ids[row])
        return {"mel": sounds, "ids": words, "mask": mask[row], "group": groups[pick]}

    def loss(now, step):
        sounds, words = hear(clap, now["mel"]), read(clap, now["ids"], now["mask"])
        alike = (now["group"][:, None] == now["group"]).float()
        target = alike / alike.sum(1, keepdim=True)
        scores = clap.logit_scale_a.exp().clamp(max=100) * sounds @ words.T
        value = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
        return value, {"contrast": value}

    settings = {"steps": steps, "batch": batch, "frames": frames, "learning_rate": learning_rate,
                "width": width, "text_layers": text_layers, "spec_size": spec_size, "patch": patch,
                "seed": seed, "audio_width": audio_width, "audio_depths": list(audio_depths),
                "hide": hide, "vocabulary": len(tokenizer), "scenes": len(waves),
                "data": fingerprint}
    turn = training.Turn(("clap",), loss, learning_rate, weight_decay=0.05)
    trained = training.train(folder, modules={"clap": clap}, turns=[turn], batch=draw, steps=steps,
                             settings=settings, seed=seed, averaged=("clap",), decay=0.99,
                             save_every=save_every, label="CLAP")
    return tokenizer, trained["clap"]


def tower(clap):
    """The text half of a ClapModel, as a network of its own for the pipeline."""
    encoder = ClapTextModelWithProjection(clap.config.text_config)
    halves = ("text_model.", "text_projection.")
    encoder.load_state_dict({k: v for k, v in clap.state_dict().items() if k.startswith(halves)})
    return encoder.eval()


def save(tokenizer, encoder, folder):
    """Tokenizer and frozen encoder → folder, for load()."""
    tokenizer.save_pretrained(folder)
    encoder.save_pretrained(folder)


def load(folder, encoder="clap"):
    """(tokenizer, encoder) that save() wrote; `encoder` is a word of ENCODERS."""
    if encoder not in ENCODERS:
        raise ValueError(f"text encoder {encoder!r} is unknown, expected one of {sorted(ENCODERS)}")
    tokenizer = AutoTokenizer.from_pretrained(Path(folder), local_files_only=True)
    check_tokenizer(tokenizer)
    return tokenizer, ENCODERS[encoder].from_pretrained(Path(folder), local_files_only=True).eval()
