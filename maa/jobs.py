"""What a run has to do: notebooks in their order, each with its row of params.yaml, all checked.

Conventions: two sections of params.yaml are no notebook's: `limits`, minutes and GPUs of each, and
    `variants`: notebooks that run several times, and what each run changes in the row.
    Paths in dvc.yaml are compared as they are written there, with ${item.scale}.
Notebook: all of them.
"""

import dataclasses
import os

import yaml

from maa import notebooks
from maa.errors import MaaError

LIMITS, VARIANTS = "limits", "variants"


@dataclasses.dataclass
class Job:
    """One notebook at one scale, checked and ready to start."""

    name: str
    scale: str
    notebook: object
    parameters: dict
    minutes: float
    gpus: int
    variant: str = ""  # one of the notebook's variants, if it has any

    @property
    def copy(self):
        """Name of the executed copy."""
        return f"{self.name}.{self.variant}" if self.variant else self.name

    @property
    def section(self):
        """Where its checkpoints are: "autoencoder", "variant/bert"."""
        return "/".join(filter(None, (notebooks.section(self.name), self.variant)))


def prepare(folder, scale, words=()):
    """Jobs in the order in which they must run; everything is checked before the first one starts.

    folder:   root of the project
    scale:    row of params.yaml
    words:    notebooks, as "autoencoder" or "20_autoencoder", with one variant as "variant@bert";
              all when empty

    Raises MaaError R-NAME (unknown notebook or variant), R-SCALE, R-PARAMETERS (unknown, missing or
    of another kind), F-GPU.
    """
    rows, stages = read_yaml(folder / "params.yaml"), read_yaml(folder / "dvc.yaml")["stages"]
    known, chosen = notebooks.names(folder), {}
    for word in words or known:
        name, _, variant = word.partition("@")
        name = notebooks.find(known, name)
        chosen.setdefault(name, set()).update(variants(rows, name, variant))
    jobs = [checked(folder, rows, scale, name, variant)
            for name in in_order(stages, known)
            for variant in variants(rows, name) if variant in chosen.get(name, ())]
    check_gpus(jobs)
    return jobs


def variants(rows, name, wanted=""):
    """The variants of a notebook that are wanted, all when none is named: [""] if it has none.

    Raises MaaError R-NAME for an unknown one.
    """
    known = list(rows.get(VARIANTS, {}).get(notebooks.section(name), [""]))
    if wanted and wanted not in known:
        raise MaaError("R-NAME", (
            f"{name} has no variant {wanted!r}, expected one of: {', '.join(known) or 'none'}"))
    return [wanted] if wanted else known


def read_yaml(path):
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise MaaError("C-YAML", f"{path.name!r} is not YAML: {error}") from error


def checked(folder, rows, scale, name, variant=""):
    """The Job of one notebook, its row compared with its parameters cell."""
    section = notebooks.section(name)
    if scale not in rows.get(section, {}):
        raise MaaError("R-SCALE", (
            f"params.yaml has no row {scale!r} in section {section!r}, expected one of: "
            f"{', '.join(rows.get(section, {})) or 'none, the section is missing'}"))
    notebook = notebooks.read(folder / notebooks.FOLDER / f"{name}.ipynb")
    changed = {"variant": variant, **rows[VARIANTS][section][variant]} if variant else {}
    parameters = {"scale": scale, **rows[section][scale], **changed}
    check_parameters(f"section {section!r}, row {scale!r}", parameters,
                     notebooks.parameters(notebook))
    minutes, gpus = (rows[LIMITS][one].get(section, {}) for one in ("minutes", "gpus"))
    if scale not in minutes:
        raise MaaError("R-SCALE", (
            f"limits.minutes of params.yaml has no {scale!r} for {section!r}, expected minutes "
            f"after which it is stopped, as for {', '.join(minutes) or 'other sections'}"))
    return Job(name, scale, notebook, parameters, minutes[scale], gpus.get(scale, 0), variant)


def check_parameters(place, row, cell):
    """papermill passes a misspelt parameter without effect; here it is an error."""
    for key in sorted({*row, *cell}):
        if key not in cell:
            raise MaaError("R-PARAMETERS", (
                f"{place} of params.yaml has {key!r}, which the notebook does not know; "
                f"it has: {', '.join(cell)}"))
        if key not in row:
            raise MaaError("R-PARAMETERS", f"{place} of params.yaml lacks {key!r}")
        if kind(row[key]) != kind(cell[key]) and None not in (row[key], cell[key]):
            raise MaaError("R-PARAMETERS", (
                f"{place} of params.yaml has {key}: {row[key]!r}, expected {kind(cell[key])} as in "
                f"the notebook ({cell[key]!r}); write 0.0001, for 1e-4 is text in YAML"))


def kind(value):
    return "number" if type(value) in (int, float) else type(value).__name__


def check_gpus(jobs):
    """Refuse to start what needs GPUs that are not there; a launcher over hosts knows better."""
    needy = [job for job in jobs if job.gpus]
    if not needy or "RANK" in os.environ:
        return
    import torch

    most = max(needy, key=lambda job: job.gpus)
    if (found := torch.cuda.device_count()) < most.gpus:
        raise MaaError("F-GPU", (
            f"{most.name} at scale {most.scale!r} needs {most.gpus} GPU(s), this machine has "
            f"{found}; run `make paper` (scale mini) here, or change limits.gpus in params.yaml"))


def visible_gpus():
    """Names of the GPUs that this process may use, as for CUDA_VISIBLE_DEVICES."""
    import torch  # slow to import, and scale mini needs no GPU

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
    return named.split(",")[:count]


def in_order(stages, known):
    """Names in reading order, each after the notebooks whose results it reads by dvc.yaml."""
    sections = {notebooks.section(name): name for name in known}
    made = {path: sections[s] for s in stages if s in sections for path in outs(stages[s])}
    before = {
        name: {made[path] for path in stages.get(section, {}).get("deps", []) if path in made}
        for section, name in sections.items()
    }
    order = []
    while len(order) < len(known):
        ready = [n for n in known if n not in order and before[n] <= {*order}]
        if not ready:
            raise MaaError("R-ORDER", "the stages of dvc.yaml wait for one another in a circle")
        order.append(ready[0])
    return order


def outs(stage):
    """Paths that a stage of dvc.yaml makes, of all its variants; each a path or {path: options}."""
    paths = [out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", [])]
    several = stage.get("matrix", {}).get("variant", [""])
    return [path.replace("${item.variant}", one) for path in paths for one in several]
