"""Diffsound as published: its networks answer as formulas do, and it samples as its authors do."""

import copy

import diffsound_formulas as formulas
import made_diffsound
import pytest
import torch
from made_diffsound import CODES, COLUMNS, noise, page
from torch.nn import functional as F

from maa import codebook, diffsound, diffsound_release, published_diffsound
from maa.errors import MaaError, MaaWarning


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights():
    return made_diffsound.weights(made_diffsound.SMALL)


@pytest.fixture(scope="module")
def system(weights, tmp_path_factory):
    """What the files give, imported, saved and loaded again."""
    place = made_diffsound.write(tmp_path_factory.mktemp("small"), weights)
    diffsound_release.import_diffsound(
        place / "diffsound.pth", place / "best_netG.pt", place / "made",
        tokenizer=place / "clip", sizes=made_diffsound.SIZES)
    return published_diffsound.load(place / "made")


# ---- equality -----------------------------------------------------------------------------------

@torch.no_grad()
def test_the_transformer_guesses_as_the_published_one_within_1e_5(system, weights):
    text, t = F.normalize(noise(2, 77, 12), dim=-1), torch.tensor([99, 3])
    found = diffsound.guess(system.transformer, page(), t, text, None)
    expected = formulas.guessed(weights["checkpoint"], page(), text, t)
    assert found.shape == expected.shape == (2, CODES, 5 * COLUMNS)
    assert (found - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@torch.no_grad()
def test_the_codebook_reads_and_writes_as_the_published_one_within_1e_4(system, weights):
    tokens, mels = page(codes=CODES), noise(2, 1, 80, 16 * COLUMNS).clamp(-1, 1)
    expected, found = formulas.spoken(weights["book"], tokens), codebook.read(system.vq, tokens)
    assert found.shape == (2, 1, 80, 16 * COLUMNS)
    assert (found - expected).abs().max() < 1e-4
    words = codebook.tokenize(system.vq, mels)
    assert torch.equal(words, formulas.written(weights["book"], mels))
    assert len(words.unique()) > 1


@torch.no_grad()
def test_in_double_precision_the_codebook_differs_by_less_than_1e_10(system, weights):
    tokens, exact = page(codes=CODES), copy.deepcopy(system.vq).double()
    doubled = {name: value.double() for name, value in weights["book"].items()}
    expected = formulas.spoken(doubled, tokens)
    entries = exact.quantize.get_codebook_entry(tokens, (2, 5, COLUMNS, 4))
    found = exact.decode(entries, force_not_quantize=True).sample
    assert (found - expected).abs().max() < 1e-10


def test_mels_between_0_and_1_become_log10_magnitudes_between_minus_4_and_1(system):
    """20 dB below full scale and a range of 100 dB: v = (20 log10 m - 20 + 100) / 100."""
    tokens = page(codes=CODES)
    scaled = (codebook.read(system.vq, tokens) + 1) / 2
    loud = 10 ** published_diffsound.read(system.vq, tokens).double()
    assert torch.allclose(((20 * loud.log10() - 20 + 100) / 100).float(), scaled, atol=1e-6)


@torch.no_grad()
def test_the_text_encoder_reads_padding_as_the_published_one_within_1e_5(system, weights):
    ids = torch.zeros(2, 77, dtype=torch.long)
    ids[0, :6] = torch.tensor([53, 27, 4, 15, 33, 54])  # the mark, a</w>, d, o, g</w>, the mark
    ids[1] = torch.tensor([53, *[27] * 75, 54])
    found = published_diffsound.encode(system.reader, system.tokenizer, ["A  dog", "a " * 90])
    assert (found - formulas.understood(weights["checkpoint"], ids)).abs().max() < 1e-5
    assert torch.allclose(found.norm(dim=-1), torch.ones(2, 77))
    assert (found[0, 10] - found[0, 11]).abs().max() > 1e-3


@pytest.mark.parametrize("t", [99, 50, 1])
def test_a_step_back_has_the_chances_of_bayes_rule_within_1e_5(t):
    tokens = page()[:1]
    chance = noise(1, CODES, 5 * COLUMNS).log_softmax(1)
    found = published_diffsound.schedule(CODES).q_posterior(chance, tokens, torch.tensor(t))
    expected = formulas.before(chance[0].exp(), tokens[0], t)
    assert (found[0].double().softmax(0) - expected).abs().max() < 1e-5
    assert torch.equal(expected[CODES] > 0, tokens[0] == CODES)


def test_what_truncation_takes_away_does_not_change_the_other_chances():
    """The published code leaves chances that sum to 0.85 or more, ours sum to 1."""
    tokens, chance = page()[:1], noise(1, CODES, 5 * COLUMNS, seed=1).log_softmax(1)
    ordered, order = chance[0].exp().sort(0, descending=True)
    kept = torch.cat([torch.ones(1, ordered.shape[1]), (ordered.cumsum(0) < 0.85)[:-1].float()])
    theirs = torch.zeros_like(ordered).scatter(0, order, ordered * kept)
    ours = diffsound.truncate(chance, 0.85)
    found = published_diffsound.schedule(CODES).q_posterior(
        ours.clamp(min=diffsound.LEAST), tokens, torch.tensor(60))
    assert theirs.sum(0).min() < 0.95
    expected = formulas.before(theirs, tokens[0], 60)
    assert (found[0].double().softmax(0) - expected).abs().max() < 1e-5


# ---- sampling -----------------------------------------------------------------------------------

def knowing(system, clean):
    """Its transformer, sure of a clean page in the transformer's order; pages asked are kept."""
    asked = []

    class Sure(torch.nn.Module):
        config = system.transformer.config

        def forward(self, tokens, text, t, return_dict):
            asked.append((tokens, t.tolist()))
            sure = F.one_hot(clean, CODES).float().mT.clamp(min=1e-30).log()
            return (sure.repeat(len(tokens), 1, 1),)

    return Sure(), asked


def test_filling_goes_from_masks_through_100_steps_and_from_columns_to_rows(system):
    clean = page(codes=CODES)[:1]
    network, asked = knowing(system, clean)
    text = torch.zeros(2, 77, 12)
    found = published_diffsound.fill(network, text, CODES)
    assert [t for _, t in asked] == [[t, t] for t in range(99, -1, -1)]
    assert (asked[0][0] == CODES).all()  # the mask
    assert torch.equal(found, clean.expand(2, -1)[:, [
        column * 5 + row for row in range(5) for column in range(COLUMNS)]])


def test_a_code_without_a_vector_is_never_filled_in(system):
    network, _ = knowing(system, torch.full((1, 5 * COLUMNS), CODES - 1))
    found = published_diffsound.fill(network, torch.zeros(1, 77, 12), CODES - 1)
    assert found.max() < CODES - 1


def test_a_sound_depends_on_its_prompt_and_seed_alone(system):
    def seeds(*numbers):
        return [torch.Generator().manual_seed(number) for number in numbers]

    made = system(["a dog", "rain"], 1.0, generator=seeds(3, 4)).audios
    alone = system(["rain"], 1.0, generator=seeds(4)).audios
    assert made.shape == (2, 16_000) and made.dtype == "float32"
    assert abs(made[1] - alone[0]).max() < 1e-4
    assert abs(made[1] - system(["rain"], 1.0, generator=seeds(5)).audios[0]).max() > 1e-3


def test_words_that_the_published_system_does_not_read_are_noted(system):
    with pytest.warns(MaaWarning, match="P-LONG: prompt 1 has .* the last .* are not read"):
        system(["rain", "rain " * 100], 1.0)


def test_after_its_own_length_a_sound_is_silent(system):
    assert system.longest == pytest.approx(7 * 16 * 256 / 22_050)  # 1.3 s
    made = system(["rain"], 2.0).audios[0]
    end = round(system.longest * 16_000)
    assert made.shape == (32_000,) and not made[end:].any() and made[end - 100:end].any()


@pytest.mark.parametrize("options, message", [
    ({"num_inference_steps": 50}, "P-STEPS: 50 steps, expected 100"),
    ({"guidance_scale": 3.0}, "P-RANGE: guidance is 3.0, expected 1: Diffsound has none"),
    ({"audio_length_in_s": 3.0}, "P-DURATION: 3.0 s, .* at most 2: its sounds have 1.300 s"),
])
def test_what_the_published_system_cannot_do_is_refused(system, options, message):
    with pytest.raises(MaaError, match=message):
        system(["rain"], **options)
