"""Text encoders: prompt → a sequence of vectors that steers the denoiser. Frozen once trained.

The paper compares four: "clap" (sounds and text by contrast; every token is projected, as in the
release), "bert" (hidden words), "t5" (hidden spans) and "clip" (pictures and text by contrast).
Small ones are trained by maa.contrast and maa.masking, published ones load by name or path.
"msclap" is the release's own, read by maa.release or maa.msclap.
"words" is the plain baseline: a fixed random vector for each token, nothing learnt.

Conventions: prompts are lists of strings; encodings are (prompts, 77, width), each vector with mean
    0 and variance 1; padding is encoded too and attended to, as in the release.
Source: Section 3.3. Differs: padding does not enter the other tokens' encodings; encoders trained
    here are `spelled`, for what was trained for minutes mixes the words of a sentence.
Notebooks: 13_language, 14_clap, 15_clip.
"""

from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import TemplateProcessing
from torch import nn
from torch.nn import functional as F
from transformers import (AutoTokenizer, BertModel, ClapTextModelWithProjection, CLIPTextModel,
                          PreTrainedTokenizerFast, T5EncoderModel)

from maa import msclap
from maa.errors import MaaError, warn

TOKENS = 77  # of every prompt, after padding or cutting
SPANS = [f"<extra_id_{number}>" for number in range(4)]  # stand for hidden spans, as in T5
MARKS = ["<pad>", "<s>", "<unk>", "</s>", "<mask>", *SPANS]  # first tokens of every vocabulary
PAD, START, UNKNOWN, END, HIDDEN = range(5)


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


class Bert(BertModel):
    """BERT without the layer that pools a sentence into one vector: every token's is wanted."""

    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)


ENCODERS = {"clap": ClapTextModelWithProjection, "bert": Bert, "t5": T5EncoderModel,
            "clip": CLIPTextModel, "msclap": msclap.MsClapText, "words": WordEncoder}
PUBLISHED = {"clap": "laion/clap-htsat-unfused", "bert": "bert-base-uncased",
             "t5": "google/t5-v1_1-large", "clip": "openai/clip-vit-large-patch14"}


def build_tokenizer(texts, vocabulary=2000):
    """Byte-pair tokenizer learnt from `texts`; any string has an encoding, unknown words in pieces.

    Raises ValueError if two different texts would get the same tokens.
    """
    model = ByteLevelBPETokenizer(add_prefix_space=True, lowercase=True)
    model.train_from_iterator(
        texts, vocabulary, min_frequency=1, special_tokens=MARKS,
        show_progress=False)
    model.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model._tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", mask_token="<mask>", model_max_length=TOKENS)
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


def trimmed(tokenizer, texts, place="cpu"):
    """As tokenize, without the columns that are padding in every row: what training needs.

    Warns C-LONG of tokens that are not read.
    """
    ids, mask = tokenize(tokenizer, texts)
    longest = int(mask.sum(1).max())
    if longest == TOKENS:
        note_cut(tokenizer, list(texts))
    return ids[:, :longest].to(place), mask[:, :longest].to(place)


def note_cut(tokenizer, texts):
    """Say how many tokens of the longest text are not read, if any."""
    tokens = [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]
    if (most := max(tokens)) > TOKENS:
        longest = texts[tokens.index(most)]
        warn("C-LONG", (
            f"{longest[:40]!r}… has {most} tokens: the last {most - TOKENS} are not read"))


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
    if isinstance(encoder, msclap.MsClapText):
        return encoder(ids).float()  # as the release: nothing is masked, its own norm comes last
    if isinstance(encoder, WordEncoder):
        states = encoder(ids)
    elif isinstance(encoder, ClapTextModelWithProjection):
        states = encoder.text_projection(encoder.text_model(ids, mask).last_hidden_state)
    else:
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    states = F.layer_norm(states.float(), states.shape[-1:])
    if getattr(encoder.config, "spelled", False):
        word, width = encoder.get_input_embeddings()(ids).float(), states.shape[-1]
        word = F.layer_norm(word, word.shape[-1:])
        alternating = 1 - 2 * (torch.arange(width, device=ids.device) % 2)  # 1, -1, 1, …
        states = states + F.pad(word, (0, width - word.shape[-1]))  # a wider one is cut
        states = F.layer_norm(states + places(mask)[..., None] * alternating, (width,))
    return states  # (prompts, 77, width)


def places(mask):
    """Where each token stands in its prompt, from -1, the first, to 1, the last; padding is 0."""
    last, at = mask.sum(1, keepdim=True) - 1, torch.arange(mask.shape[1], device=mask.device)
    return mask * (2 * at / last.clamp(min=1) - 1)


def spelled(encoder):
    """The encoder, its config saying that each token's own word and place are added to its state.

    Every state of an encoder as small as ours tells of the whole sentence: which of two events
    comes first is then learnt slowly or not at all. Differs: the paper's are used as they are.
    """
    encoder.config.spelled = True
    return encoder


class Captions:
    """The captions of scenes, encoded when they are asked for: what a generator is trained with.

    captions:  as many true texts for each scene
    call       (generator, rows) -> (rows, 77, width): one of the texts of each row, at random

    Raises ValueError if one scene has more captions than another, or none.
    """

    def __init__(self, tokenizer, encoder, captions):
        counts = sorted({len(several) for several in captions})
        if len(counts) != 1 or not counts[0]:
            raise ValueError(f"{counts} captions a scene, expected as many for each, 1 or more")
        self.encoder, self.each = encoder, counts[0]
        tokens = tokenize(tokenizer, [one for several in captions for one in several])
        self.ids, self.mask = (part.to(encoder.device) for part in tokens)

    def __call__(self, generator, rows):
        pick = torch.randint(self.each, rows.shape, generator=generator, device=rows.device)
        pick = self.each * rows + pick
        return encode_tokens(self.encoder, self.ids[pick], self.mask[pick])


def save(tokenizer, encoder, folder):
    """Tokenizer and frozen encoder → folder, for load()."""
    tokenizer.save_pretrained(folder)
    encoder.save_pretrained(folder)


def load(where, encoder="clap", *, fetch=False):
    """(tokenizer, encoder), frozen and in eval mode.

    where:    folder that save() wrote, or a published model: its name (PUBLISHED) or its folder
    encoder:  word of ENCODERS
    fetch:    True asks a model hub for what is not on this disk; nothing is fetched unasked

    Raises ValueError for an unknown encoder or a tokenizer that cannot tell captions apart;
    MaaError K-MISSING if the model is not here.
    Source: Section 3.3.  Notebook: 14_clap.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"text encoder {encoder!r} is unknown, expected one of {sorted(ENCODERS)}")
    kind, place = ENCODERS[encoder], Path(where) if Path(where).is_dir() else str(where)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=not fetch)
        model = kind.from_pretrained(place, local_files_only=not fetch)
    except OSError as fault:
        raise MaaError("K-MISSING", (
            f"no text encoder {encoder!r} at {str(where)!r}, expected a folder written by "
            f"save_pretrained or a model kept on this disk; fetch=True asks a model hub")) from fault
    check_tokenizer(tokenizer)
    return tokenizer, model.eval().requires_grad_(False)
