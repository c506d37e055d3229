"""Diffsound: words are masked and replaced as told, and filled in again, steered by the prompt."""

import pandas as pd
import pytest
import torch

from maa import codebook, diffsound, training

CODES, WIDTH = 6, 8  # of the codebook, of the text
MASK = CODES


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pages(count=4, columns=5, seed=0):
    return torch.randint(
        CODES, (count, 5 * columns), generator=torch.Generator().manual_seed(seed))


def transformer(**shape):
    with training.seeded(0):
        return diffsound.build_transformer(**{
            "codes": CODES, "columns": 5, "width": 16, "heads": 2, "layers": 1,
            "text_width": WIDTH, "noise_steps": 10, **shape}).eval()


def vq():
    with training.seeded(0):
        return codebook.build_tokenizer(
            widths=(8,) * 5, layers=1, codes=CODES, code_width=4).eval()


def train(folder, tokens=None, text=None, empty=None, **changed):
    text = text or (lambda generator, rows: torch.ones(len(rows), 3, WIDTH))
    empty = torch.zeros(1, 3, WIDTH) if empty is None else empty
    return diffsound.train_decoder(folder, pages() if tokens is None else tokens, text, empty, **{
        "codes": CODES, "width": 16, "heads": 2, "layers": 1, "noise_steps": 10, "steps": 2,
        "batch": 4, **changed})


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))


def knowing(clean):
    """A denoiser that is sure of the clean page, whatever it is asked; it counts its questions."""
    network = transformer()

    def answer(page, text, t, return_dict):
        network.asked.append((len(page), t[0].item()))
        sure = torch.nn.functional.one_hot(clean, CODES).float().movedim(2, 1)
        return (torch.log(sure.clamp(min=1e-30)).repeat(len(page) // len(clean), 1, 1),)

    network.asked, network.forward = [], answer
    return network


def test_shares_masked_and_replaced_are_those_of_the_schedule():
    scheduler, clean = diffsound.schedule(CODES, 10), torch.zeros(10, 50_000, dtype=torch.long)
    page = diffsound.corrupt(
        clean, torch.arange(10), scheduler, torch.Generator().manual_seed(0))
    masked = (page == MASK).float().mean(1)
    assert masked == pytest.approx(torch.linspace(0, 0.9, 10), abs=0.01)
    # 0.1 t / 9 are drawn anew, one in six of those happens to be what it was
    changed = ((page != MASK) & (page != 0)).float().mean(1)
    assert changed == pytest.approx(torch.linspace(0, 0.1, 10) * 5 / 6, abs=0.005)


def test_fewer_steps_walk_the_same_way_in_longer_strides():
    fine, coarse = diffsound.schedule(CODES, 100), diffsound.schedule(CODES, 12)
    for name in ("log_cumprod_at", "log_cumprod_bt", "log_cumprod_ct"):
        assert getattr(coarse, name)[:-1] == pytest.approx(getattr(fine, name)[:-1:9], abs=1e-3)


@pytest.mark.parametrize("seen", [0, MASK])
def test_step_back_of_the_scheduler_is_bayes_rule(seen):
    scheduler, t = diffsound.schedule(CODES, 10), 6
    belief = torch.softmax(noise(CODES), 0)

    def moves(a, b, c):  # row: from which word; column: to which, the mask last
        matrix = torch.eye(CODES + 1) * a
        matrix[:CODES, :CODES] += b
        matrix[:CODES, MASK], matrix[MASK, MASK] = c, 1
        return matrix

    one = moves(*(getattr(scheduler, f"log_{x}t")[t].exp() for x in "abc"))
    before = moves(*(getattr(scheduler, f"log_cumprod_{x}t")[t - 1].exp() for x in "abc"))
    after = moves(*(getattr(scheduler, f"log_cumprod_{x}t")[t].exp() for x in "abc"))
    assert before @ one == pytest.approx(after, abs=1e-4)
    expected = sum(belief[x] * before[x] * one[:, seen] / after[x, seen] for x in range(CODES))
    found = scheduler.q_posterior(
        belief.log()[None, :, None], torch.tensor([[seen]]), torch.tensor(t)).exp()
    assert found[0, :, 0] == pytest.approx(expected, abs=1e-4)


def test_each_clip_is_at_a_noise_step_of_its_own():
    network, page, text = transformer(), pages(3), noise(3, 3, WIDTH)
    with torch.no_grad():
        together = diffsound.guess(network, page, torch.tensor([1, 5, 9]), text, None)
        alone = diffsound.guess(network, page[1:2], torch.tensor([5]), text[1:2], None)
        other = diffsound.guess(network, page[1:2], torch.tensor([9]), text[1:2], None)
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    assert (alone - other).abs().max() > 1e-3, "the step makes no difference"


def test_positions_of_a_page_are_its_rows_and_columns():
    places = transformer(columns=7).latent_image_embedding
    found = places(torch.zeros(1, 35, dtype=torch.long))[0] - places.emb.weight[0]
    row, column = 3, 4
    expected = places.height_emb.weight[row] + places.width_emb.weight[column]
    assert torch.allclose(found[row * 7 + column], expected, atol=1e-5)


def test_guidance_goes_from_no_prompt_through_the_prompt_and_beyond():
    network, page, t = transformer(), pages(2), torch.tensor([3, 8])
    text, empty = noise(2, 3, WIDTH, seed=1), noise(2, 3, WIDTH, seed=2)
    with torch.no_grad():
        none, one, three = (
            diffsound.guess(network, page, t, text, empty, scale) for scale in (0, 1, 3))
        plain = network(page, text, t, return_dict=False)[0]
        unprompted = network(page, empty, t, return_dict=False)[0]
    assert torch.equal(one, plain)
    assert torch.allclose(none, unprompted, atol=1e-5)
    beyond = (none + 3 * (one - none)).log_softmax(1)
    assert torch.allclose(three, beyond, atol=1e-5)
    assert not torch.allclose(three, one, atol=1e-3)
    assert three.exp().sum(1) == pytest.approx(torch.ones(2, 25), abs=1e-5)


def test_truncation_keeps_the_likeliest_codes_and_never_none():
    chance = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()[None, :, None]
    for share, kept in ((0.4, [0, 1, 0, 0]), (0.6, [0, 2 / 3, 0, 1 / 3]),
                        (0.8, [0, 5 / 9, 1.5 / 9, 2.5 / 9]), (1.0, [0.1, 0.5, 0.15, 0.25])):
        found = diffsound.truncate(chance, share).exp()[0, :, 0]
        assert found == pytest.approx(torch.tensor(kept), abs=1e-5)


@pytest.mark.parametrize("steps", [2, 4, 10])
def test_denoiser_that_knows_the_page_gets_it_filled_in(steps):
    clean = pages(3)
    network, text = knowing(clean), torch.zeros(3, 1, WIDTH)
    found = diffsound.fill(network, text, text[:1], steps=steps, guidance=1, truncation=1.0,
                           generator=torch.Generator().manual_seed(0))
    assert torch.equal(found[-1], clean)
    assert (found[0] == MASK).float().mean() == pytest.approx(0.9, abs=0.1)
    assert [count for count, _ in network.asked] == [3] * steps
    asked = [t for _, t in network.asked]
    assert (asked[0], asked[-1]) == (9, 0)
    assert asked == sorted(asked, reverse=True)


def test_sampling_repeats_with_its_generator_and_never_leaves_a_mask():
    network, text = transformer(), noise(8, 3, WIDTH)

    def fill(seed, **changed):
        return diffsound.fill(network, text, 0 * text[:1], **{
            "steps": 5, "generator": torch.Generator().manual_seed(seed), **changed})[-1]

    assert torch.equal(fill(0), fill(0))
    for other in (fill(1), fill(0, guidance=0.0), fill(0, truncation=0.3)):
        assert not torch.equal(other, fill(0))
        assert other.max() < MASK
    assert fill(0).max() < MASK


def test_with_generators_of_their_own_clips_do_not_depend_on_each_other():
    network, text = transformer(), noise(3, 3, WIDTH)

    def fill(text, seeds):
        return diffsound.fill(network, text, 0 * text[:1], steps=5, generator=[
            torch.Generator().manual_seed(seed) for seed in seeds])[-1]

    together = fill(text, [4, 5, 6])
    assert torch.equal(fill(text[[2, 0]], [6, 4]), together[[2, 0]])
    alone = diffsound.fill(network, text[:1], 0 * text[:1], steps=5,
                           generator=torch.Generator().manual_seed(4))
    assert torch.equal(alone[-1], together[:1])


def test_sampled_mel_is_what_the_tokenizer_reads_in_the_filled_page():
    network, tokenizer, text = transformer(), vq(), noise(2, 3, WIDTH)
    options = {"steps": 3, "guidance": 2.0, "truncation": 0.9}
    one, page = (make(text, 0 * text[:1], generator=torch.Generator().manual_seed(0), **options)
                 for make in (lambda *a, **b: diffsound.sample(network, tokenizer, *a, **b),
                              lambda *a, **b: diffsound.fill(network, *a, **b)[-1]))
    assert one.shape == (2, 1, 80, 80)
    assert torch.equal(one, codebook.read(tokenizer, page))


def test_one_page_is_learnt_by_heart(tmp_path):
    clean = pages(1)
    held_out = clean.expand(16, -1), torch.ones(16, 3, WIDTH)
    network = train(tmp_path, tokens=clean, steps=60, save_every=20, batch=16, decay=0.9,
                    learning_rate=0.01, held_out=held_out)
    log = pd.read_csv(tmp_path / "log.csv")
    errors = log[log.split == "held_out"].value.tolist()
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 < errors[0]
    scheduler = diffsound.schedule(CODES, 10)
    assert diffsound.held_out_error(network, *held_out, scheduler) == pytest.approx(errors[-1])
    other = pages(1, seed=1).expand(16, -1), held_out[1]
    assert diffsound.held_out_error(network, *other, scheduler) > 1.5


def test_prompts_that_are_all_dropped_leave_no_trace(tmp_path):
    def loud(generator, rows):
        return torch.full((len(rows), 3, WIDTH), 9.0)

    dropped = [train(tmp_path / name, text=text, drop_prompt=1.0)
               for name, text in (("plain", None), ("loud", loud))]
    assert same(*dropped)
    assert not same(dropped[0], train(tmp_path / "kept", text=loud, drop_prompt=0.0))


def test_loaded_networks_give_what_the_saved_ones_gave(tmp_path):
    network, tokenizer, text = transformer(), vq(), noise(2, 3, WIDTH)
    diffsound.save(tokenizer, network, tmp_path)
    one, two = (diffsound.sample(
        second, first, text, 0 * text[:1], steps=4, generator=torch.Generator().manual_seed(0))
        for first, second in ((tokenizer, network), diffsound.load(tmp_path)))
    assert torch.equal(one, two)


@pytest.mark.parametrize("call, words", [
    (lambda: transformer(columns=4), "4 columns, width 16 and 2 heads, expected 5 columns or more"),
    (lambda: transformer(heads=3), "a width that the heads divide"),
    (lambda: diffsound.schedule(CODES, 1), "1 noise steps, expected 2 or more"),
    (lambda: diffsound.guess(None, pages(), None, None, None, -1), "guidance -1, expected 0 or"),
    (lambda: diffsound.fill(transformer(), noise(1, 3, WIDTH), None, steps=11), "expected 2 to 10"),
    (lambda: diffsound.fill(transformer(), noise(1, 3, WIDTH), None, steps=5, truncation=0.0),
     "truncation 0.0, expected 2 to 10 steps and a truncation above 0"),
])
def test_what_cannot_be_built_or_sampled_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
