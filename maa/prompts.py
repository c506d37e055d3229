"""Dynamic reprogramming: new pairs of words and sound, made from a captioned clip and events.

Events are drawn from a database, their sounds joined to the clip's own, and a template says so in
the order heard. `compose` fills a template, `reprogram` makes one new pair, `pool` many at once.

Conventions: waves and scenes are (samples,) float32 at 16 kHz; a database is a list of
    (label as words, wave); OWN in an order stands for the caption's own sound; texts are kept raw.
    Two events nest: the text made with the first is X for the second, so each is heard before or
    after all that was joined so far. The paper leaves this open. One such text in ten can be read
    in two ways ("before hearing B, X before hearing A,"); what is heard is one of them.
    The English is the paper's, unrepaired: "before noticing some noisy voice of rain, a cat meows".
Source: Section 3.2.2, Appendix F. Differs: the paper joins whole clips; here they share the time of
    one scene. A label is drawn at most once for a scene, else no order could be heard.
Notebook: 12_reprogrammed_prompts.
"""

import re

from maa import corpus, errors, lazy, processes, scenes

WORDS = {
    "v": ("hearing", "noticing", "listening to", "appearing"),
    "a": ("clear", "noisy", "close-up", "weird", "clean"),
    "n": ("audio", "sound", "voice"),
    "q": ("a", "the", "some"),
}
TEMPLATES = {  # in the paper's order; X: the caption, &: the event; then which is heard first
    "before v q a n of &, X": "X&",  # X takes place before & is heard
    "X before v q a n of &,": "X&",  # the same turned round; the comma is the paper's
    "in front of v q a n of &, X": "X&",  # of time, "in front of" can only mean "before"
    "first is X second is q a n of &": "X&",
    "after X, v q a n of &": "X&",  # X is over when & is heard
    "after v q a n of &, X": "&X",  # & is over when X takes place
    "behind v q a n of &, X": "&X",  # of time, "behind" can only mean "after"
    "v q a n of &, then X": "&X",
    "v q a n of &, following X": "X&",  # what follows is &, although it is named first
    "v q a n of &, later X": "&X",
    "X after v q a n of &": "&X",  # as the sixth, turned round
    "before X, v q a n of &": "&X",  # & is heard before X takes place
}
PLAIN = {form.format(*order): order for form in scenes.ORDER for order in ("X&", "&X")}  # not the
# paper's: as people write, what is heard first is named first; "X, then &"
FORMS = TEMPLATES | PLAIN
OWN = "caption"
SLOT = re.compile(r"\b[vqanX]\b|&")
PUNCTUATION = " ,."  # at the end of a text; tells nothing about where it comes from
ANY = {slot: f"(?:{'|'.join(said)})" for slot, said in WORDS.items()} | {"X": ".+", "&": ".+"}
SHAPES = [re.compile(SLOT.sub(lambda slot: ANY[slot[0]], template.strip(PUNCTUATION)),
                     re.IGNORECASE | re.DOTALL) for template in TEMPLATES]  # all that each can say


def database(table, waves):
    """Events to draw from: (label as words, wave) for each row; "sea_waves" becomes "sea waves".

    table, waves:  as maa.clips.load gives them; rows without a label of their own are no events

    Raises ValueError if they differ in length, MaaError C-EMPTY for a blank label.
    """
    if len(table) != len(waves):
        raise ValueError(f"table has {len(table)} rows for {len(waves)} waves, expected as many")
    for label in set(table["label"]):
        check_words("label", label)
    return [(plain(label), wave) for label, wave in zip(table["label"], waves)
            if label != corpus.UNNAMED]


def compose(caption, event, template, generator):
    """The template's sentence about a caption and an event.

    template:   a key of FORMS
    generator:  numpy Generator; draws v, q, a and n, each word of WORDS equally often
    returns     str; caption and event are in it as they are, whatever letters they hold

    Raises ValueError for an unknown template; MaaError C-EMPTY for an empty or blank text.
    """
    if template not in FORMS:
        raise ValueError(f"template is {template!r}, expected one of {list(FORMS)}")
    check_words("caption", caption)
    check_words("event", event)
    filling = {slot: pick(words, generator) for slot, words in WORDS.items()}
    filling |= {"X": caption, "&": event}
    return SLOT.sub(lambda slot: filling[slot[0]], template)  # once: an X in a caption is no slot


def reprogram(caption, wave, database, samples, generator, most=2):
    """A new text and scene: the captioned sound, with 0 … `most` events before or after it.

    samples:    length of the scene
    generator:  numpy Generator; every number of events, event and template equally often
    returns     (text, scene (samples,) float32, order: labels and OWN as heard); without events
                 the caption as it is, and its sound filling the scene

    Raises ValueError for numbers that do not fit, MaaError C-EMPTY for a blank caption; warns
    C-TEMPLATE if the caption is already a template's sentence.
    """
    check_words("caption", caption)
    check_room(samples, most, {label for label, _ in database})
    warn_of_templates([caption])
    plan, order, waves = draw(wave, database, most, generator)
    text = tell([caption], plan, 1, generator)[0]
    return text, scenes.join(waves, samples, generator), order


def pool(clips, database, samples, count, generator, most=2, texts=8, plainly=0.0,
         evenly=True):
    """Scenes for a cache: sound mixed once, so that latents are computed once, and many texts.

    clips:      list of (list of true captions, wave, label)
    database:   list of (label, wave); events of the clip's own label are not joined to it
    generator:  numpy Generator; sounds are also started elsewhere and up to 6 dB quieter or louder
    texts:      of each scene; their templates differ and all say the order heard
    plainly:    share of the texts that use PLAIN, not TEMPLATES
    evenly:     True draws every label equally often, False every clip
    returns     (lazy.Lazy, for each a list of `texts` strings, for each its order); where
                several processes train together, this one's share of them

    Raises and warns as reprogram(). Differs: the paper mixes anew at every step.
    """
    if not clips:
        raise ValueError("clips is empty, expected at least one; is it the right split?")
    by_label, known = {}, {label for label, _ in database}
    for captions, wave, label in clips:
        for caption in captions or [""]:
            check_words("caption", caption)
        by_label.setdefault(plain(label), []).append((captions, wave))
    for label in by_label:
        check_room(samples, most, known - {label})
    warn_of_templates([caption for captions, _, _ in clips for caption in captions])
    told, orders, parts, labels = [], [], [], sorted(by_label)
    every = [label for label in labels for _ in by_label[label]]
    for _ in range(count):
        label = pick(labels if evenly else every, generator)
        captions, wave = pick(by_label[label], generator)
        plan, order, waves = draw(wave, database, most, generator, label)
        told.append(tell(captions, plan, texts, generator, plainly))
        orders.append(order)
        parts.append(waves)

    def make(number, own):
        return scenes.join([scenes.varied(one, own) for one in parts[number]], samples, own)

    own, seed = processes.own(), int(generator.integers(2**63))
    return lazy.Lazy(make, range(count)[own], (samples,), seed), told[own], orders[own]


def draw(wave, database, most, generator, own=None):
    """Events for a sound, drawn evenly; none has the label `own`, no label comes twice.

    returns  (plan: for each event its label and which is heard first, as in TEMPLATES;
              order and waves as heard: each before or after all that was joined so far)
    """
    plan, sequence, taken = [], [(OWN, wave)], {own}
    number = int(generator.integers(most + 1))
    while len(plan) < number:
        label, sound = pick(database, generator)
        if label in taken:
            continue
        taken.add(label)
        plan.append((label, pick(list(TEMPLATES.values()), generator)))
        sequence.insert(len(sequence) if plan[-1][1] == "X&" else 0, (label, sound))
    order, waves = zip(*sequence)
    return plan, list(order), waves


def tell(captions, plan, count, generator, plainly=0.0):
    """`count` texts, all true of the plan, a share of them said `plainly`; no template comes again
    before all that agree came."""
    told, simple = [pick(captions, generator) for _ in range(count)], round(plainly * count)
    for label, heard in plan:
        forms = (agreeing(TEMPLATES, heard, count - simple, generator)
                 + agreeing(PLAIN, heard, simple, generator))
        told = [compose(text, label, form, generator) for text, form in zip(told, forms)]
    return told


def agreeing(templates, heard, count, generator):
    """`count` of the templates that say this order; none again before all that do."""
    right = [template for template, order in templates.items() if order == heard]
    rounds = [generator.permutation(right) for _ in range(0, count, len(right))]
    return [str(one) for turn in rounds for one in turn][:count]


def is_template(text):
    """Whether a text could have been made by a template: words of ours, not of a listener."""
    return any(shape.fullmatch(text.strip(PUNCTUATION)) for shape in SHAPES)


def pick(things, generator):
    """One of a list, each equally often, and as it is: numpy's choice would change texts."""
    return things[int(generator.integers(len(things)))]


def plain(label):
    """A label as words: "sea_waves" → "sea waves"."""
    return label.replace("_", " ")


def check_words(name, text):
    """MaaError C-EMPTY for a text in which nothing can be read."""
    if not isinstance(text, str) or not any(c.isprintable() and not c.isspace() for c in text):
        raise errors.MaaError(
            "C-EMPTY", f"{name} is {text!r}, expected words; is a cell of the table empty?")


def check_room(samples, most, labels):
    """ValueError if `most` events find no time in a scene, or not as many labels to choose from."""
    scenes.check_room(samples, most)
    if len(labels) < most:
        raise ValueError(f"events of other labels than the clip's are {sorted(labels)}, "
                         f"expected {most} labels or more")


def warn_of_templates(captions):
    """Warn C-TEMPLATE: such a caption may have been made here, and says nothing new."""
    if found := [caption for caption in captions if is_template(caption)]:
        errors.warn("C-TEMPLATE", f"{len(found)} captions are a template's sentence already, such "
                                  f"as {found[0][:80]!r}; were they made by maa.prompts?")
