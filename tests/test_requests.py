"""Values at the door, by themselves; tests/test_pipeline.py has what a call does with them."""

import types
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from maa import diffusion, requests
from maa.errors import MaaError, MaaWarning

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def sizes(width=64, dtype=torch.float32):
    """As much of a U-Net and a decoder as the estimate of memory looks at."""
    config = types.SimpleNamespace(block_out_channels=(width, 2 * width))
    return [types.SimpleNamespace(config=config, dtype=dtype)] * 2


# ---- texts --------------------------------------------------------------------------------------

@pytest.mark.parametrize("prompt", ["a dog barking", ["a dog barking"], ("a dog barking",)])
def test_one_prompt_is_a_list_of_one(prompt):
    assert requests.texts(prompt) == ["a dog barking"]


def test_white_space_of_any_kind_is_one_space():
    assert requests.texts([" a\tdog\n\u00a0 barks ", "雨"]) == ["a dog barks", "雨"]


def test_one_negative_prompt_serves_all_and_none_is_empty():
    assert requests.both_texts(["a", "b"], " speech ", 3.0) == (["a", "b"], ["speech"] * 2)
    assert requests.both_texts(["a", "b"], ["c", "d"], 3.0)[1] == ["c", "d"]
    assert requests.both_texts("a", None, 1.0) == (["a"], [""])


def test_every_prompt_without_words_is_noted_by_its_place():
    with pytest.warns(MaaWarning, match=r"P-EMPTY: prompt \[0, 2\] has no words"):
        requests.both_texts(["", "a dog", "  "], None, 3.0)


def test_a_text_is_cut_where_it_is_read_no_further_whatever_its_tokenizer_would_take():
    def tokenizer(words, verbose):
        return {"input_ids": words.split()}

    tokenizer.model_max_length = int(1e30)  # of one read from vocab.txt alone
    texts = ["a", "a b c", "a b", "a b c"]
    with pytest.warns(MaaWarning, match="P-LONG: negative_prompt 1 has 3 tokens: the last 1 are not"
                      ) as told:
        requests.note_cut(tokenizer, texts, 2, "negative_prompt")
    assert len(told) == 1


def test_a_sound_with_one_number_missing_is_refused():
    assert requests.check_finite(torch.zeros(1, 9), torch.float16) is None
    for value in (float("nan"), float("inf")):
        with pytest.raises(MaaError, match="P-NUMERIC: the sound has NaN .* do torch.float16 wei"):
            requests.check_finite(torch.tensor([[0.0, value]]), torch.float16)


# ---- numbers ------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), Fraction(3)])
def test_numbers_of_every_library_become_plain_floats(value):
    found = requests.number(value, "x", 0, 5)
    assert found == 3 and type(found) is float


def test_whole_numbers_may_come_from_numpy_and_both_ends_are_allowed():
    found = requests.whole(np.int32(5), "x", 1, 5, "P-STEPS")
    assert found == 5 and type(found) is int
    assert requests.whole(1, "x", 1, 5, "P-STEPS") == 1


def test_guidance_below_zero_is_allowed_with_a_note_and_above_without():
    with pytest.warns(MaaWarning, match="P-RANGE: guidance_scale -2 is below 0"):
        assert requests.guidance(-2) == -2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [requests.guidance(value) for value in (0, 1, 50)] == [0, 1, 50]


@pytest.mark.parametrize("seconds, columns, samples", [
    (None, 4, 8192), (None, 78, 159_744), (1, 4, 16_000), (1 / 16_000, 4, 1), (1.23456, 4, 19_753)])
def test_seconds_are_samples_at_16_khz_and_none_is_the_trained_width(seconds, columns, samples):
    assert requests.samples(seconds, columns) == samples


# ---- memory -------------------------------------------------------------------------------------

def test_estimated_memory_is_halved_by_half_precision_and_grows_with_the_sounds():
    one, many = (requests.memory(*sizes(), sounds, 78) for sounds in (4, 100))
    assert one < many < 25 * one  # the decoder takes four at once
    assert requests.memory(*sizes(), 200, 78) == pytest.approx(2 * many)
    half = requests.memory(*sizes(dtype=torch.bfloat16), 4, 78)
    assert 0.5 < half / one < 0.55  # waves and mels stay float32


def test_a_request_that_fits_passes_and_one_byte_more_does_not(monkeypatch):
    monkeypatch.setattr(requests, "free_memory", lambda device: 2_000_000_000)
    assert requests.check_size(160_000, 3, 2_000_000_000, CPU) is None
    with pytest.raises(MaaError, match=r"P-MEMORY: 3 × 10 s .* about 2 GB .* the 2 GB that are free"
                       ) as caught:
        requests.check_size(160_000, 3, 2_000_000_001, CPU)
    assert caught.value.exit_status == 7


# ---- generators ---------------------------------------------------------------------------------

def test_seeds_of_several_sounds_follow_each_other():
    assert [one.initial_seed() for one in requests.seeded(7, 3)] == [7, 8, 9]
    first, again = (torch.rand(4, generator=requests.seeded(8)[0]) for _ in range(2))
    assert torch.equal(first, again)


def test_the_last_seed_of_several_must_fit_too():
    assert requests.seeded(2**64 - 3, 3)[-1].initial_seed() == 2**64 - 1
    with pytest.raises(MaaError, match=f"P-SEED: seed is {2**64 - 2}, expected 0 … {2**64 - 3}"):
        requests.seeded(2**64 - 2, 3)


def test_generators_come_back_as_the_pipeline_takes_them():
    one, pair = torch.Generator(), tuple(requests.seeded(0, 2))
    assert requests.generators(None, 2, 1, CPU) is None
    assert requests.generators(one, 2, 1, CPU) is one
    assert requests.generators(pair, 2, 1, GPU) == list(pair)
    with pytest.raises(MaaError, match="P-SEED: generator has 2 entries, expected 2 × 3: one a"):
        requests.generators(pair, 2, 3, CPU)


# ---- samplers and messages ----------------------------------------------------------------------

def test_only_ddim_is_told_eta():
    generator = torch.Generator()
    assert requests.step_options(diffusion.ddim(), 0.5, generator) == {
        "eta": 0.5, "generator": generator}
    assert "eta" not in requests.step_options(diffusion.dpm(), 0, generator)


def test_a_long_value_is_cut_and_a_tensor_is_told_by_its_shape():
    found = requests.shown("x" * 10_000)
    assert len(found) == 66 and found.endswith("… (str)")
    assert requests.shown(torch.zeros(2, 3)) == "(2, 3) (Tensor)"


@pytest.mark.parametrize("call, code, words", [
    (lambda: requests.number(Decimal(1), "x", 0, 5), "P-TYPE", "expected a number 0 … 5"),
    (lambda: requests.number(1j, "x", 0, 5), "P-TYPE", "1j .complex."),
    (lambda: requests.whole(np.float64(2), "x", 1, 5, "P-STEPS"), "P-STEPS", "a whole number 1"),
    (lambda: requests.whole(np.True_, "x", 0, 5, "P-STEPS"), "P-STEPS", "True"),
    (lambda: requests.seeded(0, 0), "P-COUNT", "count is 0, expected 1 … 1024"),
    (lambda: requests.samples(0.9 / 16_000, 4), "P-DURATION", "at least one sample"),
    (lambda: requests.texts("dog \x1b[2J"), "P-TEXT", "position 4"),
    (lambda: requests.texts(["a", float("nan")], "negative_prompt"), "P-TYPE",
     r"negative_prompt 1 is nan \(float\).* a missing value"),
    (lambda: requests.choice("latnt", ("np", "latent"), "output_type", "P-TYPE"), "P-TYPE",
     "did you mean 'latent'"),
    (lambda: requests.choice(7, ("np", "latent"), "output_type", "P-TYPE"), "P-TYPE",
     r"7 \(int\), expected one of \['np', 'latent'\]$"),
])
def test_a_wrong_value_is_answered_with_what_was_expected(call, code, words):
    with pytest.raises(MaaError, match=words) as caught:
        call()
    assert caught.value.code == code and "\n" not in str(caught.value)
