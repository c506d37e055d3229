"""CLIP: one space for pictures and sentences. Its text half is one of the paper's four encoders.

Conventions: pictures (pictures, 3, size, size) in 0 … 1; embeddings are unit vectors (rows, width).
Source: Sections 3.3 and 4.3.  Notebook: 15_clip.
"""

import torch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTextModel

from maa import classifier, contrast, text, training


def build(vocabulary, *, width=144, text_layers=2, size=64, patch=8, picture_width=128,
          picture_layers=3):
    """Untrained small CLIP: a transformer that reads, a vision transformer that looks.

    width:   of the text half and of the shared space
    size:    side of the pictures; patch: of the squares that are read as one
    """
    return CLIPModel(CLIPConfig(
        projection_dim=width,
        text_config={
            "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 3 * width,
            "num_hidden_layers": text_layers, "num_attention_heads": 4, "projection_dim": width,
            "max_position_embeddings": text.TOKENS, "pad_token_id": text.PAD,
            "bos_token_id": text.START, "eos_token_id": text.END},
        vision_config={
            "hidden_size": picture_width, "intermediate_size": 3 * picture_width,
            "num_hidden_layers": picture_layers, "num_attention_heads": 4,
            "image_size": size, "patch_size": patch, "projection_dim": width}))


def look(clip, pictures):
    """Unit vector of each picture: (pictures, 3, size, size) in 0 … 1 → (pictures, width)."""
    output = clip.vision_model(pixel_values=2 * pictures - 1).pooler_output
    return F.normalize(clip.visual_projection(output).float(), dim=-1)


def read(clip, ids, mask):
    """Unit vector of each text, as maa.clap.read."""
    output = clip.text_model(input_ids=ids, attention_mask=mask).pooler_output
    return F.normalize(clip.text_projection(output).float(), dim=-1)


def train(folder, tokenizer, pictures, captions, *, steps, batch=128, learning_rate=0.0005,
          hide=0.0, seed=0, save_every=1000, fingerprint="", **shape):
    """Small CLIP trained by contrast: a picture's own words against all others'.

    pictures:  (pictures, 3, size, size) tensor in 0 … 1; where several processes train together,
               this one's share, as of captions
    captions:  one list of true captions for each picture
    shape:     keywords of build
    returns    CLIPModel in eval mode

    Source: Section 3.3, Section 4.3.  Notebook: 15_clip.
    """
    with training.seeded(seed):
        clip = build(len(tokenizer), size=pictures.shape[-1], **shape)
    place = training.device()
    sentences, pool = contrast.Sentences(tokenizer, captions, place, hide), pictures.to(place)

    def draw(generator):
        pick = torch.randint(len(pool), (training.share(batch),), generator=generator, device=place)
        return {"picture": moved(pool[pick], generator), **sentences.draw(pick, generator)}

    def loss(now, step):
        seen, words = look(clip, now["picture"]), read(clip, now["ids"], now["mask"])
        scale = clip.logit_scale.exp().clamp(max=100)
        value = contrast.pair_loss(seen, words, scale, now["group"])
        return value, {"contrast": value}

    settings = {
        "steps": steps, "batch": batch, "learning_rate": learning_rate, "hide": hide, "seed": seed,
        "vocabulary": len(tokenizer), "pictures": len(pictures), "data": fingerprint, **shape}
    return contrast.train(folder, "clip", clip, batch=draw, loss=loss, settings=settings,
                          save_every=save_every, label="CLIP")


@torch.inference_mode()
def likeness(clip, tokenizer, pictures, sentences):
    """Cosine of each picture with each sentence: (pictures, sentences), on the CPU.

    pictures:   (pictures, 3, size, size) in 0 … 1
    sentences:  list of strings

    Source: Section 3.3.  Notebook: 15_clip.
    """
    seen = classifier.apply(lambda part: look(clip, part), pictures)
    said = read(clip, *(x.to(clip.device) for x in text.tokenize(tokenizer, list(sentences))))
    return seen @ said.cpu().T


def moved(pictures, generator):
    """Pictures mirrored or not and moved by up to an eighth, each in its own way."""
    count, _, height, width = pictures.shape
    place = pictures.device

    def shifted(size, mirrored):
        most = size // 8
        by = torch.randint(-most, most + 1, (count, 1), generator=generator, device=place)
        at = (torch.arange(size, device=place) + by).clamp(0, size - 1)
        flip = torch.rand(count, 1, generator=generator, device=place) < mirrored
        return torch.where(flip, at.flip(1), at)

    rows, columns = shifted(height, 0.0), shifted(width, 0.5)
    which = torch.arange(count, device=place)[:, None, None]
    colours = pictures.permute(0, 2, 3, 1)  # (pictures, size, size, 3)
    return colours[which, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def text_half(clip):
    """The text half of a CLIPModel, as a network of its own for the pipeline."""
    encoder = CLIPTextModel(clip.config.text_config)
    encoder.load_state_dict(clip.text_model.state_dict())
    return text.spelled(encoder.eval())
