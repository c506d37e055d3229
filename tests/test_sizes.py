"""The paper row of params.yaml builds the released networks' sizes and shapes."""

from pathlib import Path

import pytest
import torch
import yaml

from maa import autoencoder, diffusion

ROWS = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text("utf-8"))


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_paper_row_builds_a_denoiser_of_160_223_684_parameters():
    row, text_row = ROWS["diffusion"]["paper"], ROWS["clap"]["paper"]
    with torch.device("meta"):
        unet = diffusion.build_unet(widths=row["widths"], layers=row["layers"],
                                    heads=row["heads"], text_width=text_row["projection"])
    assert count(unet) == 160_223_684


def test_the_paper_row_builds_an_autoencoder_of_68_984_037_parameters():
    row = ROWS["autoencoder"]["paper"]
    shape = {key: row[key] for key in ("widths", "attention", "layers", "channels")}
    with torch.device("meta"):
        vae = autoencoder.build(**shape)
    assert count(vae) == 68_984_037


@pytest.mark.parametrize("frames, columns", [(624, 78), (160, 20)])
def test_the_latent_of_ten_seconds_is_4_by_10_by_78(frames, columns):
    with torch.device("meta"):
        vae = autoencoder.build(widths=(32, 32, 32, 32), attention=0, layers=1)
        latent = autoencoder.encode(vae, torch.zeros(1, 1, 80, frames))
        assert latent.shape == (1, 4, 10, columns)
        assert autoencoder.decode(vae, latent).shape == (1, 1, 80, frames)
