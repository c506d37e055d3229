"""Notebooks as data: found, read, checked and normalised, never executed here.

Conventions: a name is "20_autoencoder", its section (in params.yaml) "autoencoder".
Notebook: all of them.
"""

import ast
import json
import re
import sys
from pathlib import Path

# nbformat brings this one along, which takes 2.4 s to compile a grammar that nbformat never uses.
sys.modules.setdefault("rfc3987_syntax", None)
import nbformat  # noqa: E402

from maa.errors import MaaError

FOLDER = "notebooks"
LARGEST_OUTPUT = 2_000_000  # bytes of one cell: a reader's browser and git both stay quick
UNSTABLE = {  # what differs between two equal runs → what is written instead
    r"\b0x[0-9a-f]{6,}\b": "0x…",
    r"/[^\s\"']{0,200}/ipykernel_\d+/\d+\.py": "cell",
}


def names(folder):
    """Names of all notebooks of a project, in reading order."""
    return sorted(path.stem for path in (Path(folder) / FOLDER).glob("[0-9][0-9]_*.ipynb"))


def section(name):
    """The word under which params.yaml knows a notebook: "20_autoencoder" -> "autoencoder"."""
    return name.partition("_")[2]


def find(known, word):
    """The one name among `known` that a user means by "autoencoder", "20_autoencoder" or its path.

    Raises MaaError R-NAME when there is none.
    """
    stem = Path(word).stem
    for name in known:
        if stem in (name, section(name)):
            return name
    raise MaaError("R-NAME", (
        f"notebook {word!r} is unknown, expected one of: {', '.join(map(section, known))}"))


def read(path):
    """A notebook, as nbformat gives it. Raises MaaError N-FORMAT if the file is not one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise MaaError("N-FORMAT", (
            f"{Path(path).name!r} cannot be read as a notebook: {error}; was it saved half-way?"
        )) from error


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def code_cells(notebook):
    """Code cells that hold anything."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def parameters(notebook):
    """{name: value} of the cell tagged `parameters`, which may hold literals only.

    Raises MaaError R-PARAMETERS when the cell is missing or holds something else.
    """
    found = [cell for cell in code_cells(notebook) if tagged(cell, "parameters")]
    if len(found) != 1:
        raise MaaError("R-PARAMETERS", (
            f"{len(found)} cells have the tag 'parameters', expected 1; "
            f"in JupyterLab, tags are in the property inspector"))
    values = {}
    for line in ast.parse(found[0].source).body:
        try:
            values[line.targets[0].id] = ast.literal_eval(line.value)
        except (AttributeError, ValueError) as error:
            raise MaaError("R-PARAMETERS", (
                f"parameters cell holds {ast.unparse(line)!r}, expected `name = literal`"
            )) from error
    return values


def failure(notebook):
    """What stopped an executed notebook, as (code, text), or None if every cell completed."""
    for cell in code_cells(notebook):
        place = f"cell [{cell.execution_count}] {cell.source.strip().splitlines()[0]!r}"
        for output in cell.outputs:
            if output.output_type != "error" or tagged(cell, "raises-exception"):
                continue
            if output.ename == "SystemExit":
                return "N-EXIT", f"{place} left with SystemExit({output.evalue}); it must end"
            if output.ename == "MaaError":  # already says its own code
                inner, _, text = output.evalue.partition(": ")
                return inner, f"{text} — {place}"
            return "N-CELL", f"{place}: {output.ename}: {output.evalue}"
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        return "N-ORDER", f"cells ran in the order {counts}, expected 1 to {len(counts)}"
    return None


def refuse_large(cell):
    """Empty a cell whose output nobody could open, and raise MaaError N-OUTPUT."""
    size = len(json.dumps(cell.outputs))
    if size > LARGEST_OUTPUT:
        cell.outputs = []
        raise MaaError("N-OUTPUT", (
            f"cell [{cell.execution_count}] {cell.source.strip().splitlines()[0]!r} has "
            f"{size / 1e6:.1f} MB of output, expected at most {LARGEST_OUTPUT / 1e6:.0f} MB; "
            f"does it print in a loop, or play a sound in full?"))


def normalised(notebook, folder):
    """Bytes of an executed notebook that are the same for every equal run.

    Times, random ids, memory addresses, the place of the project (`folder`) and progress bars are
    left out; what the cells computed stays.
    """
    result = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    if "kernelspec" in notebook.metadata:
        result.metadata.kernelspec = notebook.metadata.kernelspec
    for number, cell in enumerate(notebook.cells):
        cell = nbformat.from_dict({**cell, "id": f"cell-{number:02d}"})
        for timing in ("papermill", "execution"):
            cell.metadata.pop(timing, None)
        if cell.cell_type == "code":
            cell.outputs = [stable(output, str(folder)) for output in merged(cell.outputs)]
        result.cells.append(cell)
    return (nbformat.writes(result, indent=1) + "\n").encode()


def merged(outputs):
    """Outputs with the pieces of a stream joined and its progress bars dropped."""
    kept, streams = [], {}
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = output
            kept.append(output)
    for stream in streams.values():  # a bar draws itself anew after each carriage return
        lines = stream.text.replace("\r\n", "\n").split("\n")
        stream.text = "\n".join(line for line in lines if "\r" not in line)
    return [output for output in kept if output.output_type != "stream" or output.text]


def stable(output, folder):
    """One output without what only this run or this machine has."""
    if output.output_type == "stream":
        output.text = plain(output.text, folder)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") and isinstance(value, str):
            output.data[kind] = plain(value, folder)
    return output


def plain(text, folder):
    for pattern, replacement in UNSTABLE.items():
        text = re.sub(pattern, replacement, text)
    return text.replace(folder + "/", "").replace(folder, ".")
