"""How fast the paper's network is on this machine: `python -m maa.benchmark`.

Weights are random, of the paper's sizes: speed does not depend on what they are. The same sounds
are made plainly (float32, one operation after the other, sounds vocoded one by one, as the release
does) and by maa.fast; then the U-Net is trained on latents that are there already.

    accelerate launch --multi_gpu --num_processes 2 -m maa.benchmark training

Conventions: seconds of wall time, from text to a wave in host memory; every row says how often it
    was measured, and in which form. One JSON file a subject in results/benchmark, and one for each
    number of processes above one; batches grow with that number.
Source: Appendix E.2.  Notebook: 03_how_fast.
"""

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig

from maa import (alike, autoencoder, clock, diffusion, fast, files, msclap, pace, pipeline,
                 processes, project, text, training, vocoder)

PROMPT = "a dog barking, then rain falling on a roof"
RELEASE = {"steps": 100, "guidance": 3.0}
SUBJECTS = ("machine", "latency", "throughput", "training", "curves", "same")
PEAK = 8192  # rows and columns of the matrices whose product gives the peak


def paper(vocoder_name="bigvgan", **sizes):
    """MakeAnAudioPipeline of the paper's sizes with random weights and the release's sampler.

    sizes:   {"unet", "vae", "text", "voice": keywords of their makers} for smaller ones
    """
    with training.seeded(0), training.device():  # drawn where they are used: a minute sooner
        words = text.build_tokenizer([PROMPT, "heavy rain"], 300)
        pipe = pipeline.MakeAnAudioPipeline(
            unet=diffusion.build_unet(**sizes.get("unet", {})).eval(),
            vae=autoencoder.build(**sizes.get("vae", {})).eval(),
            text_encoder=msclap.MsClapText(BertConfig(**sizes.get("text", {}))).eval(),
            tokenizer=words, scheduler=diffusion.ddim(),
            vocoder=vocoder.build(vocoder_name, **sizes.get("voice", {})).eval())
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(training.device())


def plainly(pipe, sounds, steps, seconds=None, times=3):
    """The release's way: float32, DDIM, guidance 3, each sound vocoded on its own."""
    generator = torch.Generator(pipe.device).manual_seed(0)

    def call():
        mels = pipe([PROMPT] * sounds, seconds, steps, RELEASE["guidance"], generator=generator,
                    output_type="mel").audios
        with torch.no_grad():
            return [pipe.vocoder(one[None]).float().cpu() for one in mels]

    cold, *_ = clock.timed(call, 1, warm=0)
    return clock.row("plainly", clock.timed(call, times), sounds, steps=steps, cold_s=cold,
                     dtype="float32", vocoder=type(pipe.vocoder).__name__)


def quickly(pipe, sounds, steps, seconds=None, times=20, **form):
    """maa.fast, whole and in its parts; `form`: keywords of fast.Chain."""
    began = time.perf_counter()
    chain = fast.Chain(pipe, sounds=sounds, seconds=seconds, steps=steps,
                       guidance=RELEASE["guidance"], **form)
    chain([PROMPT] * sounds)
    clock.settle()
    cold = time.perf_counter() - began
    whole = clock.timed(lambda: chain([PROMPT] * sounds), times)
    parts = {f"{part}_ms": 1000 * float(np.median(clock.timed(lambda: chain.run(part), times)))
             for part in fast.PARTS}
    told = clock.row("quickly", whole, sounds, steps=steps, cold_s=cold,
                     dtype=str(chain.dtype)[6:], vocoder=type(pipe.vocoder).__name__,
                     within=list(form.get("within", (0.0, 1.0))))
    return told | parts


def latency(counts=(100, 50, 25, 10), voices=("bigvgan", "istft"), sounds=1, **sizes):
    """Rows for one sound (or `sounds` of them): plainly, then quickly with each vocoder.

    The networks are compiled once for all rows, so that only the first of each vocoder is cold.
    """
    clock.clear()
    pipe = paper(voices[0], **sizes)
    rows = [plainly(pipe, sounds, count, times=3 if sounds == 1 else 1) for count in counts[::2]]
    for voice in voices:
        if voice != voices[0]:
            pipe.vocoder = paper(voice, **sizes).vocoder
        rows += [quickly(pipe, sounds, count) for count in counts]
    return rows


def same(counts=(100, 25), sounds=4, scale="small", form=None, **sizes):
    """Rows: how alike the sounds of both ways are; of `scale`, if its judges are here."""
    rows, form = [], form or {}
    for count in counts:
        clock.clear()
        pipe = paper("istft", **sizes)
        rows.append(alike.latents(pipe, [PROMPT] * sounds, count, RELEASE["guidance"], **form))
    clock.clear()
    here = (project.results(scale) / "models/judges").is_dir()
    return rows + (alike.of_scale(scale, **form) if here else [])


def machine():
    """What was measured on, and the most that its matrix products reach: bf16 TFLOP/s."""
    place = training.device()
    size = PEAK if place.type == "cuda" else 512
    kind = torch.bfloat16 if place.type == "cuda" else torch.float32
    one = torch.randn(size, size, device=place, dtype=kind)
    seconds = np.median(clock.timed(lambda: one @ one, 20, warm=5))
    name = torch.cuda.get_device_name() if place.type == "cuda" else platform.machine()
    return [{"what": name, "torch": torch.__version__, "matrices": size, "n": 20,
             "dtype": str(kind)[6:], "teraflops": 2 * size**3 / seconds / 1e12}]


def read(folder):
    """All rows that were measured, with their subject: DataFrame, empty if there are none."""
    found = [{"subject": path.stem, **one} for path in sorted(Path(folder).glob("*.json"))
             for one in files.read_json(path)]
    return pd.DataFrame(found)


def main(arguments=None):
    """Exit status of `python -m maa.benchmark`."""
    parser = argparse.ArgumentParser(prog="python -m maa.benchmark",
                                     description=__doc__.split("\n")[0])
    parser.add_argument("subject", nargs="*", default=list(SUBJECTS),
                        help=f"of {', '.join(SUBJECTS)}; all when none is named")
    parser.add_argument("--output", type=Path, help="results/benchmark unless told")
    wanted = parser.parse_args(arguments)
    if unknown := {*wanted.subject} - {*SUBJECTS}:
        parser.error(f"{', '.join(sorted(unknown))}: expected of {', '.join(SUBJECTS)}")
    calls = {"machine": machine, "latency": latency, "training": pace.train, "curves": pace.curves,
             "throughput": lambda: latency((25, 10), sounds=64), "same": same}
    for subject in wanted.subject:
        rows, several = calls[subject](), processes.count()
        if processes.rank():  # the first one tells
            continue
        name = subject if several == 1 else f"{subject}_{several}_processes"
        files.write_json((wanted.output or project.results("benchmark")) / f"{name}.json", rows)
        for one in rows:
            print(subject, {key: round(value, 3) if isinstance(value, float) else value
                            for key, value in one.items()}, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
