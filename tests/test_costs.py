"""What a run costs: counted by hand and by the counter, then put into hours, money and room."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maa import autoencoder, costs, diffusion, jobs, vocoder, workloads

PARAMS = jobs.read_yaml(Path(__file__).parents[1] / "params.yaml")
VARIANTS = PARAMS["variants"]["variant"]
SHARES = {"pictures": 0.5, "waves": 0.1}


def rows(scale):
    return {section: row[scale] for section, row in PARAMS.items() if scale in row}


def meta(*shape):
    return torch.zeros(*shape, device="meta")


# ---- operations ---------------------------------------------------------------------------------

def test_a_convolution_costs_two_operations_for_each_weight_and_place():
    conv = nn.Conv2d(3, 8, 3, padding=1, device="meta")
    assert costs.operations(conv, meta(1, 3, 10, 20)) == 2 * 9 * 3 * 8 * 10 * 20


def test_a_linear_layer_costs_two_operations_for_each_weight_and_row():
    assert costs.operations(nn.Linear(5, 7, device="meta"), meta(3, 5)) == 2 * 5 * 7 * 3


def test_attention_costs_four_operations_for_each_pair_of_places_and_number():
    q = meta(1, 1, 6, 16)
    assert costs.operations(F.scaled_dot_product_attention, q, q, q) == 4 * 6 * 6 * 16


def test_sums_and_norms_are_free():
    assert costs.operations(lambda x: F.layer_norm(x, (8,)) + x, meta(4, 8)) == 0


def test_inputs_with_content_are_refused_since_attention_would_not_count():
    with pytest.raises(ValueError, match=r"inputs are on \['cpu'\], expected the device \"meta\""):
        costs.operations(nn.Linear(5, 7), torch.zeros(3, 5))


@pytest.mark.parametrize("name, gigaflop", [("unet", 95.8), ("decoder", 404), ("bigvgan", 1173)])
def test_the_papers_networks_cost_what_the_authors_cost(name, gigaflop):
    """80 columns of latent, 10.24 s."""
    with torch.device("meta"):
        latent = torch.zeros(1, 4, 10, 80)
        call = {
            "unet": lambda: (diffusion.build_unet(), latent, meta(1), meta(1, 77, 1024)),
            "decoder": lambda: (autoencoder.build().decode, latent),
            "bigvgan": lambda: (vocoder.build("bigvgan"), meta(1, 1, 80, 640))}[name]()
    assert costs.operations(*call) / 1e9 == pytest.approx(gigaflop, rel=0.02)


# ---- growth -------------------------------------------------------------------------------------

@pytest.mark.parametrize("exponent, factor", [(1, 5.0), (2, 0.1), (0.5, 3.0)])
def test_an_exact_power_is_found_again(exponent, factor):
    found = costs.grows([(size, factor * size**exponent) for size in (1, 2, 5, 11)])
    assert found.exponent == pytest.approx(exponent)
    assert found.factor == pytest.approx(factor)
    assert found.high - found.low == pytest.approx(0, abs=1e-6)


def test_the_interval_is_that_of_a_line_through_three_points():
    """log2 cost 0, 1, 3 at log2 size 0, 1, 2: slope 1.5, squares left 1/6, error √(1/12)."""
    found = costs.grows([(1, 1), (2, 2), (4, 8)])
    assert found.exponent == pytest.approx(1.5)
    assert found.high - found.exponent == pytest.approx(12.7062 * (1 / 12) ** 0.5, rel=1e-4)
    assert found.exponent - found.low == pytest.approx(found.high - found.exponent)


@pytest.mark.parametrize("points, said", [
    ([(1, 1), (2, 2)], "three sizes or more"), ([(2, 1), (2, 2), (2, 3)], "three sizes or more"),
    ([1, 2, 3], "three sizes or more"), ([(0, 1), (1, 2), (2, 3)], "above 0"),
    ([(1, 1), (2, -2), (3, 3)], "above 0"), ([(1, 1), (2, float("nan")), (3, 3)], "above 0")])
def test_points_that_make_no_line_are_refused(points, said):
    with pytest.raises(ValueError, match=said):
        costs.grows(points)


# ---- speed --------------------------------------------------------------------------------------

def test_the_best_speed_of_each_kind_is_taken_from_the_benchmark():
    found = costs.measured(pd.DataFrame([
        {"subject": "machine", "what": "A GPU", "teraflops": 700.0},
        *({"subject": "training", "what": "training", "per_second": one, "processes": 1,
           "recorded": recorded} for one, recorded in ((700, False), (800, False), (900.0, True))),
        {"subject": "training_2_processes", "what": "training", "per_second": 1520.0,
         "processes": 2, "recorded": False},
        {"subject": "throughput", "vocoder": "BigVgan", "vocode_ms": 2000.0, "sounds": 64}]))
    assert found == {"gpu": "A GPU", "peak": 700.0, "trained": 900.0, "kept": {2: 0.95}}


def test_without_a_benchmark_no_speed_is_known():
    assert costs.measured(pd.DataFrame()) == {}


# ---- plan ---------------------------------------------------------------------------------------

def part(**changed):
    return {"stage": "one", "part": "network", "steps": 10, "batch": 4, "items": 40, "passes": 3,
            "FLOP": 9e15, "parameters": 5, "kind": "pictures"} | changed


def test_ten_steps_of_four_items_cost_forty_times_three_forwards():
    """40 · 3 · 9e15 = 1.08e18 FLOP at half of 100 TFLOP/s: 21,600 s, 6 hours."""
    plan = costs.plan(pd.DataFrame([part()]), SHARES, peak=100, gpus=[1, 4], efficiency=[1, 0.75],
                      price=2)
    assert list(plan.index) == ["one", "all"]
    for row in ("one", "all"):
        assert plan.loc[row].to_dict() == pytest.approx({
            "items / M": 40e-6, "PFLOP": 1080, "GPU hours": 6, "hours on 1": 6, "hours on 4": 2,
            "USD on 1": 12, "USD on 4": 16})


def test_what_listens_counts_once_and_networks_on_waves_at_their_own_speed():
    work = pd.DataFrame([part(), part(part="ear", passes=1), part(part="voice", kind="waves")])
    plan = costs.plan(work, SHARES, peak=100, gpus=[1], efficiency=[1])
    assert plan["GPU hours"]["one"] == pytest.approx(6 + 2 + 5 * 6)


@pytest.mark.parametrize("batches, most, used", [
    ([144], 64, 48), ([144], 8, 8), ([48, 64], 64, 16), ([4], 1, 1), ([7], 6, 1)])
def test_as_many_gpus_work_as_divide_every_batch(batches, most, used):
    assert costs.usable(batches, most) == used


def test_a_stage_that_is_given_one_gpu_takes_as_long_and_costs_as_much_however_many_there_are():
    work = pd.DataFrame([part(batch=64), part(batch=64, stage="judges")])
    plan = costs.plan(work, SHARES, peak=100, gpus=[1, 8, 64], efficiency=[1, 0.9, 0.8], price=2,
                      alone=("judges",))
    assert [plan[f"hours on {n}"]["judges"] for n in (1, 8, 64)] == pytest.approx([6, 6, 6])
    assert [plan[f"USD on {n}"]["judges"] for n in (1, 8, 64)] == pytest.approx([12, 12, 12])
    assert plan["hours on 64"]["one"] == pytest.approx(6 / 64 / 0.8)
    assert plan["hours on 8"]["all"] == pytest.approx(6 + 6 / 8 / 0.9)


def test_one_gpu_that_no_other_can_help_keeps_all_of_its_speed():
    plan = costs.plan(pd.DataFrame([part(batch=7)]), SHARES, peak=100, gpus=[6], efficiency=[0.9])
    assert plan["hours on 6"]["one"] == pytest.approx(6)


def test_of_the_papers_stages_judges_alone_are_given_one_gpu():
    limits, stages = PARAMS["limits"]["gpus"], ["clap", "variant@bert", "judges", "report"]
    assert costs.alone(stages, limits, "paper") == ("judges", "report")
    assert costs.alone(stages, limits, "small") == costs.alone(stages, limits, "mini") == (*stages,)


@pytest.mark.parametrize("shares", [{"pictures": 0.5}, {"pictures": 0.5, "waves": 1.5},
                                    {"pictures": 0.0, "waves": 0.1}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="expected above 0, at most 1, for each of"):
        costs.plan(pd.DataFrame([part()]), shares)


def test_a_number_of_gpus_without_efficiency_is_refused():
    with pytest.raises(ValueError, match="expected one for each"):
        costs.plan(pd.DataFrame([part()]), SHARES, gpus=[1, 8], efficiency=[1])


# ---- room ---------------------------------------------------------------------------------------

def test_an_hour_of_sound_is_115_megabytes_of_wav():
    work = pd.DataFrame([part(parameters=10**9), part(part="critic", parameters=10**9)])
    disk = costs.disk(work, 1, flac=0.5, sounds=100, seconds=36).set_index("what").GB
    assert disk.to_dict() == pytest.approx({
        "corpora, 16 kHz, FLAC": 0.0576, "clips, 16-bit wav": 0.2304,
        "checkpoints, largest stage": 3 * 2 * 16, "models": 8, "sounds to be judged": 0.2304})


def test_a_million_scenes_of_ten_seconds_are_shared_by_eight_gpus():
    held = costs.memory(rows("paper"), VARIANTS, 3671)
    assert held.loc["diffusion"].to_dict() == pytest.approx(
        {"clips": 23.04, "on the GPU": 12.48 / 8}, rel=1e-4)
    assert held["on the GPU"]["variant@channels_128"] == pytest.approx(4 * 12.48)
    assert held["on the GPU"]["clap"] == pytest.approx(500_000 * 160_000 * 2 / 8e9)
    assert held["on the GPU"]["judges"] == pytest.approx(100_000 * 160_000 * 2 / 1e9)
    assert held["on the GPU"].max() < 100
    assert costs.memory(rows("paper"), VARIANTS, 10)["clips"].max() == pytest.approx(2.304)


def test_every_assumption_has_a_meaning_and_shows_what_was_told():
    found = costs.assumptions(workloads.of, costs.plan, costs.disk, price=7.5)
    assert set(found.assumed) == set(costs.WHY) and not found.assumed.duplicated().any()
    assert found.set_index("assumed").value["price"] == 7.5
    with pytest.raises(ValueError, match=r"\['prise'\] are not assumed, expected some of"):
        costs.assumptions(costs.plan, prise=7.5)


# ---- workloads ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def mini():
    return workloads.of(rows("mini"), VARIANTS, 1)


def test_every_notebook_that_trains_has_a_stage(mini):
    assert {stage.partition("@")[0] for stage in mini.stage} == {
        "pseudo_captions", "language", "clap", "clip", "autoencoder", "vocoder", "diffusion",
        "diffsound", "variant", "judges"}
    assert {stage.partition("@")[2] for stage in mini.stage} == {"", *VARIANTS}


def test_items_are_steps_times_batch_of_the_row(mini):
    row, found = rows("mini")["diffusion"], mini[mini.stage == "diffusion"].set_index("part")
    assert found["items"].to_dict() == {
        "encoder, once": row["scenes"], "text encoder": row["steps"] * row["batch"],
        "U-Net": row["steps"] * row["batch"]}
    assert found.passes.to_dict() == {"encoder, once": 1, "text encoder": 1, "U-Net": 3}


def test_networks_are_those_that_the_notebooks_build(mini):
    row = rows("mini")["diffusion"]
    unet = diffusion.build_unet(widths=row["widths"], layers=row["layers"], heads=row["heads"],
                                attention=row["attention"],
                                text_width=rows("mini")["clap"]["projection"])
    found = mini[(mini.stage == "diffusion") & (mini.part == "U-Net")]
    assert found.parameters.item() == sum(one.numel() for one in unet.parameters())


def test_a_critic_that_never_sets_in_costs_nothing(mini):
    critics = mini[mini.part == "critic"]
    assert len(critics) == 5 and (critics["items"] == 0).all()


def test_only_variants_of_other_channels_learn_an_autoencoder(mini):
    own = set(mini[mini.part == "autoencoder"].stage)
    assert own == {"autoencoder", "variant@channels_32", "variant@channels_128"}


def test_the_captioner_writes_for_all_sound_without_caption(mini):
    writes = mini[mini.part == "captioner writes"].iloc[0]
    assert writes["items"] == round(3600 / 2.56) * rows("mini")["pseudo_captions"]["count"]


def test_counts_are_fractions_so_that_no_product_overflows(mini):
    assert mini.FLOP.dtype == float
