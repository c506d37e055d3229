"""Small projects for the tests of maa.run, maa.notebooks, maa.code and dvc.yaml."""

import nbformat
import yaml

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook(*cells, parameters="seed = 0"):
    """A title, a parameters cell and code cells."""
    made = nbformat.v4.new_notebook(metadata=KERNEL)
    made.cells = [
        nbformat.v4.new_markdown_cell("# A question?"),
        nbformat.v4.new_code_cell(
            f'scale = "mini"\n{parameters}', metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(cell) for cell in cells),
    ]
    return made


def project(folder, books, *, row=None, minutes=2, gpus=0, stages=None, variants=None):
    """A folder with notebooks/, params.yaml and dvc.yaml; every section gets the same row.

    variants:  {section: {variant: what it changes in the row}}
    """
    (folder / "notebooks").mkdir(parents=True)
    sections = [name.partition("_")[2] for name in books]
    rows = {"limits": {"minutes": {s: {"mini": minutes} for s in sections},
                       "gpus": {s: {"mini": gpus} for s in sections}}}
    rows |= {section: {"mini": row or {"seed": 0}} for section in sections}
    rows |= {"variants": variants} if variants else {}
    for name, made in books.items():
        nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    (folder / "params.yaml").write_text(yaml.safe_dump(rows))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages or {}}))
    return folder
