"""Diffsound's published files in small or in full: their names, shapes and schedule, as their code
and settings (caps_text.yaml) describe them; nothing here comes from maa."""

import json
import string
from pathlib import Path

import by_formula
import numpy as np
import torch

GOLDEN = by_formula.GOLDEN / "diffsound.keys.json"
STEPS, ROWS, TOKENS, BANDS = 100, 5, 77, 80
BODY, READER, BOOK = "transformer.transformer.", "transformer.condition_emb.", "content_codec."
FULL = {
    "body": {"codes": 256, "columns": 53, "width": 1024, "layers": 19, "text_width": 512},
    "reader": {"vocabulary": 49_408, "width": 512, "layers": 12},
    "book": {"codes": 256, "widths": (128, 128, 256, 256, 512), "layers": 2, "code_width": 256},
    "voice": {"width": 32, "blocks": 3},
}
SMALL = {
    "body": {"codes": 6, "columns": 7, "width": 16, "layers": 2, "text_width": 12},
    "reader": {"vocabulary": 55, "width": 12, "layers": 2},
    "book": {"codes": 6, "widths": (8, 8, 16, 16, 32), "layers": 1, "code_width": 4},
    "voice": {"width": 4, "blocks": 2},
}
CODES, COLUMNS, HEADS, GROUPS = 6, 7, 2, 2  # of SMALL
SIZES = {  # the same for the importer
    "body": {"columns": 7, "width": 16, "heads": 2, "layers": 2, "text_width": 12},
    "reader": {"vocab_size": 55, "hidden_size": 12, "num_hidden_layers": 2,
               "num_attention_heads": 2, "intermediate_size": 48, "projection_dim": 12,
               "bos_token_id": 53, "eos_token_id": 54},
    "book": {"widths": (8, 8, 16, 16, 32), "layers": 1, "code_width": 4},
    "voice": {"width": 4, "blocks": 2},
}


def linear(name, wide, narrow):
    return {f"{name}.weight": (wide, narrow), f"{name}.bias": (wide,)}


def normed(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def conv(name, wide, narrow, size=3):
    return {f"{name}.weight": (wide, narrow, size, size), f"{name}.bias": (wide,)}


def body(codes, columns, width, layers, text_width):
    """The transformer: 19 blocks that look at themselves, at the text, and think."""
    found = {"content_emb.emb.weight": (codes + 1, width),
             "content_emb.height_emb.weight": (ROWS, width),
             "content_emb.width_emb.weight": (columns, width)}
    for at in (f"blocks.{number}" for number in range(layers)):
        for norm in ("ln1", "ln1_1"):
            found[f"{at}.{norm}.emb.weight"] = (STEPS, width)
            found |= linear(f"{at}.{norm}.linear", 2 * width, width)
        for kind, seen in (("attn1", width), ("attn2", text_width)):
            found |= linear(f"{at}.{kind}.key", width, seen)
            found |= linear(f"{at}.{kind}.query", width, width)
            found |= linear(f"{at}.{kind}.value", width, seen)
            found |= linear(f"{at}.{kind}.proj", width, width)
        found |= normed(f"{at}.ln2", width)
        found |= linear(f"{at}.mlp.0", 4 * width, width) | linear(f"{at}.mlp.2", width, 4 * width)
    return found | normed("to_logits.0", width) | linear("to_logits.1", codes, width)


def reader(vocabulary, width, layers):
    """The text half of OpenAI's CLIP."""
    found = {"positional_embedding": (TOKENS, width), "text_projection": (width, width),
             "token_embedding.weight": (vocabulary, width)}
    for at in (f"transformer.resblocks.{number}" for number in range(layers)):
        found |= {f"{at}.attn.in_proj_weight": (3 * width, width),
                  f"{at}.attn.in_proj_bias": (3 * width,)}
        found |= linear(f"{at}.attn.out_proj", width, width) | normed(f"{at}.ln_1", width)
        found |= linear(f"{at}.mlp.c_fc", 4 * width, width)
        found |= linear(f"{at}.mlp.c_proj", width, 4 * width) | normed(f"{at}.ln_2", width)
    return found | normed("ln_final", width)


def resnet(name, before, width):
    found = (normed(f"{name}.norm1", before) | conv(f"{name}.conv1", width, before)
             | normed(f"{name}.norm2", width) | conv(f"{name}.conv2", width, width))
    return found | (conv(f"{name}.nin_shortcut", width, before, 1) if before != width else {})


def attention(name, width):
    found = normed(f"{name}.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        found |= conv(f"{name}.{part}", width, width, 1)
    return found


def middle(name, width):
    return (resnet(f"{name}.block_1", width, width) | attention(f"{name}.attn_1", width)
            | resnet(f"{name}.block_2", width, width))


def book(codes, widths, layers, code_width):
    """The codebook: taming's autoencoder with attention where 848 frames have become 53."""
    first, last, deepest = widths[0], widths[-1], len(widths) - 1
    found = conv("encoder.conv_in", first, 1)
    before = first
    for level, width in enumerate(widths):
        for number in range(layers):
            found |= resnet(f"encoder.down.{level}.block.{number}", before, width)
            before = width
            if level == deepest:
                found |= attention(f"encoder.down.{level}.attn.{number}", width)
        if level != deepest:
            found |= conv(f"encoder.down.{level}.downsample.conv", width, width)
    found |= middle("encoder.mid", last) | normed("encoder.norm_out", last)
    found |= conv("encoder.conv_out", code_width, last) | conv("decoder.conv_in", last, code_width)
    found |= middle("decoder.mid", last)
    for level, width in reversed([*enumerate(widths)]):
        for number in range(layers + 1):
            found |= resnet(f"decoder.up.{level}.block.{number}", before, width)
            before = width
            if level == deepest:
                found |= attention(f"decoder.up.{level}.attn.{number}", width)
        if level:
            found |= conv(f"decoder.up.{level}.upsample.conv", width, width)
    found |= normed("decoder.norm_out", first) | conv("decoder.conv_out", 1, first)
    found["quantize.embedding.weight"] = (codes, code_width)
    return (found | conv("quant_conv", code_width, code_width, 1)
            | conv("post_quant_conv", code_width, code_width, 1))


def weight_norm(name, shape, outputs):
    return {f"{name}.weight_g": (shape[0], 1, 1), f"{name}.weight_v": shape,
            f"{name}.bias": (outputs,)}


def voice(width, blocks):
    """MelGAN's generator."""
    channels = 16 * width
    found, place = weight_norm("model.1", (channels, BANDS, 7), channels), 3
    for rate in (8, 8, 2, 2):
        found |= weight_norm(
            f"model.{place}", (channels, channels // 2, 2 * rate), channels // 2)
        channels //= 2
        for number in range(place + 1, place + 1 + blocks):
            for part, size in (("block.2", 3), ("block.4", 1), ("shortcut", 1)):
                found |= weight_norm(
                    f"model.{number}.{part}", (channels, channels, size), channels)
        place += blocks + 2
    return found | weight_norm(f"model.{place + 1}", (1, width, 7), 1)


def shapes(sizes):
    """{part: {name in the file: shape}} of the four networks."""
    found = {"checkpoint": {f"{BODY}{key}": shape for key, shape in body(**sizes["body"]).items()},
             "voice": voice(**sizes["voice"]), "book": book(**sizes["book"])}
    found["checkpoint"] |= {f"{READER}{key}": shape
                            for key, shape in reader(**sizes["reader"]).items()}
    return found


def schedule(codes):
    """The buffers of the noise: what is kept, replaced and masked after one step and in all."""
    kept = np.linspace(0.99999, 0.000009, STEPS)
    masked = np.linspace(0.000009, 0.9, STEPS)
    keeps = kept / np.concatenate([[1], kept[:-1]])
    masks = 1 - (1 - masked) / np.concatenate([[1], 1 - masked[:-1]])
    replaces = (1 - keeps - masks) / (codes + 1)
    kept, masked = np.append(kept, 1), np.append(masked, 0)
    replaced = (1 - kept - masked) / (codes + 1)
    with np.errstate(divide="ignore"):
        found = {"log_at": np.log(keeps), "log_bt": np.log(replaces), "log_ct": np.log(masks),
                 "log_cumprod_at": np.log(kept), "log_cumprod_bt": np.log(np.abs(replaced)),
                 "log_cumprod_ct": np.log(masked), "log_1_min_ct": np.log(1 - masks),
                 "log_1_min_cumprod_ct": np.log(1 - masked), "Lt_history": np.zeros(STEPS),
                 "Lt_count": np.ones(STEPS)}
    return {f"transformer.{name}": torch.tensor(value).float() for name, value in found.items()}


def order(columns):
    """The buffers that say in which order places are filled: column by column."""
    forward = torch.tensor([row * columns + column
                            for column in range(columns) for row in range(ROWS)])
    return {"first_stage_permuter.forward_shuffle_idx": forward,
            "first_stage_permuter.backward_shuffle_idx": forward.argsort()}


def weights(sizes):
    """{part: {name: tensor}}, the same on every machine; the checkpoint with all its buffers."""
    found = {part: {name: by_formula.tensor(name, shape) for name, shape in names.items()}
             for part, names in shapes(sizes).items()}
    found["checkpoint"] |= {f"{BOOK}{key}": value for key, value in found["book"].items()}
    found["checkpoint"] |= schedule(sizes["body"]["codes"]) | order(sizes["body"]["columns"])
    return found


def checkpoint(found, averaged=None):
    """What their training saves beside the weights."""
    told = {"last_epoch": 299, "last_iter": 115_199, "model": found,
            "clip_grad_norm": {"start_iteration": 0, "end_iteration": 5000, "max_norm": 0.5},
            "optimizer_and_scheduler": {"none": {"name": "none", "end_iteration": -1, "optimizer": {
                "module": {"state": {0: {"step": 9, "exp_avg": torch.ones(2)}}},
                "step_iteration": 1}}}}
    return told | ({} if averaged is None else {"ema": averaged})


def words(folder):
    """CLIP's two vocabulary files with letters alone: "!" is token 0, the marks are the last."""
    letters = ["!", *string.ascii_lowercase]
    vocabulary = [*letters, *(f"{one}</w>" for one in string.ascii_lowercase),
                  "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(
        json.dumps({word: number for number, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def write(place, found):
    """The files in a folder: diffsound.pth, best_netG.pt, last.ckpt of the codebook, clip/."""
    torch.save(checkpoint(found["checkpoint"]), place / "diffsound.pth")
    torch.save(found["voice"], place / "best_netG.pt")
    loss = {"loss.discriminator.main.0.weight": torch.ones(3), "loss.logvar": torch.zeros(1)}
    torch.save({"epoch": 1, "state_dict": found["book"] | loss}, place / "last.ckpt")
    words(place / "clip")
    return place


def page(seed=0, codes=CODES + 1):
    """Two pages in the order of the transformer, masks among the words."""
    return torch.randint(codes, (2, 5 * COLUMNS), generator=torch.Generator().manual_seed(seed))


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write_golden():
    """The full list, as one line a name."""
    lines = {part: {name: list(shape) for name, shape in names.items()}
             for part, names in shapes(FULL).items()}
    Path(GOLDEN).write_text(json.dumps(lines, separators=(",", ":")) + "\n")
