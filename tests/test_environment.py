"""One environment in three forms, and a tree that a stranger can clone."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from maa import jobs, notebooks

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")]
ROWS = jobs.read_yaml(ROOT / "params.yaml")
SECTIONS = [section for section in ROWS if section not in (jobs.LIMITS, jobs.VARIANTS)]
SCALES = ["mini", "small", "paper"]
NAMES = notebooks.names(ROOT)
TEXT = {".py", ".ipynb", ".md", ".yaml", ".yml", ".toml", ".lock", ".csv", ".json", ".svg", ""}


def plain(name):
    return re.sub("[-_.]+", "-", name).lower()


def tracked():
    """Text files of the project: those git knows or would take, or all when there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and (ROOT / ".git").exists():
        paths = [ROOT / name for name in listed.stdout.splitlines()]
    else:
        places = [ROOT, *(ROOT / name for name in (".ci", "maa", "notebooks", "tests"))]
        paths = [path for place in places for path in place.iterdir()]
    return [path for path in paths if path.is_file() and path.suffix in TEXT]


def test_the_lock_pins_every_package_exactly_and_names_no_place():
    for line in LOCK:
        requirement = Requirement(line)
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), line
        assert requirement.url is None and "//" not in line, line


def test_every_range_of_pyproject_is_met_by_the_lock():
    pins = {plain(Requirement(line).name): next(iter(Requirement(line).specifier)).version
            for line in LOCK}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    for requirement in map(Requirement, wanted):
        version = pins.get(plain(requirement.name))
        assert version and requirement.specifier.contains(version), f"{requirement}: {version}"


def test_conda_takes_the_lock_and_a_python_that_pyproject_allows():
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert wanted[-1] == {"pip": ["-r requirements.lock", "-e ."]}
    python = next(text for text in wanted if str(text).startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python[7:]}.0")
    assert "pip" in wanted


def test_what_is_imported_is_in_pyproject():
    known = {"PyYAML": "yaml"}
    brought = {"IPython", "PIL", "jupyter_client", "packaging", "traitlets", "triton"}  # by those
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    names = {known.get(r.name, plain(r.name).replace("-", "_")) for r in map(Requirement, wanted)}
    own = {path.stem for path in (ROOT / "tests").glob("*.py")} | {"maa"} | brought
    for path in [*(ROOT / "maa").glob("*.py"), *(ROOT / "tests").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            words = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                words = [node.module]
            for word in words:
                top = word.split(".")[0]
                assert top in names | own or top in sys.stdlib_module_names, f"{path.name}: {top}"


def test_no_second_lock_is_there():
    """It would be full of registry addresses."""
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("path", tracked(), ids=lambda path: path.name)
def test_no_file_knows_where_it_lies(path):
    places = "|".join(["home", "root", "tmp", "work", "mnt", "Users"])
    found = re.search(rf"(^|[^A-Za-z0-9_.])/({places})/[^\s\"']*", path.read_text("utf-8"))
    assert found is None, f"{path.name} holds {found[0]!r}"


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_kept_without_outputs(name):
    """N11."""
    for cell in notebooks.read(ROOT / "notebooks" / f"{name}.ipynb").cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
        assert not {"execution", "papermill"} & {*cell.metadata}


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_cell_holds_the_row_mini(name):
    cell = notebooks.parameters(notebooks.read(ROOT / "notebooks" / f"{name}.ipynb"))
    assert cell == {"scale": "mini", **ROWS[notebooks.section(name)]["mini"],
                    **changes(name, jobs.variants(ROWS, name)[0])}


def changes(name, variant):
    """What a variant of a notebook sets besides the row of its section."""
    known = ROWS[jobs.VARIANTS].get(notebooks.section(name), {})
    return {"variant": variant, **known[variant]} if variant else {}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_one_that_its_notebook_takes(name):
    cell = notebooks.parameters(notebooks.read(ROOT / "notebooks" / f"{name}.ipynb"))
    for scale, row in ROWS[notebooks.section(name)].items():
        for variant in jobs.variants(ROWS, name):
            row = {"scale": scale, **row, **changes(name, variant)}
            jobs.check_parameters(f"row {scale}", row, cell)


@pytest.mark.parametrize("scale", SCALES)
def test_a_variant_differs_from_the_main_generator_in_what_it_says_and_in_nothing_else(scale):
    row, main, asked = (ROWS[one][scale] for one in ("variant", "diffusion", "text_to_audio"))
    assert main.items() <= row.items()
    assert {"sampling_steps" if key == "steps" else key: value for key, value in asked.items()
            }.items() <= row.items()
    learnt = ROWS["autoencoder"][scale]
    again = row["rebuilding"]
    assert {**again, "steps": 0, "start": ""}.items() <= {**learnt, "steps": 0, "start": ""}.items()
    assert again["steps"] == learnt["steps"] or again["start"] == "trained"
    assert row["channels"] == learnt["channels"]
    for changed in ROWS[jobs.VARIANTS]["variant"].values():
        assert len(changed.keys() - {"sets"}) == 1 and changed.keys() <= row.keys()
        assert all(row[key] != value for key, value in changed.items())


def test_every_notebook_has_a_section_and_a_stage_and_every_section_a_notebook():
    stages = jobs.read_yaml(ROOT / "dvc.yaml")["stages"]
    found = sorted(map(notebooks.section, NAMES))
    assert found == sorted(SECTIONS)
    assert found == sorted(name for name in stages if name != "code")


@pytest.mark.parametrize("section", SECTIONS)
def test_rows_of_a_section_have_the_same_keys_in_the_same_order(section):
    assert re.fullmatch("[a-z][a-z_0-9]*", section)  # dvc exp run -S wants a letter first
    assert list(ROWS[section]) == SCALES
    assert len({tuple(row) for row in ROWS[section].values()}) == 1
    assert all("seed" in row for row in ROWS[section].values())


def test_limits_are_known_for_every_notebook_at_every_scale():
    limits = ROWS[jobs.LIMITS]
    assert sorted(limits["minutes"]) == sorted(SECTIONS)
    assert {*limits["gpus"]} <= {*SECTIONS}
    for rows in [*limits["minutes"].values(), *limits["gpus"].values()]:
        assert list(rows) == SCALES
    assert all(rows["mini"] == 0 for rows in limits["gpus"].values())


def test_no_number_is_text_by_mistake():
    """YAML reads 1e-4 as text."""
    rows = [row for section in SECTIONS for row in ROWS[section].values()]
    texts = [value for row in rows for value in row.values() if isinstance(value, str)]
    assert not [text for text in texts if re.fullmatch(r"[-+.\d][-+.\deE]*", text)]


def test_make_knows_the_two_commands():
    for target in ("paper", "test"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and ".ci/environment" in done.stdout
    assert "make test" in (ROOT / ".ci" / "run").read_text()
