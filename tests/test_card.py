"""The card beside a saved pipeline: its data, its licence and its limits are stated."""

import re

import pandas as pd
import pytest
import tiny_pipeline
import yaml

from maa import card

FREE, BOUND = "CC0-1.0 (synthesised)", "CC BY-NC 3.0 (set licence)"


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline.build(width=16, inner=16, depth=1)


def clips(*licences):
    """A table of clips, two of each recording, with these licences in turn."""
    count = len(licences)
    return pd.DataFrame({
        "id": [f"clip-{n}" for n in range(count)],
        "label": [("dog_bark", "rain", "siren")[n % 3] for n in range(count)],
        "source_id": [f"source-{n // 2}" for n in range(count)], "licence": licences})


def written(folder, pipe, table, scale="mini"):
    card.write(folder, pipe, table, scale)
    return (folder / "README.md").read_text("utf-8")


def head(text):
    """The YAML between the first two rules, as model hubs read it."""
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])


def test_the_same_pipeline_and_clips_give_the_same_card(pipe, tmp_path):
    first = written(tmp_path / "a", pipe, clips(FREE, BOUND, FREE))
    assert first == written(tmp_path / "b", pipe, clips(FREE, BOUND, FREE))


def test_the_card_counts_clips_recordings_and_labels(pipe, tmp_path):
    text = written(tmp_path, pipe, clips(*[FREE] * 5))
    assert "5 clips from 3 recordings, of these labels:\ndog bark, rain, siren." in text


def test_the_card_counts_the_parameters_of_every_part_that_has_some(pipe, tmp_path):
    text = written(tmp_path, pipe, clips(FREE))
    found = dict(re.findall(r"\| (\w+) \(\w+\) \| ([\d,]+) \|", text))
    assert set(found) == {"vae", "text_encoder", "unet", "vocoder"}
    for name, number in found.items():
        wanted = sum(value.numel() for value in getattr(pipe, name).parameters())
        assert int(number.replace(",", "")) == wanted > 1000


def test_weights_of_free_sounds_alone_are_free(pipe, tmp_path):
    text = written(tmp_path, pipe, clips(FREE, FREE, "CC0"))
    assert head(text)["license"] == "cc0-1.0"
    assert "The weights follow their data: CC0." in text


@pytest.mark.parametrize("other", [BOUND, "unknown", "", "CC BY 4.0"])
def test_one_clip_that_is_not_free_makes_the_weights_non_commercial(pipe, tmp_path, other):
    text = written(tmp_path, pipe, clips(FREE, FREE, FREE, other))
    assert head(text)["license"] == "cc-by-nc-3.0"
    assert "non-commercial, with the attribution" in text and "data: CC0" not in text


def test_every_licence_is_listed_with_its_clips_and_a_missing_one_is_said(pipe, tmp_path):
    text = written(tmp_path, pipe, clips(FREE, BOUND, FREE, "", BOUND, FREE))
    table = text.split("| licence of clips | clips |\n|---|---|\n")[1].split("\n\n")[0]
    assert table.splitlines() == ["| not stated | 1 |", f"| {BOUND} | 2 |", f"| {FREE} | 3 |"]


@pytest.mark.parametrize("scale", ["mini", "paper"])
def test_the_card_names_its_scale_and_where_its_numbers_are(pipe, tmp_path, scale):
    text = written(tmp_path, pipe, clips(FREE), scale)
    assert f"# Make-An-Audio, scale {scale}\n" in text
    assert f"`results/{scale}/scores/scores.csv`" in text


def test_the_card_says_how_long_the_sounds_of_training_were(pipe, tmp_path):
    assert "0.5 s long by training" in written(tmp_path, pipe, clips(FREE))  # 4 columns: 0.512 s


def test_the_head_is_what_model_hubs_read(pipe, tmp_path):
    found = head(written(tmp_path, pipe, clips(FREE)))
    assert found["pipeline_tag"] == "text-to-audio" and found["library_name"] == "diffusers"


def test_nothing_of_the_template_is_left_over(pipe, tmp_path):
    assert not re.search(r"[{}]", written(tmp_path, pipe, clips(FREE, BOUND)))
