"""Encoders taught by text alone: hidden words (BERT) and hidden spans (T5). No sound is heard.

Conventions: texts are lists of strings; token numbers (rows, tokens) from maa.text; the tokenizer
    has text.MARKS first.
Source: Section 3.3 (BERT and T5-Large among the four encoders).  Notebook: 13_language.
"""

import numpy as np
import torch
from torch.nn import functional as F
from transformers import (BertConfig, BertForMaskedLM, T5Config, T5EncoderModel,
                          T5ForConditionalGeneration)

from maa import text, training

IGNORED = -100  # a target that does not count
SHARE = 0.15  # of the tokens that are hidden
SPAN = 3  # tokens of a hidden span, at most
READ = 1024  # held-out texts that the loss is logged on, at most


def build_bert(vocabulary, *, width=192, layers=2):
    """Untrained small BERT with the head that names hidden words."""
    return BertForMaskedLM(BertConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=layers, num_attention_heads=4, pad_token_id=text.PAD,
        max_position_embeddings=text.TOKENS))


def build_t5(vocabulary, *, width=256, layers=2):
    """Untrained small T5 1.1: an encoder that reads, a decoder that says what was hidden."""
    return T5ForConditionalGeneration(T5Config(
        vocab_size=vocabulary, d_model=width, d_kv=width // 4, d_ff=2 * width, num_layers=layers,
        num_heads=4, feed_forward_proj="gated-gelu", pad_token_id=text.PAD, eos_token_id=text.END,
        decoder_start_token_id=text.PAD, tie_word_embeddings=False))


def hide_words(ids, vocabulary, generator):
    """Token numbers with some words hidden, and the hidden ones as targets: two (rows, tokens).

    Of the chosen tokens, 8 in 10 become <mask>, 1 in 10 another word, 1 in 10 stays (as in BERT).
    """
    place = ids.device

    def chance():
        return torch.rand(ids.shape, generator=generator, device=place)

    chosen = (chance() < SHARE) & (ids >= len(text.MARKS))
    kind = chance()
    other = torch.randint(
        len(text.MARKS), vocabulary, ids.shape, generator=generator, device=place)
    seen = torch.where(chosen & (kind < 0.8), text.HIDDEN, ids)
    seen = torch.where(chosen & (kind >= 0.9), other, seen)
    return seen, torch.where(chosen, ids, IGNORED)


def hide_spans(ids, spans):
    """A sentence with spans hidden, and what was hidden, each as a list of token numbers.

    ids:    list of token numbers, without padding
    spans:  list of (start, length), in order and not touching

    [a b c d e], [(1, 2)] → [a <extra_id_0> d e], [<extra_id_0> b c <extra_id_1> </s>]
    """
    first = text.MARKS.index(text.SPANS[0])
    seen, hidden, at = [], [], 0
    for number, (start, length) in enumerate(spans):
        seen += [*ids[at:start], first + number]
        hidden += [first + number, *ids[start : start + length]]
        at = start + length
    return seen + ids[at:], [*hidden, first + len(spans), text.END]


def draw_spans(length, generator):
    """Where to hide: a span in every ten words, of 1 to SPAN tokens, between the end marks."""
    count = min(1 + (length - 2) // 10, len(text.SPANS) - 1)
    room = np.array_split(np.arange(1, length - 1), count)
    spans = []
    for part in room:
        size = int(generator.integers(1, min(SPAN, max(1, len(part) - 1)) + 1))
        spans.append((int(part[0] + generator.integers(len(part) - size + 1)), size))
    return spans


def span_bank(tokenizer, texts, copies, seed):
    """`copies` corruptions of each text: inputs and targets, (rows, tokens) each, padded."""
    generator, pairs = np.random.default_rng(seed), []
    for ids in tokenizer(list(texts), truncation=True, max_length=text.TOKENS)["input_ids"]:
        if len(ids) > 3:  # two marks and more than one word
            pairs += [hide_spans(ids, draw_spans(len(ids), generator)) for _ in range(copies)]
    return padded([seen for seen, _ in pairs]), padded([hidden for _, hidden in pairs])


def padded(rows):
    longest = max(map(len, rows))
    return torch.tensor([row + [text.PAD] * (longest - len(row)) for row in rows])


def train_bert(folder, tokenizer, texts, *, steps, batch=256, learning_rate=0.001, width=192,
               layers=2, seed=0, save_every=1000, fingerprint=""):
    """Small BERT trained on hidden words; one text in twenty is held out.

    returns  BertForMaskedLM in eval mode; bert_encoder() takes its encoder

    Source: Section 3.3.  Notebook: 13_language.
    """
    with training.seeded(seed):
        bert = build_bert(len(tokenizer), width=width, layers=layers)
    place = training.device()
    ids, mask = text.trimmed(tokenizer, texts, place)
    held = torch.arange(len(ids), device=place) % 20 == 19

    def error(network, seen, targets, mask):
        scores = network(input_ids=seen, attention_mask=mask).logits
        total = F.cross_entropy(scores.flatten(0, 1).float(), targets.flatten(),
                                ignore_index=IGNORED, reduction="sum")
        return total / (targets != IGNORED).sum().clamp(min=1)  # chance may hide nothing at all

    known = (~held).nonzero()[:, 0]

    def draw(generator):
        pick = torch.randint(
            len(known), (training.share(batch),), generator=generator, device=place)
        row = known[pick]
        seen, targets = hide_words(ids[row], len(tokenizer), generator)
        return {"seen": seen, "targets": targets, "mask": mask[row]}

    def loss(now, step):
        value = error(bert, now["seen"], now["targets"], now["mask"])
        return value, {"hidden words": value}

    def held_out(networks):
        chance = torch.Generator(place).manual_seed(0)
        seen, targets = hide_words(ids[held][:READ], len(tokenizer), chance)
        with torch.no_grad():
            return {"hidden words": error(networks["bert"], seen, targets, mask[held][:READ])}

    settings = {"steps": steps, "batch": batch, "learning_rate": learning_rate, "width": width,
                "layers": layers, "seed": seed, "texts": len(texts), "data": fingerprint,
                "vocabulary": len(tokenizer)}
    return training.train(
        folder, modules={"bert": bert}, turns=[training.Turn(("bert",), loss, learning_rate)],
        batch=draw, steps=steps, settings=settings, seed=seed, averaged=("bert",), decay=0.99,
        held_out=held_out if held.any() else None, save_every=save_every, label="BERT")["bert"]


def train_t5(folder, tokenizer, texts, *, steps, batch=256, learning_rate=0.001, width=256,
             layers=2, copies=4, seed=0, save_every=1000, fingerprint=""):
    """Small T5 trained on hidden spans; one text in twenty is held out.

    copies:   corruptions of each text that are prepared
    returns   T5ForConditionalGeneration in eval mode; t5_encoder() takes its encoder

    Source: Section 3.3.  Notebook: 13_language.
    """
    with training.seeded(seed):
        t5 = build_t5(len(tokenizer), width=width, layers=layers)
    place = training.device()
    parts = {"train": [one for row, one in enumerate(texts) if row % 20 != 19],
             "held_out": texts[19::20]}
    banks = {split: [bank.to(place) for bank in span_bank(tokenizer, part, copies, seed)]
             for split, part in parts.items() if part}

    def error(network, seen, hidden):
        targets = torch.where(hidden == text.PAD, IGNORED, hidden)
        return network(input_ids=seen, attention_mask=(seen != text.PAD).long(),
                       labels=targets).loss

    def draw(generator):
        seen, hidden = banks["train"]
        row = torch.randint(
            len(seen), (training.share(batch),), generator=generator, device=place)
        return {"seen": seen[row], "hidden": hidden[row]}

    def loss(now, step):
        value = error(t5, now["seen"], now["hidden"])
        return value, {"hidden spans": value}

    def held_out(networks):
        with torch.no_grad():
            return {"hidden spans": error(networks["t5"], *(b[:READ] for b in banks["held_out"]))}

    settings = {"steps": steps, "batch": batch, "learning_rate": learning_rate, "width": width,
                "layers": layers, "copies": copies, "seed": seed, "texts": len(texts),
                "data": fingerprint, "vocabulary": len(tokenizer)}
    return training.train(
        folder, modules={"t5": t5}, turns=[training.Turn(("t5",), loss, learning_rate)],
        batch=draw, steps=steps, settings=settings, seed=seed, averaged=("t5",), decay=0.99,
        held_out=held_out if "held_out" in banks else None, save_every=save_every,
        label="T5")["t5"]


def bert_encoder(bert):
    """The encoder of a BertForMaskedLM, as a network of its own for the pipeline."""
    encoder = text.Bert(bert.config)
    encoder.load_state_dict(bert.bert.state_dict())
    return text.spelled(encoder.eval())


def t5_encoder(t5):
    """The encoder of a T5ForConditionalGeneration, as a network of its own for the pipeline."""
    encoder = T5EncoderModel(t5.config)
    known = encoder.state_dict()
    encoder.load_state_dict({k: v for k, v in t5.state_dict().items() if k in known})
    return text.spelled(encoder.eval())
