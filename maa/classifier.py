"""Networks that name sounds, trained on real clips only.

Never one for two jobs: "resnet18" and "melception" judge (maa.judges), "vgg" is the ear through
which the autoencoder's perceptual loss listens. They differ in architecture and seed, so that no
number is given by a network that took part in training what it judges.

Conventions: mels (clips, 1, 80, frames) log10; labels are positions in the sorted list of names.
Source: Section 5.3 (the paper's evaluator, Melception, is a sound classifier too).
Notebook: 40_judges.
"""

from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from maa import files, mel, melception, processes, training


class Vgg(nn.Module):
    """Pairs of 3 × 3 convolutions, halving the mel after each pair.

    forward(mel) -> (clips, classes) scores; features(mel) -> (clips, width); stages(mel) -> list
    """

    def __init__(self, classes, widths=(32, 64, 128, 256)):
        super().__init__()
        self.blocks = nn.ModuleList()
        for before, width in zip((1, *widths), widths):
            self.blocks.append(nn.Sequential(
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width), nn.ReLU(),
            ))
        self.head = nn.Linear(widths[-1], classes)

    def stages(self, mels):
        """Output of every pair of convolutions, finest first."""
        x, found = (mels - mel.CENTRE) / mel.SPREAD, []
        for number, block in enumerate(self.blocks):
            x = block(F.avg_pool2d(x, 2) if number else x)
            found.append(x)
        return found

    def features(self, mels):
        return self.stages(mels)[-1].mean((2, 3))

    def forward(self, mels):
        return self.head(self.features(mels))


class ResNet18(nn.Module):
    """torchvision's ResNet-18 on mels. forward, features as in Vgg; features are 512 wide."""

    def __init__(self, classes):
        super().__init__()
        self.body = torchvision.models.resnet18()
        self.body.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.body.fc = nn.Identity()
        self.head = nn.Linear(512, classes)

    def features(self, mels):
        return self.body((mels - mel.CENTRE) / mel.SPREAD)

    def forward(self, mels):
        return self.head(self.features(mels))


NETWORKS = {"vgg": Vgg, "resnet18": ResNet18, "melception": melception.Melception}


def build(name, names, **shape):
    """Untrained network `name` for the sorted label names; `shape`: keywords of its class."""
    if name not in NETWORKS:
        raise ValueError(f"classifier {name!r} is unknown, expected one of {sorted(NETWORKS)}")
    network = NETWORKS[name](len(names), **shape)
    network.names, network.shape = list(names), shape
    return network


def train(folder, waves, labels, *, network="resnet18", steps, batch=64, frames=None,
          learning_rate=0.001, seed=0, mixup=0.3, decay=0.995, save_every=1000,
          fingerprint="", **shape):
    """A network that names the sound of a scene.

    waves:    (scenes, samples) float tensor of one-label training scenes, 16 kHz
    labels:   name of each scene
    frames:   of a mel at each step, begun anywhere in its scene: fewer cost less; None takes all
    mixup:    share of batches whose scenes are added in pairs, labels in proportion
    decay:    of the moving average of its weights
    shape:    keywords of the network's class, such as widths of Vgg
    returns   the trained network, in eval mode; `.names` are the labels it knows

    Raises ValueError for unknown `network` or a label too few; MaaError as training.train.
    Source: Section 5.3.  Notebook: 40_judges.
    """
    if len(waves) != len(labels):
        raise ValueError(f"{len(waves)} scenes for {len(labels)} labels, expected as many")
    names = processes.union(labels)
    with training.seeded(seed):
        model = build(network, names, **shape)
    place = training.device()
    targets = torch.tensor([names.index(label) for label in labels], device=place)
    pool = waves.to(place, torch.float16)

    def draw(generator):
        pick = torch.randint(len(pool), (training.share(batch),), generator=generator, device=place)
        target = F.one_hot(targets[pick], len(names)).float()
        sound, share = mixed(pool[pick].float(), mixup, generator)
        target = share * target + (1 - share) * target.flip(0)
        mels = disturbed(mel.log_mel(sound), generator)  # begins anywhere: it was shifted round
        return {"mel": mels[..., :frames], "target": target}

    def loss(now, step):
        scores = model(now["mel"].contiguous(memory_format=torch.channels_last))
        value = F.cross_entropy(scores, now["target"], label_smoothing=0.1)
        return value, {"cross-entropy": value}

    settings = {"network": network, "shape": shape, "steps": steps, "batch": batch,
                "frames": frames, "labels": names, "seed": seed, "learning_rate": learning_rate,
                "mixup": mixup, "decay": decay, "data": fingerprint}
    turn = training.Turn(("classifier",), loss, learning_rate, weight_decay=0.05)
    model.to(memory_format=torch.channels_last)
    trained = training.train(
        folder, modules={"classifier": model}, turns=[turn], batch=draw, steps=steps,
        settings=settings, seed=seed, averaged=("classifier",), decay=decay, save_every=save_every,
        compiled=[model] if network == "melception" else [],  # a third of the time
        label=f"classifier {network}")["classifier"]
    trained.names = names
    return trained


def mixed(sounds, mixup, generator):
    """Sounds added in pairs, with probability `mixup`; else as they are.

    sounds:    (clips, samples)
    returns    (clips, samples), and the share of each sound in its sum, (clips, 1), 0.5 to 1: the
               rest of it is that of the clip as far from the end as this one from the beginning
    """
    place, clips = sounds.device, len(sounds)
    if torch.rand((), generator=generator, device=place) >= mixup:
        return sounds, torch.ones(clips, 1, device=place)
    share = 0.5 + 0.5 * torch.rand(clips, 1, generator=generator, device=place)
    return share * sounds + (1 - share) * sounds.flip(0), share


def disturbed(mels, generator):
    """The same sounds, shifted in time, quieter or louder, two bands and two moments hidden."""
    clips, _, bands, frames = mels.shape
    place = mels.device
    shift = torch.randint(frames, (clips, 1, 1, 1), generator=generator, device=place)
    index = (torch.arange(frames, device=place) + shift) % frames
    mels = mels.gather(3, index.expand(mels.shape))
    gain = 0.6 * torch.rand(clips, 1, 1, 1, generator=generator, device=place) - 0.3
    mels = (mels + gain).clamp(min=mel.SILENCE)
    for size, axis in ((bands, 2), (frames, 3)) * 2:
        start = torch.rand(clips, 1, 1, 1, generator=generator, device=place) * size
        width = torch.rand(clips, 1, 1, 1, generator=generator, device=place) * size / 6
        at = torch.arange(size, device=place).view([-1 if a == axis else 1 for a in range(4)])
        mels = torch.where((at >= start) & (at < start + width), mel.CENTRE, mels)
    return mels


@torch.inference_mode()
def apply(call, mels, batch=64):
    """`call` (a network or its `features`) over many mels, in batches: (clips, …) on the CPU."""
    place = training.device()
    return torch.cat([call(part.to(place)).float().cpu() for part in mels.split(batch)])


def kind(network):
    """The word of a network in NETWORKS."""
    return {value: key for key, value in NETWORKS.items()}[type(network)]


def save(network, folder):
    """Weights and label names → folder, for load()."""
    from safetensors.torch import save as dump

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.contiguous().cpu() for key, value in network.state_dict().items()}
    files.atomic_write(folder / "weights.safetensors", lambda out: out.write(dump(weights)))
    files.write_json(folder / "config.json", {
        "network": kind(network), "shape": network.shape, "names": network.names})


def load(folder):
    """Network that save() wrote, on training.device(), in eval mode."""
    from safetensors.torch import load_file

    config = files.read_json(Path(folder) / "config.json")
    network = build(config["network"], config["names"], **config["shape"])
    network.load_state_dict(load_file(Path(folder) / "weights.safetensors"))
    return network.to(training.device()).eval()
