"""A saved pipeline made ready for a command: found, on its device, with its sampler.

Conventions: torch and diffusers are imported when a pipeline is loaded, not before.
Notebook: none.
"""

import sys

from maa import folders
from maa.errors import MaaError


def pipeline(model, device, sampler):
    """The pipeline, on its device and with its sampler, without progress bars of its parts."""
    folder = folders.find(model)
    place = usable_device(device)
    if sys.stderr.isatty():
        print("maa: loading the model", file=sys.stderr)
    import diffusers
    import torch
    import transformers

    from maa import diffusion, requests
    from maa import pipeline as pipelines

    requests.choice(sampler, diffusion.SCHEDULERS, "--sampler", "P-SAMPLER")
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    pipe = pipelines.MakeAnAudioPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.use_sampler(sampler)
    pipe.set_progress_bar_config(disable=not sys.stderr.isatty(), leave=False)
    return pipe.to(place)


def usable_device(word):
    """The torch device of that name, or the GPU if there is one.

    Raises MaaError P-DEVICE.
    """
    import torch

    known = ["cpu", *(f"cuda:{place}" for place in range(torch.cuda.device_count()))]
    if len(known) > 1:
        known.insert(1, "cuda")
    if word is None:
        return torch.device(known[min(1, len(known) - 1)])
    if word not in known:
        raise MaaError("P-DEVICE", f"--device is {word!r}, expected one of {known}, which are here")
    return torch.device(word)
