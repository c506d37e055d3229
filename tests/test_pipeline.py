import copy
import gc
import shutil
import threading
import time
import warnings

import numpy as np
import pytest
import tiny_pipeline
import torch

from maa import diffusion, files, pipeline, requests
from maa.errors import MaaError, MaaWarning
from maa.pipeline import MakeAnAudioPipeline

SAMPLES = tiny_pipeline.COLUMNS * 2048
NAN = float("nan")


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline.build(width=16, inner=16, depth=1)


@pytest.fixture(scope="module")
def folder(pipe, tmp_path_factory):
    place = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(place)
    return place


def sound(pipe, prompt="a dog barking", seed=0, steps=2, **options):
    generator = options.pop("generator", torch.Generator().manual_seed(seed))
    return pipe(prompt, num_inference_steps=steps, generator=generator, **options).audios


def apart(made, wanted):
    """Largest difference as a share of the peak: an untrained vocoder's waves are loud."""
    return np.abs(made - wanted).max() / np.abs(wanted).max()


def forwards(pipe, **options):
    """Batch sizes with which the U-Net is called during one sound."""
    seen = []
    hook = pipe.unet.register_forward_pre_hook(lambda net, inputs: seen.append(len(inputs[0])))
    try:
        sound(pipe, **options)
    finally:
        hook.remove()
    return seen


# ---- identities ---------------------------------------------------------------------------------

def test_a_saved_pipeline_loads_and_makes_the_same_sound(pipe, folder):
    loaded = MakeAnAudioPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    assert sound(loaded) == pytest.approx(sound(pipe), rel=1e-4, abs=1e-4)


def test_the_index_names_our_classes_by_package_so_that_modules_can_move(folder):
    index = files.read_json(folder / "model_index.json")
    assert index["vocoder"] == ["maa", "IstftVocoder"]
    assert index["_class_name"] == "MakeAnAudioPipeline"


@pytest.mark.parametrize("parts", [
    {"name": "griffin_lim", "iterations": 2},
    {"name": "hifigan", "upsample_initial_channel": 32},
    {"encoder": tiny_pipeline.words_encoder, "width": 16, "inner": 16, "depth": 1}])
def test_every_vocoder_and_text_encoder_can_be_saved_with_the_pipeline(parts, tmp_path):
    tiny_pipeline.build(**parts).save_pretrained(tmp_path)
    loaded = MakeAnAudioPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert sound(loaded).shape == (1, SAMPLES)


def test_half_precision_weights_on_disk_become_float32_when_loaded(pipe, tmp_path):
    copy.deepcopy(pipe).to(torch.float16).save_pretrained(tmp_path)
    loaded = MakeAnAudioPipeline.from_pretrained(tmp_path)
    parts = [part for part in loaded.components.values() if isinstance(part, torch.nn.Module)]
    assert len(parts) == 4
    assert {value.dtype for part in parts for value in part.parameters()} == {torch.float32}


def test_another_part_can_be_put_in_while_loading(pipe, folder):
    loaded = MakeAnAudioPipeline.from_pretrained(folder, vae=pipe.vae, scheduler=diffusion.ddim())
    assert loaded.vae is pipe.vae
    assert type(loaded.scheduler).__name__ == "DDIMScheduler"


def test_given_latents_equal_the_noise_a_generator_draws(pipe):
    noise = torch.randn(1, 4, 10, 4, generator=torch.Generator().manual_seed(7))
    assert np.array_equal(sound(pipe, latents=noise, generator=None), sound(pipe, seed=7))


def test_the_progress_bar_counts_the_steps(pipe, capfd):
    shown = copy.copy(pipe)
    shown.set_progress_bar_config(disable=False)
    sound(shown, steps=3)
    assert "3/3" in capfd.readouterr().err


# ---- prompts ------------------------------------------------------------------------------------

@pytest.mark.parametrize("prompt", [pytest.param("", id="P01"), pytest.param(" \n\t ", id="P02")])
def test_an_empty_prompt_is_allowed_with_a_note(pipe, prompt):
    with pytest.warns(MaaWarning, match="P-EMPTY: prompt .0. has no words"):
        empty = sound(pipe, prompt)
    assert np.isfinite(empty).all()
    with pytest.warns(MaaWarning, match="P-EMPTY"):
        assert apart(empty, sound(pipe, prompt, guidance_scale=1.0)) < 1e-5


def test_p03_ten_thousand_words_are_cut_with_a_note_in_under_two_seconds(pipe):
    begin = time.perf_counter()
    with pytest.warns(MaaWarning, match="P-LONG: prompt 0 has .* tokens: the last .* are not read"):
        sound(pipe, "dog " * 10_000, steps=1)
    assert time.perf_counter() - begin < 2


def test_p03_a_long_text_to_steer_away_from_is_noted_too(pipe):
    with pytest.warns(MaaWarning, match="P-LONG: negative_prompt 0 has .* the last .* are not"):
        sound(pipe, ["a dog", "a cat"], steps=1, negative_prompt="dog " * 100)


def test_p03_a_tokenizer_that_knows_no_limit_hides_no_cut(pipe, monkeypatch):
    monkeypatch.setattr(pipe.tokenizer, "model_max_length", int(1e30))  # as the release's own
    with pytest.warns(MaaWarning, match="P-LONG: prompt 0 has"):
        sound(pipe, "dog " * 100, steps=1)


def test_p04_a_list_of_prompts_gives_a_sound_each_and_more_on_request(pipe):
    waves = sound(pipe, ["a dog", "a cat"], num_waveforms_per_prompt=3)
    assert waves.shape == (6, SAMPLES)
    seeds = requests.seeded(0, 6)
    several = sound(pipe, ["a dog", "a cat"], num_waveforms_per_prompt=3, generator=seeds)
    third = sound(pipe, "a dog", generator=requests.seeded(2))
    assert apart(several[2], third[0]) < 1e-5  # sounds of one prompt lie side by side


@pytest.mark.parametrize("prompt", ["🐕 barking", "كلب ينبح", "été — «chien»", "dog\tcat\n"])
def test_p08_unusual_writing_is_read(pipe, prompt):
    assert np.isfinite(sound(pipe, prompt)).all()


def test_p09_same_prompt_and_seed_give_the_same_sound_other_seeds_another(pipe):
    assert np.array_equal(sound(pipe, seed=3), sound(pipe, seed=3))
    same = sound(pipe, ["a dog barking"] * 4, generator=[requests.seeded(3)[0] for _ in range(4)])
    assert apart(same, sound(pipe, seed=3)) < 1e-5
    assert apart(sound(pipe, seed=3), sound(pipe, seed=4)) > 0.01


@pytest.mark.parametrize("word", diffusion.SCHEDULERS)
def test_p10_permuted_prompts_give_permuted_sounds(pipe, word):
    other = copy.copy(pipe)
    other.use_sampler(word)
    prompts, order = ["a dog", "heavy rain", "a siren far and loud"], [2, 0, 1]
    first = sound(other, prompts, generator=requests.seeded(0, 3), eta=0.0)
    seeds = requests.seeded(0, 3)
    second = sound(
        other, [prompts[n] for n in order], generator=[seeds[n] for n in order], eta=0.0)
    assert apart(second, first[order]) < 1e-5
    assert apart(first[0], first[1]) > 0.01


# ---- guidance -----------------------------------------------------------------------------------

def test_guidance_adds_to_the_empty_estimate_the_scaled_step_towards_the_prompt(pipe):
    words, empty = torch.randn(2, 1, 77, 16)
    latent = torch.randn(1, 4, 10, 4)
    with torch.no_grad():
        p, e = (pipe.guess(latent, 500, one, empty, 1.0) for one in (words, empty))
        for scale in (-2.0, 0.0, 0.5, 1.0, 3.0):
            made = pipe.guess(latent, 500, words, empty, scale)
            assert torch.allclose(made, e + scale * (p - e), atol=1e-5)


def test_p11_guidance_0_ignores_the_prompt_and_runs_half_the_network(pipe):
    dog, cat = (sound(pipe, prompt, guidance_scale=0) for prompt in ("a dog", "a cat"))
    assert np.array_equal(dog, cat)
    assert forwards(pipe, guidance_scale=0) == [1, 1]


def test_p12_guidance_1_is_the_prompt_alone_and_skips_the_second_forward(pipe):
    assert forwards(pipe, guidance_scale=1) == [1, 1]
    assert forwards(pipe, guidance_scale=3.0) == [2, 2]
    near = sound(pipe, guidance_scale=1.0000001)  # takes both forwards
    assert apart(sound(pipe, guidance_scale=1), near) < 1e-4


def test_p13_negative_guidance_is_allowed_with_a_note(pipe):
    with pytest.warns(MaaWarning, match="guidance_scale -2 is below 0"):
        away = sound(pipe, guidance_scale=-2)
    assert apart(away, sound(pipe, guidance_scale=2)) > 1e-4


def test_a_negative_prompt_takes_the_place_of_the_empty_one(pipe):
    rain = sound(pipe, "a dog", negative_prompt="heavy rain")
    assert apart(rain, sound(pipe, "a dog")) > 1e-4
    both = sound(pipe, ["a dog", "a dog"], negative_prompt=["heavy rain", ""],
                 generator=[requests.seeded(0)[0] for _ in range(2)])
    assert apart(both, np.concatenate([rain, sound(pipe, "a dog")])) < 1e-5
    with pytest.warns(MaaWarning, match="negative_prompt has no effect"):
        sound(pipe, guidance_scale=1, negative_prompt="rain")


# ---- lengths and outputs ------------------------------------------------------------------------

@pytest.mark.parametrize("seconds", [
    pytest.param(0.001, id="P21"), pytest.param(1 / 16000, id="P21-sample"),
    *(pytest.param(value, id=f"P23-{value}") for value in (
        0.1, 0.3333, 0.512, 1, 1.2345, 2.0479, np.float32(0.7)))])
def test_a_sound_has_exactly_the_samples_asked_for(pipe, seconds):
    assert sound(pipe, audio_length_in_s=seconds).shape == (1, round(seconds * 16000))


def test_the_default_length_is_the_trained_width(pipe):
    assert sound(pipe).shape == (1, SAMPLES)


def test_outputs_come_as_numpy_torch_mel_or_latent(pipe):
    wave = sound(pipe)
    assert wave.dtype == np.float32
    assert np.array_equal(sound(pipe, output_type="pt").numpy(), wave)
    assert sound(pipe, output_type="mel", audio_length_in_s=0.3).shape == (1, 1, 80, 19)
    assert sound(pipe, output_type="latent").shape == (1, 4, 10, 4)
    assert np.array_equal(pipe(
        "a dog barking", num_inference_steps=2, return_dict=False,
        generator=torch.Generator().manual_seed(0))[0], wave)


# ---- steps and samplers -------------------------------------------------------------------------

@pytest.mark.parametrize("word", diffusion.SCHEDULERS)
def test_p17_one_step_is_enough_for_a_sound(pipe, word):
    other = copy.copy(pipe)
    other.use_sampler(word)
    assert np.isfinite(sound(other, steps=1)).all()


@pytest.mark.parametrize("word", diffusion.SCHEDULERS)
def test_p19_as_many_steps_as_in_training_are_allowed(pipe, word):
    other = copy.copy(pipe)
    other.use_sampler(word)
    scheduler, _ = other.sampler(1000, 0.0, None)
    assert len(scheduler.timesteps) == 1000 and scheduler.timesteps.max() == 999


def test_p19_a_thousand_steps_of_ddim_end_in_a_sound(pipe, monkeypatch):
    other = copy.copy(pipe)
    other.use_sampler("ddim")
    asked = []  # of a denoiser that finds nothing to take away: a thousand of its calls take long
    monkeypatch.setattr(other, "guess", lambda latents, t, *_: asked.append(int(t)) or 0 * latents)
    assert np.isfinite(sound(other, steps=1000)).all()
    assert asked == list(range(999, -1, -1))


@pytest.mark.parametrize("steps", [3, 350, 600])
def test_p18_steps_that_ddim_would_begin_far_from_noise_are_refused(pipe, steps):
    other = copy.copy(pipe)
    other.use_sampler("ddim")
    with pytest.raises(MaaError, match=f"P-STEPS.* is {steps}, expected .* divides 1000"):
        sound(other, steps=steps)


def test_eta_adds_noise_that_the_generator_fixes(pipe):
    other = copy.copy(pipe)
    other.use_sampler("ddim")
    first, again, still = (sound(other, eta=eta, steps=4) for eta in (1.0, 1.0, 0.0))
    assert np.array_equal(first, again)
    assert apart(first, still) > 0.01


# ---- refusals -----------------------------------------------------------------------------------

REFUSED = [
    ("P05", {"prompt": []}, "P-EMPTY", "empty list"),
    ("P06-None", {"prompt": ["a dog", None]}, "P-TYPE", "prompt 1 is None"),
    ("P06-int", {"prompt": ["a dog", 3]}, "P-TYPE", r"prompt 1 is 3 \(int\)"),
    ("P06-dict", {"prompt": {"a": 1}}, "P-TYPE", "expected text"),
    ("P07", {"prompt": b"a dog"}, "P-TYPE", "bytes"),
    ("P08-NUL", {"prompt": "dog\0cat"}, "P-TEXT", r"'\\x00' at position 3"),
    ("P08-half", {"prompt": "dog \ud800"}, "P-TEXT", "another encoding"),
    ("P13-far", {"guidance_scale": -51}, "P-RANGE", "guidance_scale is -51"),
    ("P14-nan", {"guidance_scale": NAN}, "P-RANGE", "nan, expected 0 … 50"),
    ("P14-inf", {"guidance_scale": float("inf")}, "P-RANGE", "inf"),
    ("P14-1e9", {"guidance_scale": 1e9}, "P-RANGE", "the usual range is 1 … 10"),
    ("P15", {"guidance_scale": "3"}, "P-TYPE", r"'3' \(str\)"),
    ("P16", {"num_inference_steps": 0}, "P-STEPS", "is 0, expected 1 … 1000"),
    ("P18--5", {"num_inference_steps": -5}, "P-STEPS", "-5"),
    ("P18-2.5", {"num_inference_steps": 2.5}, "P-STEPS", "whole number"),
    ("P18-True", {"num_inference_steps": True}, "P-STEPS", "True"),
    ("P19", {"num_inference_steps": 1001}, "P-STEPS", "1001"),
    ("P20-0", {"audio_length_in_s": 0}, "P-DURATION", "at least one sample"),
    ("P20--1", {"audio_length_in_s": -1.0}, "P-DURATION", "-1"),
    ("P20-nan", {"audio_length_in_s": NAN}, "P-DURATION", "nan"),
    ("P20-inf", {"audio_length_in_s": float("inf")}, "P-DURATION", "inf"),
    ("P20-huge", {"audio_length_in_s": 10**400}, "P-DURATION", "at most 600 s"),
    ("P20-str", {"audio_length_in_s": "1"}, "P-TYPE", "str"),
    ("P22", {"audio_length_in_s": 10_000}, "P-DURATION", r"10000 s of sound need about [\d.]+ GB"),
    ("P24-int", {"generator": 3}, "P-SEED", "requests.seeded"),
    ("P24-bool", {"generator": True}, "P-SEED", "True"),
    ("P24-list", {"generator": [torch.Generator()] * 2}, "P-SEED", "2 entries, expected 1 × 1"),
    ("P24-None", {"generator": [None]}, "P-SEED", "None"),
    ("P25-0", {"num_waveforms_per_prompt": 0}, "P-COUNT", "1 … 1024"),
    ("P25-10⁶", {"num_waveforms_per_prompt": 10**6}, "P-COUNT", "1000000"),
    ("P26-low", {"eta": -0.1}, "P-RANGE", "eta is -0.1"),
    ("P26-high", {"eta": 1.1}, "P-RANGE", "eta is 1.1, expected 0 … 1"),
    ("P26-nan", {"eta": NAN}, "P-RANGE", "nan"),
    ("P26-dpm", {"eta": 0.5}, "P-SAMPLER", "only ddim"),
    ("P29-shape", {"latents": torch.zeros(1, 4, 10, 5)}, "P-LATENTS", r"expected \(1, 4, 10, 4\)"),
    ("P29-nan", {"latents": torch.full((1, 4, 10, 4), NAN)}, "P-LATENTS", "NaN"),
    ("P29-int", {"latents": torch.zeros(1, 4, 10, 4).int()}, "P-LATENTS", "tensor of floats"),
    ("P29-list", {"latents": [0.0]}, "P-LATENTS", "list"),
    ("output", {"output_type": "wav"}, "P-TYPE", "expected one of"),
    ("names", {"callback_on_step_end_tensor_inputs": ["latent"]}, "P-TYPE", "mean 'latents'"),
    ("negatives", {"negative_prompt": ["a", "b"]}, "P-TYPE", "2 texts, expected 1"),
]


@pytest.mark.parametrize(
    "asked, code, message", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_wrong_value_is_refused_in_one_line_before_any_work(pipe, asked, code, message):
    def forward(*_):
        raise AssertionError("the network ran")

    hooks = [part.register_forward_pre_hook(forward) for part in (pipe.unet, pipe.text_encoder)]
    try:
        with pytest.raises(MaaError, match=message) as caught:
            pipe(**{"prompt": "a dog"} | asked)
    finally:
        for hook in hooks:
            hook.remove()
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_p22_a_long_sound_is_refused_before_its_noise_is_drawn(pipe, monkeypatch):
    def draw(*_, **__):
        raise AssertionError("noise was drawn")

    monkeypatch.setattr(pipeline, "randn_tensor", draw)
    with pytest.raises(MaaError, match="P-DURATION.* at most 600 s a sound"):
        sound(pipe, audio_length_in_s=10_000)
    monkeypatch.setattr(requests, "free_memory", lambda device: 1_000_000)
    with pytest.raises(MaaError, match="P-MEMORY.* 0.001 GB that are free"):
        sound(pipe, ["a dog"] * 8, audio_length_in_s=10)


def test_estimated_memory_grows_with_what_is_asked(pipe):
    one = requests.memory(pipe.unet, pipe.vae, 1, 78)
    assert 10e6 < one < 100e6  # 10 s with these widths: 33 MB measured
    assert requests.memory(pipe.unet, pipe.vae, 1, 780) == pytest.approx(10 * one, rel=0.01)


@pytest.mark.parametrize("seed", [
    pytest.param(value, id=f"P24-{value}") for value in (-1, 2**64, True, 1.5, "0", NAN)])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(MaaError, match="P-SEED: seed is"):
        requests.seeded(seed)


def test_p24_seeds_may_be_numpy_numbers_or_none():
    assert [one.initial_seed() for one in requests.seeded(np.int64(5), 2)] == [5, 6]
    assert requests.seeded(2**64 - 1)[0].initial_seed() == 2**64 - 1
    assert requests.seeded(None)[0].initial_seed() != requests.seeded(None)[0].initial_seed()


def test_p27_an_unknown_sampler_is_answered_with_the_nearest_one(pipe):
    with pytest.raises(MaaError, match="P-SAMPLER.*expected one of .*did you mean 'ddim'"):
        pipe.use_sampler("DDIMM")
    assert type(pipe.scheduler).__name__ == "DPMSolverMultistepScheduler"


def test_p28_a_generator_of_another_device_is_refused(pipe):
    class Far(torch.Generator):
        device = torch.device("cuda")

    with pytest.raises(MaaError, match="P-DEVICE: generator is on cuda, expected cpu"):
        sound(pipe, generator=Far())
    assert requests.generators(torch.Generator(), 1, 1, torch.device("cuda")) is not None


def test_weights_that_overflow_are_reported_instead_of_a_broken_sound(pipe):
    broken = copy.deepcopy(pipe)
    broken.vocoder.head.weight.data.fill_(NAN)
    with pytest.raises(MaaError, match="P-NUMERIC: the sound has NaN"):
        sound(broken)


# ---- callbacks, threads, cancelling -------------------------------------------------------------

def test_the_callback_sees_every_step_and_may_replace_the_latents(pipe):
    seen = []

    def look(pipe, step, t, tensors):
        seen.append((step, int(t), sorted(tensors)))
        return {"latents": torch.zeros_like(tensors["latents"])}

    options = {"callback_on_step_end_tensor_inputs": ["latents", "prompt_embeds"]}
    latents = sound(pipe, steps=3, callback_on_step_end=look, output_type="latent", **options)
    assert [step for step, _, _ in seen] == [0, 1, 2]
    assert seen[0][1] > seen[-1][1] and seen[0][2] == ["latents", "prompt_embeds"]
    assert not latents.any()
    assert np.array_equal(sound(pipe, callback_on_step_end=lambda *_: None), sound(pipe))


def test_p33_two_threads_give_what_each_gives_alone(pipe):
    prompts = ["a dog", "a cat", "heavy rain", "a bell"]
    alone = [sound(pipe, prompt, seed=n, steps=4) for n, prompt in enumerate(prompts)]
    together = [None] * len(prompts)

    def make(n):
        together[n] = sound(pipe, prompts[n], seed=n, steps=4)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together):
        assert apart(other, one) < 1e-5


def test_p34_interrupting_stops_this_call_and_not_the_next(pipe):
    seen = []

    def stop(pipe, step, t, tensors):
        seen.append(step)
        pipe._interrupt = step == 1

    assert sound(pipe, steps=5, callback_on_step_end=stop).shape == (1, SAMPLES)
    assert seen == [0, 1]
    assert np.array_equal(sound(pipe), sound(pipe))


def tensors_alive():
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # looking at deprecated objects of other packages
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_p34_an_exception_in_the_middle_leaves_no_tensor_behind(pipe):
    def fail(*_):
        raise KeyboardInterrupt

    sound(pipe)
    before = tensors_alive()
    with pytest.raises(KeyboardInterrupt):
        sound(pipe, steps=5, callback_on_step_end=fail)
    assert tensors_alive() <= before
    assert np.array_equal(sound(pipe), sound(pipe))


@pytest.mark.gpu
def test_p34_memory_of_the_gpu_returns_after_cancelling(pipe):
    def stop(pipe, step, t, tensors):
        pipe._interrupt = True

    there = copy.deepcopy(pipe).to("cuda", torch.bfloat16)
    sound(there)
    before = torch.cuda.memory_allocated()
    sound(there, audio_length_in_s=10, steps=5, callback_on_step_end=stop)
    assert abs(torch.cuda.memory_allocated() - before) < 2**20


@pytest.mark.gpu
def test_p28_a_seed_gives_the_same_noise_on_the_gpu(pipe):
    there = copy.deepcopy(pipe).to("cuda")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        made = sound(there, output_type="latent").cpu().numpy()
    assert apart(made, sound(pipe, output_type="latent").numpy()) < 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_p35_half_precision_works_on_the_cpu(pipe, dtype):
    half = copy.deepcopy(pipe).to(dtype)
    wave = sound(half)
    assert wave.dtype == np.float32
    assert apart(wave, sound(pipe)) < 0.1


# ---- folders ------------------------------------------------------------------------------------

@pytest.mark.parametrize("prepare, message", [
    (lambda place: flip(place / "unet/diffusion_pytorch_model.safetensors"), "K-HASH.*unet"),
    (lambda place: cut(place / "vae/diffusion_pytorch_model.safetensors"), "K-LOAD.*copy whole")])
def test_damaged_weights_are_refused_in_one_line(folder, tmp_path, prepare, message):
    place = shutil.copytree(folder, tmp_path / "copy")
    prepare(place)
    with pytest.raises(MaaError, match=message) as caught:
        MakeAnAudioPipeline.from_pretrained(place)
    assert "\n" not in str(caught.value)


def flip(weights):
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)


def cut(weights):
    weights.write_bytes(weights.read_bytes()[:1000])
    (weights.parents[1] / "hashes.json").unlink()  # else this would be seen first


def test_a_loaded_pipeline_is_saved_without_the_place_it_came_from(folder, tmp_path):
    MakeAnAudioPipeline.from_pretrained(folder).save_pretrained(tmp_path)
    saved = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(saved) > 8
    assert not [path for path in saved if str(folder).encode() in path.read_bytes()]
    assert files.sha256(tmp_path / "model_index.json") == files.sha256(folder / "model_index.json")


def test_a_name_that_is_no_folder_is_refused_and_no_hub_is_asked(tmp_path):
    with pytest.raises(MaaError, match="K-MISSING: there is no folder 'someone/model'"):
        MakeAnAudioPipeline.from_pretrained("someone/model")
    with pytest.raises(MaaError, match="K-MISSING.*has no model_index.json"):
        MakeAnAudioPipeline.from_pretrained(tmp_path)
