"""The smallest whole pipeline, made here: untrained parts of a few thousand numbers each."""

import torch

from maa import autoencoder, clap, clip, diffusion, masking, pipeline, text, training, vocoder

WIDTH = 16  # of the text
COLUMNS = 4  # 0.512 s
CAPTIONS = ["a dog barking", "heavy rain falling", "a siren far and loud", "a cat", "a bell"]


def words_encoder(vocabulary):
    return text.WordEncoder(vocabulary, WIDTH)


def clap_encoder(vocabulary):
    encoder = clap.text_half(clap.build(
        vocabulary, width=WIDTH, text_layers=1, audio_width=8, audio_depths=(1,)))
    torch.nn.init.normal_(encoder.text_model.embeddings.word_embeddings.weight)
    return encoder


def bert_encoder(vocabulary):
    return masking.bert_encoder(masking.build_bert(vocabulary, width=WIDTH, layers=1))


def t5_encoder(vocabulary):
    return masking.t5_encoder(masking.build_t5(vocabulary, width=WIDTH, layers=1))


def clip_encoder(vocabulary):
    return clip.text_half(clip.build(
        vocabulary, width=WIDTH, text_layers=1, picture_width=16, picture_layers=1))


def build(name="istft", encoder=clap_encoder, **shape):
    """Pipeline with the vocoder of that name; the same weights every time, and no progress bar."""
    tokenizer = text.build_tokenizer(CAPTIONS, 300)
    with training.seeded(0):
        pipe = pipeline.MakeAnAudioPipeline(
            vae=autoencoder.build(widths=(32, 32, 32, 32), attention=0, layers=1).eval(),
            text_encoder=encoder(len(tokenizer)), tokenizer=tokenizer,
            unet=diffusion.build_unet(
                widths=(32, 64), layers=1, heads=2, text_width=WIDTH, size=(10, COLUMNS)).eval(),
            scheduler=diffusion.dpm(), vocoder=vocoder.build(name, **shape).eval())
    pipe.set_progress_bar_config(disable=True)
    return pipe
