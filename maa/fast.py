"""The same sounds sooner: on a GPU the whole chain is compiled, recorded once, and then replayed.

Networks work in half precision on pictures whose channels lie last; what is the same at each step
is done once (maa.invariants); torch.compile joins small operations; CUDA graphs replay what is left
without asking Python again. A recorded chain has one form: so many sounds, of one length, with one
number of steps and one guidance.

Conventions: prompts as a list as long as the chain is wide; waves (sounds, samples) at 16 kHz in
    host memory. Latents and the sampler's arithmetic stay in float32.
Source: Section 3.6, Appendix E.2. Differs: the release samples in float32, step by step.
Notebook: 03_how_fast.
"""

import copy

import torch

from maa import autoencoder, bigvgan, diffusion, invariants, mel, requests, text, training
from maa.errors import MaaError

PARTS = ("read", "denoise", "decode", "vocode")  # of a chain, in their order
TRIES = 3  # runs before a part is recorded: compiling, choosing of kernels, memory


class Chain:
    """A pipeline in one form: chain(prompts, generator) -> waves, in PARTS that can be run alone.

    pipe:      MakeAnAudioPipeline; the chain has a copy of it, whose weights stay where a recording
               finds them
    sounds:    how many at a time
    seconds:   length of each
    steps, guidance:  as num_inference_steps and guidance_scale of the pipeline
    within:    (first, last) share of the steps in which guidance works; outside one forward of two
               is saved (Kynkäänniemi et al. 2024): the prompt's is left, or for guidance of 0 and
               less the empty prompt's. All of them unless told
    dtype:     of the weights; float16 keeps three bits more than bfloat16
    compiled:  False leaves the operations as they are
    recorded:  False runs them one by one, as on a CPU

    Raises MaaError P-STEPS, P-RANGE, P-COUNT, P-DURATION, P-MEMORY as the pipeline does, P-RANGE
    for other shares, and P-FAST for a recording without a GPU.
    """

    def __init__(self, pipe, *, sounds=1, seconds=10.0, steps=25, guidance=3.0, within=(0.0, 1.0),
                 dtype=torch.float16, compiled=True, recorded=True):
        if not 0 <= within[0] <= within[1] <= 1:
            raise MaaError("P-RANGE", f"within is {within}, expected two shares, the smaller first")
        self.place = pipe._execution_device
        if recorded and self.place.type != "cuda":
            raise MaaError("P-FAST", f"recorded is True and the pipeline is on {self.place}, "
                                     f"expected a GPU, whose work is recorded; leave recorded "
                                     f"False, or move the pipeline with pipe.to('cuda')")
        sounds = requests.whole(sounds, "sounds", 1, requests.MOST, "P-COUNT")
        self.guidance, self.dtype = requests.guidance(guidance), dtype
        self.length = requests.samples(seconds, pipe.unet.config.sample_size[1])
        self.pipe = copy.deepcopy(pipe)
        self.scheduler = self.pipe.scheduler
        diffusion.begin(self.scheduler, steps)  # in host memory: constants of a recording
        self.times = self.scheduler.timesteps.to(self.place)
        self.guided = guided(len(self.times), within)
        self.lighten(compiled)
        self.encoded, self.guess, self.decoded = (  # a vocoder gains less than compiling it takes
            torch.compile(call, dynamic=False) if compiled else call
            for call in (text.encode_tokens, diffusion.guided_noise, autoencoder.decode))
        shape = (sounds, pipe.unet.config.in_channels, mel.BANDS // mel.COLUMN,
                 mel.columns(self.length / mel.RATE))
        need = requests.memory(self.pipe.unet, self.pipe.vae, sounds, shape[-1])
        requests.check_size(self.length, sounds, need, self.place)
        self.noise = torch.zeros(shape, device=self.place)
        self.ids = torch.zeros(1 + sounds, text.TOKENS, dtype=torch.long, device=self.place)
        self.mask, self.words = torch.ones_like(self.ids), None
        self.graphs = {}
        # published text encoders, left as they are, make masks in host memory: not to be replayed
        self.record((PARTS if compiled else PARTS[1:]) if recorded else (),
                    TRIES if compiled or recorded else 1)  # once, so that each part can run alone

    def lighten(self, compiled):
        """Half the bytes, channels last, and nothing done twice: the copy's networks in place."""
        pipe = self.pipe
        if compiled:
            invariants.hoist(pipe.unet)
            if self.place.type == "cuda" and isinstance(pipe.vocoder, bigvgan.BigVgan):
                from maa import bends  # here, because it needs Triton

                bends.hasten(pipe.vocoder)
        for network in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.vocoder):
            torch.nn.Module.to(network, self.place, self.dtype)  # diffusers' own would warn
        for network in (pipe.unet, pipe.vae):
            network.to(memory_format=training.layout(self.place))

    @torch.no_grad()
    def record(self, recorded, tries):
        """Run each part until it is compiled; then keep it as a graph, if it is of `recorded`.

        tries:     runs of each part

        cuDNN's guess at its fastest kernel can be far off (43 ms for one convolution of BigVGAN
        that takes .1), so that it tries them.
        """
        kept = torch.backends.cudnn.allow_tf32
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=kept):
            for part in PARTS:
                for _ in range(tries):
                    getattr(self, part)()
                if part in recorded:
                    torch.cuda.synchronize()
                    self.graphs[part] = graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(graph):
                        getattr(self, part)()

    @torch.no_grad()
    def run(self, part):
        """One of PARTS on what the one before it left."""
        if part in self.graphs:
            self.graphs[part].replay()
        else:
            getattr(self, part)()

    def __call__(self, prompts, generator=None, noise=None):
        """Waves in host memory, (sounds, samples), float32.

        generator:  torch.Generator on the chain's device, or None
        noise:      starting noise in place of drawn noise, as `latents` of the pipeline

        Raises ValueError for another number of prompts, MaaError as the pipeline does.
        """
        self.prepare(prompts, generator, noise)
        for part in PARTS:
            self.run(part)
        waves = self.wave.cpu()
        requests.check_finite(waves, self.dtype)
        return waves

    def prepare(self, prompts, generator=None, noise=None):
        """Put token numbers and noise where the recorded parts read them."""
        prompts = requests.texts(prompts)
        if len(prompts) != len(self.noise):
            raise ValueError(f"{len(prompts)} prompts for a chain of {len(self.noise)} sounds, "
                             f"expected as many; make another Chain for another number")
        requests.note_cut(self.pipe.tokenizer, prompts, text.TOKENS)
        ids, mask = text.tokenize(self.pipe.tokenizer, ["", *prompts])
        self.ids.copy_(ids, non_blocking=True)
        self.mask.copy_(mask, non_blocking=True)
        if noise is None:
            self.noise.normal_(generator=generator)
        else:
            requests.check_latents(noise, self.noise.shape)
            self.noise.copy_(noise)

    def read(self):
        words = self.encoded(self.pipe.text_encoder, self.ids, self.mask).to(self.dtype)
        if self.words is None:
            self.words = torch.empty_like(words)
        self.words.copy_(words)  # where the recorded parts read them

    def denoise(self):
        scheduler, unet = copy.deepcopy(self.scheduler), self.pipe.unet
        empty, words = self.words[:1].expand_as(self.words[1:]), self.words[1:]
        words, empty, guidance = diffusion.upward(words, empty, self.guidance)
        latents = self.noise * scheduler.init_noise_sigma
        with invariants.kept(unet, torch.cat([empty, words])):
            for number, t in enumerate(scheduler.timesteps):
                seen = scheduler.scale_model_input(latents, t).to(self.dtype)
                scale = guidance if number in self.guided else 1.0
                seen = seen.contiguous(memory_format=training.layout(seen.device))
                guess = self.guess(unet, seen, self.times[number], words, empty, scale)
                latents = scheduler.step(guess.float(), t, latents).prev_sample
        self.latents = latents

    def decode(self):
        vae = self.pipe.vae
        self.mels = self.decoded(vae, self.latents.to(vae.dtype)).float()

    def vocode(self):
        frames = -(-self.length // mel.HOP)
        mels = mel.fit(self.mels, max(frames, mel.COLUMN)).to(self.dtype)
        self.wave = self.pipe.vocoder(mels).float()[:, :self.length]


def guided(steps, within):
    """Numbers of the steps in which guidance works: a set."""
    return {n for n in range(steps) if within[0] * steps <= n < within[1] * steps}


def by(pipe, seconds, steps, guidance, at_once, **form):
    """As evaluation.by: make(prompts, seeds) -> (sounds, samples), by a Chain of `at_once` sounds.

    form:      keywords of Chain
    """
    chain = Chain(pipe, sounds=at_once, seconds=seconds, steps=steps, guidance=guidance, **form)

    def make(prompts, seeds):
        found = []
        for start in range(0, len(prompts), at_once):  # the last part is filled up
            rows = [min(row, len(prompts) - 1) for row in range(start, start + at_once)]
            noise = noises(pipe, [seeds[row] for row in rows], chain.noise.shape[-1])
            waves = chain([prompts[row] for row in rows], noise=noise.to(chain.place))
            found.append(waves[: len(prompts) - start])
        return torch.cat(found)

    return make


def noises(pipe, seeds, columns):
    """Starting noise of a sound for each seed, as a pipeline draws it: (sounds, channels, 10,
    columns), on the CPU."""
    shape = 1, pipe.unet.config.in_channels, pipe.unet.config.sample_size[0], columns
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(int(one)))
                      for one in seeds])
