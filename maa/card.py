"""The model card that lies beside a saved pipeline: its data, what it can and can't do.

Conventions: README.md with a YAML head, as model hubs read it; numbers are not in it, they are in
    results/<scale>/scores and carry their evaluator, n and seed there.
Notebook: 30_text_to_audio.
"""

from pathlib import Path

from maa import files, mel

TEXT = """---
license: {licence}
pipeline_tag: text-to-audio
library_name: diffusers
---
# Make-An-Audio, scale {scale}

Text to sound, 16 kHz mono, trained from scratch by the notebooks of this repository. It is no
release of the paper's authors and holds none of their weights.

| part | parameters |
|---|---|
{parts}

**Heard in training.** {clips} clips from {recordings} recordings, of these labels:
{labels}.

**Licence.** The weights follow their data: {terms}.

| licence of clips | clips |
|---|---|
{licences}

**Can do.** The sounds above, one at a time or one after another ("a dog barking, then rain
falling"), {seconds:.1f} s long by training; other lengths work less well the further they are
from it.

**Can't do.** Speech, voices, music to order, sounds it never heard, counting ("three barks"),
fine control. An unknown word is read in pieces and means little. Scores with their evaluator, n
and seed: `results/{scale}/scores/scores.csv`.

**Use it well.** Say that its sounds are synthetic. Do not imitate a person without consent.
"""


def write(folder, pipe, table, scale):
    """Write the card of a saved pipeline.

    folder:  of the pipeline; README.md is written there
    pipe:    MakeAnAudioPipeline
    table:   clips.csv of the training clips
    """
    parts = "\n".join(
        f"| {name} ({type(part).__name__}) | {sum(p.numel() for p in part.parameters()):,} |"
        for name, part in pipe.components.items() if hasattr(part, "parameters"))
    kinds = table.licence.fillna("unknown").value_counts().sort_index()
    free = all(kind.startswith("CC0") for kind in kinds.index)
    files.atomic_write(Path(folder) / "README.md", TEXT.format(
        scale=scale, parts=parts, clips=len(table), recordings=table.source_id.nunique(),
        labels=", ".join(label.replace("_", " ") for label in sorted(set(table.label))),
        licence="cc0-1.0" if free else "cc-by-nc-3.0",
        terms="CC0" if free else "non-commercial, with the attribution that the sets ask for",
        licences="\n".join(
            f"| {kind or 'not stated'} | {count} |" for kind, count in kinds.items()),
        seconds=pipe.unet.config.sample_size[1] * mel.COLUMN * mel.HOP / mel.RATE).encode())
