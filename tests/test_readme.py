"""README.md says what the tables say, and names what is there."""

import re
from pathlib import Path

from maa import benchmark, notebooks, scores

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def table(heading):
    """Rows of the first table under a heading, as lists of cells."""
    part = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_number_of_the_small_model_stands_in_its_scores():
    shown = scores.shown(scores.read(ROOT / "results/small/scores/scores.csv")).reset_index()
    known = {tuple(map(str, row)) for row in
             shown[["what", "metric", "value (95 % interval)", "n"]].itertuples(index=False)}
    rows = table("What the small model reaches")
    assert len(rows) >= 5
    for row in rows:
        assert tuple(row) in known, row


def test_every_speed_stands_in_the_benchmark():
    measured = benchmark.read(ROOT / "results/benchmark")
    ways = [("plainly", "BigVgan"), ("quickly", "BigVgan"), ("quickly", "IstftVocoder")]
    rows = table("How fast the paper's network is")
    assert len(rows) == 3
    for what, *shown in rows:
        sounds, steps = map(int, re.match(r"(\d+) sounds?, (\d+) steps", what).groups())
        own = measured[(measured.sounds == sounds) & (measured.steps == steps)]
        own = own.set_index(["what", "vocoder"])
        column, form = ("p50_ms", ",.0f") if what.endswith("ms") else ("per_second", ".1f")
        told = [format(float(own.loc[[way], column].iloc[0]), form)
                for way in ways if way in own.index]
        assert shown == told, what


def test_its_words_on_training_stand_in_the_benchmark():
    measured = benchmark.read(ROOT / "results/benchmark")
    training = measured[measured.what == "training"]
    best = training.groupby(["recorded", "processes"]).per_second.max()
    here = training[training.recorded.astype(bool) & (training.processes == 1)]
    first, last = (here.set_index("sounds").per_second[size] for size in (64, 256))
    peak = measured.teraflops[measured.subject == "machine"].iloc[0]
    words = " ".join(README.split())
    for said in (f"learns from {first:,.0f} clips a second at batch 64, from {last:,.0f} at 256",
                 f"{best[False, 2]:,.0f} where one learned from {best[False, 1]:,.0f} "
                 f"({50 * best[False, 2] / best[False, 1]:.0f} % of twice as many)",
                 f"{100 * here.teraflops.max() / peak:.0f} % of the {peak:.0f} TFLOP/s"):
        assert said in words, said


def test_its_words_on_likeness_stand_in_the_benchmark():
    measured = benchmark.read(ROOT / "results/benchmark")
    assert measured.lowest_correlation.min() > 0.9999999
    fid = measured[measured.metric == "FID"].iloc[0]
    ends = measured[measured.step == measured.step.max()].groupby("processes").loss
    apart = ends.max() - ends.min()
    words = " ".join(README.split())
    for said in (f"its {fid.n:.0f} held-out prompts with FID {fid.plainly:.2f} either way",
                 f"(difference {fid.difference:.3f}, interval {fid.low:.3f} … {fid.high:.3f}",
                 f"the noise error is {ends.mean()[1]:.3f} on one, {ends.mean()[2]:.3f} on two "
                 f"(seeds lie up to {apart.max():.3f} apart)"):
        assert said in words, said
    assert f"{fid.quickly:.2f}" == f"{fid.plainly:.2f}" and fid.low < 0 < fid.high


def test_every_notebook_and_module_is_in_the_map_and_exists():
    cells = " ".join(" ".join(row) for row in table("Paper → notebook → module"))
    assert set(re.findall(r"`(\d\d_\w+)`", cells)) == set(notebooks.names(ROOT))
    for module in re.findall(r"`maa\.(\w+)`", cells):
        assert (ROOT / f"maa/{module}.py").is_file(), module


def test_every_picture_and_sound_it_shows_is_there():
    places = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert places
    for place in places:
        assert (ROOT / place).is_file(), place
