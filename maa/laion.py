"""LAION's own CLAP checkpoints for transformers' ClapModel, and sounds prepared as LAION does.

LAION's network and ClapModel are the same: RoBERTa reads, HTSAT listens, two layers each lead into
the common space. Only the names of the weights differ, and query, key and value lie in one.

Conventions: waves (clips, samples) at 48 kHz; a checkpoint is a .pt file, untrusted until read.
Source: Section 3.3. Differs: the release conditions on Microsoft's CLAP of 2022, another network.
Notebook: none.
"""

import contextlib
import sys
from unittest import mock

import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerBase

from maa import files, folders, untrusted
from maa.errors import MaaError

RATE = 48_000
LONGEST = 10 * RATE  # samples
DEPTHS = {96: (2, 2, 6, 2), 128: (2, 2, 12, 2), 256: (2, 2, 12, 2)}  # HTSAT tiny, base, large
RENAMED = {  # ClapModel's word: LAION's
    "text_model.": "text_branch.",
    "audio_model.audio_encoder.": "audio_branch.",
    "_projection.linear1.": "_projection.0.",
    "_projection.linear2.": "_projection.2.",
}
HEARING = {  # in audio_model alone: some of these words mean something else in text_model
    ".batch_norm.": ".bn0.",
    ".layernorm_before.": ".norm1.",
    ".layernorm_after.": ".norm2.",
    ".attention.output.dense.": ".attn.proj.",
    ".attention.self.": ".attn.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
}
DROPPED = "|".join((  # what a checkpoint holds and ClapModel has no place for
    r"text_branch\.embeddings\.(position_ids|token_type_ids)",  # counted anew
    r"audio_branch\.layers\.\d+\.blocks\.\d+\.attn_mask",  # follows from the size of the windows
    r"audio_branch\.spectrogram_extractor\.stft\.conv_(real|imag)\.weight",  # sines and cosines
    r"audio_branch\.logmel_extractor\.melW",  # compared with those of features()
    r"audio_branch\.(tscam_conv|head)\.(weight|bias)",  # names AudioSet's classes
    r"(text|audio)_transform\.sequential\.\d+\.(weight|bias)",  # of the training loss alone
))
WORDS = "text_branch.embeddings.word_embeddings.weight"
PLACES = "text_branch.embeddings.position_embeddings.weight"
PATCHES = "audio_branch.patch_embed.proj.bias"
FUSION = "audio_branch.patch_embed.mel_conv2d.weight"  # only where long sounds are fused
FILTERS = "audio_branch.logmel_extractor.melW"
OWN = {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}


def import_checkpoint(path, folder, *, text_layers=12):
    """Turn a LAION-CLAP checkpoint into a folder for ClapModel and ClapFeatureExtractor.

    path:         .pt file, as LAION publishes it; no code in it is run
    folder:       a new one; gets weights, both configurations, source.json (what is returned) and
                  hashes.json. RoBERTa's tokenizer is not in the file: put it beside them
    text_layers:  of RoBERTa, 12 in every published checkpoint
    returns       names and hashes of file and result, as folders.record

    Raises MaaError K-EXISTS, F-ACCESS, or as untrusted.named and convert(); nothing is left then.
    """
    with folders.new(folder) as made:
        clap = convert(untrusted.named(path), text_layers=text_layers, source=path)
        clap.save_pretrained(made)
        extractor(clap).save_pretrained(made)
        told = folders.record(made, [path], "model.safetensors")
        files.write_hashes(made)
    return told


def convert(weights, *, text_layers=12, source="LAION-CLAP"):
    """ClapModel in eval mode with the weights of a LAION network; every one is used or in DROPPED.

    weights:      {LAION's name: tensor}: RoBERTa-base, and HTSAT tiny, base or large, fused or not
    text_layers:  of RoBERTa, 12 in every published checkpoint
    source:       the name of their file, for errors

    Raises MaaError as untrusted.fit, K-SHAPE for mel filters that features() does not have.
    """
    untrusted.refuse("K-KEYS", "are missing", {WORDS, PLACES, PATCHES} - weights.keys(), source)
    clap = build(weights, text_layers)
    filters = torch.from_numpy(extractor(clap).mel_filters_slaney).float()
    theirs = weights.get(FILTERS, filters).float()
    if theirs.shape != filters.shape or not torch.allclose(theirs, filters, atol=1e-5):
        untrusted.refuse("K-SHAPE", "are not the mel filters of features()", [FILTERS], source)
    own = {original(name): clap.state_dict()[name] for name in OWN}
    untrusted.fit(clap, separate(weights) | own, original, DROPPED, source)
    return clap


def build(weights, text_layers):
    """ClapModel at random, of the sizes that LAION's weights have."""
    width = weights[PATCHES].numel()
    if width not in DEPTHS:
        raise MaaError("K-SHAPE", f"{PATCHES} has {width} values, expected one of "
                                  f"{[*DEPTHS]} (HTSAT tiny, base, large); is it another network?")
    words, places = (max(2, weights[key].numel() // 768) for key in (WORDS, PLACES))
    return ClapModel(ClapConfig(
        projection_dim=512,
        text_config={  # RoBERTa's own epsilon; ClapConfig would take 1e-12
            "vocab_size": words, "max_position_embeddings": places,
            "num_hidden_layers": text_layers, "layer_norm_eps": 1e-5},
        audio_config={
            "patch_embeds_hidden_size": width, "hidden_size": 8 * width,
            "depths": list(DEPTHS[width]), "num_attention_heads": [4, 8, 16, 32],
            "enable_fusion": FUSION in weights}))


def separate(weights):
    """Weights by LAION's names, but query, key and value of attention apart."""
    found = {key: value for key, value in weights.items() if ".qkv." not in key}
    for key in weights.keys() - found.keys():
        names = [key.replace("qkv", word) for word in ("query", "key", "value")]
        found |= zip(names, torch.atleast_1d(weights[key]).chunk(3))
    return found


def original(name):
    """LAION's name of one of ClapModel's weights, where separate() has parted them."""
    words = RENAMED | HEARING if name.startswith("audio_model.") else RENAMED
    for ours, theirs in words.items():
        name = name.replace(ours, theirs)
    return name


def extractor(clap):
    """ClapFeatureExtractor with LAION's settings; its own lowest frequency would be 0 Hz."""
    fused = clap.config.audio_config.enable_fusion
    return ClapFeatureExtractor(frequency_min=50, truncation="fusion" if fused else "rand_trunc")


def features(waves, clap):
    """What LAION's network is given of each sound, for clap.get_audio_features(**features).

    waves:    (clips, samples) at 48 kHz, 10 s at most; shorter ones are repeated, then padded
    clap:     ClapModel of import_checkpoint()
    returns   {"input_features": (clips, 1, 1001, 64) in dB, or 4 equal ones where long sounds are
              fused; "is_longer": (clips, 1), False}

    Raises ValueError if the waves have another shape or last longer.
    Differs: LAION's reader of files first rounds waves to 16 bits.
    """
    if waves.ndim != 2 or not 0 < waves.shape[1] <= LONGEST:
        raise ValueError(
            f"waves have shape {tuple(waves.shape)}, expected (clips, 1 … {LONGEST} samples); "
            f"are they longer than 10 s, of which LAION would take a part at random?")
    found = extractor(clap)(list(waves.cpu().numpy()), sampling_rate=RATE, return_tensors="pt")
    return {"input_features": found["input_features"].float().to(waves.device),
            "is_longer": torch.zeros(len(waves), 1, dtype=torch.bool, device=waves.device)}


@contextlib.contextmanager
def quiet_import():
    """Inside it, `import laion_clap` asks no model hub; outside, it does, and hangs when offline.

    The package wants three tokenizers at import. Here they are None: without a hub transformers
    would make empty ones, for which all captions are the same.
    """
    asked = mock.patch.object(PreTrainedTokenizerBase, "from_pretrained", return_value=None)
    with asked, mock.patch.object(sys, "path", [*sys.path]):  # the package adds its own folder
        yield
