"""The retrieval expert: sound → the sentences of a pool that lie nearest to it.

A convolutional network hears, BERT reads, and both end in unit vectors of one space. CLAP, which
selects later, has other networks and another seed: it shall not approve of its own mistakes.

Conventions: mels (clips, 1, 80, frames) log10; vectors are unit vectors (rows, width).
Source: Section 3.2.1. Differs: small networks, trained here on the captioned clips alone.
Notebook: 11_pseudo_captions.
"""

import functools
import math
import os
from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertModel

from maa import (captioner, classifier, clips, contrast, files, inventory, mel, processes, text,
                 training)
from maa.errors import MaaError

FEWEST, MOST = 2, 30  # words of a sentence in the pool
ONE, FIVE = ["caption"], [f"caption_{number}" for number in range(1, 6)]
AT_ONCE = 1024  # sounds that are compared with all sentences
TABLES = {  # file names of published captions, and the columns that hold them
    # all parts, for scales that are not judged on these sets
    "published": {"audiocaps_*.csv*": ONE, "clotho_captions_*.csv*": FIVE},
    # without the sentences that a model is judged by
    "published_train": {"audiocaps_train.csv*": ONE, "[Aa]udio[Cc]aps/train.csv*": ONE,
                        "clotho_captions_development.csv*": FIVE},
}


class Retriever(ModelMixin, ConfigMixin):
    """Two towers: hear(mels) and read(ids, mask), each → unit vectors (rows, width).

    widths:   channels of the pairs of convolutions that hear, see maa.classifier.Vgg
    layers:   of the transformer that reads
    """

    @register_to_config
    def __init__(self, vocabulary: int = 2000, width: int = 64, widths: tuple = (16, 32, 64, 128),
                 layers: int = 1):
        super().__init__()
        self.ear = classifier.Vgg(width, tuple(widths))
        self.reader = BertModel(BertConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width,
            num_hidden_layers=layers, num_attention_heads=4, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, max_position_embeddings=text.TOKENS),
            add_pooling_layer=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def hear(self, mels):
        return F.normalize(self.ear(F.avg_pool2d(mels, 2)).float(), dim=-1)

    def read(self, ids, mask):
        states = self.reader(ids, mask).last_hidden_state.float() * mask[..., None]
        return F.normalize(states.sum(1), dim=-1)  # the mean over words, of length 1


def train(folder, waves, captions, *, steps, batch=64, frames=624, learning_rate=0.001, width=128,
          widths=(32, 64, 128, 256), layers=2, vocabulary=2000, hide=0.1, mixup=0.0, seed=1,
          save_every=1000, fingerprint=""):
    """Tokenizer and retriever, trained by contrast on captioned scenes of one event.

    waves:     (scenes, samples) tensor, 16 kHz
    captions:  one list of true captions for each scene
    hide:      share of words that it must do without
    mixup:     share of batches whose sounds are added in pairs, their sentences in proportion
    returns    (tokenizer, Retriever in eval mode)

    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    tokenizer = text.build_tokenizer(
        processes.union(one for several in captions for one in several), vocabulary)
    with training.seeded(seed):
        network = Retriever(len(tokenizer), width, tuple(widths), layers)
    place = training.device()
    sentences = contrast.Sentences(tokenizer, captions, place, hide)
    hear = listening(waves, mixup, place)

    def draw(generator):
        pick = torch.randint(
            len(waves), (training.share(batch),), generator=generator, device=place)
        mels, share = hear(pick, generator)
        sounds = classifier.disturbed(mels[..., :frames], generator)
        return {"mel": sounds, "share": share, **sentences.draw(pick, generator)}

    def loss(now, step):
        sounds, words = network.hear(now["mel"]), network.read(now["ids"], now["mask"])
        scale = network.scale.exp().clamp(max=100)
        value = contrast.pair_loss(sounds, words, scale, now["group"], now["share"])
        return value, {"contrast": value}

    settings = {"steps": steps, "batch": batch, "frames": frames, "learning_rate": learning_rate,
                "width": width, "widths": tuple(widths), "layers": layers, "hide": hide,
                "mixup": mixup, "vocabulary": len(tokenizer), "seed": seed, "scenes": len(waves),
                "data": fingerprint}
    return tokenizer, contrast.train(
        folder, "retriever", network, batch=draw, loss=loss, settings=settings,
        save_every=save_every, label="retriever")


def listening(waves, mixup, place):
    """What a step hears: call (picked rows, generator) -> mels, shares of classifier.mixed or None.

    Mels of scenes as they are can be made beforehand, those of sums once a step has drawn them.
    """
    if not mixup:
        pool = captioner.mels_of(waves, place)
        return lambda pick, generator: (pool[pick].float(), None)
    pool = waves.to(place, torch.float16)

    def added(pick, generator):
        sounds, share = classifier.mixed(pool[pick].float(), mixup, generator)
        return mel.log_mel(sounds), share

    return added


def save(tokenizer, network, folder):
    """Tokenizer and retriever → folder, for load()."""
    text.save(tokenizer, network, folder)


def load(folder):
    """(tokenizer, retriever in eval mode) that save() wrote, on training.device()."""
    tokenizer = AutoTokenizer.from_pretrained(Path(folder), local_files_only=True)
    network = Retriever.from_pretrained(Path(folder), local_files_only=True)
    return tokenizer, network.to(training.device()).eval()


def retrieve(expert, mels, pool, count):
    """The `count` nearest sentences of the pool for each sound, nearest first.

    expert:    (tokenizer, Retriever)
    returns    for each clip a list of `count` sentences, or of all if the pool has fewer

    Raises ValueError for an empty pool.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    if not pool:
        raise ValueError("the pool is empty, expected sentences; has any clip a caption?")
    tokenizer, network = expert
    return nearest(network, mels, pool, meanings(tokenizer, network.read, pool), count)


def nearest(network, mels, pool, read, count):
    """As retrieve(), of a pool whose sentences have been read: (sentences, width) vectors."""
    parts = classifier.apply(network.hear, mels).split(AT_ONCE)
    rows = torch.cat([(part @ read.T).topk(min(count, len(pool)), dim=1).indices for part in parts])
    return [[pool[row] for row in several] for several in rows.tolist()]


@torch.no_grad()
def meanings(tokenizer, read, texts, batch=512):
    """Unit vector of each sentence: (sentences, width) on the CPU.

    read:      read(ids, mask) of a retriever or of CLAP

    Warns C-LONG of tokens that are not read.
    """
    place = training.device()
    parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    return torch.cat([read(*text.trimmed(tokenizer, part, place)).cpu() for part in parts])


def plain(sentence):
    """The sentence as Section 5.1 has it: lower case, single spaces, no point at its end."""
    return " ".join(sentence.lower().split()).rstrip(" .")


def pool_of(table):
    """Distinct captions of a table, in plain form; empty ones are left out."""
    return [one for one in dict.fromkeys(map(plain, table["caption"])) if one]


def read_pool(root=None, part="published"):
    """Distinct published captions (AudioCaps, Clotho) under a folder, in plain form.

    root:      None takes the environment variable MAA_DATA
    part:      a word of TABLES
    returns    sentences of 2 to 30 words

    Raises MaaError C-POOL if there are none, C-COLUMNS, C-ROWS, C-ENCODING, C-GZIP or C-NUL for a
    damaged table.
    """
    root = root or os.environ.get(clips.ROOT_VARIABLE) or "."
    found = {}
    for pattern, columns in TABLES[part].items():
        for path in sorted(Path(root).rglob(pattern)):
            table = files.parse_table(
                inventory.unpacked(path, str(path), root), str(path), columns, str)
            found |= dict.fromkeys(map(plain, table[columns].to_numpy().ravel()))
    kept = [one for one in found if FEWEST <= len(one.split()) <= MOST]
    if not kept:
        raise MaaError("C-POOL", (
            f"no captions in {sorted(TABLES[part])} under {str(root)!r}; name their folder in the "
            f"environment variable {clips.ROOT_VARIABLE}"))
    return kept


def readable(pool, captions):
    """The sentences of a pool whose every word occurs in `captions`.

    An expert ranks a word that it never read by chance, and among tens of thousands of sentences
    chance is always somewhere the highest.
    """
    known = {word for one in captions for word in one.lower().split()}
    return [one for one in pool if known.issuperset(one.split())]


def widened(table, part):
    """The captions of the table, and those published captions that can be read by who read them."""
    own = pool_of(table)
    return list(dict.fromkeys(own + readable(read_pool(part=part), own)))


# words for where the retriever finds its sentences: in the captioned table, or beyond it
POOLS = {"captioned": pool_of} | {part: functools.partial(widened, part=part) for part in TABLES}
