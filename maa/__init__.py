"""Make-An-Audio, the whole paper in runnable form: a sentence goes in, sound comes out."""

import importlib

__version__ = "0.1.0"

# A saved pipeline names its parts as ["maa", "IstftVocoder"]; diffusers looks the class up here,
# and beside it the base class that tells how to load it. Nothing is imported before it is needed.
CLASSES = {
    "MakeAnAudioPipeline": "maa.pipeline",
    "WordEncoder": "maa.text",
    "Bert": "maa.text",
    "IstftVocoder": "maa.vocoder",
    "HifiGan": "maa.vocoder",
    "GriffinLim": "maa.vocoder",
    "BigVgan": "maa.bigvgan",
    "MsClapText": "maa.msclap",
    "ModelMixin": "diffusers",
    "PreTrainedModel": "transformers",
}


def __getattr__(name):
    if name not in CLASSES:
        raise AttributeError(f"module 'maa' has no attribute {name!r}")
    return getattr(importlib.import_module(CLASSES[name]), name)
