"""The judges of 40_judges, kept together: a classifier, a listener and a CLAP, and their names.

No judge takes part in making what it judges: all three learn real training clips alone, and none
of them is read by a notebook that trains a generator, selects captions or makes sounds.

    classifier   names sounds: accuracy, and which of two sounds comes first
    listener     features for FID and KAD, scores for KL and IS; may be the classifier itself
    CLAP         cosines of sounds and sentences; neither the one whose words steer the generator
                 nor the one that retrieves captions

Conventions: mels (clips, 1, 80, frames) log10; `evaluators` says whom each metric is given by.
Source: Section 5.3. Differs: the paper's FID and KL listen through a Melception trained on VGGSound,
    its CLAP score through the CLAP that selects captions; ours are trained here, apart.
Notebook: 40_judges.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from maa import classifier, files, judging, metrics, naming, retriever, scenes
from maa.errors import MaaError

ABOUT = "judges.json"


@dataclass(frozen=True)
class Judges:
    """classifier and listener: of maa.classifier; reader: (tokenizer, Retriever); scale: a word."""

    classifier: nn.Module
    listener: nn.Module
    reader: tuple
    scale: str

    def __post_init__(self):
        if self.classifier.names != self.listener.names:
            raise ValueError(
                f"classifier knows {self.classifier.names}, the listener {self.listener.names}, "
                "expected the same names; were they trained on one corpus?")

    @property
    def names(self):
        """The labels in the order of guesses and scores."""
        return self.classifier.names

    @property
    def evaluators(self):
        """{metric: who gives it}, for maa.scores.row."""
        listener = f"listener ({self.scale} {classifier.kind(self.listener)}, real clips only)"
        return {
            "accuracy": f"classifier ({self.scale} {classifier.kind(self.classifier)}, real clips only)",
            **dict.fromkeys(("FID", "KL", "KAD", "IS"), listener),
            "CLAP": f"CLAP judge ({self.scale} VGG and BERT, real clips only)"}

    def guesses(self, mels):
        """Probability that the classifier gives each label: (clips, classes) array."""
        return classifier.apply(self.classifier, mels).softmax(1).numpy()

    def hits(self, mels, labels):
        """For each clip 1.0 if the classifier names its label, else 0.0; as maa.judging.hits."""
        return judging.hits(self.classifier, mels, labels)

    def features(self, mels):
        """What the listener hears before it decides, for FID and KAD: (clips, width) array."""
        return judging.features(self.listener, mels)

    def scores(self, mels):
        """The listener's scores before the softmax, for KL and IS: (clips, classes) array."""
        return classifier.apply(self.listener, mels).numpy()

    def heard(self, mels):
        """features and scores at once, for half the time: two arrays."""
        found = classifier.apply(self.listener.features, mels)
        return found.numpy(), classifier.apply(self.listener.head, found).numpy()

    def sounds(self, mels):
        """CLAP's unit vector of each sound: (clips, width) array."""
        return classifier.apply(self.reader[1].hear, mels).numpy()

    def texts(self, sentences):
        """CLAP's unit vector of each sentence: (sentences, width) array."""
        different = list(dict.fromkeys(sentences))
        tokenizer, network = self.reader
        found = retriever.meanings(tokenizer, network.read, different).numpy()
        return found[[different.index(one) for one in sentences]]

    def clap(self, mels, sentences):
        """CLAP score of each sound and its sentence: (clips,) cosines, −1 … 1."""
        if len(mels) != len(sentences):
            raise ValueError(f"{len(mels)} sounds for {len(sentences)} sentences, expected as many")
        return metrics.clap_score(self.sounds(mels), self.texts(sentences))


def sentences(heard, count, generator):
    """`count` true sentences for each scene, in the wording of training and in that of evaluation.

    heard:    what scenes.draw returned
    returns   list of lists of strings

    Whoever judges must know the words in which sounds are asked for; the generator never reads
    those of evaluation.
    """
    def phrase(label, own):
        wordings = [naming.phrases(label), naming.phrases(label, "evaluation")]
        wordings += [[own]] if own else []
        return str(generator.choice(wordings[generator.integers(len(wordings))]))

    return scenes.composed(heard, count, generator, phrase)


def pairs(labels, generator, *, alike):
    """Two different clips at a time, drawn at random: of one label if `alike`, else of two labels.

    returns   two arrays of row numbers: each clip that has a partner, and its partner

    Raises ValueError if no clip has a partner.
    """
    labels = np.asarray(labels)
    fits = (labels[:, None] == labels) == alike  # (clips, clips)
    np.fill_diagonal(fits, False)
    rows = np.flatnonzero(fits.any(1))
    if not len(rows):
        kind = "one label" if alike else "two labels"
        raise ValueError(f"no two of {len(labels)} clips have {kind}, expected some such pairs; are "
                         "there several clips of several labels?")
    return rows, np.array([generator.choice(np.flatnonzero(fits[row])) for row in rows])


def save(judges, folder):
    """The networks and what they are called → folder, for load()."""
    folder, one_for_both = Path(folder), judges.listener is judges.classifier
    classifier.save(judges.classifier, folder / "classifier")
    if not one_for_both:
        classifier.save(judges.listener, folder / "listener")
    retriever.save(*judges.reader, folder / "clap")
    files.write_json(folder / ABOUT, {
        "scale": judges.scale, "listener": "classifier" if one_for_both else "listener"})


def load(folder):
    """Judges that save() wrote, on training.device(), in eval mode.

    Raises MaaError K-MISSING if there are none.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise MaaError("K-MISSING", (
            f"{str(folder)!r} has no {ABOUT}; was notebook 40_judges run to its end?"))
    about = files.read_json(folder / ABOUT)
    networks = {name: classifier.load(folder / name) for name in {"classifier", about["listener"]}}
    reader = retriever.load(folder / "clap")
    return Judges(networks["classifier"], networks[about["listener"]], reader, about["scale"])
