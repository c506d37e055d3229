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
import gc
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig

from maa import (alike, autoencoder, diffusion, fast, files, msclap, pipeline, processes, project,
                 text, training, vocoder)

PROMPT = "a dog barking, then rain falling on a roof"
RELEASE = {"steps": 100, "guidance": 3.0}
SUBJECTS = ("machine", "latency", "throughput", "training", "same")
PEAK = 8192  # rows and columns of the matrices whose product gives the peak


def paper(vocoder_name="bigvgan", **sizes):
    """MakeAnAudioPipeline of the paper's sizes with random weights and the release's sampler.

    sizes:   {"unet", "vae", "text", "voice": keywords of their makers} for smaller ones
    """
    with training.seeded(0):
        words = text.build_tokenizer([PROMPT, "heavy rain"], 300)
        pipe = pipeline.MakeAnAudioPipeline(
            unet=diffusion.build_unet(**sizes.get("unet", {})).eval(),
            vae=autoencoder.build(**sizes.get("vae", {})).eval(),
            text_encoder=msclap.MsClapText(BertConfig(**sizes.get("text", {}))).eval(),
            tokenizer=words, scheduler=diffusion.ddim(),
            vocoder=vocoder.build(vocoder_name, **sizes.get("voice", {})).eval())
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(training.device())


def timed(call, times, warm=1):
    """Wall seconds of each of `times` calls after `warm` of them, the GPU's work included."""
    for _ in range(warm):
        call()
    settle()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        settle()
        found.append(time.perf_counter() - began)
    return found


def settle():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def row(what, seconds, sounds, **more):
    """One measurement: median, 95th percentile and sounds a second, with how often it was taken."""
    return {"what": what, "sounds": sounds, "n": len(seconds),
            "p50_ms": 1000 * float(np.median(seconds)),
            "p95_ms": 1000 * float(np.percentile(seconds, 95)),
            "per_second": sounds / float(np.median(seconds)), **more}


def plainly(pipe, sounds, steps, seconds=None, times=3):
    """The release's way: float32, DDIM, guidance 3, each sound vocoded on its own."""
    generator = torch.Generator(pipe.device).manual_seed(0)

    def call():
        mels = pipe([PROMPT] * sounds, seconds, steps, RELEASE["guidance"], generator=generator,
                    output_type="mel").audios
        with torch.no_grad():
            return [pipe.vocoder(one[None]).float().cpu() for one in mels]

    cold, *_ = timed(call, 1, warm=0)
    return row("plainly", timed(call, times), sounds, steps=steps, cold_s=cold, dtype="float32",
               vocoder=type(pipe.vocoder).__name__)


def quickly(pipe, sounds, steps, seconds=None, times=20, **form):
    """maa.fast, whole and in its parts; `form`: keywords of fast.Chain."""
    began = time.perf_counter()
    chain = fast.Chain(pipe, sounds=sounds, seconds=seconds, steps=steps,
                       guidance=RELEASE["guidance"], **form)
    chain([PROMPT] * sounds)
    settle()
    cold = time.perf_counter() - began
    whole = timed(lambda: chain([PROMPT] * sounds), times)
    parts = {f"{part}_ms": 1000 * float(np.median(timed(lambda: chain.run(part), times)))
             for part in fast.PARTS}
    told = row("quickly", whole, sounds, steps=steps, cold_s=cold, dtype=str(chain.dtype)[6:],
               vocoder=type(pipe.vocoder).__name__, within=list(form.get("within", (0.0, 1.0))))
    return told | parts


def latency(counts=(100, 50, 25, 10), voices=("bigvgan", "istft"), sounds=1, **sizes):
    """Rows for one sound (or `sounds` of them): plainly, then quickly with each vocoder."""
    rows = [plainly(paper(voices[0], **sizes), sounds, count) for count in counts[::2]]
    for voice in voices:
        for count in counts:
            clear()
            rows.append(quickly(paper(voice, **sizes), sounds, count))
    return rows


def same(counts=(100, 25), sounds=4, scale="small", form=None, **sizes):
    """Rows: how alike the sounds of both ways are; of `scale`, if its judges are here."""
    rows, form = [], form or {}
    for count in counts:
        clear()
        pipe = paper("istft", **sizes)
        rows.append(alike.latents(pipe, [PROMPT] * sounds, count, RELEASE["guidance"], **form))
    clear()
    here = (project.results(scale) / "models/judges").is_dir()
    return rows + (alike.of_scale(scale, **form) if here else [])


def train(batches=(64, 128, 256), steps=60, **sizes):
    """Clips a second of the paper's U-Net in diffusion.train, after half of the steps."""
    rows = []
    for batch in batches:
        clear()
        rows.append(trained(batch * processes.count(), steps, sizes.get("unet", {})))
    return rows


def trained(batch, steps, sizes):
    """One row: the time between two draws of prompts, which come once a step."""
    place, times = training.device(), []
    shape = {"widths": (320, 640), "text_width": 1024} | sizes
    latents = torch.randn(4 * batch, 4, 10, 78, device=place)
    words = torch.randn(batch, text.TOKENS, shape["text_width"], device=place)

    def say(generator, rows):
        settle()
        times.append(time.perf_counter())
        return words[: len(rows)]

    with tempfile.TemporaryDirectory() as folder:
        diffusion.train(folder, latents, say, torch.zeros_like(words[:1]), steps=steps,
                        batch=batch, save_every=10**9,
                        **{key: value for key, value in shape.items() if key != "text_width"})
    return row("training", np.diff(times)[steps // 2:].tolist(), batch, memory=memory(),
               cold_s=times[1] - times[0], processes=processes.count())


def machine():
    """What was measured on, and the most that its matrix products reach: bf16 TFLOP/s."""
    place = training.device()
    size = PEAK if place.type == "cuda" else 512
    kind = torch.bfloat16 if place.type == "cuda" else torch.float32
    one = torch.randn(size, size, device=place, dtype=kind)
    seconds = np.median(timed(lambda: one @ one, 20, warm=5))
    name = torch.cuda.get_device_name() if place.type == "cuda" else platform.machine()
    return [{"what": name, "torch": torch.__version__, "matrices": size, "n": 20,
             "dtype": str(kind)[6:], "teraflops": 2 * size**3 / seconds / 1e12}]


def read(folder):
    """All rows that were measured, with their subject: DataFrame, empty if there are none."""
    found = [{"subject": path.stem, **one} for path in sorted(Path(folder).glob("*.json"))
             for one in files.read_json(path)]
    return pd.DataFrame(found)


def memory():
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def clear():
    """Forget what was compiled and give memory back, so that every row starts alike."""
    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


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
    calls = {"machine": machine, "latency": latency, "training": train,
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
