"""The code behind each notebook, as one text: what its results depend on, besides params.yaml.

`python -m maa.code` writes results/code/<name>.py for every notebook: its code cells, then every
module of maa that they import, directly or through another. Text cells, docstrings, comments and
blank lines are left out, and so are the values in the parameters cell (params.yaml has them). The
stages of dvc.yaml depend on these files: a better explanation does not train a model again, and
no module can be forgotten.

Conventions: drawing changes no number, so DRAWING counts from chapter 5 on, where figures are the
    result. A file that a module names ("words.csv") and that lies beside it counts as code.
Notebook: all of them.
"""

import ast
import functools
import io
import tokenize
from pathlib import Path

from maa import files, notebooks, project

OUTPUT = "results/code"
PACKAGE = Path(__file__).parent
DRAWING = {"figures", "charts"}
CHAPTER_OF_FIGURES = "50"


def behind(name, notebook, package=PACKAGE):
    """All code that the results of the notebook `name` depend on.

    package:   folder of the modules of maa
    returns    text, the same for two notebooks that compute the same
    """
    cells = cells_of(notebook)
    spared = DRAWING if name < CHAPTER_OF_FIGURES else set()
    parts = [f"# {name}", cells]
    for path in reached(cells, package, spared):
        is_code = path.suffix == ".py"
        content = bare(path.read_text("utf-8")) if is_code else files.sha256(path)
        parts += [f"# maa/{path.name}", content]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def cells_of(notebook):
    """Code cells; of the parameters cell only the names are left."""
    parts = []
    for cell in notebooks.code_cells(notebook):
        if notebooks.tagged(cell, "parameters"):
            parts.append("# parameters: " + ", ".join(notebooks.parameters(notebook)))
        else:
            parts.append(bare(cell.source))
    return "\n".join(parts)


def reached(text, package=PACKAGE, spared=()):
    """Sorted paths of the modules of maa that `text` imports, even indirectly, and their data."""
    found, waiting = set(), [text]
    while waiting:
        modules, _ = read_by(waiting.pop())
        paths = {package / f"{module}.py" for module in modules - {*spared}}
        new = {path for path in paths - found if path.is_file()}
        found |= new
        waiting += [path.read_text("utf-8") for path in new]
    return sorted(found | {
        file for path in found for file in path.parent.iterdir()
        if file.suffix != ".py" and file.name in read_by(path.read_text("utf-8"))[1]})


@functools.cache
def read_by(text):
    """(modules of maa that `text` imports at any depth, all texts in quotes in it)."""
    modules, words = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module == "maa":
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("maa."):
            modules.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            dotted = [alias.name.split(".") for alias in node.names]
            modules |= {parts[1] for parts in dotted if parts[0] == "maa" and len(parts) > 1}
    return modules, words


@functools.cache
def bare(source):
    """Source without docstrings, comments, blank lines and spaces at line ends."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if is_documented(node):
            text = node.body[0]
            lines[text.lineno - 1:text.end_lineno] = [""] * (text.end_lineno - text.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def is_documented(node):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None


def main():
    """Write results/code/<name>.py for every notebook of the project."""
    folder = project.root()
    for name in notebooks.names(folder):
        notebook = notebooks.read(folder / notebooks.FOLDER / f"{name}.ipynb")
        text = behind(name, notebook, folder / "maa")
        files.atomic_write(folder / OUTPUT / f"{name}.py", text.encode())


if __name__ == "__main__":
    main()
