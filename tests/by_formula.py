"""Weights computed from a tensor's name and shape alone, and the files that the authors released.

The golden outputs in tests/golden were computed by their code with these weights.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "golden"
KEYS = json.loads((GOLDEN / "release.keys.json").read_text())
MARKS = ["[PAD]", *(f"[unused{number}]" for number in range(99)), "[UNK]", "[CLS]", "[SEP]",
         "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ARGUMENTS = """
num_mels: 80
sampling_rate: 16000
hop_size: 256
upsample_rates: [4, 4, 2, 2, 2, 2]
upsample_kernel_sizes: [8, 8, 4, 4, 4, 4]
upsample_initial_channel: 1536
resblock: "1"
resblock_kernel_sizes: [3, 7, 11]
resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
activation: snakebeta
snake_logscale: true
learning_rate: 0.0001
"""


def tensor(name, shape):
    """float32, the same on every machine."""
    count = int(np.prod(shape))
    phase = zlib.crc32(name.encode()) % 100_003
    wave = np.sin(12.9898 * (np.arange(count, dtype=np.float64) + 1) + 0.37 * phase)
    if len(shape) <= 1:
        value = 1 + 0.1 * wave if name.endswith("weight") else 0.05 * wave
    elif name.endswith("weight_g"):
        value = 1 + 0.1 * wave
    else:
        value = wave * 1.4 / np.sqrt(count // shape[0])
    return torch.from_numpy(value.astype(np.float32).reshape(shape))


def lightning(weights):
    """What a checkpoint of Lightning holds beside its weights."""
    return {"epoch": 9, "global_step": 2_000_000, "pytorch-lightning_version": "1.5.9",
            "state_dict": weights, "callbacks": {}, "lr_schedulers": [],
            "optimizer_states": [{"state": {0: {"step": torch.tensor(5.0)}}, "param_groups": []}]}


def other(schedule, scale=0.25):
    """The buffers of maa1_full.ckpt: schedule is ᾱ of 1000 steps."""
    kept = {name: torch.zeros(shape) for name, shape in KEYS["other"]["float"].items()}
    counted = {name: torch.arange(shape[1])[None] for name, shape in
               KEYS["other"]["integer"].items()}
    return kept | counted | {"alphas_cumprod": schedule, "scale_factor": torch.tensor(scale)}


def vocabulary(folder):
    """A folder with a vocabulary such as BERT's, of letters and few words."""
    folder.mkdir()
    words = [*MARKS, *LETTERS, *(f"##{letter}" for letter in LETTERS), "dog", "rain", "barking"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder
