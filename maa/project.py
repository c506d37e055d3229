"""Where the project is, and its results, whatever folder a notebook is opened in.

Conventions: JupyterLab starts a notebook in notebooks/, papermill at the root of the project.
Notebook: all of them.
"""

import os
from pathlib import Path

from maa.errors import MaaError


def root(start="."):
    """Nearest folder from `start` upwards with params.yaml and notebooks/, else the one of maa itself.

    Raises MaaError R-ROOT.
    """
    start = Path(start).resolve()
    for folder in [start, *start.parents, Path(__file__).resolve().parents[1]]:
        if (folder / "params.yaml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise MaaError("R-ROOT", (
        f"no params.yaml beside a folder 'notebooks' in {str(start)!r} or above it; "
        f"go to the folder of the project first"))


def results(name):
    """The folder results/<name>, as seen from here; `name` is a scale or "reported"."""
    return Path(os.path.relpath(root() / "results" / name))
