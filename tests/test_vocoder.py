"""Vocoders: exact where they can be, closer to the mel where they cannot, and all of one length."""

import json

import pandas as pd
import pytest
import tiny_trainers
import torch

from maa import mel, training, vocoder

SHAPES = {
    "istft": {"width": 16, "inner": 16, "depth": 1},
    "hifigan": {"upsample_initial_channel": 16, "resblock_kernel_sizes": (3,),
                "resblock_dilation_sizes": ((1,),)},
    "bigvgan": {"width": 64, "blocks": (3,), "spacing": (1,)},
    "griffin_lim": {"iterations": 2},
}


def noise(*shape, seed=0):
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def build(name, **shape):
    with training.seeded(0):
        return vocoder.build(name, **{**SHAPES[name], **shape}).eval()


def voice(network, mels):
    """Its wave; Griffin-Lim begins with phases drawn by torch's own generator."""
    with training.seeded(1), torch.no_grad():
        return network(mels)


def chirps(samples=8192):
    """Three gliding tones over a little noise, (3, samples)."""
    time = torch.arange(samples) / mel.RATE
    rises = torch.tensor([[500.0], [1000.0], [2000.0]])
    glide = 0.3 * torch.sin(2 * torch.pi * (200 * time + rises * time.square()))
    return glide + 0.05 * noise(3, samples)


def bands_apart(wave, wanted):
    """Mean distance in log10 between the wave's bands and magnitudes (clips, 80, frames)."""
    return (mel.log_mel(wave)[:, 0] - wanted.log10()).abs().mean()


@pytest.mark.parametrize("samples", [512, 4096, 19_968])
def test_overlap_add_inverts_the_spectrum_of_every_sample(samples):
    wave = noise(2, samples)
    assert torch.allclose(vocoder.overlap_add(mel.spectrum(wave)), wave, atol=1e-5)


def test_overlap_add_is_linear():
    one, two = mel.spectrum(noise(1, 4096)), mel.spectrum(noise(1, 4096, seed=1))
    together = vocoder.overlap_add(one + 2 * two)
    apart = vocoder.overlap_add(one) + 2 * vocoder.overlap_add(two)
    assert torch.allclose(together, apart, atol=1e-5)


def test_wave_with_the_wanted_bands_is_left_as_it_is():
    wave = noise(2, 4096)
    assert torch.allclose(vocoder.correct(wave, 10 ** mel.log_mel(wave)[:, 0]), wave, atol=1e-4)


def test_wave_that_is_too_quiet_is_made_louder_by_what_is_missing():
    wave = chirps()
    found = vocoder.correct(wave, 10 ** mel.log_mel(3 * wave)[:, 0])
    assert (found / wave).median() == pytest.approx(3, abs=0.05)


def test_no_band_is_changed_more_than_twentyfold():
    wave = chirps()
    louder = vocoder.correct(wave, 10 ** mel.log_mel(1000 * wave)[:, 0])
    softer = vocoder.correct(wave, torch.zeros(3, 80, 32))
    assert louder.norm() / wave.norm() == pytest.approx(20, rel=0.02)
    assert softer.norm() / wave.norm() == pytest.approx(1 / 20, rel=0.02)


def test_corrections_bring_bands_nearer_to_the_wanted_mel():
    wanted, wave = 10 ** mel.log_mel(chirps())[:, 0], noise(3, 8192)
    apart = [bands_apart(wave, wanted)]
    for _ in range(3):
        wave = vocoder.correct(wave, wanted)
        apart.append(bands_apart(wave, wanted))
    assert apart[1] < 0.5 * apart[0]
    assert apart[3] < apart[2] < apart[1]


def test_more_corrections_in_the_vocoder_give_a_lower_mel_distance():
    waves = chirps()
    apart = [vocoder.distance(build("istft", corrections=count), waves) for count in (0, 1, 2, 4)]
    assert apart == sorted(apart, reverse=True)
    assert apart[2] < 0.5 * apart[0]


@pytest.mark.parametrize("name", vocoder.VOCODERS)
@pytest.mark.parametrize("frames", [2, 16, 39])
def test_every_frame_becomes_256_samples(name, frames):
    wave = voice(build(name), noise(2, 1, 80, frames) - 3)
    assert wave.shape == (2, mel.HOP * frames)
    assert torch.isfinite(wave).all()


@pytest.mark.parametrize("name", ["istft", "hifigan"])
def test_sound_of_a_clip_does_not_depend_on_its_neighbours(name):
    network, mels = build(name), mel.log_mel(chirps(4096))
    assert torch.allclose(voice(network, mels)[:1], voice(network, mels[:1]), atol=1e-5)


@pytest.mark.parametrize("name", vocoder.VOCODERS)
@pytest.mark.parametrize("shape", [(80, 16), (1, 80, 16), (1, 1, 64, 16), (1, 2, 80, 16)])
def test_mel_of_another_shape_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"mel has shape .*expected \(clips, 1, 80, frames\); was"):
        build(name)(torch.zeros(shape))


def test_griffin_lim_finds_better_phases_than_random_ones():
    mels = mel.log_mel(chirps())
    random, found = (
        (mel.log_mel(voice(build("griffin_lim", iterations=count), mels)) - mels).abs().mean()
        for count in (0, 32))
    assert found < 0.6 * random


def test_griffin_lim_keeps_each_moment_in_its_place():
    wave = torch.zeros(1, 8192)
    wave[:, 5000:5200] = noise(1, 200)
    found = voice(build("griffin_lim", iterations=32), mel.log_mel(wave))
    energy = found[0].square()
    centre = (energy * torch.arange(8192)).sum() / energy.sum()
    assert centre == pytest.approx(5100, abs=100)


@pytest.mark.parametrize("name", vocoder.VOCODERS)
def test_saved_vocoder_of_every_kind_sounds_the_same_when_loaded(name, tmp_path):
    network, mels = build(name), mel.log_mel(chirps(4096))
    network.save_pretrained(tmp_path)
    loaded = vocoder.load(tmp_path)
    assert type(loaded) is vocoder.VOCODERS[name]
    assert not loaded.training
    assert torch.allclose(voice(loaded, mels), voice(network, mels), atol=1e-5)


@pytest.mark.parametrize("config", [
    {"_class_name": "AutoencoderKL"}, {"architectures": ["SpeechT5HifiGan"]}])
def test_folder_of_another_network_is_refused(config, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"holds a '(Auto|Speech).*expected one of \['BigVgan"):
        vocoder.load(tmp_path)


def test_unknown_vocoder_is_refused():
    with pytest.raises(ValueError, match=r"'wavenet' is unknown, expected one of \['bigvgan'"):
        vocoder.build("wavenet")


def test_spectra_of_equal_waves_are_at_no_distance_and_tenfold_at_one():
    wave = noise(1, 8192)
    assert vocoder.spectra_distance(wave, wave) == 0
    assert vocoder.spectra_distance(10 * wave, wave) == pytest.approx(1, abs=0.01)


def test_distance_is_the_mean_over_clips_however_they_are_batched():
    network, waves = build("istft"), chirps()
    whole = vocoder.distance(network, waves)
    alone = [vocoder.distance(network, wave[None]) for wave in waves]
    assert sum(alone) / 3 == pytest.approx(whole, rel=1e-4)
    assert vocoder.distance(network, waves, batch=2) == pytest.approx(whole, rel=1e-4)


def test_held_out_distance_falls_and_the_critic_comes_late(tmp_path):
    shape = {**SHAPES["istft"], "corrections": 0}
    found = vocoder.train(
        tmp_path, tiny_trainers.sounds(), held_out=noise(2, 4096, seed=9), steps=9, batch=2,
        frames=16, critic_from=0.8, learning_rate=0.02, options=shape, save_every=3)
    log = pd.read_csv(tmp_path / "log.csv")
    errors = log[log.split == "held_out"].value.tolist()
    assert len(errors) == 3
    assert errors[2] < 0.8 * errors[0]
    assert {"critic", "fooling", "matching", "mel L1", "spectra"} <= set(log.name)
    assert vocoder.distance(found, noise(2, 4096, seed=9)) == pytest.approx(errors[2], rel=1e-4)


def test_without_its_share_of_the_steps_there_is_no_critic(tmp_path):
    vocoder.train(tmp_path, tiny_trainers.sounds(), steps=2, batch=1, frames=16, critic_from=1.0,
                  options=SHAPES["istft"])
    names = set(pd.read_csv(tmp_path / "log.csv").name)
    assert names == {"mel L1", "spectra", "gradient vocoder"}
