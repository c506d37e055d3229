"""The whole chain: prompt → text → latent → mel → wave, as a diffusers pipeline.

Conventions: waves (sounds, samples) at 16 kHz, exactly round(seconds * 16000) samples; sounds of
    one prompt lie side by side. Sampling is in float32 whatever the weights are in.
Source: Figure 2, Sections 3.3 to 3.6.  Notebook: 30_text_to_audio.
"""

import copy
import threading
from pathlib import Path

import torch
from diffusers import AudioPipelineOutput, DiffusionPipeline
from diffusers.pipelines import pipeline_loading_utils
from diffusers.utils.torch_utils import randn_tensor

from maa import autoencoder, diffusion, folders, mel, requests, text, training
from maa.errors import MaaError

find = folders.find
OUTPUTS = ("np", "pt", "mel", "latent")
READING = threading.Lock()  # a tokenizer counts on being used by one thread at a time
# without this line diffusers records our classes under their module, and could not find them again
# after a move; with it as ["maa", name], looked up by maa.__getattr__
pipeline_loading_utils.LOADABLE_CLASSES["maa"] = {
    name: ["save_pretrained", "from_pretrained"] for name in ("ModelMixin", "PreTrainedModel")
}


class MakeAnAudioPipeline(DiffusionPipeline):
    """Text to sound.

    vae, unet:                diffusers' AutoencoderKL and UNet2DConditionModel
    tokenizer, text_encoder:  as maa.text.load gives them
    scheduler:                one of maa.diffusion.SCHEDULERS
    vocoder:                  one of maa.vocoder.VOCODERS

    Source: Figure 2.  Notebook: 30_text_to_audio.
    """

    model_cpu_offload_seq = "text_encoder->unet->vae->vocoder"
    _callback_tensor_inputs = ["latents", "prompt_embeds"]

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, vocoder):
        super().__init__()
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet,
            scheduler=scheduler, vocoder=vocoder)
        self._started = self._stopped = 0  # calls begun, and the last of them that shall stop

    def to(self, *place, **options):
        """diffusers' own; pictures are then laid out as they are fastest there."""
        super().to(*place, **options)
        for network in (self.unet, self.vae):
            network.to(memory_format=training.layout(self.device))
        return self

    @classmethod
    def from_pretrained(cls, folder, **options):
        """Pipeline from a folder written by save_pretrained, in float32 unless told otherwise.

        folder:    or the name of a model on a hub, with local_files_only given
        options:   diffusers' own, such as dtype, variant, or a part to use in place of the saved

        Raises MaaError K-MISSING (no such folder or file), K-HASH (a byte changed), K-LOAD.
        """
        if Path(folder).is_dir():
            folders.check(Path(folder))
        elif "local_files_only" not in options:
            raise MaaError(
                "K-MISSING",
                f"there is no folder {str(folder)!r}, expected one with {folders.INDEX}; a model "
                f"is fetched from a hub with local_files_only=False only")
        if "torch_dtype" not in options:  # the older name of dtype
            options = {"dtype": torch.float32} | options
        try:
            return super().from_pretrained(folder, **{"use_safetensors": True} | options)
        except (OSError, ValueError, KeyError, RuntimeError) as fault:
            cause = str(fault).strip().split("\n")[0] or type(fault).__name__
            raise MaaError(
                "K-LOAD", f"{str(folder)!r} does not load: {cause}; was the copy whole?") from fault

    def save_pretrained(self, save_directory, **options):
        """Write all parts, then the hashes by which from_pretrained sees a changed byte."""
        super().save_pretrained(save_directory, **options)
        folders.seal(Path(save_directory), self.components)

    def use_sampler(self, word):
        """Sample with another of maa.diffusion.SCHEDULERS from now on."""
        requests.choice(word, diffusion.SCHEDULERS, "sampler", "P-SAMPLER")
        self.scheduler = diffusion.SCHEDULERS[word]()

    @property
    def _interrupt(self):
        return 0 < self._started <= self._stopped

    @_interrupt.setter
    def _interrupt(self, stop):
        """True stops the calls that run now, in any thread: they give what they have so far."""
        self._stopped = self._started if stop else 0

    @torch.no_grad()  # inference_mode is no faster here, and its tensors could not be changed later
    def __call__(
        self, prompt, audio_length_in_s=None, num_inference_steps=25, guidance_scale=3.0,
        negative_prompt=None, num_waveforms_per_prompt=1, eta=0.0, generator=None, latents=None,
        output_type="np", return_dict=True, callback_on_step_end=None,
        callback_on_step_end_tensor_inputs=("latents",),
    ):
        """Sounds made from noise, steered by prompts.

        prompt:                text or list of texts; "" leaves the choice to the model
        audio_length_in_s:     None is the length the model was trained on
        num_inference_steps:   25 do for DPM-Solver++, 100 for DDIM, whose number must divide 1000
        guidance_scale:        1 follows the prompt plainly in half the time; 0 ignores it
        generator:             one for all, or a list with one a sound: a sound then depends on its
                               own prompt and generator only, not on its place in the list
        latents:               starting noise in place of drawn noise, (sounds, 4, 10, columns)
        output_type:           "np", "pt", "mel" or "latent"
        callback_on_step_end:  (pipe, step, t, tensors) -> tensors to put in their place, or None
        returns                AudioPipelineOutput, .audios (sounds, samples)

        Raises MaaError P-…, in one line, before anything is computed.
        Source: Sections 3.3 to 3.6.  Notebook: 30_text_to_audio.
        """
        requests.choice(output_type, OUTPUTS, "output_type", "P-TYPE")
        scale = requests.guidance(guidance_scale)
        told = self.told(callback_on_step_end, callback_on_step_end_tensor_inputs)
        prompts, negatives = requests.both_texts(prompt, negative_prompt, scale)
        each = requests.whole(
            num_waveforms_per_prompt, "num_waveforms_per_prompt", 1, requests.MOST, "P-COUNT")
        length = requests.samples(audio_length_in_s, self.unet.config.sample_size[1])
        sampler = self.sampler(num_inference_steps, eta, generator)
        noise = self.noise(len(prompts), each, length, generator, latents)
        words, empty = self.read(prompts, negatives, each)
        latents = self.denoise(noise, words, empty, scale, *sampler, told)
        audios = self.render(latents, length, output_type)
        self.maybe_free_model_hooks()
        return AudioPipelineOutput(audios=audios) if return_dict else (audios,)

    def check(self, seconds, steps, guidance):
        """Refuse what this model with its sampler cannot do, though others may: P-STEPS."""
        self.sampler(steps, 0.0, None)

    def told(self, callback, names):
        """The caller's function with the names of the tensors it wants: told(step, t, tensors)."""
        for name in names:
            requests.choice(
                name, self._callback_tensor_inputs, "callback_on_step_end_tensor_inputs", "P-TYPE")
        if callback is None:
            return lambda step, t, tensors: {}
        return lambda step, t, tensors: callback(
            self, step, t, {name: tensors[name] for name in names}) or {}

    def sampler(self, steps, eta, generator):
        """A scheduler of this call's own, as it counts steps, and the keywords of its step()."""
        scheduler = copy.deepcopy(self.scheduler)
        diffusion.begin(scheduler, steps, self._execution_device)
        return scheduler, requests.step_options(scheduler, eta, generator)

    def noise(self, prompts, each, length, generator, latents):
        """Starting noise (sounds, 4, 10, columns), drawn from the generators or as given."""
        device, count = self._execution_device, prompts * each
        columns = mel.columns(length / mel.RATE)
        need = requests.memory(self.unet, self.vae, count, columns)
        requests.check_size(length, count, need, device)
        generator = requests.generators(generator, prompts, each, device)
        shape = (count, self.unet.config.in_channels, mel.BANDS // mel.COLUMN, columns)
        if latents is None:
            return randn_tensor(shape, generator=generator, device=device)
        requests.check_latents(latents, shape)
        return latents.to(device, torch.float32)

    def read(self, prompts, negatives, each):
        """Text of each sound and what it is steered away from, both (sounds, 77, width)."""
        kinds = list(dict.fromkeys(negatives))
        with READING:
            requests.note_cut(self.tokenizer, prompts, text.TOKENS)
            requests.note_cut(self.tokenizer, negatives, text.TOKENS, "negative_prompt")
            rows = text.encode(self.tokenizer, self.text_encoder, prompts + kinds)
        rows = rows.to(self._execution_device, self.unet.dtype)
        words, empty = rows[: len(prompts)], rows[len(prompts) :]
        empty = empty[[kinds.index(negative) for negative in negatives]]
        return words.repeat_interleave(each, 0), empty.repeat_interleave(each, 0)

    def denoise(self, latents, words, empty, scale, scheduler, options, told):
        """Latents after all steps, or after those before `_interrupt` was set."""
        self._started += 1
        number, latents = self._started, latents * scheduler.init_noise_sigma
        with self.progress_bar(total=len(scheduler.timesteps)) as bar:
            for step, t in enumerate(scheduler.timesteps):
                if number <= self._stopped:
                    break
                guess = self.guess(scheduler.scale_model_input(latents, t), t, words, empty, scale)
                latents = scheduler.step(guess, t, latents, **options).prev_sample
                changed = told(step, t, {"latents": latents, "prompt_embeds": words})
                latents = changed.get("latents", latents)
                words = changed.get("prompt_embeds", words)
                bar.update()
        return latents

    def guess(self, latents, t, words, empty, scale):
        """Noise estimate in float32; 0 and less go the same line from its other end."""
        words, empty, scale = diffusion.upward(words, empty, scale)
        layout = training.layout(latents.device)
        latents = latents.to(self.unet.dtype).contiguous(memory_format=layout)
        return diffusion.guided_noise(self.unet, latents, t, words, empty, scale).float()

    def render(self, latents, length, output_type):
        """Latents as they are, as mels, or as waves of `length` samples."""
        if output_type == "latent":
            return latents
        parts = latents.to(self.vae.dtype).split(requests.DECODED_AT_ONCE)
        mels = torch.cat([autoencoder.decode(self.vae, part).float() for part in parts])
        frames = -(-length // mel.HOP)
        if output_type == "mel":
            return mel.fit(mels, frames)
        mels = mel.fit(mels, max(frames, mel.COLUMN))  # a vocoder cannot make less than a window
        parts = mels.to(self.vocoder.dtype).split(requests.DECODED_AT_ONCE)
        waves = torch.cat([self.vocoder(part).float() for part in parts])[:, :length]
        requests.check_finite(waves, self.dtype)
        return waves if output_type == "pt" else waves.cpu().numpy()
