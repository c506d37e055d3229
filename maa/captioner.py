"""The captioning expert: sound → sentences, on transformers' Speech2Text.

It learns from the clips that have captions and then writes for those that have none. A published
captioner takes its place by name or path.

Conventions: waves (clips, samples) float at 16 kHz; a sentence is plain lower case.
Source: Section 3.2.1. Differs: a small transformer, trained here, instead of a convolutional
    network trained on AudioSet with a recurrent decoder.
Notebook: 11_pseudo_captions.
"""

from pathlib import Path

import torch
from torch import nn
from transformers import (AutoFeatureExtractor, AutoModelForSpeechSeq2Seq, AutoTokenizer,
                          GenerationConfig, LogitsProcessor, Speech2TextConfig,
                          Speech2TextForConditionalGeneration)

from maa import classifier, mel, processes, text, training
from maa.errors import MaaError

IGNORED = -100  # label of padding, as transformers' losses have it


class Captioner(Speech2TextForConditionalGeneration):
    """Speech2Text that reads our log-mels: 80 bands, one moment for every 4 frames."""

    def listen(self, waves):
        """What the encoder reads: (clips, samples) → (clips, frames, 80)."""
        return read_mels(mel.log_mel(waves.to(self.device)))


class Published(nn.Module):
    """Any speech-to-text network of transformers, behind the same call: `listen`, `generate`."""

    def __init__(self, network, extractor):
        super().__init__()
        self.network, self.extractor, self.generate = network, extractor, network.generate

    @property
    def device(self):
        return self.network.device

    def listen(self, waves):
        features = self.extractor([wave.cpu().numpy() for wave in waves], sampling_rate=mel.RATE,
                                  return_tensors="pt")
        return features["input_features"].to(self.device)


def load_small(where, fetch=False):
    return Captioner.from_pretrained(where, local_files_only=not fetch)


def load_published(where, fetch=False):
    return Published(
        AutoModelForSpeechSeq2Seq.from_pretrained(where, local_files_only=not fetch),
        AutoFeatureExtractor.from_pretrained(where, local_files_only=not fetch))


CAPTIONERS = {"small": load_small, "published": load_published}


def build(tokenizer, *, width=96, layers=2, heads=4, dropout=0.1, longest=text.TOKENS):
    """Untrained captioner; longest: tokens of the longest caption, which it will not exceed."""
    marks = {"bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id,
             "eos_token_id": tokenizer.eos_token_id,
             "decoder_start_token_id": tokenizer.bos_token_id}
    network = Captioner(Speech2TextConfig(
        vocab_size=len(tokenizer), d_model=width, input_feat_per_channel=mel.BANDS,
        num_conv_layers=2, conv_kernel_sizes=[5, 5], conv_channels=2 * width, dropout=dropout,
        encoder_layers=layers, decoder_layers=layers, encoder_attention_heads=heads,
        decoder_attention_heads=heads, encoder_ffn_dim=3 * width, decoder_ffn_dim=3 * width,
        max_target_positions=text.TOKENS + 2, **marks))
    network.generation_config = GenerationConfig(max_new_tokens=longest, **marks)
    return network


def train(folder, waves, captions, *, held_out=None, steps, batch=64, frames=624,
          learning_rate=0.001, width=96, layers=2, heads=4, dropout=0.1, vocabulary=2000, seed=0,
          save_every=1000, fingerprint=""):
    """Tokenizer and captioner, trained to continue each caption of a sound word by word.

    waves:     (scenes, samples) tensor of one-event scenes: they are shifted in time, 16 kHz
    captions:  one list of true captions for each scene
    held_out:  (waves, captions) of other recordings, on which the loss is measured at every save
    returns    (tokenizer, Captioner in eval mode)

    Raises ValueError unless every scene has a caption; MaaError as training.train.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    if len(waves) != len(captions) or not all(captions):
        raise ValueError(f"{len(waves)} scenes for {len(captions)} lists of captions, expected as "
                         f"many, none of them empty; clips without caption train no captioner")
    texts = processes.union(one for several in captions for one in several)
    tokenizer = text.build_tokenizer(texts, vocabulary)
    words = labels(tokenizer, texts)
    with training.seeded(seed):
        network = build(tokenizer, width=width, layers=layers, heads=heads, dropout=dropout,
                        longest=words.shape[1])
    place = training.device()
    words, pool = words.to(place), mels_of(waves, place)[..., :frames]
    position = {text: row for row, text in enumerate(texts)}
    least = min(len(several) for several in captions)
    choices = torch.tensor(
        [[position[text] for text in several[:least]] for several in captions], device=place)

    def draw(generator):
        pick = torch.randint(len(pool), (training.share(batch),), generator=generator, device=place)
        sounds = classifier.disturbed(pool[pick].float(), generator)
        word = torch.randint(least, pick.shape, generator=generator, device=place)
        return {"sounds": read_mels(sounds), "labels": words[choices[pick, word]]}

    def loss(now, step):
        value = network(input_features=now["sounds"], labels=now["labels"]).loss
        return value, {"cross-entropy": value}

    settings = {"steps": steps, "batch": batch, "frames": frames, "learning_rate": learning_rate,
                "width": width, "layers": layers, "heads": heads, "dropout": dropout,
                "vocabulary": len(tokenizer), "seed": seed, "scenes": len(waves),
                "data": fingerprint}
    turn = training.Turn(("captioner",), loss, learning_rate, weight_decay=0.05)
    measure = held_out and (lambda found: {"cross-entropy": mean_loss(
        found["captioner"], tokenizer, *held_out)})
    trained = training.train(
        folder, modules={"captioner": network}, turns=[turn], batch=draw, steps=steps,
        settings=settings, seed=seed, averaged=("captioner",), decay=0.99, held_out=measure,
        save_every=save_every, label="captioner")
    return tokenizer, trained["captioner"]


def mels_of(waves, place, batch=32):
    """Log-mels of all scenes, once: (scenes, 1, 80, frames) in half precision, for training."""
    return torch.cat([mel.log_mel(part.to(place).float()).half() for part in waves.split(batch)])


def read_mels(mels):
    """(clips, 1, 80, frames) log10 → (clips, frames, 80), values near -1 … 1."""
    return (mels[:, 0].transpose(1, 2) - mel.CENTRE) / mel.SPREAD


def labels(tokenizer, texts):
    """Tokens that the captioner should write, after its start mark: (texts, longest)."""
    ids, mask = text.trimmed(tokenizer, texts)
    return ids.masked_fill(mask == 0, IGNORED)[:, 1:].contiguous()


@torch.no_grad()
def mean_loss(captioner, tokenizer, waves, captions, batch=64):
    """Mean cross-entropy of the first caption of each sound, in nats a token."""
    words = labels(tokenizer, [several[0] for several in captions]).to(captioner.device)
    total = sum(
        captioner(input_features=captioner.listen(part.float()), labels=own).loss.item()
        * (own != IGNORED).sum().item()
        for part, own in zip(waves.split(batch), words.split(batch), strict=True))
    return total / (words != IGNORED).sum().item()


class Dice(LogitsProcessor):
    """Gumbel noise on the scores: the highest of them is then a draw from their softmax.

    So that sampling takes its chance from an explicit generator. The first of every `count` rows
    gets no noise: it is what the captioner finds most likely.
    """

    def __init__(self, count, temperature, generator):
        self.count, self.temperature, self.generator = count, temperature, generator

    def __call__(self, input_ids, scores):
        place = self.generator.device
        chance = torch.rand(scores.shape, generator=self.generator, device=place)
        noise = -torch.log(-torch.log(chance.clamp(1e-9, 1 - 1e-7)))
        noise[:: self.count] = 0
        return scores.float() + self.temperature * noise.to(scores.device)


@torch.no_grad()
def write(captioner, tokenizer, waves, count, generator, temperature=1.0, batch=64):
    """`count` sentences for each sound: the most likely one word by word, then random draws.

    waves:        (clips, samples), 16 kHz
    generator:    torch Generator of the draws, on any device
    temperature:  of the draws; below 1 they stay nearer to the most likely words
    returns       for each clip a list of `count` sentences, equal ones among them

    Raises ValueError for count below 1.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    if count < 1:
        raise ValueError(f"count is {count}, expected 1 sentence a clip or more")
    found = []
    for part in waves.split(batch):
        heard = captioner.listen(part.float()).repeat_interleave(count, 0)
        ids = captioner.generate(input_features=heard, do_sample=False, num_beams=1,
                                 logits_processor=[Dice(count, temperature, generator)])
        said = [one.strip() for one in tokenizer.batch_decode(ids, skip_special_tokens=True)]
        found += [said[row : row + count] for row in range(0, len(said), count)]
    return found


def save(tokenizer, captioner, folder):
    """Tokenizer and trained captioner → folder, for load()."""
    tokenizer.save_pretrained(folder)
    captioner.save_pretrained(folder)


def load(where, kind="small", fetch=False):
    """(tokenizer, captioner in eval mode) on training.device().

    where:     folder that save() wrote, or the name or folder of a published speech-to-text network
    kind:      a word of CAPTIONERS
    fetch:     True downloads a published network that is not on this machine

    Raises ValueError for an unknown kind; MaaError K-MISSING if it is not there.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    if kind not in CAPTIONERS:
        raise ValueError(f"captioner {kind!r} is unknown, expected one of {sorted(CAPTIONERS)}")
    place = Path(where) if Path(where).is_dir() else str(where)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=not fetch)
        network = CAPTIONERS[kind](place, fetch)
    except OSError as fault:
        raise MaaError("K-MISSING", (
            f"no captioner at {str(where)!r}, expected a folder written by save_pretrained or a "
            f"network kept on this disk; fetch=True asks a model hub")) from fault
    return tokenizer, network.to(training.device()).eval()
