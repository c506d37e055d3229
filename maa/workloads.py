"""What the networks of every training notebook do: which is called how often, on how much.

A stage is a notebook of dvc.yaml, a part one network in it. Networks are built as the notebooks
build them, from rows of params.yaml, but on the device "meta": without weights, in a moment.

Conventions: FLOP and passes as in maa.costs; items are sounds, texts or pictures, one of a batch.
    Left out: losses on held-out sounds, sounds that are made and judged, what runs on the CPU.
Source: Sections 3 and 5.2, Table 6.  Notebook: 02_cost_plan.
"""

import functools

import pandas as pd
import torch

from maa import (autoencoder, captioner, clap, classifier, clip, codebook, costs, diffsound,
                 diffusion, discriminators, masking, mel, retriever, text, vocoder)

EAR = costs.THROUGH + costs.LISTENS  # it hears what was made, with a gradient, and what is real
CRITIC = EAR + 2 * costs.LEARNS  # so does a critic, and in its own turn it learns from both
REVIVED = 8, 50  # codebook.train_vq: batches that are heard before codes move, steps in between


class Vocabulary(tuple):
    """Stands for a tokenizer of so many tokens."""

    bos_token_id, pad_token_id, eos_token_id = text.START, text.PAD, text.END


def of(rows, variants, untold, *, tokens=text.TOKENS, spans=14, labels=50):
    """Every part of every stage, in the order of the notebooks.

    rows:      {section: row of params.yaml} of one scale
    variants:  {name: what it changes in the row of "variant"}
    untold:    hours of sound without caption, for which the captioner of notebook 11 writes
    returns    columns stage, part, steps, batch, items, passes, FLOP of an item forward, parameters
               that are learnt, kind (of costs.KINDS); a row a part

    Source: Sections 3 and 5.2.  Notebook: 02_cost_plan.
    """
    with torch.device("meta"):
        ear = classifier.Vgg(labels, rows["autoencoder"]["ear_widths"])
        say = readers(rows, tokens)
        stages = {
            "pseudo_captions": of_experts(rows["pseudo_captions"], tokens, untold),
            "language": of_language(rows["language"], tokens, spans),
            "clap": of_clap(rows, tokens),
            "clip": of_clip(rows, tokens),
            "autoencoder": of_autoencoder(rows["autoencoder"], ear),
            "vocoder": of_vocoder(rows["vocoder"]),
            "diffusion": of_denoiser(rows["diffusion"], rows["autoencoder"], say),
            "diffsound": of_diffsound(rows["diffsound"], ear, say),
            **{f"variant@{name}": of_variant(rows["variant"] | change, rows, ear, say)
               for name, change in variants.items()},
            "judges": of_judges(rows["judges"], tokens, labels)}
    return pd.DataFrame([{"stage": name, **one} for name, parts in stages.items() for one in parts])


def part(name, counted, steps, batch, passes=costs.LISTENS, kind="pictures"):
    """One network's work; counted: what count() gives."""
    flop, parameters = counted
    return {"part": name, "steps": steps, "batch": batch, "items": steps * batch, "passes": passes,
            "FLOP": flop, "parameters": parameters, "kind": kind}


def count(call, *given, learnt=None):
    """(FLOP of one call, parameters of the module `learnt`)."""
    parameters = sum(one.numel() for one in learnt.parameters()) if learnt is not None else 0
    return float(costs.operations(call, *given)), parameters  # whole numbers would overflow later


def mels(frames):
    return torch.zeros(1, 1, mel.BANDS, frames)


def ids(tokens):
    return torch.zeros(1, tokens, dtype=torch.long)


def whole(tokens):
    """A mask that hides nothing, of the form that is taken as it is: others would be looked at."""
    return torch.zeros(1, 1, tokens, tokens)


def picked(row, words, **others):
    """Keywords for a maker: the numbers of a row under these names, and others."""
    return {word: row[word] for word in words.split()} | others


def classifying(name, network, frames, steps, batch):
    return part(name, count(network, mels(frames), learnt=network), steps, batch, costs.LEARNS)


def matching(network, hear, heard, read, tokens, steps, batch):
    """A network with two towers, taught by contrast: one hears or looks, the other reads."""
    return [part("hears or looks", count(hear, heard, learnt=network), steps, batch, costs.LEARNS),
            part("reads", count(read, ids(tokens)), steps, batch, costs.LEARNS)]


def retrieving(tokens, frames, steps, batch, **shape):
    network = retriever.Retriever(**shape)
    return matching(network, network.hear, mels(frames), network.reader, tokens, steps, batch)


def adversarial(row, name, made, critic, judged, kind="pictures"):
    """A network, and the critic that joins it later; the row has steps, batch and critic_from."""
    late = round((1 - row["critic_from"]) * row["steps"])
    return [part(name, made, row["steps"], row["batch"], costs.LEARNS, kind),
            part("critic", count(critic, judged, learnt=critic), late, row["batch"], CRITIC, kind)]


def readers(rows, tokens):
    """{encoder: (what count() gives, width of a token)}, frozen: none of it is learnt."""
    own, sound, sight = rows["language"], built_clap(rows), built_clip(rows)
    bert = masking.build_bert(own["vocabulary"], **picked(own, "width layers")).bert
    t5 = masking.build_t5(own["vocabulary"], width=own["t5_width"], layers=own["t5_layers"]).encoder
    calls = {
        "clap": (lambda x: sound.text_projection(sound.text_model(
            x, whole(tokens)).last_hidden_state), rows["clap"]["projection"]),
        "bert": (bert, own["width"]), "t5": (t5, own["t5_width"]),
        "clip": (sight.text_model, rows["clip"]["width"])}
    return {name: (count(call, ids(tokens)), width) for name, (call, width) in calls.items()}


def built_clap(rows):
    return clap.build(rows["language"]["vocabulary"], **picked(
        rows["clap"], "width projection text_layers spec_size patch audio_width audio_depths"))


def built_clip(rows):
    shape = picked(rows["clip"], "width text_layers patch picture_width picture_layers")
    return clip.build(rows["language"]["vocabulary"], size=rows["clip"]["options"]["size"], **shape)


def of_experts(row, tokens, untold):
    frames, words = mel.trained_frames(row["seconds"]), row["vocabulary"]
    writer = captioner.build(Vocabulary(range(words)), width=row["captioner_width"],
                             layers=row["captioner_layers"])
    told = count(lambda x, said: writer(input_features=captioner.read_mels(x), labels=said),
                 mels(frames), ids(tokens), learnt=writer)
    clips = round(untold * 3600 / row["seconds"])
    return [part("captioner", told, row["captioner_steps"], row["captioner_batch"], costs.LEARNS),
            part("captioner writes", (told[0], 0), clips, row["count"]),
            *retrieving(tokens, frames, row["retriever_steps"], row["retriever_batch"],
                        vocabulary=words, width=row["retriever_width"],
                        widths=tuple(row["retriever_widths"]), layers=row["retriever_layers"])]


def of_language(row, tokens, spans):
    bert = masking.build_bert(row["vocabulary"], **picked(row, "width layers"))
    t5 = masking.build_t5(row["vocabulary"], width=row["t5_width"], layers=row["t5_layers"])
    filled = count(lambda seen, said: t5(input_ids=seen, labels=said), ids(tokens), ids(spans),
                   learnt=t5)
    read = count(bert, ids(tokens), learnt=bert)
    return [part("BERT", read, row["steps"], row["batch"], costs.LEARNS),
            part("T5", filled, row["t5_steps"], row["batch"], costs.LEARNS)]


def of_clap(rows, tokens):
    network, row = built_clap(rows), rows["clap"]
    read, heard = whole(tokens), mels(mel.trained_frames(row["seconds"]))
    return matching(network, lambda x: clap.hear(network, x), heard,
                    lambda x: clap.read(network, x, read), tokens, row["steps"], row["batch"])


def of_clip(rows, tokens):
    network, row = built_clip(rows), rows["clip"]
    seen = torch.zeros(1, 3, *2 * [row["options"]["size"]])
    return matching(network, lambda x: clip.look(network, x), seen,
                    lambda x: clip.read(network, x, None), tokens, row["steps"], row["batch"])


def rebuilding(row, shape, ear):
    """An autoencoder, its critic, and the ear through which the loss listens."""
    vae, heard, critic = autoencoder.build(**shape), mels(row["frames"]), discriminators.Windows()
    return [*adversarial(row, "autoencoder", count(vae, heard, learnt=vae), critic, heard),
            part("ear listens", count(ear.stages, heard), row["steps"], row["batch"], EAR)]


def of_autoencoder(row, ear):
    return [classifying("ear", ear, row["frames"], row["ear_steps"], row["ear_batch"]),
            *rebuilding(row, picked(row, "widths attention layers channels"), ear)]


def of_vocoder(row):
    network, frames = vocoder.build(row["network"], **row["options"]), row["frames"]
    return adversarial(row, "vocoder", count(network, mels(frames), learnt=network),
                       discriminators.Waves(), torch.zeros(1, frames * mel.HOP), "waves")


@functools.cache
def unet(width, channels, columns, widths, **shape):
    """What count() gives for the U-Net; most variants have the same."""
    network = diffusion.build_unet(text_width=width, channels=channels, widths=widths, **shape)
    latent = torch.zeros(1, channels, mel.BANDS // mel.COLUMN, columns)
    words = torch.zeros(1, text.TOKENS, width)
    return count(network, latent, torch.zeros(1), words, learnt=network)


def of_denoiser(row, shape, say):
    """Latents once, words at every step, and the U-Net that learns; shape: of the autoencoder."""
    (reads, width), frames = say[row["encoder"]], mel.trained_frames(row["seconds"])
    vae = autoencoder.build(**picked(shape, "widths attention layers channels"))
    guesses = unet(width, shape["channels"], frames // mel.COLUMN, tuple(row["widths"]),
                   **picked(row, "layers heads attention"))
    return [part("encoder, once", count(vae.encode, mels(frames)), row["scenes"], 1),
            part("text encoder", reads, row["steps"], row["batch"]),
            part("U-Net", guesses, row["steps"], row["batch"], costs.LEARNS)]


def of_variant(row, rows, ear, say):
    shape = rows["autoencoder"] | picked(row, "channels")
    if shape == rows["autoencoder"]:
        return of_denoiser(row, shape, say)
    own = picked(shape, "widths attention layers channels")
    return rebuilding(row["rebuilding"], own, ear) + of_denoiser(row, shape, say)


def of_diffsound(row, ear, say):
    (reads, width), heard = say[row["encoder"]], mels(row["frames"])
    told = picked(row, "critic_from", steps=row["vq_steps"], batch=row["vq_batch"])
    vq = codebook.build_tokenizer(widths=row["vq_widths"], layers=row["vq_layers"],
                                  **picked(row, "codes code_width"))
    columns = mel.trained_frames(row["seconds"]) // codebook.SQUARE
    network = diffsound.build_transformer(
        columns=columns, text_width=width, **picked(row, "codes width heads layers noise_steps"))
    guesses = count(lambda page, words, t: diffsound.guess(network, page, t, words, None),
                    ids(codebook.ROWS * columns), torch.zeros(1, text.TOKENS, width), ids(1)[0],
                    learnt=network)
    rebuilt = count(lambda x: vq.decode(vq.encode(x).latents), heard, learnt=vq)
    return [*adversarial(told, "tokenizer", rebuilt, discriminators.Windows(), heard),
            part("ear listens", count(ear.stages, heard), told["steps"], told["batch"], EAR),
            part("codes move", count(vq.encode, heard),
                 round(codebook.REVIVED * told["steps"] / REVIVED[1]), REVIVED[0] * told["batch"]),
            part("tokenizer, once", count(vq.encode, mels(columns * codebook.SQUARE)),
                 row["scenes"], 1),
            part("text encoder", reads, row["steps"], row["batch"]),
            part("transformer", guesses, row["steps"], row["batch"], costs.LEARNS)]


def of_judges(row, tokens, labels):
    network, ear = (classifier.build(row[one], [""] * labels) for one in ("network", "listener"))
    heard = [classifying("classifier", network, row["frames"], row["steps"], row["batch"])]
    if row["listener"] != row["network"]:
        heard.append(classifying("listener", ear, row["listener_frames"], row["listener_steps"],
                                 row["listener_batch"]))
    return heard + retrieving(
        tokens, mel.trained_frames(row["seconds"]), row["clap_steps"], row["clap_batch"],
        vocabulary=row["vocabulary"], width=row["clap_width"], widths=tuple(row["clap_widths"]),
        layers=row["clap_layers"])
