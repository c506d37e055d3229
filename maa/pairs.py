"""Pairs of words and sound to train the generator on: what is known of each clip, as a list.

Conventions: a pair is (list of true captions, wave (samples,), label); the label serves to draw
    kinds of sound equally often.
Source: Section 3.2 (language-free sound gets pseudo captions).  Notebook: 22_diffusion.
"""

from maa import corpus, naming, prompts
from maa.errors import MaaError


def told(table, waves, distilled=None):
    """Captioned clips with their captions, sound without language with what the experts chose.

    table, waves:  as maa.clips.load gives them
    distilled:     DataFrame of experts.distil, all cells as text; has every clip without language;
                   None where every clip has a caption
    returns        list of pairs, in the order of the table. A captioned clip has its own words and
                   the phrases of its label; the others have the chosen sentence, and for a label
                   the one that the sentence names, their own staying hidden. A clip whose sentence
                   was rejected is left out, and one whose sentence names nothing, unless captions
                   come without labels.

    Raises MaaError C-ID for a clip that no expert heard.
    """
    chosen = {} if distilled is None else dict(zip(distilled["id"], distilled["chosen"]))
    labels = sorted(set(table.label[table.annotation == "caption"]))
    unnamed = corpus.UNNAMED if corpus.UNNAMED in labels else None
    pairs = []
    for row, wave in zip(table.itertuples(), waves, strict=True):
        if row.annotation == "caption":
            known = naming.phrases(row.label) if naming.has_phrases(row.label) else []
            words = [row.caption, *(one for one in known if one != row.caption)]
            pairs.append((words, wave, row.label))
            continue
        if row.id not in chosen:
            raise MaaError("C-ID", (
                f"clip {row.id!r} is not among the {len(chosen)} that the experts heard; was "
                f"11_pseudo_captions run on this corpus?"))
        sentence = chosen[row.id]
        label = naming.label_named(sentence, labels) or unnamed
        if label and sentence:
            pairs.append(([sentence], wave, label))
    return pairs


def events(table, waves):
    """Sounds to join to others, (label as words, wave) each: captioned clips with a label; where
    captions come without, the clips of which the label is all that is told.

    table, waves:  as maa.clips.load gives them, of training clips

    Source: Section 3.2.2, the event database.
    """
    ours = (table.annotation == "caption") & (table.label != corpus.UNNAMED)
    rows = [row for row, taken in enumerate(ours if ours.any() else table.annotation == "none")
            if taken]
    return prompts.database(table.iloc[rows], [waves[row] for row in rows])
