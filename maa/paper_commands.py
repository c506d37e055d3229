"""Commands for those who have the authors' files, published experts or the paper's corpora.

    maa import-release maa1_full.ckpt best_netG.pt args.yml -o results/paper/release
    maa import-diffsound diffsound_audiocaps.pth best_netG.pt -o results/paper/diffsound
    maa import-clap CLAP_weights_2022.pth -o results/paper/msclap
    maa evaluate audiocaps data/AudioCaps --model results/paper/release \\
        --clap results/paper/msclap --melception melception-21-05-10T09-28-40.pt \\
        --statistics train_means_stds_melspec_10s_22050hz.txt -o results/paper/table_1

Conventions: as in maa.command, which takes them in.
Notebook: none.
"""

from pathlib import Path
from typing import Annotated

import typer

NewFolder = Annotated[Path, typer.Option("--output", "-o", help="A new folder.")]
Tokenizer = Annotated[str, typer.Option(help="BERT's: a folder with vocab.txt, or a name.")]


def add(app):
    """Give the commands to an application."""
    for command in (import_release, import_diffsound, import_clap, evaluate):
        app.command()(command)


def import_release(
    checkpoint: Annotated[Path, typer.Argument(help="maa1_full.ckpt of the authors.")],
    vocoder: Annotated[Path, typer.Argument(help="best_netG.pt, their vocoder.")],
    arguments: Annotated[Path, typer.Argument(help="args.yml beside it.")],
    output: NewFolder,
    tokenizer: Tokenizer = "bert-base-uncased",
    fetch: Annotated[bool, typer.Option("--fetch", help="Ask a model hub for it.")] = False,
):
    """Turn the authors' released files into a pipeline.

    maa import-release maa1_full.ckpt best_netG.pt args.yml -o release
    """
    from maa import release

    tell(release.import_release(
        checkpoint, vocoder, arguments, output, tokenizer=tokenizer, fetch=fetch))
    print(f'try: maa generate "a dog barking" --model {output} --sampler ddim --steps 100')


def import_diffsound(
    checkpoint: Annotated[Path, typer.Argument(help="diffsound_audiocaps.pth of its authors.")],
    vocoder: Annotated[Path, typer.Argument(help="best_netG.pt, their MelGAN.")],
    output: NewFolder,
    codebook: Annotated[Path | None, typer.Option(
        help="last.ckpt, for a checkpoint without a codebook.")] = None,
    tokenizer: Annotated[str, typer.Option(
        help="CLIP's: a folder with vocab.json, or a name.")] = "openai/clip-vit-base-patch32",
    fetch: Annotated[bool, typer.Option("--fetch", help="Ask a model hub for it.")] = False,
):
    """Turn the published files of Diffsound, Table 1's rival, into a folder for `maa evaluate`.

    maa import-diffsound diffsound_audiocaps.pth best_netG.pt -o diffsound
    """
    from maa import diffsound_release

    tell(diffsound_release.import_diffsound(
        checkpoint, vocoder, output, book=codebook, tokenizer=tokenizer, fetch=fetch))
    print(f"try: maa evaluate audiocaps FOLDER --model {output} --guidance 1 …")


def import_clap(
    checkpoint: Annotated[Path, typer.Argument(help="Microsoft's .pth of 2022 or LAION's .pt.")],
    output: NewFolder,
    laion: Annotated[bool, typer.Option("--laion", help="It is one of LAION's.")] = False,
):
    """Turn a published CLAP into a folder that transformers reads.

    maa import-clap CLAP_weights_2022.pth -o msclap
    """
    from maa import laion as laions
    from maa import msclap

    tell((laions if laion else msclap).import_checkpoint(checkpoint, output))


def tell(record):
    """The hash of every file that was read."""
    for name, value in record["files"].items():
        print(f"{value}  {name}")


def evaluate(
    corpus: Annotated[str, typer.Argument(help="A word of maa.corpora.READERS: audiocaps …")],
    folder: Annotated[Path, typer.Argument(help="Where you unpacked it.")],
    melception: Annotated[Path, typer.Option(help="SpecVQGAN's checkpoint.")],
    statistics: Annotated[Path, typer.Option(help="Its means and deviations of mel bands.")],
    clap: Annotated[Path, typer.Option(help="Folder that import-clap made of Microsoft's.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="For sounds and scores.csv.")],
    model: Annotated[Path | None, typer.Option(
        help="Folder of a pipeline, or of Diffsound (with --guidance 1).")] = None,
    part: Annotated[str, typer.Option(help="Part of the corpus.")] = "val",
    tokenizer: Tokenizer = "bert-base-uncased",
    steps: Annotated[int, typer.Option(help="Denoising; ddim: divisors of 1000.")] = 100,
    guidance: Annotated[float, typer.Option(help="1 is plain.")] = 3.0,
    sampler: Annotated[str, typer.Option(help="ddim or dpm++.")] = "ddim",
    seconds: Annotated[float, typer.Option(help="Length of each sound.")] = 10.0,
    at_once: Annotated[int, typer.Option(help="Sounds of one batch.")] = 16,
    quick: Annotated[bool, typer.Option(
        "--fast", help="In half precision, compiled and recorded; for a GPU.")] = False,
):
    """Answer the captions of a corpus and score the sounds by the published judges: FID, KL, CLAP.

    Stopped, it goes on where it was. maa.corpora says which layouts are read. FID and KL are not
    the paper's measure: it does not say how it fed 16 kHz to a network that hears 22.05 kHz.
    """
    from maa import corpora, folders, loading, published_diffsound, replication, requests

    model = folders.find() if model is None else model
    requests.choice(corpus, corpora.READERS, "CORPUS", "P-CORPUS")
    requests.choice(part, corpora.SPLITS[corpus], "--part", "P-CORPUS")
    requests.whole(at_once, "--at-once", 1, requests.MOST, "P-COUNT")
    numbers = replication.settled(seconds, steps, guidance)
    rival = published_diffsound.lies_in(model)
    quickly = form(quick, rival)
    table = corpora.read(corpus, folder, splits={part: replication.SET})
    asked = replication.plan(table, seed=0)
    judges = replication.load_judges(melception, statistics, clap, tokenizer)
    pipe = published_diffsound.load(model) if rival else loading.pipeline(model, None, sampler)
    origin = {"model": replication.mark(model), "sampler": "its own" if rival else sampler}
    found = replication.evaluate(
        asked, pipe, output, judges, corpus, seed=0, at_once=at_once, quick=quickly, origin=origin,
        **numbers)
    for row in found.itertuples():
        print(f"{row.metric} {row.value:.4g} ({row.low:.4g} … {row.high:.4g}), n = {row.n}, "
              f"{row.what}, by {row.evaluator}")


def form(quick, rival):
    """Keywords of fast.Chain where sounds are to be made by one, else None.

    Raises MaaError P-FAST without a GPU, or for a model that is no pipeline of ours.
    """
    import torch

    from maa.errors import MaaError

    if quick and (rival or not torch.cuda.is_available()):
        lacking = "this model is no pipeline of ours" if rival else "there is no GPU here"
        raise MaaError("P-FAST", f"--fast records what a GPU does, but {lacking}; leave it out")
    return {} if quick else None
