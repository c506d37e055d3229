"""The authors' released files as a MakeAnAudioPipeline that gives the numbers of their own code.

    maa import-release maa1_full.ckpt best_netG.pt args.yml -o results/paper/release

The networks are diffusers' and transformers' own, but for the text tower (maa.msclap) and the
vocoder (maa.bigvgan): only names change on the way, and every weight in the files is used, known to
be droppable, or refused.

Conventions: files are untrusted until read (maa.untrusted); a folder is whole or not there.
Source: the release, commit 0d84177. Differs: weights are all loaded, where the release leaves out
    its CLAP; sounds have the length that was asked for (padded() gives theirs).
Notebook: none.
"""

import re
from pathlib import Path

import torch
import yaml
from torch.nn import functional as F
from transformers import BertConfig, BertTokenizer

from maa import (autoencoder, bigvgan, diffusion, files, folders, mel, msclap, pipeline, text,
                 untrusted)
from maa.errors import MaaError

UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT, SCALE = "cond_stage_model.caption_encoder.", "scale_factor"
SCHEDULE = ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod",
            "sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod",
            "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
            "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2")
VOICE = {  # settings of args.yml: words they go by, and what BigVgan is made for
    "bands": (("num_mels", "audio_num_mel_bins"), mel.BANDS),
    "sample rate": (("sampling_rate", "audio_sample_rate"), mel.RATE),
    "hop": (("hop_size",), mel.HOP),
    "residual block": (("resblock",), "1"),
    "bend": (("activation",), "snakebeta"),
    "logarithms": (("snake_logscale",), True),
}
SHAPE = {"width": "upsample_initial_channel", "rates": "upsample_rates",
         "kernels": "upsample_kernel_sizes", "blocks": "resblock_kernel_sizes"}
LARGEST = 1_000_000  # bytes of args.yml
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
          "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
OUTSIDE = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
           "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2"}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def import_release(checkpoint, voice, arguments, folder, *, tokenizer="bert-base-uncased",
                   fetch=False, sizes=None):
    """Turn the authors' files into a folder for MakeAnAudioPipeline.from_pretrained.

    checkpoint:  maa1_full.ckpt: U-Net, autoencoder, text tower and scale of latents
    voice:       best_netG.pt, BigVGAN's weights
    arguments:   args.yml, BigVGAN's shape
    folder:      a new one; gets the pipeline, source.json (what is returned) and hashes.json
    tokenizer:   BERT's, which is in none of the files: its name, or the folder of vocab.txt
    fetch:       True asks a model hub for the tokenizer; nothing is fetched unasked
    sizes:       {"unet", "vae", "text": keywords of their makers} for networks of another size
    returns      {"files": {name: SHA-256}, "result": SHA-256 of hashes.json}

    Raises MaaError K-…, in one line, and leaves nothing behind then.
    Source: the release.  Notebook: none.
    """
    sources = [Path(checkpoint), Path(voice), Path(arguments)]
    with folders.new(Path(folder)) as made:
        shape = voice_shape(sources[2])
        words = load_tokenizer(tokenizer, fetch)
        vocoder = read_voice(sources[1], shape)
        pipe = pipeline.MakeAnAudioPipeline(
            **read_networks(sources[0], sizes or {}), tokenizer=words, vocoder=vocoder,
            scheduler=diffusion.ddim())
        pipe.save_pretrained(made)
        return folders.record(made, sources, files.HASHES)


def read_networks(path, sizes):
    """{"unet", "vae", "text_encoder"} with the weights of maa1_full.ckpt, in eval mode."""
    found = untrusted.named(path)
    parts = {kind: {key: found.pop(key) for key in [*found] if key.startswith(kind)}
             for kind in (UNET, VAE, TEXT)}
    check_schedule(found, path)
    unet = diffusion.build_unet(**sizes.get("unet", {}))
    vae = autoencoder.build(**sizes.get("vae", {}))
    reader = msclap.MsClapText(BertConfig(**sizes.get("text", {})))
    layers = unet.config.layers_per_block + 1
    levels = len(vae.config.block_out_channels)
    untrusted.fit(unet, parts[UNET], lambda name: UNET + of_unet(name, layers), "", path)
    untrusted.fit(vae, parts[VAE], lambda name: VAE + of_vae(name, levels), "", path)
    untrusted.fit(reader, parts[TEXT], lambda name: TEXT + name, msclap.DROPPED, path)
    vae.register_to_config(scaling_factor=float(found[SCALE]))
    return {"unet": unet, "vae": vae, "text_encoder": reader}


def check_schedule(found, path):
    """Refuse a file without its scale of latents, with another noise schedule, or unknown names."""
    untrusted.refuse("K-KEYS", "are unknown", found.keys() - {SCALE, *SCHEDULE}, path)
    untrusted.refuse("K-KEYS", "are missing", {SCALE} - found.keys(), path)
    if found[SCALE].numel() != 1 or not 0 < float(found[SCALE]) < torch.inf:
        raise MaaError("K-NAN", f"{SCALE} is {found[SCALE].tolist()} in {path.name!r}, expected "
                                f"one number above 0; was its training broken off?")
    theirs, ours = found.get("alphas_cumprod"), diffusion.noise_schedule()
    if theirs is not None and (
            theirs.shape != ours.shape or not torch.allclose(theirs.float(), ours, atol=1e-5)):
        raise MaaError("K-SHAPE", f"alphas_cumprod in {path.name!r} is another noise schedule than "
                                  f"the paper's of 1000 steps; was it trained with another?")


def of_unet(name, layers):
    """The release's name of one of UNet2DConditionModel's weights; `layers`: blocks of a level."""
    for ours, theirs in OUTSIDE.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    side, rest = name.split("_block", 1)
    if side == "mid":
        block, rest = re.fullmatch(r"\.(resnets\.\d+|attentions\.0)\.(.*)", rest).groups()
        place = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}[block]
        return f"middle_block.{place}.{of_resnet(rest) if 'resnets' in block else rest}"
    level, block, number, rest = re.fullmatch(r"s\.(\d+)\.(\w+)\.(\d+)\.(.*)", rest).groups()
    first = int(level) * layers
    if block == "downsamplers":
        return f"input_blocks.{first + layers}.0.{rest.replace('conv', 'op')}"
    if block == "upsamplers":
        return f"output_blocks.{first + layers - 1}.2.{rest}"
    place = f"input_blocks.{first + int(number) + 1}" if side == "down" else (
        f"output_blocks.{first + int(number)}")
    return f"{place}.0.{of_resnet(rest)}" if block == "resnets" else f"{place}.1.{rest}"


def of_resnet(rest):
    part, leaf = rest.rsplit(".", 1)
    return f"{RESNET[part]}.{leaf}"


def of_vae(name, levels):
    """The release's name of one of AutoencoderKL's weights; its decoder counts levels downwards."""
    name = re.sub(r"mid_block\.(resnets|attentions)\.(\d)", lambda m: (
        f"mid.{'block' if m[1] == 'resnets' else 'attn'}_{int(m[2]) + 1}"), name)
    name = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{levels - 1 - int(m[1])}", name)
    name = name.replace("resnets", "block").replace("attentions", "attn")
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"(down|up)samplers\.0", r"\1sample", name)
    if "attn" in name:
        for ours, theirs in ATTENTION.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    return name


def voice_shape(path):
    """Keywords of BigVgan from args.yml.

    Raises MaaError K-MISSING, K-FORMAT (no settings), K-VALUE (made for other sounds).
    """
    if not path.is_file():
        raise MaaError("K-MISSING", f"{str(path)!r} is no file; was it downloaded?")
    try:
        content = path.read_bytes()[:LARGEST + 1]
        told = yaml.safe_load(content.decode()) if len(content) <= LARGEST else None
    except (ValueError, yaml.YAMLError):
        told = None
    if not isinstance(told, dict) or (left := sorted({*SHAPE.values()} - told.keys())):
        without = f" without {', '.join(left)}" if isinstance(told, dict) else ""
        raise MaaError("K-FORMAT", f"{str(path)!r} holds no settings of BigVGAN{without}; is it "
                                   f"another file, or a web page?")
    for what, (words, wanted) in VOICE.items():
        for value in (told[word] for word in words if word in told):
            if str(value) != str(wanted):
                raise MaaError("K-VALUE", f"{what} is {value!r} in {path.name!r}, expected "
                                          f"{wanted!r}; is it of another vocoder?")
    spacing = told.get("resblock_dilation_sizes", [[1, 3, 5]])
    return {ours: told[theirs] for ours, theirs in SHAPE.items()} | {"spacing": spacing[0]}


def read_voice(path, shape):
    """BigVgan with the weights of best_netG.pt, weight norm folded in, in eval mode."""
    try:
        vocoder = bigvgan.BigVgan(**shape)
    except (TypeError, ValueError) as fault:
        raise MaaError("K-VALUE", f"args.yml does not describe a BigVGAN: {fault}") from fault
    found = untrusted.named(path, under=("generator",))
    if all(key.startswith("generator.") for key in found):
        found = {key.removeprefix("generator."): value for key, value in found.items()}
    filters = [key for key in found if re.fullmatch(r".*\.(upsample|lowpass)\.filter", key)]
    low = bigvgan.low_pass()
    untrusted.refuse("K-SHAPE", "are other filters than BigVGAN's", [
        key for key in filters
        if found[key].numel() != len(low) or not torch.allclose(found[key].flatten(), low,
                                                                atol=1e-4)], path)
    untrusted.fit(vocoder, folded(found), of_voice, "|".join(map(re.escape, filters)), path)
    return vocoder


def folded(found):
    """Weights without weight norm: each pair (length g, direction v) becomes its filters."""
    result = dict(found)
    for key in [key for key in found if key.endswith("weight_g")]:
        direction = found.get(f"{key[:-1]}v")
        if direction is not None and direction.shape[:1] == found[key].shape[:1]:
            del result[key], result[f"{key[:-1]}v"]
            length = found[key].float().flatten().view(-1, *[1] * (direction.dim() - 1))
            result[key[:-2]] = length * F.normalize(direction.float().flatten(1)).view_as(direction)
    return result


def of_voice(name):
    """The release's name of one of BigVgan's weights, weight norm folded in."""
    name = re.sub(r"^ups\.(\d+)\.", r"ups.\1.0.", name)
    return re.sub(r"\.(alpha|beta)$", r".act.\1", name)


def load_tokenizer(where, fetch):
    """BERT's tokenizer, by name or from a folder."""
    place = Path(where) if Path(where).is_dir() else str(where)
    try:
        tokenizer = BertTokenizer.from_pretrained(place, local_files_only=not fetch)
        text.check_tokenizer(tokenizer)
    except (OSError, ValueError) as fault:
        raise MaaError("K-MISSING", (
            f"no tokenizer of BERT at {str(where)!r}; give --tokenizer the folder of its "
            f"vocab.txt, or --fetch to ask a model hub")) from fault
    return tokenizer


def padded(waves, seconds=10.0):
    """Waves as the release's files for evaluation hold them: shorter sound, silence on both sides.

    waves:     (sounds, samples) of the pipeline, of `seconds` or more
    returns    (sounds, samples), 164,352 for 10 s: 9.728 s of sound after 0.272 s of silence

    Source: the release. Its Table 1 numbers are of such files; ours hold what was asked for.
    """
    length = round(seconds * mel.RATE)
    kept = int(7.8 * seconds) // 4 * 4 * mel.COLUMN * mel.HOP
    return F.pad(waves[:, :kept], (length - kept, length - kept))
