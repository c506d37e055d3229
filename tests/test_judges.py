"""The judges: what they hear is one thing whoever asks, they keep apart from what they judge."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from made_sounds import NAMED, tones

from maa import classifier, jobs, judges, mel, naming, retriever, scenes, text
from maa.errors import MaaError

ROOT = Path(__file__).parents[1]
NAMES = ["dog", "rain", "siren"]
WORDS = list(NAMED.values())
METRICS = {"accuracy", "FID", "KL", "KAD", "IS", "CLAP"}


def network(seed, widths=(4, 8), names=NAMES):
    torch.manual_seed(seed)
    return classifier.build("vgg", names, widths=widths).eval()


def made(scale="mini", listener=None):
    """Judges that learnt nothing: what they say is arbitrary, but always the same."""
    tokenizer = text.build_tokenizer(WORDS, 300)
    torch.manual_seed(2)
    reader = tokenizer, retriever.Retriever(len(tokenizer), 8, (4, 8), 1).eval()
    return judges.Judges(network(0), listener or network(1, (4, 6)), reader, scale)


@pytest.fixture(scope="module")
def judge():
    return made()


@pytest.fixture(scope="module")
def mels():
    return mel.log_mel(tones(2))[..., :24]


# ---- what they hear -----------------------------------------------------------------------------

def test_guesses_are_probabilities_and_the_highest_is_the_name_given(judge, mels):
    found = judge.guesses(mels)
    assert found.shape == (6, 3)
    assert found.sum(1) == pytest.approx(np.ones(6), abs=1e-6)
    given = [NAMES[place] for place in found.argmax(1)]
    assert judge.names == NAMES
    assert judge.hits(mels, given).tolist() == [1] * 6
    assert judge.hits(mels, [given[0], *["rain" if one == "dog" else "dog" for one in given[1:]]]
                      ).tolist() == [1, 0, 0, 0, 0, 0]


def test_accuracy_is_the_classifiers_and_features_and_scores_are_the_listeners(judge, mels):
    listener, namer = judge.listener, judge.classifier
    with torch.no_grad():
        assert judge.features(mels) == pytest.approx(listener.features(mels).numpy(), abs=1e-5)
        assert judge.scores(mels) == pytest.approx(listener(mels).numpy(), abs=1e-5)
        assert judge.guesses(mels) == pytest.approx(namer(mels).softmax(1).numpy(), abs=1e-5)
    assert judge.features(mels).shape == (6, 6)


def test_features_and_scores_heard_at_once_are_those_heard_apart(judge, mels):
    features, scores = judge.heard(mels)
    assert features == pytest.approx(judge.features(mels), abs=1e-6)
    assert scores == pytest.approx(judge.scores(mels), abs=1e-5)


def test_clap_score_is_the_cosine_of_each_sound_and_its_own_sentence(judge, mels):
    said = [WORDS[0], WORDS[1], WORDS[0], WORDS[2], WORDS[1], WORDS[0]]
    found = judge.clap(mels, said)
    assert found.shape == (6,)
    for row, one in enumerate(said):
        alone = judge.sounds(mels[row : row + 1])[0] @ judge.texts([one])[0]
        assert found[row] == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(judge.sounds(mels), axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_every_sound_needs_a_sentence(judge, mels):
    with pytest.raises(ValueError, match="6 sounds for 5 sentences, expected as many"):
        judge.clap(mels, WORDS[:1] * 5)


# ---- what they are called -----------------------------------------------------------------------

def test_each_metric_is_given_by_a_judge_whose_name_says_scale_and_network():
    found = made("small").evaluators
    assert set(found) == METRICS
    assert all("small" in name and "real clips only" in name for name in found.values())
    assert found["accuracy"] == "classifier (small vgg, real clips only)"
    assert found["FID"] == found["KL"] == found["KAD"] == found["IS"]
    assert len({found["accuracy"], found["FID"], found["CLAP"]}) == 3
    assert not set(found.values()) & set(made("mini").evaluators.values())


def test_a_listener_of_another_kind_is_named_by_it():
    other = classifier.build("melception", NAMES)
    assert made(listener=other).evaluators["KAD"] == "listener (mini melception, real clips only)"


def test_a_listener_that_knows_other_labels_is_refused():
    with pytest.raises(ValueError, match=r"classifier knows .*'rain', 'siren'.* the listener"):
        made(listener=network(1, names=["dog", "owl", "siren"]))


# ---- on the disk --------------------------------------------------------------------------------

def test_loaded_judges_say_what_the_saved_ones_said(judge, mels, tmp_path):
    judges.save(judge, tmp_path)
    loaded = judges.load(tmp_path)
    assert loaded.names == judge.names and loaded.evaluators == judge.evaluators
    for before, after in [(judge.guesses(mels), loaded.guesses(mels)),
                          (judge.features(mels), loaded.features(mels)),
                          (judge.scores(mels), loaded.scores(mels)),
                          (judge.clap(mels, WORDS * 2), loaded.clap(mels, WORDS * 2))]:
        assert np.allclose(before, after, atol=1e-6)
    assert not any(one.training for one in (loaded.classifier, loaded.listener, loaded.reader[1]))


def test_one_network_for_two_jobs_is_kept_once(tmp_path, mels):
    both = network(0)
    judge = judges.Judges(both, both, made().reader, "mini")
    judges.save(judge, tmp_path)
    assert not (tmp_path / "listener").exists()
    loaded = judges.load(tmp_path)
    assert loaded.listener is loaded.classifier
    assert np.allclose(loaded.scores(mels), judge.scores(mels), atol=1e-6)


def test_where_no_judges_are_the_notebook_is_named(tmp_path):
    with pytest.raises(MaaError, match="K-MISSING: .* was notebook 40_judges run to its end"):
        judges.load(tmp_path)


# ---- what they learn from -----------------------------------------------------------------------

def test_sentences_are_in_the_wording_of_training_of_evaluation_and_of_the_clip():
    heard = [(("dog", "our dog at noon"),)] * 40
    found = {one for several in judges.sentences(heard, 4, np.random.default_rng(0))
             for one in several}
    known, asked = set(naming.phrases("dog")), set(naming.phrases("dog", "evaluation"))
    assert found & known and found & asked and "our dog at noon" in found
    assert found <= known | asked | {"our dog at noon"}


def test_sentences_of_two_events_name_both_in_their_order():
    heard = [(("dog", None), ("rain", None))] * 10
    found = judges.sentences(heard, 3, np.random.default_rng(0))
    assert [len(several) for several in found] == [3] * 10
    wordings = {label: naming.phrases(label) + naming.phrases(label, "evaluation")
                for label in ("dog", "rain")}
    known = {order.format(one, other) for order in scenes.ORDER
             for one in wordings["dog"] for other in wordings["rain"]}
    assert {one for several in found for one in several} <= known
    assert found == judges.sentences(heard, 3, np.random.default_rng(0))
    assert found != judges.sentences(heard, 3, np.random.default_rng(1))


def stages():
    return {name: (" ".join(stage["deps"]), " ".join(jobs.outs(stage)))
            for name, stage in jobs.read_yaml(ROOT / "dvc.yaml")["stages"].items()}


def test_judges_learn_from_clips_alone():
    deps, _ = stages()["judges"]
    assert deps.split() == ["results/code/40_judges.py", "results/${item.scale}/clips"]


def test_nothing_that_a_judge_has_a_part_in_is_judged():
    """No stage that reads the judges makes a model, captions or sounds."""
    readers = {name: outs for name, (deps, outs) in stages().items() if "models/judges" in deps}
    assert "scores" in readers
    for name, outs in readers.items():
        assert not re.search("scale}/(models|captions|audio|pipeline|pictures)", outs), name


# ---- pairs --------------------------------------------------------------------------------------

LABELS = ["dog", "dog", "dog", "rain", "rain", "siren"]


@pytest.mark.parametrize("alike, having_one", [(True, [0, 1, 2, 3, 4]), (False, range(6))])
def test_pairs_are_two_clips_of_one_label_or_of_two(alike, having_one):
    for seed in range(5):
        rows, others = judges.pairs(LABELS, np.random.default_rng(seed), alike=alike)
        assert rows.tolist() == [*having_one]  # the only siren has no other siren
        assert all(row != other and (LABELS[row] == LABELS[other]) == alike
                   for row, other in zip(rows, others))


def test_every_possible_partner_is_drawn_and_the_same_ones_for_a_seed():
    drawn = [judges.pairs(LABELS, np.random.default_rng(seed), alike=False)[1].tolist()
             for seed in range(40)]
    assert {one[5] for one in drawn} == {0, 1, 2, 3, 4}
    assert drawn[3] == judges.pairs(LABELS, np.random.default_rng(3), alike=False)[1].tolist()


@pytest.mark.parametrize("labels, alike, words", [
    (["dog", "rain"], True, "no two of 2 clips have one label"),
    (["dog", "dog"], False, "no two of 2 clips have two labels"),
    ([], True, "no two of 0 clips have one label"),
])
def test_clips_without_any_pair_are_refused(labels, alike, words):
    with pytest.raises(ValueError, match=words):
        judges.pairs(labels, np.random.default_rng(0), alike=alike)
