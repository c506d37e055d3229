"""Published systems: asked alike, their sounds made alike; here with random weights."""

import inspect
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
import transformers

from maa import baselines, files, training
from maa.errors import MaaError

FEW = {"num_inference_steps": 2}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class StandIn:
    """A pipeline that plays a tone of as many Hz as its prompt says, and notes what it was asked."""

    def __init__(self, rate, shape=1, longest=47.0):
        self.vocoder = SimpleNamespace(config=SimpleNamespace(sampling_rate=rate))
        self.vae = SimpleNamespace(config=SimpleNamespace(sampling_rate=rate), hop_length=rate)
        self.transformer = SimpleNamespace(config=SimpleNamespace(sample_size=longest))
        self.rate, self.shape, self.asked = rate, shape, []

    def __call__(self, prompt, generator, **asked):
        self.asked.append({"prompt": prompt, "seed": generator.initial_seed(), **asked})
        seconds = asked.get("audio_length_in_s") or asked.get("audio_end_in_s")
        time = np.arange(int(seconds * self.rate)) / self.rate
        wave = 0.5 * np.sin(2 * np.pi * float(prompt) * time)
        audio = wave if self.shape == 1 else np.stack([0.5 * wave, 1.5 * wave])
        return SimpleNamespace(audios=audio[None])


def tone(hertz, samples):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16_000)


def t5():
    """(encoder, tokenizer) of 8 numbers a token that knows letters."""
    pieces = [(piece, 0.0) for piece in ("<pad>", "</s>", "<unk>")]
    pieces += [(letter, -2.0) for letter in "▁" + LETTERS]
    return (
        transformers.T5EncoderModel(transformers.T5Config(
            vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)),
        transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=16))


def clap():
    """(model, tokenizer) of 8 numbers a sentence that knows letters."""
    config = transformers.ClapConfig(
        projection_dim=8,
        text_config={"vocab_size": 40, "hidden_size": 8, "intermediate_size": 8,
                     "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 8,
                     "max_position_embeddings": 20},
        audio_config={"spec_size": 64, "num_mel_bins": 16, "window_size": 2, "patch_size": 8,
                      "patch_stride": [8, 8], "depths": [1, 1], "num_hidden_layers": 2,
                      "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 8,
                      "hidden_size": 16, "projection_dim": 8})
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    return transformers.ClapModel(config), transformers.RobertaTokenizer(
        vocab={word: row for row, word in enumerate(words)}, merges=[], model_max_length=16)


def audioldm2():
    """AudioLDM2 with the smallest parts that it can have."""
    (reader, tokenizer), (encoder, pieces) = clap(), t5()
    levels = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}
    return diffusers.AudioLDM2Pipeline(
        text_encoder=reader, tokenizer=tokenizer, text_encoder_2=encoder, tokenizer_2=pieces,
        projection_model=diffusers.AudioLDM2ProjectionModel(8, 8, 8),
        language_model=transformers.GPT2LMHeadModel(transformers.GPT2Config(
            n_embd=8, n_head=2, n_layer=1, n_positions=64, vocab_size=40, bos_token_id=0,
            eos_token_id=0)),
        unet=diffusers.AudioLDM2UNet2DConditionModel(
            **levels, sample_size=4, attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=[[None, 8, 8]] * 2),
        vae=diffusers.AutoencoderKL(
            **levels, in_channels=1, out_channels=1, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2),
        vocoder=transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig(
            model_in_dim=8, sampling_rate=16_000, upsample_initial_channel=8,
            upsample_rates=[4, 2], upsample_kernel_sizes=[8, 4], resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]], normalize_before=False)),
        feature_extractor=transformers.ClapFeatureExtractor(), scheduler=diffusers.DDIMScheduler())


def stable_audio():
    """Stable Audio with the smallest parts, 2 s at 8 kHz, and a sampler that needs no torchsde."""
    encoder, pieces = t5()
    return diffusers.StableAudioPipeline(
        text_encoder=encoder, tokenizer=pieces,
        projection_model=diffusers.StableAudioProjectionModel(8, 8, 0, 32),
        transformer=diffusers.StableAudioDiTModel(
            sample_size=8, in_channels=2, out_channels=2, num_layers=1, attention_head_dim=4,
            num_attention_heads=2, num_key_value_attention_heads=2, cross_attention_dim=8,
            cross_attention_input_dim=8, time_proj_dim=8, global_states_input_dim=16),
        vae=diffusers.AutoencoderOobleck(
            encoder_hidden_size=4, downsampling_ratios=[50, 40], channel_multiples=[1, 1],
            decoder_channels=4, decoder_input_channels=2, audio_channels=2, sampling_rate=8000),
        scheduler=diffusers.EDMDPMSolverMultistepScheduler(prediction_type="v_prediction"))


@pytest.fixture(scope="module", params=[audioldm2, stable_audio])
def saved(request, tmp_path_factory):
    """(name, folder) of a published system with random weights, as its authors would save it."""
    name, folder = request.param.__name__, tmp_path_factory.mktemp(request.param.__name__)
    with training.seeded(0):
        pipe = request.param()
    pipe.save_pretrained(folder)
    if name == "audioldm2":  # published before the part that speaks was called GPT2LMHeadModel
        pipe.language_model.transformer.save_pretrained(folder / "language_model")
        index = files.read_json(folder / "model_index.json")
        files.write_json(folder / "model_index.json", {
            **index, "language_model": ["transformers", "GPT2Model"]})
    return name, folder


def test_sounds_of_a_folder_have_the_length_asked_for_and_repeat(saved):
    name, folder = saved
    found = baselines.generate(name, folder, ["a dog", "rain"], 0.51, 3, **FEW)
    assert found.shape == (2, 8160)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    pipe = baselines.load(name, folder)
    assert baselines.generate(name, pipe, ["a dog", "rain"], 0.51, 3, **FEW) == pytest.approx(found)
    # row 1 is the second seed and the second prompt, whoever stands before it
    alone = baselines.generate(name, pipe, ["rain"], 0.51, 4, **FEW)
    assert alone[0] == pytest.approx(found[1])
    assert not np.allclose(found[0], found[1], rtol=1e-3, atol=0)
    assert not np.allclose(
        baselines.generate(name, pipe, ["rain"], 0.51, 5, **FEW), alone, rtol=1e-3, atol=0)


def test_knobs_are_keywords_of_the_published_pipelines():
    for name, kind in (("audioldm2", diffusers.AudioLDM2Pipeline),
                       ("stable_audio", diffusers.StableAudioPipeline)):
        system = baselines.PUBLISHED[name]
        known = inspect.signature(kind.__call__).parameters
        assert {*system.knobs, *system.ask(1.0)} <= set(known)


@pytest.mark.parametrize("name", baselines.PUBLISHED)
@pytest.mark.parametrize("rate, channels", [(16_000, 1), (44_100, 2), (8000, 1)])
def test_tones_keep_their_pitch_order_and_length_at_16_khz(name, rate, channels):
    pipe = StandIn(rate, channels)
    found = baselines.generate(name, pipe, ["440", "1000"], 0.25, 7, guidance_scale=1.5)
    assert found.shape == (2, 4000)
    inside = slice(200, 3800)  # away from the ends of the resampling filter
    for wave, hertz in zip(found, (440, 1000)):
        assert wave[inside] == pytest.approx(tone(hertz, 4000)[inside], abs=0.01)
    assert [(one["prompt"], one["seed"]) for one in pipe.asked] == [("440", 7), ("1000", 8)]
    recommended = baselines.PUBLISHED[name].knobs
    for one in pipe.asked:
        assert one["guidance_scale"] == 1.5
        assert one["num_inference_steps"] == recommended["num_inference_steps"]


def test_a_sound_at_16_khz_is_cut_and_not_changed():
    wave = np.linspace(-1, 1, 100, dtype=np.float32)
    assert np.array_equal(baselines.fitted(wave, 16_000, 60), wave[:60])
    assert np.array_equal(baselines.fitted(np.stack([wave, wave]), 16_000, 60), wave[:60])


def test_a_sound_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="50 samples at 16 kHz, expected 60 or more; does 32000"):
        baselines.fitted(np.zeros(100), 32_000, 60)


@pytest.mark.parametrize("seconds", [2.01, 2.03, 4.02, 8.11, 1.00005])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_a_length_that_would_be_cut_too_short_is_asked_for_longer(seconds, rate):
    found = baselines.generate("audioldm2", StandIn(rate), ["440"], seconds, 0)
    assert found.shape == (1, round(seconds * 16_000))


def test_a_length_that_comes_whole_is_asked_for_as_it_is():
    pipe = StandIn(16_000)
    baselines.generate("audioldm2", pipe, ["440"], 0.5, 0)
    assert pipe.asked[0]["audio_length_in_s"] == 0.5


def test_one_prompt_is_one_sound_and_none_or_no_text_is_refused():
    assert baselines.generate("audioldm2", StandIn(16_000), "440", 0.5, 0).shape == (1, 8000)
    for prompts, code in (([], "P-EMPTY"), (["440", None], "P-TYPE: prompt 1 is None")):
        with pytest.raises(MaaError, match=code):
            baselines.generate("audioldm2", StandIn(16_000), prompts, 0.5, 0)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_sound_stays_within_1_at_any_rate(rate):
    found = baselines.fitted(np.float32([0.5, -1.5, 1.5, 0.5] * 10), rate, 40)
    assert np.abs(found).max() == 1 and found.dtype == np.float32


def test_an_unknown_system_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'audiogen' is unknown.*\['audioldm2', 'stable_audio'\]"):
        baselines.generate("audiogen", "folder", ["a dog"], 1.0, 0)


def test_an_unknown_knob_is_refused():
    with pytest.raises(ValueError, match=r"no knobs \['steps'\], expected some of \['guidance_sc"):
        baselines.generate("audioldm2", StandIn(16_000), ["440"], 1.0, 0, steps=3)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 47.1])
def test_a_length_that_the_system_cannot_make_is_refused(seconds):
    with pytest.raises(ValueError, match="expected above 0 and at most 47.0"):
        baselines.generate("stable_audio", StandIn(44_100), ["440"], seconds, 0)


@pytest.mark.parametrize("name", baselines.PUBLISHED)
@pytest.mark.parametrize("where, hint", [("someone/something", "a name that local_files_only=Fal"),
                                         ("", "was the copy whole")])
def test_nothing_is_fetched_unasked_and_a_folder_without_parts_is_refused(
        name, where, hint, tmp_path, monkeypatch):
    def fetch(*args, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", fetch)
    with pytest.raises(MaaError, match=f"K-LOAD: {name} does not load.*{hint}"):
        baselines.generate(name, where or str(tmp_path), ["a dog"], 1.0, 0)


@pytest.mark.gpu
def test_a_system_is_loaded_on_the_gpu(tmp_path):
    stable_audio().save_pretrained(tmp_path)
    pipe = baselines.load("stable_audio", tmp_path)
    assert pipe.device == torch.device("cuda", 0)
    assert baselines.generate("stable_audio", pipe, ["rain"], 0.5, 0, **FEW).shape == (1, 8000)
