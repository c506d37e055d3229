"""Diffsound's published files as a folder for maa.published_diffsound.

    maa import-diffsound diffsound_audiocaps.pth best_netG.pt -o results/paper/diffsound

One file holds three networks: the transformer, the text half of CLIP and, unless somebody took it
out, the codebook. Names change on the way; the two halves of each shift and scale change places,
CLIP's joint keys, queries and values come apart, and places in a column are filled up to a square.
Every weight is used, known to be droppable, or refused.

Conventions: files are untrusted until read (maa.untrusted); a folder is whole or not there.
Source: github.com/yangdongchao/Text-to-sound-Synthesis, VQ-Diffusion, SpecVQGAN. As there, averaged
    weights ("ema") replace the others where a file has both.
Notebook: none.
"""

import re
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from maa import codebook, files, folders, melgan, published_diffsound, release, text, untrusted
from maa.errors import MaaError

BOOK, READER, BODY = "content_codec.", "transformer.condition_emb.", "transformer.transformer."
AVERAGED = "transformer."  # what the names of averaged weights are short of
VECTORS = "quantize.embedding.weight"
LARGEST = 4096  # codes; theirs are 128 … 2048
CODEBOOK_DROPPED = r"loss\..*|colorize"  # of its training alone
READER_DROPPED = "text_projection"  # of whole sentences, which are not compared here
SCHEDULE = ("log_at", "log_bt", "log_ct", "log_cumprod_at", "log_cumprod_bt", "log_cumprod_ct")
DERIVED = {f"{AVERAGED}{name}" for name in (
    "log_1_min_ct", "log_1_min_cumprod_ct", "Lt_history", "Lt_count")}
ORDER = {f"first_stage_permuter.{way}_shuffle_idx" for way in ("forward", "backward")}
BLOCK = {"norm1.": "ln1.", "norm2.": "ln1_1.", "norm3.": "ln2.", ".to_q.": ".query.",
         ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj.", "ff.net.0.proj.": "mlp.0.",
         "ff.net.2.": "mlp.2.", "transformer_blocks.": "blocks.",
         "latent_image_embedding.": "content_emb."}
LAYER = {"layer_norm": "ln_", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "self_attn": "attn",
         "encoder.layers.": "transformer.resblocks."}


def import_diffsound(checkpoint, voice, folder, *, book=None,
                     tokenizer="openai/clip-vit-base-patch32", fetch=False, sizes=None):
    """Turn the authors' files into a folder for published_diffsound.load.

    checkpoint:  diffsound_audiocaps.pth or another of theirs
    voice:       best_netG.pt, MelGAN's weights
    folder:      a new one; gets the networks, source.json (what is returned) and hashes.json
    book:        last.ckpt of a codebook, for a checkpoint without one
    tokenizer:   CLIP's, which is in none of the files: its name, or the folder of vocab.json
    fetch:       True asks a model hub for the tokenizer; nothing is fetched unasked
    sizes:       {"body", "reader", "book", "voice": keywords of their makers} for other sizes
    returns      {"files": {name: SHA-256}, "result": SHA-256 of hashes.json}

    Raises MaaError K-…, in one line, and leaves nothing behind then.
    Source: Table 1; Yang et al. 2022.  Notebook: none.
    """
    sources = [Path(path) for path in (checkpoint, voice, book) if path is not None]
    sizes = {"body": {}, "reader": {}, "book": {}, "voice": {}} | (sizes or {})
    with folders.new(Path(folder)) as made:
        vocoder = melgan.MelGan(**sizes["voice"])
        found = release.folded(untrusted.named(sources[1]))
        untrusted.fit(vocoder, found, str, "", sources[1])
        reader = CLIPTextModel(CLIPTextConfig(**sizes["reader"]))
        words = load_tokenizer(tokenizer, fetch, reader.config.vocab_size)
        vq, body = read_networks(sources[0], book, reader, sizes)
        published_diffsound.save(
            published_diffsound.System(vq, body, reader, words, vocoder), made)
        files.write_hashes(made)
        return folders.record(made, sources, files.HASHES)


def read_networks(path, book, reader, sizes):
    """(codebook, transformer) with the weights of a checkpoint; `reader` gets its own."""
    found = read_weights(path)
    parts = {kind: {key: found.pop(key) for key in [*found] if key.startswith(kind)}
             for kind in (BOOK, READER, BODY)}
    if parts[BOOK] and book is not None:
        raise MaaError("K-KEYS", f"{path.name!r} has a codebook of its own, expected none beside "
                                 f"another; leave --codebook out")
    if parts[BOOK] or book is None:
        vq = read_codebook(parts[BOOK], BOOK, sizes["book"], path)
    else:
        vq = read_codebook(untrusted.named(book), "", sizes["book"], book)
    codes = rows(parts[BODY], f"{BODY}content_emb.emb.weight", 257) - 1
    body = published_diffsound.build_transformer(**{"codes": codes} | sizes["body"])
    columns = body.config.sample_size
    known = len(vq.quantize.embedding.weight)
    untrusted.fit(body, turned(parts[BODY], columns), of_body, "", path)
    untrusted.fit(reader, parted(parts[READER]), of_reader, re.escape(READER) + READER_DROPPED,
                  path)
    check_rest(found, codes, columns, path)
    if not known <= codes <= known + 1:  # some of their settings count one code too many
        raise MaaError("K-SHAPE", f"the transformer of {path.name!r} fills in {codes} codes, "
                                  f"expected the {known} of its codebook; is it of another?")
    return vq, body


def read_weights(path):
    """{name: tensor} of a checkpoint, averaged where it has averages.

    Raises MaaError as untrusted.named.
    """
    content = untrusted.read(path)
    found = untrusted.weights(content, under=("model",))
    averaged = untrusted.weights(content.get("ema", {}), under=()) if found else None
    if averaged is None:
        raise MaaError("K-KEYS", f"{str(path)!r} holds no weights; is it another program's file?")
    found |= {f"{AVERAGED}{key}": value for key, value in averaged.items()}
    untrusted.refuse("K-KEYS", "are no named tensors", untrusted.unnamed(found), path)
    return found


def read_codebook(found, prefix, sizes, path):
    """The codebook in a file, its names after `prefix`, in eval mode."""
    codes = rows(found, prefix + VECTORS, 256)
    vq = published_diffsound.build_codebook(**{"codes": codes} | sizes)
    levels = len(vq.config.block_out_channels)
    untrusted.fit(vq, found, lambda name: prefix + release.of_vae(name, levels),
                  f"{re.escape(prefix)}({CODEBOOK_DROPPED})", path)
    return vq


def rows(found, key, default):
    """Rows of a matrix, if it is there and its size is plausible, else the default."""
    value = found.get(key)
    fits = torch.is_tensor(value) and value.dim() == 2 and 1 < len(value) <= LARGEST
    return len(value) if fits else default


def check_rest(found, codes, columns, path):
    """Refuse other noise, another order of places, and names that nothing here goes by."""
    scheduler = published_diffsound.schedule(codes)
    expected = {f"{AVERAGED}{name}": getattr(scheduler, name) for name in SCHEDULE}
    order = torch.arange(codebook.ROWS * columns).view(codebook.ROWS, columns).T.flatten()
    places = dict(zip(sorted(ORDER), (order.argsort(), order)))
    untrusted.refuse("K-KEYS", "are unknown",
                     found.keys() - expected.keys() - DERIVED - ORDER, path)
    untrusted.refuse("K-VALUE", "belong to another noise schedule", [
        key for key, value in expected.items() if key in found and not (
            found[key].shape == value.shape
            and torch.allclose(found[key].float(), value, rtol=0, atol=1e-3))], path)
    untrusted.refuse("K-VALUE", "put the places of a page in another order", [
        key for key, value in places.items()
        if key in found and not torch.equal(found[key].long(), value)], path)


def turned(found, columns):
    """Their transformer's weights in diffusers' arrangement: shift before scale, square places."""
    result = dict(found)
    for key, value in found.items():
        if re.search(r"\.ln1(_1)?\.linear\.", key) and value.dim():
            result[key] = torch.cat(value.chunk(2)[::-1])
        elif key.endswith("height_emb.weight") and value.shape[:1] == (codebook.ROWS,):
            result[key] = F.pad(value, (0, 0) * (value.dim() - 1) + (0, columns - codebook.ROWS))
    return result


def parted(found):
    """CLIP's weights with queries, keys and values apart."""
    result = dict(found)
    for key in [key for key in found if re.search(r"\.in_proj_(weight|bias)$", key)]:
        if found[key].dim() and len(found[key]) % 3 == 0:
            result |= dict(zip((f"{key}.{part}" for part in "qkv"), result.pop(key).chunk(3)))
    return result


def of_body(name):
    """Their name of one of Transformer2DModel's weights."""
    name = re.sub(r"^norm_out\.", "to_logits.0.", re.sub(r"^out\.", "to_logits.1.", name))
    for ours, theirs in BLOCK.items():
        name = name.replace(ours, theirs)
    return BODY + name


def of_reader(name):
    """OpenAI's name of one of CLIPTextModel's weights."""
    name = re.sub(r"([qkv])_proj\.(weight|bias)", r"in_proj_\2.\1", name)
    name = name.replace("final_layer_norm", "ln_final").replace("embeddings.", "")
    name = name.replace("position_embedding.weight", "positional_embedding")
    for ours, theirs in LAYER.items():
        name = name.replace(ours, theirs)
    return READER + name


def load_tokenizer(where, fetch, vocabulary):
    """CLIP's tokenizer, by name or from a folder, of as many tokens as its network knows."""
    place = Path(where) if Path(where).is_dir() else str(where)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(place, local_files_only=not fetch)
        text.check_tokenizer(tokenizer)
        if len(tokenizer) != vocabulary:
            raise ValueError(f"{len(tokenizer)} tokens, expected {vocabulary}")
    except (OSError, ValueError) as fault:
        raise MaaError("K-MISSING", (
            f"no tokenizer of CLIP at {str(where)!r}; give --tokenizer the folder of its "
            f"vocab.json and merges.txt, or --fetch to ask a model hub")) from fault
    return tokenizer
