"""CLAP: one space for sounds and sentences. Its text half is the paper's encoder, all of it judges.

Conventions: mels (clips, 1, 80, frames) log10; embeddings are unit vectors (rows, width).
Source: Section 3.3.  Notebook: 14_clap.
"""

import torch
from torch.nn import functional as F
from transformers import ClapConfig, ClapModel, ClapTextModelWithProjection

from maa import classifier, contrast, mel, text, training


def build(vocabulary, *, width=192, projection=None, text_layers=3, spec_size=160, patch=4,
          audio_width=64, audio_depths=(2, 2, 2), reader=None):
    """Small CLAP: RoBERTa-like text tower, HTSAT-like audio tower on our log-mels.

    width:       of the text tower
    projection:  of the shared space, and of every token for the denoiser; None is `width`
    spec_size:   the audio tower sees 80 bands × spec_size² / 80 moments
    patch:       side of the squares that it reads as one, HTSAT's is 4
    reader:      transformers.BertModel whose weights the text tower begins with, as the published
                 ones begin with BERT's or RoBERTa's; None begins at random
    """
    stages, projection = len(audio_depths), projection or width
    clap = ClapModel(ClapConfig(
        projection_dim=projection,
        text_config={
            "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 3 * width,
            "num_hidden_layers": text_layers, "num_attention_heads": 4,
            "projection_dim": projection,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "type_vocab_size": 2,
            "max_position_embeddings": text.TOKENS + 1, "pad_token_id": text.PAD,
            "bos_token_id": text.START, "eos_token_id": text.END},
        audio_config={
            "spec_size": spec_size, "num_mel_bins": mel.BANDS, "window_size": 5,
            "patch_size": patch, "patch_stride": [patch, patch],
            "depths": list(audio_depths), "num_hidden_layers": stages,
            "num_attention_heads": [4 * 2**i for i in range(stages)],
            "patch_embeds_hidden_size": audio_width, "hidden_size": audio_width * 2 ** (stages - 1),
            "projection_dim": projection, "hidden_dropout_prob": 0.0}))
    if reader is not None:
        begin_with(clap.text_model, reader)
    return clap


def begin_with(tower, reader):
    """Copy a BertModel into a text tower of its shape, whose places are counted from one later.

    Raises ValueError naming the first weight whose shape differs.
    """
    known, places = tower.state_dict(), "embeddings.position_embeddings.weight"
    taken = {name: value for name, value in reader.state_dict().items() if name in known}
    taken[places] = F.pad(taken[places], (0, 0, 1, 0))[: len(known[places])]
    for name, value in taken.items():
        if value.shape != known[name].shape:
            raise ValueError(
                f"{name} of the reader has shape {tuple(value.shape)}, expected "
                f"{tuple(known[name].shape)}; were the two built with other widths?")
    tower.load_state_dict(known | taken)


def hear(clap, mels):
    """Unit vector of each sound in the space shared with text: mels → (clips, width)."""
    size = clap.config.audio_config.spec_size
    moments = size * (size // mel.BANDS)
    pooled = F.adaptive_avg_pool2d(mels, (mel.BANDS, moments)).transpose(2, 3)
    output = clap.audio_model(input_features=pooled).pooler_output
    return F.normalize(clap.audio_projection(output).float(), dim=-1)


def read(clap, ids, mask):
    """Unit vector of each text: (prompts, tokens) numbers and mask → (prompts, width)."""
    output = clap.text_model(ids, mask).pooler_output
    return F.normalize(clap.text_projection(output).float(), dim=-1)


def train(folder, tokenizer, waves, captions, *, steps, batch=128, frames=624,
          learning_rate=0.0005, hide=0.0, disturb=False, mixup=0.0, seed=0,
          save_every=1000, fingerprint="", reader=None, **shape):
    """Small CLAP trained by contrast: a sound's own words against all others'.

    waves:     (scenes, samples) tensor, 16 kHz
    captions:  one list of true captions for each scene
    hide:      share of words hidden from the text tower, which must then not rely on any one
    disturb:   sounds are moved in time, made louder or quieter and partly hidden
    mixup:     share of batches whose sounds are added in pairs, their sentences in proportion
    shape:     keywords of build
    returns    ClapModel in eval mode

    Source: Section 3.3.  Notebook: 14_clap.
    """
    with training.seeded(seed):
        clap = build(len(tokenizer), reader=reader, **shape)
    place = training.device()
    sentences = contrast.Sentences(tokenizer, captions, place, hide)
    pool = waves.to(place, torch.float16)

    def draw(generator):
        pick = torch.randint(len(pool), (training.share(batch),), generator=generator, device=place)
        waves, share = classifier.mixed(pool[pick].float(), mixup, generator)
        sounds = mel.log_mel(waves)[..., :frames]
        sounds = classifier.disturbed(sounds, generator) if disturb else sounds
        return {"mel": sounds, "share": share, **sentences.draw(pick, generator)}

    def loss(now, step):
        sounds, words = hear(clap, now["mel"]), read(clap, now["ids"], now["mask"])
        scale = clap.logit_scale_a.exp().clamp(max=100)
        value = contrast.pair_loss(sounds, words, scale, now["group"], now["share"])
        return value, {"contrast": value}

    settings = {
        "steps": steps, "batch": batch, "frames": frames, "learning_rate": learning_rate,
        "hide": hide, "disturb": disturb, "mixup": mixup, "seed": seed,
        "reader": reader is not None, "vocabulary": len(tokenizer), "scenes": len(waves),
        "data": fingerprint, **shape}
    return contrast.train(folder, "clap", clap, batch=draw, loss=loss, settings=settings,
                          save_every=save_every, label="CLAP",
                          compiled=[clap.audio_model, clap.text_model])  # half the time


def text_half(clap):
    """The text half of a ClapModel, as a network of its own for the pipeline."""
    encoder = ClapTextModelWithProjection(clap.config.text_config)
    halves = ("text_model.", "text_projection.")
    encoder.load_state_dict({k: v for k, v in clap.state_dict().items() if k.startswith(halves)})
    return text.spelled(encoder.eval())
