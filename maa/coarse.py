"""Weights by hand: an autoencoder that copies coarsely, or as another does, before it is trained.

With random weights, a small training run is spent on learning to pass a picture through at all.
Here an untrained AutoencoderKL gives back the means of squares of 8 × 8 points, smoothly enlarged;
training then only adds what is missing. How:
    residual branches and attention are silent, so that blocks pass on what they get;
    channels 0 and 1 carry x and -x, channels 2 and 3 carry 3 and -3, the rest of their group 0:
    a group norm then divides x by a nearly constant number, which the last convolution undoes, and
    SiLU(x) - SiLU(-x) = x.
An autoencoder with a thicker latent begins where a trained one with a thinner latent stands.

Conventions: mels are centred on mel.CENTRE and divided by mel.SPREAD on the way in.
Source: none in the paper. Differs: the paper starts from random weights.
Notebooks: 20_autoencoder, 24_variant.
"""

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D

from maa import mel

CARRIERS = 4  # channels that carry x, -x, STEADY, -STEADY
STEADY = 3.0
NARROW = -6.0  # logarithm of the variance of a latent at the start
MEAN = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]) / 4
SMOOTH = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16


@torch.no_grad()
def set_weights(vae):
    """Set the weights of an untrained AutoencoderKL in place; what is not needed stays random."""
    group = max(vae.config.block_out_channels) // vae.config.norm_num_groups
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            silence(module.conv2)
            if module.conv_shortcut is not None:
                carry(module.conv_shortcut, 1.0, group)
        elif isinstance(module, Attention):
            silence(module.to_out[0])
        elif isinstance(module, (Downsample2D, Upsample2D)):
            carry(module.conv, MEAN if isinstance(module, Downsample2D) else SMOOTH, group)
    enter(vae.encoder, 1 / mel.SPREAD, -mel.CENTRE / mel.SPREAD, group)
    leave(vae.encoder, 1.0, 0.0, vae.config.norm_num_groups)
    enter(vae.decoder, 1.0, 0.0, group)
    leave(vae.decoder, mel.SPREAD, mel.CENTRE, vae.config.norm_num_groups)
    between(vae)


def silence(layer):
    layer.weight.zero_()
    layer.bias.zero_()


def carry(convolution, kernel, group):
    """The carriers pass on through `kernel`, each by itself; the rest of their group is 0."""
    convolution.weight[:group] = 0
    convolution.bias[:group] = 0
    for channel in range(CARRIERS):
        convolution.weight[channel, channel] = kernel


def enter(half, factor, shift, group):
    """First convolution: x · factor + shift, its opposite and the two steady channels."""
    half.conv_in.weight[:group] = 0
    half.conv_in.bias[:group] = 0
    half.conv_in.weight[:2, 0, 1, 1] = torch.tensor([factor, -factor])
    half.conv_in.bias[:CARRIERS] = torch.tensor([shift, -shift, STEADY, -STEADY])


def leave(half, factor, shift, groups):
    """Last convolution: its first output is the carried x, as it was before the norm."""
    size = half.conv_norm_out.num_channels // groups
    norm = ((2 + 2 * STEADY**2) / size) ** 0.5  # root mean square of the group if that of x is 1
    half.conv_out.weight[0] = 0
    half.conv_out.weight[0, :2, 1, 1] = factor * torch.tensor([norm, -norm])
    half.conv_out.bias[0] = shift


def between(vae):
    """The two 1 × 1 convolutions around the latent change nothing; the latent's width is small."""
    count = vae.config.latent_channels
    for layer in (vae.quant_conv, vae.post_quant_conv):
        silence(layer)
        layer.weight[range(count), range(count)] = 1
    vae.quant_conv.bias[count:] = NARROW


@torch.no_grad()
def begin_as(vae, trained):
    """Set the weights of `vae` so that it copies as `trained`, of fewer latent channels, does.

    Its first channels are those of `trained`; the others are there, but the decoder does not look
    at them yet. Both have the same widths, attention and layers.
    """
    few, many = trained.config.latent_channels, vae.config.latent_channels
    if few > many:
        raise ValueError(f"a latent of {many} channels cannot begin as one of {few}, expected as "
                         f"many channels or more")
    means = list(range(few))
    moments = means + [many + one for one in means]  # means first, then logarithms of variances
    rows = {"encoder.conv_out": moments, "quant_conv": moments, "post_quant_conv": means}
    columns = {"quant_conv": moments, "post_quant_conv": means, "decoder.conv_in": means}
    theirs = trained.state_dict()
    for name, weight in vae.state_dict().items():  # shares memory with the weights
        layer, kind = name.rsplit(".", 1)
        place = torch.tensor(rows.get(layer, range(len(weight))), device=weight.device)
        if kind == "weight" and layer in columns:
            weight[place] = 0
            weight[place[:, None], columns[layer]] = theirs[name].to(weight)
        else:
            weight[place] = theirs[name].to(weight)
