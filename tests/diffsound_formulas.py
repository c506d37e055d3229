"""Diffsound's published networks as formulas over the names of their files, in plain torch: what
the imported networks must give. Sizes are those of made_diffsound.SMALL."""

import math

import made_diffsound
import torch
from made_diffsound import BODY, CODES, COLUMNS, GROUPS, HEADS, READER
from torch.nn import functional as F


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(x):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def scaled_norm(w, name, x):
    return layer_norm(x) * w[f"{name}.weight"] + w[f"{name}.bias"]


def attend(query, key, value, heads, hidden=0.0):
    """Softmax of products over the square root of a head's width; `hidden` is added before."""
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = query @ key.mT / math.sqrt(query.shape[-1]) + hidden
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def guessed(w, tokens, text, t):
    """log chances of the clean words: (clips, codes, words)."""
    w = {name.removeprefix(BODY): value for name, value in w.items()}
    places = w["content_emb.height_emb.weight"][:, None] + w["content_emb.width_emb.weight"]
    x = w["content_emb.emb.weight"][tokens] + places.flatten(0, 1)
    for at in (f"blocks.{number}" for number in range(2)):
        for norm, kind in (("ln1", "attn1"), ("ln1_1", "attn2")):
            told = linear(w, f"{at}.{norm}.linear", F.silu(w[f"{at}.{norm}.emb.weight"][t]))
            scale, shift = told[:, None].chunk(2, -1)
            y = layer_norm(x) * (1 + scale) + shift
            seen = y if kind == "attn1" else text
            y = attend(linear(w, f"{at}.{kind}.query", y), linear(w, f"{at}.{kind}.key", seen),
                       linear(w, f"{at}.{kind}.value", seen), HEADS)
            x = x + linear(w, f"{at}.{kind}.proj", y)
        y = linear(w, f"{at}.mlp.0", scaled_norm(w, f"{at}.ln2", x))
        x = x + linear(w, f"{at}.mlp.2", y * torch.sigmoid(1.702 * y))
    return linear(w, "to_logits.1", scaled_norm(w, "to_logits.0", x)).log_softmax(-1).mT


def understood(w, ids):
    """Unit vectors of tokens that see only those before them: (prompts, 77, width)."""
    w = {name.removeprefix(READER): value for name, value in w.items()}
    x = w["token_embedding.weight"][ids] + w["positional_embedding"]
    future = torch.full((77, 77), -torch.inf).triu(1)
    for at in (f"transformer.resblocks.{number}" for number in range(2)):
        y = scaled_norm(w, f"{at}.ln_1", x)
        y = y @ w[f"{at}.attn.in_proj_weight"].T + w[f"{at}.attn.in_proj_bias"]
        x = x + linear(w, f"{at}.attn.out_proj", attend(*y.chunk(3, -1), HEADS, future))
        y = linear(w, f"{at}.mlp.c_fc", scaled_norm(w, f"{at}.ln_2", x))
        x = x + linear(w, f"{at}.mlp.c_proj", y * torch.sigmoid(1.702 * y))
    x = scaled_norm(w, "ln_final", x)
    return x / x.norm(dim=-1, keepdim=True)


def conv(w, name, x, **options):
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)


def group_norm(w, name, x):
    return F.group_norm(x, GROUPS, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-6)


def resnet(w, name, x):
    y = conv(w, f"{name}.conv1", F.silu(group_norm(w, f"{name}.norm1", x)), padding=1)
    y = conv(w, f"{name}.conv2", F.silu(group_norm(w, f"{name}.norm2", y)), padding=1)
    short = f"{name}.nin_shortcut"
    return y + (conv(w, short, x) if f"{short}.weight" in w else x)


def looked(w, name, x):
    """Attention of all places to all, with one head."""
    y = group_norm(w, f"{name}.norm", x)
    query, key, value = (conv(w, f"{name}.{part}", y).flatten(2).mT for part in "qkv")
    found = attend(query, key, value, 1).mT.unflatten(2, x.shape[2:])
    return x + conv(w, f"{name}.proj_out", found)


def middle(w, name, x):
    x = looked(w, f"{name}.attn_1", resnet(w, f"{name}.block_1", x))
    return resnet(w, f"{name}.block_2", x)


def written(w, mels):
    """Numbers of the codes of mels in -1 … 1: (clips, 5 · columns)."""
    x = conv(w, "encoder.conv_in", mels, padding=1)
    for level in range(5):
        x = resnet(w, f"encoder.down.{level}.block.0", x)
        if level == 4:
            x = looked(w, "encoder.down.4.attn.0", x)
        else:
            x = conv(w, f"encoder.down.{level}.downsample.conv", F.pad(x, (0, 1, 0, 1)), stride=2)
    x = F.silu(group_norm(w, "encoder.norm_out", middle(w, "encoder.mid", x)))
    x = conv(w, "quant_conv", conv(w, "encoder.conv_out", x, padding=1)).flatten(2).mT
    return (x[:, :, None] - w["quantize.embedding.weight"]).square().sum(-1).argmin(-1)


def spoken(w, tokens):
    """Mels in -1 … 1 of pages in the codebook's order."""
    x = w["quantize.embedding.weight"][tokens].mT.unflatten(2, (5, COLUMNS))
    x = conv(w, "decoder.conv_in", conv(w, "post_quant_conv", x), padding=1)
    x = middle(w, "decoder.mid", x)
    for level in (4, 3, 2, 1, 0):
        for number in range(2):
            x = resnet(w, f"decoder.up.{level}.block.{number}", x)
            if level == 4:
                x = looked(w, f"decoder.up.4.attn.{number}", x)
        if level:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = conv(w, f"decoder.up.{level}.upsample.conv", x, padding=1)
    return conv(w, "decoder.conv_out", F.silu(group_norm(w, "decoder.norm_out", x)), padding=1)


def sung(w, mels):
    """MelGAN's wave of mels in 0 … 1: (clips, 80, frames) → (clips, 256 · frames)."""
    def filters(name):
        direction = w[f"{name}.weight_v"]
        length = direction.square().sum((1, 2), keepdim=True).sqrt()
        return w[f"{name}.weight_g"] * direction / length

    def layer(name, x, edge=0, spacing=1):
        x = F.pad(x, (edge, edge), mode="reflect") if edge else x
        return F.conv1d(x, filters(name), w[f"{name}.bias"], dilation=spacing)

    x, number = layer("model.1", mels, 3), 3
    for rate in (8, 8, 2, 2):
        x = F.conv_transpose1d(F.leaky_relu(x, 0.2), filters(f"model.{number}"),
                               w[f"model.{number}.bias"], rate, padding=rate // 2)
        for block, spacing in ((number + 1, 1), (number + 2, 3)):
            y = layer(f"model.{block}.block.2", F.leaky_relu(x, 0.2), spacing, spacing)
            y = layer(f"model.{block}.block.4", F.leaky_relu(y, 0.2))
            x = y + layer(f"model.{block}.shortcut", x)
        number += 4
    return layer(f"model.{number + 1}", F.leaky_relu(x, 0.2), 3).tanh()[:, 0]


def before(chance, tokens, t):
    """Chances of each word one step earlier, by Bayes' rule over matrices: (codes + 1, words).

    chance:   (codes, words) of the clean page; sums to 1 or less
    """
    told = made_diffsound.schedule(CODES)

    def matrix(kind, at):
        keep, replace, mask = (told[f"transformer.log_{kind}{part}t"][at].double().exp()
                               for part in "abc")
        found = torch.full((CODES + 1, CODES + 1), replace.item(), dtype=torch.double)
        found += keep * torch.eye(CODES + 1)
        found[:, CODES], found[CODES] = mask, 0
        found[CODES, CODES] = 1
        return found  # row: from, column: to

    step, whole, shorter = matrix("", t), matrix("cumprod_", t), matrix("cumprod_", t - 1)
    found = torch.zeros(CODES + 1, len(tokens), dtype=torch.double)
    for place, now in enumerate(tokens):
        share = chance[:, place].double() / whole[:CODES, now]
        found[:, place] = (share @ shorter[:CODES]) * step[:, now]
    return found / found.sum(0)
