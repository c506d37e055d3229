"""Whether maa.fast makes the same sounds: from the same noise, its latents and the plain pipeline's
side by side, and what judges hear in both.

Conventions: plain is float32, one operation after the other; noise is drawn for each sound from a
    seed of its own, as maa.evaluation has it.
Source: Appendix E.2.  Notebook: 03_how_fast.
"""

import numpy as np
import torch

from maa import (clips, evaluation, fast, jobs, judges, judging, mel, metrics, project, rows,
                 training)
from maa.pipeline import MakeAnAudioPipeline

TWO = ("plainly", "quickly")


def likeness(one, other):
    """Correlation of each two latents, (sounds,) array, in float64."""
    one, other = (x.double().cpu().flatten(1) for x in (one, other))
    one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    return torch.cosine_similarity(one, other).numpy()


def latents(pipe, prompts, steps, guidance, **form):
    """One row: how alike the latents of both ways are.

    form:      keywords of fast.Chain
    """
    seeds = range(len(prompts))
    noise = fast.noises(pipe, seeds, pipe.unet.config.sample_size[1]).to(pipe.device)
    plain = pipe(prompts, None, steps, guidance, latents=noise, output_type="latent").audios
    chain = fast.Chain(pipe, sounds=len(prompts), seconds=None, steps=steps, guidance=guidance,
                       **form)
    chain(prompts, noise=noise)
    found = likeness(plain, chain.latents)
    return {"what": "latents", "sounds": len(prompts), "n": len(prompts), "steps": steps,
            "seed": 0, "dtype": str(chain.dtype)[6:], "correlation": float(found.mean()),
            "lowest_correlation": float(found.min())}


def sounds(pipe, asked, seconds, steps, guidance, at_once, **form):
    """{"plainly", "quickly": (sounds, samples) tensors} that answer a plan from the same noise."""
    plain = evaluation.by(pipe, seconds, steps, guidance)
    several = [asked[start : start + at_once] for start in range(0, len(asked), at_once)]
    plainly = [torch.as_tensor(plain(list(part.prompt), list(part.seed))) for part in several]
    quick = fast.by(pipe, seconds, steps, guidance, at_once, **form)
    return {"plainly": torch.cat(plainly), "quickly": quick(list(asked.prompt), list(asked.seed))}


def judged(made, real, asked, judge, frames):
    """Rows: FID, KL and CLAP of both ways, and of how much the first is above the second.

    made:      of sounds()
    real:      (sounds, samples) references of the plan
    judge:     maa.judges.Judges
    frames:    of a mel that it hears
    returns    list of {"what", "metric", "evaluator", "plainly", "quickly", "difference", "low",
               "high", "n", "seed"}; low and high are the interval of the difference
    """
    sides = [real, made["plainly"], made["quickly"]]
    heard = [rows.hear(judge, judging.mels_of(side, frames), asked) for side in sides]

    def three(name):
        return np.stack([side[name] for side in heard], 1)  # (sounds, real and both ways, …)

    measures = {
        "FID": (three("features"), lambda x, way: metrics.frechet_distance(x[:, 0], x[:, way])),
        "KL": (three("scores"), lambda x, way: metrics.kl(x[:, 0], x[:, way])),
        "CLAP": (three("cosines"), lambda x, way: x[:, way].mean())}
    return [compared(name, judge.evaluators[name], *one, int(asked.seed.iloc[0]))
            for name, one in measures.items()]


def of_scale(scale, **form):
    """Rows of judged(): the pipeline of a scale answers its own plan of held-out sounds.

    Raises MaaError K-MISSING without its pipeline or judges, D-MISSING without its clips.
    """
    here = project.results(scale)
    row = jobs.read_yaml(project.root() / "params.yaml")["text_to_audio"][scale]
    judge, (table, waves) = judges.load(here / "models/judges"), clips.load(here / "clips")
    asked = evaluation.plan(
        table, ["held_out"], per_label=row["per_label"], pairs=0, seed=row["seed"])
    real = evaluation.references(asked, dict(zip(table.id, waves)), row["seconds"])
    pipe = MakeAnAudioPipeline.from_pretrained(here / "pipeline").to(training.device())
    pipe.set_progress_bar_config(disable=True)
    pipe.use_sampler(row["sampler"])
    made = sounds(pipe, asked, row["seconds"], row["steps"], row["guidance"], row["at_once"],
                  **form)
    found = judged(made, real, asked, judge, mel.trained_frames(row["seconds"]))
    return [one | {"what": f"sounds, {scale}"} for one in found]


def compared(metric, evaluator, arrays, measure, seed):
    """One row of judged()."""
    def difference(own):
        return measure(own, 1) - measure(own, 2)

    low, high = metrics.bootstrap(difference, arrays, draws=rows.DRAWS)
    return {"what": "sounds", "metric": metric, "evaluator": evaluator,
            **{way: float(measure(arrays, side)) for side, way in enumerate(TWO, 1)},
            "difference": float(difference(arrays)), "low": float(low), "high": float(high),
            "n": len(arrays), "seed": seed}
