"""Rows: what follows from what a judge heard, worked by hand, in memory and from disk."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from maa import experts, files, metrics, rows
from maa.errors import MaaError

NAMES = ["dog", "rain"]


class Judge:
    """Hears levels alone. Features: the means of the lower and of the upper bands; it scores dog by
    the first and rain by the second. Its words are "low" and "high" likewise."""

    names, listener, classifier = NAMES, "ear", "namer"
    evaluators = {"FID": "listener (by hand)", "accuracy": "classifier (by hand)"}

    def heard(self, mels):
        means = [mels[:, 0, part].mean((1, 2)) for part in (slice(40), slice(40, 80))]
        features = torch.stack(means, 1).numpy()
        return features, 2 * features

    def guesses(self, mels):
        return torch.from_numpy(self.heard(mels)[0]).softmax(1).numpy()

    def clap(self, mels, prompts):
        features = self.heard(mels)[0]
        lengths = np.linalg.norm(features, axis=1)
        return features[range(len(mels)), [["low", "high"].index(one) for one in prompts]] / lengths


def mels_of(levels):
    """(lower, upper) of each sound → (clips, 1, 80, 8) mels."""
    levels = torch.tensor(levels, dtype=torch.float32)
    return levels.repeat_interleave(40, 1)[:, None, :, None].expand(-1, 1, 80, 8).contiguous()


def hear(mels, prompts, which="two_events"):
    asked = pd.DataFrame({"set": which, "prompt": prompts})
    return rows.hear(Judge(), mels, asked)


def noise(count, seed=0):
    """What is heard, also in halves, of sounds of random levels, all asked for as "low"."""
    levels = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)).tolist()
    return hear(mels_of(levels), ["low"] * count)


def values(findings):
    return {metric: float(value) for metric, value, _ in findings}


# ---- what is heard ------------------------------------------------------------------------------

def test_sounds_are_heard_whole_and_in_halves():
    dog, rain = mels_of([(3.0, 4.0)]), mels_of([(1.0, 0.0)])
    heard = hear(torch.cat([dog, rain], 3), ["low"])
    assert heard["features"].tolist() == [[2.0, 2.0]]
    assert heard["scores"].tolist() == [[4.0, 4.0]]
    assert heard["guesses"].tolist() == [[0.5, 0.5]]
    assert heard["cosines"] == pytest.approx([0.5**0.5])
    for half, lead in (("first", -1), ("second", 1)):
        chance = 1 / (1 + math.exp(-lead))
        assert heard[half][0] == pytest.approx([chance, 1 - chance], abs=1e-6)


def test_halves_are_heard_of_two_events_alone_and_one_network_for_both_only_once():
    heard = hear(mels_of([(3.0, 4.0)]), ["low"], "held_out")
    assert set(heard) == {"features", "scores", "guesses", "cosines"}
    judge = Judge()
    judge.listener = judge.classifier
    judge.guesses = None  # would fail if it were asked
    asked = pd.DataFrame({"set": ["held_out"], "prompt": ["low"]})
    chance = 1 / (1 + math.exp(2.0))  # of scores 6 and 8
    guesses = rows.hear(judge, mels_of([(3.0, 4.0)]), asked)["guesses"]
    assert guesses[0] == pytest.approx([chance, 1 - chance], abs=1e-6)


def plan(**sets):
    """The plan of {set: how often it is asked}."""
    frame = pd.DataFrame([which for which, count in sets.items() for _ in range(count)],
                         columns=["set"])
    return frame.assign(prompt=[f"prompt {number}" for number in frame.groupby("set").cumcount()])


def test_what_was_heard_comes_back_from_disk_with_its_plan_and_the_names_of_its_judges(tmp_path):
    heard = {"held_out": noise(3), "two_events": noise(4, seed=1)}
    told = plan(held_out=3, two_events=4)
    rows.save(tmp_path, heard, Judge(), told)
    found, again, about = rows.load(tmp_path)
    assert about == {"names": NAMES, "evaluators": Judge.evaluators}
    assert again.equals(told) and list(found) == list(heard)
    for which, arrays in heard.items():
        assert found[which].keys() == arrays.keys()
        assert all(np.array_equal(found[which][name], array) for name, array in arrays.items())


def test_labels_that_are_numbers_are_recognised_from_disk_as_they_were_before(tmp_path):
    heard = hear(mels_of([(20.0, 0.0), (0.0, 20.0)]), ["low"] * 2, "held_out")
    told = plan(held_out=2).assign(label=["0", "1"])
    rows.save(tmp_path, {"held_out": heard}, Judge(), told)
    found, again, _ = rows.load(tmp_path)
    before, after = (values(rows.recognition(one, ["0", "1"], part.label)) for one, part in (
        (heard, told), (found["held_out"], again)))
    assert before == after and after["accuracy"] == 1.0


def test_arrays_in_any_order_of_memory_come_back_as_they_were(tmp_path):
    turned = {name: np.asfortranarray(array) for name, array in noise(3).items()}
    rows.save(tmp_path, {"unheard": turned}, Judge(), plan(unheard=3))
    assert np.array_equal(rows.load(tmp_path)[0]["unheard"]["features"], noise(3)["features"])


def test_plans_that_ask_the_same_of_the_sets_of_both_are_paired():
    rows.check_paired(plan(held_out=3, unheard=2), plan(held_out=3, unheard=2))
    rows.check_paired(plan(held_out=3, unheard=2), plan(held_out=3))


@pytest.mark.parametrize("change", [lambda one: one.replace("prompt 1", "another"),
                                    lambda one: one.iloc[::-1], lambda one: one.iloc[:2]])
def test_plans_that_ask_otherwise_or_in_another_order_are_refused(change):
    with pytest.raises(MaaError, match="S-PAIR"):
        rows.check_paired(plan(held_out=3, unheard=2), change(plan(held_out=3)))


# ---- distances ----------------------------------------------------------------------------------

def test_sounds_that_are_the_real_ones_have_no_distance_from_them():
    found = values(rows.distances(noise(20), noise(20)))
    assert list(found) == ["FID", "KAD", "KL"]
    assert (found["FID"], found["KL"]) == pytest.approx((0, 0), abs=1e-5)


def test_fid_of_sounds_that_are_all_shifted_alike_is_the_square_of_the_shift():
    real = noise(20)
    made = real | {"features": real["features"] + [1, 2]}
    assert values(rows.distances(real, made))["FID"] == pytest.approx(5, abs=1e-4)


def test_kl_says_what_the_made_sounds_lack_of_the_real_ones():
    """Real 0.8 dog and 0.2 rain, made half and half: 0.8 ln 1.6 + 0.2 ln 0.4; the other way round
    0.5 ln 0.625 + 0.5 ln 2.5."""
    real, even = (noise(20) | {"scores": np.log([[one, 1 - one]] * 20)} for one in (0.8, 0.5))
    lacking = 0.8 * math.log(1.6) + 0.2 * math.log(0.4)
    assert values(rows.distances(real, even))["KL"] == pytest.approx(lacking, abs=1e-4)
    turned = 0.5 * math.log(0.625) + 0.5 * math.log(2.5)
    assert values(rows.distances(even, real))["KL"] == pytest.approx(turned, abs=1e-4)


def test_pairs_matter_to_kl_and_not_to_fid():
    real = noise(20)
    swapped = values(rows.distances(real, {name: array[::-1] for name, array in real.items()}))
    assert swapped["KL"] > 0.1
    assert swapped["FID"] == pytest.approx(0, abs=1e-5)


def test_every_value_lies_within_its_interval():
    made = noise(30, seed=1)
    made["features"] = made["features"] + 0.5
    found = rows.every("held_out", made, NAMES, ["dog", "rain"] * 15, noise(30))
    assert len(found) == 6
    assert all(low < value < high for _, value, (low, high) in found)


# ---- obedience, recognition, order --------------------------------------------------------------

def test_clap_score_is_the_mean_cosine_with_the_words_that_asked():
    heard = hear(mels_of([(3.0, 4.0), (1.0, 0.0)]), ["high", "low"])
    (metric, value, interval), = rows.obedience(heard)
    assert (metric, value) == ("CLAP", pytest.approx((0.8 + 1.0) / 2))
    assert interval == pytest.approx(metrics.interval(np.array([0.8, 1.0])))


def test_accuracy_is_the_share_that_is_named_and_is_counts_the_labels_heard():
    heard = hear(mels_of([(20.0, 0.0)] * 2 + [(0.0, 20.0)] * 2), ["low"] * 4)
    found = values(rows.recognition(heard, NAMES, ["dog", "dog", "rain", "dog"]))
    assert found == {"accuracy": 0.75, "IS": pytest.approx(2, abs=1e-6)}
    alike = {name: array[:2] for name, array in heard.items()}
    found = values(rows.recognition(alike, NAMES, ["dog", "rain"]))
    assert found == {"accuracy": 0.5, "IS": pytest.approx(1)}


def test_order_is_the_share_whose_halves_are_heard_as_they_were_asked_for():
    dog, rain = (mels_of([levels])[0] for levels in ((2.0, 0.0), (0.0, 2.0)))
    halves = [(dog, rain), (dog, rain), (dog, rain), (rain, dog), (rain, rain)]
    labels = ["dog+rain", "dog+rain", "rain+dog", "rain+dog", "dog+rain"]
    heard = hear(torch.stack([torch.cat(pair, 2) for pair in halves]), ["low"] * 5)
    (metric, value, interval), = rows.order(heard, NAMES, labels)
    assert (metric, value) == ("order", pytest.approx((1 + 1 + 0 + 1 + 0.5) / 5))
    assert interval == metrics.interval(np.array([1, 1, 0, 1, 0.5]))


# ---- every --------------------------------------------------------------------------------------

@pytest.mark.parametrize("which, label, more", [
    ("held_out", "dog", ["accuracy", "IS"]), ("unheard", "owl", []),
    ("two_events", "dog+rain", ["order"])])
def test_each_set_is_judged_by_what_its_labels_allow(which, label, more):
    found = rows.every(which, noise(20, seed=1), NAMES, [label] * 20, noise(20))
    assert list(values(found)) == ["FID", "KAD", "KL", "CLAP", *more]


def test_real_sound_itself_is_judged_as_answers_are_but_has_no_distances():
    made = rows.every("held_out", noise(20), NAMES, ["dog"] * 20, noise(20, seed=1))
    itself = rows.every("held_out", noise(20), NAMES, ["dog"] * 20)
    assert itself == made[3:]


# ---- captions -----------------------------------------------------------------------------------

def distilled():
    """Three clips: each expert's own sentences, one that both wrote, and nothing at all."""
    written = {"captioning": [["a dog barks", "a dog"], ["rain falls"], []],
               "retrieval": [["a bell rings"], ["rain falls"], []]}
    scores = {"a dog barks": 0.2, "a dog": 0.5, "a bell rings": 0.1, "rain falls": 0.3}
    return experts.distil(["a", "b", "c"], written, lambda candidates: [
        [scores[one] for one in several] for several in candidates], 0.4)


def test_each_expert_has_its_first_sentence_and_the_selection_what_clap_kept():
    assert rows.captions(distilled(), ["dog", "sea_waves", "bell"]) == {
        "original_label": ["dog", "sea waves", "bell"],
        "captioning": ["a dog barks", "rain falls", ""],
        "retrieval": ["a bell rings", "rain falls", ""],
        "both_with_clap_selection": ["a dog", "", ""]}


def test_captions_are_read_alike_from_the_table_on_disk(tmp_path):
    files.write_table(tmp_path / "expert.csv", distilled())
    found = rows.captions(experts.read(tmp_path / "expert.csv"), ["dog"] * 3)
    assert found == rows.captions(distilled(), ["dog"] * 3)


def test_sentences_are_scored_by_whether_they_name_the_label():
    found = rows.named(["a dog barks", "rain falling", "a dog barks", ""],
                       ["dog", "rain", "rain", "dog"])
    assert found.tolist() == [1, 1, 0, 0]


def test_a_sentence_that_names_two_labels_equally_names_none_of_those_asked_about():
    both = "a dog barks while rain falls"
    assert rows.named([both, "rain falling"], ["dog", "rain"]).tolist() == [0, 1]
    assert rows.named([both, both], ["dog", "dog"]).tolist() == [1, 1]
