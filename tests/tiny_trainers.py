"""Every train() of maa at its smallest, for tests that start, kill and resume it."""

import hashlib
import multiprocessing
import sys
import time

import torch

from maa import autoencoder, captioner, checkpoints, clap, classifier, clip, codebook, diffsound
from maa import diffusion, masking, retriever, text, training, vocoder

STEPS, SAVE = 12, 2
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["maa.autoencoder", "maa.captioner", "maa.diffsound", "maa.diffusion", "maa.retriever",
     "maa.vocoder"])


def sounds(clips=6, samples=20_480):
    generator = torch.Generator().manual_seed(7)
    return 0.2 * torch.randn(clips, samples, generator=generator)


def train_classifier(folder, **changed):
    return classifier.train(folder, sounds(), ["dog", "rain", "bell"] * 2, network="vgg", batch=2,
                            widths=(8, 16), **{"steps": STEPS, "save_every": SAVE, **changed})


TEXTS = ["a dog barking", "the bark of a dog", "rain falling", "heavy rain"]


def tokenizer():
    return text.build_tokenizer(TEXTS, 300)


def train_clap(folder, **changed):
    return clap.train(folder, tokenizer(), sounds(), [TEXTS[:2], TEXTS[2:]] * 3, batch=3,
                      frames=80, width=32, text_layers=1, spec_size=80, audio_width=16,
                      disturb=True, **{"mixup": 0.5, "steps": STEPS, "save_every": SAVE, **changed})


def train_clip(folder, **changed):
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(7))
    return clip.train(folder, tokenizer(), pictures, [TEXTS[:2], TEXTS[2:]] * 3, batch=3, width=16,
                      text_layers=1, picture_width=16, picture_layers=1,
                      **{"steps": STEPS, "save_every": SAVE, **changed})


def train_bert(folder, **changed):
    return masking.train_bert(folder, tokenizer(), TEXTS * 6, batch=4, width=16, layers=1,
                              **{"steps": STEPS, "save_every": SAVE, **changed})


def train_t5(folder, **changed):
    return masking.train_t5(folder, tokenizer(), TEXTS * 6, batch=4, width=16, layers=1,
                            **{"steps": STEPS, "save_every": SAVE, **changed})


def ear():
    with training.seeded(1):
        return classifier.build("vgg", ["dog", "rain"], widths=(4, 8))


def train_captioner(folder, **changed):
    return captioner.train(folder, sounds(), [TEXTS[:2], TEXTS[2:]] * 3, batch=2, frames=32,
                           width=16, layers=1, heads=2, vocabulary=300,
                           **{"steps": STEPS, "save_every": SAVE, **changed})


def train_retriever(folder, **changed):
    return retriever.train(folder, sounds(), [TEXTS[:2], TEXTS[2:]] * 3, batch=3, frames=32,
                           width=16, widths=(4, 8), layers=1, vocabulary=300,
                           **{"mixup": 0.5, "steps": STEPS, "save_every": SAVE, **changed})


def train_autoencoder(folder, **changed):
    return autoencoder.train(folder, sounds(), ear=ear(), widths=(16,) * 4, layers=1, batch=1,
                             frames=16, critic_windows=(16,),
                             **{"steps": STEPS, "save_every": SAVE, **changed})


def train_vocoder(folder, **changed):
    return vocoder.train(folder, sounds(), options={"width": 16, "inner": 16, "depth": 1}, batch=1,
                         frames=16, **{"steps": STEPS, "save_every": SAVE, **changed})


EMPTY = torch.zeros(1, 5, 16)  # encoding of no prompt


def words(generator, rows):
    return torch.randn(len(rows), 5, 16, generator=generator, device=generator.device)


def train_diffusion(folder, **changed):
    latents = torch.randn(6, 4, 10, 8, generator=torch.Generator().manual_seed(3))
    return diffusion.train(folder, latents, words, EMPTY, widths=(32,), layers=1, heads=2, batch=2,
                           dropout=0.5, **{"steps": STEPS, "save_every": SAVE, **changed})


def train_vq(folder, **changed):
    return codebook.train_vq(folder, sounds(), ear=ear(), widths=(8,) * 5, layers=1, codes=12,
                             code_width=4, batch=1, frames=32, critic_windows=(16,), revive_every=3,
                             **{"steps": STEPS, "save_every": SAVE, **changed})


def train_decoder(folder, **changed):
    pages = torch.randint(6, (4, 25), generator=torch.Generator().manual_seed(3))
    return diffsound.train_decoder(folder, pages, words, EMPTY, codes=6, width=16, heads=2,
                                   layers=1, noise_steps=10, batch=2, dropout=0.5,
                                   **{"steps": STEPS, "save_every": SAVE, **changed})


TRAINERS = {"classifier": train_classifier, "clap": train_clap, "clip": train_clip,
            "bert": train_bert, "t5": train_t5, "captioner": train_captioner,
            "retriever": train_retriever, "autoencoder": train_autoencoder,
            "vocoder": train_vocoder, "diffusion": train_diffusion, "vq": train_vq,
            "decoder": train_decoder}


def handed(monkeypatch, train, *arguments, **changed):
    """What a train() hands to training.train, which is not begun: its keywords."""
    seen = {}

    def look(folder, **options):
        seen.update(options)
        return options["modules"]

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", look)
        train(*arguments, **changed)
    return seen


def wait_for(condition, process=None, seconds=120):
    """Go on when condition() is true; fails if a subprocess.Popen that should see to it ends."""
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def run(name, folder, changed=None):
    """What a test's child process does: one thread, so that a run has one result."""
    torch.set_num_threads(1)
    sys.stderr = open(folder / "stderr.txt", "a")  # noqa: SIM115 (closed by the process's end)
    TRAINERS[name](folder, **(changed or {}))


def start_server():
    """The process from which children are forked has imported what they need, once."""
    process = PROCESSES.Process(target=nothing)
    process.start()
    process.join()


def nothing():
    """A child process that only has to be there."""


def digest(folder):
    """Hash of the newest checkpoint's weights, averages and log, and of log.csv."""
    state = checkpoints.read(checkpoints.newest(folder)[0], "cpu")
    found = hashlib.sha256((folder / "log.csv").read_bytes() + repr(state["rows"]).encode())
    for group in (state["modules"], state["averages"]):
        for name, weights in sorted(group.items()):
            for key, value in sorted(weights.items()):
                found.update(f"{name} {key}".encode() + value.numpy().tobytes())
    return state["step"], found.hexdigest()
