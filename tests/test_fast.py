"""A chain in one form makes the pipeline's own sounds; recorded on a GPU, the same ones sooner."""

import pytest
import tiny_pipeline
import torch
from torch._dynamo.backends.common import aot_autograd
from torch.overrides import TorchFunctionMode

from maa import alike, benchmark, evaluation, fast, invariants, requests, text, training
from maa.errors import MaaError, MaaWarning

PLAIN = {"compiled": False, "recorded": False, "dtype": torch.float32}
PROMPTS = ["a dog barking", "heavy rain falling"]
RELEASED = {  # the release's networks, far smaller
    "unet": {"widths": (32, 64), "layers": 1, "heads": 2, "text_width": 16, "size": (10, 4)},
    "vae": {"widths": (32, 32, 32, 32), "layers": 1, "attention": 0},
    "text": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16, "projection_dim": 16, "vocab_size": 300},
    "voice": {"width": 64}}


@pytest.fixture
def pipe():
    return tiny_pipeline.build(width=16, inner=16, depth=1)


def noise(sounds, columns=tiny_pipeline.COLUMNS):
    return torch.randn(sounds, 4, 10, columns, generator=torch.Generator().manual_seed(0))


def same(found, expected):
    """But for rounding: how much that is depends on the largest value, and on the processor."""
    return (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_plain_chain_makes_the_sounds_of_the_pipeline(pipe, sampler, guidance):
    pipe.use_sampler(sampler)
    expected = pipe(PROMPTS, num_inference_steps=5, guidance_scale=guidance, latents=noise(2),
                    output_type="pt").audios
    chain = fast.Chain(pipe, sounds=2, seconds=None, steps=5, guidance=guidance, **PLAIN)
    found = chain(PROMPTS, noise=noise(2))
    assert found.shape == expected.shape == (2, tiny_pipeline.COLUMNS * 2048)
    assert same(found, expected)
    assert torch.allclose(chain(PROMPTS, noise=noise(2)), found)  # nothing is left over


@pytest.mark.filterwarnings("ignore::maa.errors.MaaWarning")
@pytest.mark.parametrize("hoisted", [False, True])
@pytest.mark.parametrize("guidance", [-1.0, -0.5, 0.0])
def test_a_chain_that_ignores_or_avoids_its_prompt_does_so_as_the_pipeline(pipe, guidance, hoisted):
    expected = pipe(PROMPTS, num_inference_steps=5, guidance_scale=guidance, latents=noise(2),
                    output_type="pt").audios
    if hoisted:  # as a compiled chain does
        invariants.hoist(pipe.unet)
    chain = fast.Chain(pipe, sounds=2, seconds=None, steps=5, guidance=guidance, **PLAIN)
    assert same(chain(PROMPTS, noise=noise(2)), expected)


def test_outside_its_steps_guidance_of_0_and_less_follows_no_prompt(pipe):
    none, never = (fast.Chain(pipe, seconds=None, steps=4, guidance=0.0, within=within, **PLAIN)(
        PROMPTS[:1], noise=noise(1)) for within in ((0.0, 1.0), (0.0, 0.0)))
    assert torch.equal(none, never)
    with pytest.warns(MaaWarning, match="avoids its prompt"):
        part = fast.Chain(pipe, seconds=None, steps=4, guidance=-1, within=(0.25, 0.75), **PLAIN)
    plain = part(PROMPTS[:1], noise=noise(1))
    invariants.hoist(part.pipe.unet)
    assert same(part(PROMPTS[:1], noise=noise(1)), plain)
    assert not torch.allclose(plain, none, atol=1e-5)


def test_the_parts_run_one_by_one_give_the_same(pipe):
    chain = fast.Chain(pipe, seconds=0.4, steps=3, **PLAIN)
    whole = chain(PROMPTS[:1], noise=noise(1, 3))
    chain.prepare(PROMPTS[:1], noise=noise(1, 3))
    for part in fast.PARTS:
        chain.run(part)
    assert torch.equal(chain.wave, whole) and whole.shape == (1, 6400)


def test_another_seed_is_another_sound_and_the_same_seed_the_same(pipe):
    chain = fast.Chain(pipe, seconds=None, steps=2, **PLAIN)
    one, again, other = (chain(PROMPTS[:1], torch.Generator().manual_seed(seed))
                         for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_guidance_in_a_part_of_the_steps_saves_forwards(pipe, monkeypatch):
    assert fast.guided(10, (0.2, 0.5)) == {2, 3, 4}
    assert fast.guided(4, (0.0, 1.0)) == {0, 1, 2, 3}
    rows, forward = [], pipe.unet.forward
    monkeypatch.setattr(pipe.unet, "forward", lambda latent, *rest, **more: (
        rows.append(len(latent)) or forward(latent, *rest, **more)))
    chain = fast.Chain(pipe, seconds=None, steps=4, within=(0.25, 0.75), **PLAIN)
    rows.clear()
    chain(PROMPTS[:1])
    assert rows == [1, 2, 2, 1]


def test_any_number_of_prompts_is_answered_by_a_chain_of_some(pipe):
    prompts, seeds = [*PROMPTS, "a bell"], [4, 5, 6]
    expected = evaluation.by(pipe, None, 2, 3.0)(prompts, seeds)
    found = fast.by(pipe, None, 2, 3.0, 2, **PLAIN)(prompts, seeds)
    assert found.shape == expected.shape == (3, tiny_pipeline.COLUMNS * 2048)
    assert same(found, torch.as_tensor(expected))


def test_another_number_of_prompts_is_refused(pipe):
    chain = fast.Chain(pipe, seconds=None, steps=1, **PLAIN)
    with pytest.raises(ValueError, match="2 prompts for a chain of 1 sounds, expected as many"):
        chain(PROMPTS)


@pytest.mark.parametrize("within", [(0.5, 0.2), (-0.1, 1.0), (0.0, 1.1)])
def test_shares_of_the_steps_lie_between_0_and_1(pipe, within):
    with pytest.raises(MaaError, match="P-RANGE: within is .*, expected two shares"):
        fast.Chain(pipe, seconds=None, steps=1, within=within, **PLAIN)


def test_a_recording_without_a_gpu_is_refused(pipe):
    with pytest.raises(MaaError, match="P-FAST: recorded is True and the pipeline is on cpu, "
                                       "expected a GPU.*leave recorded False"):
        fast.Chain(pipe)


@pytest.mark.parametrize("steps", [0, 1001, 2.5])
def test_a_number_of_steps_that_is_none_is_refused(pipe, steps):
    with pytest.raises(MaaError, match="P-STEPS: num_inference_steps is"):
        fast.Chain(pipe, steps=steps, **PLAIN)


@pytest.mark.parametrize("form, said", [
    ({"sounds": 0}, "P-COUNT: sounds is 0, expected 1 … 1024"),
    ({"sounds": -1}, "P-COUNT: sounds is -1"),
    ({"sounds": 2.0}, "P-COUNT: sounds is 2.0 .float., expected a whole number"),
    ({"seconds": 0}, "P-DURATION: audio_length_in_s is 0"),
    ({"seconds": 700}, "P-DURATION: 1 × 700 s .* expected at most 600 s")])
def test_what_the_pipeline_would_not_make_is_refused_before_any_work(pipe, form, said, monkeypatch):
    monkeypatch.setattr(fast.Chain, "record", lambda *_: pytest.fail("the networks ran"))
    with pytest.raises(MaaError, match=said):
        fast.Chain(pipe, steps=1, **form, **PLAIN)


def test_a_form_that_has_no_room_is_refused(pipe, monkeypatch):
    monkeypatch.setattr(requests, "free_memory", lambda device: 1000)
    with pytest.raises(MaaError, match="P-MEMORY"):
        fast.Chain(pipe, seconds=None, steps=1, **PLAIN)


def test_weights_that_overflow_are_reported_instead_of_a_broken_sound(pipe):
    pipe.vocoder.head.weight.data.fill_(float("nan"))
    chain = fast.Chain(pipe, seconds=None, steps=1, **PLAIN)
    with pytest.raises(MaaError, match="P-NUMERIC: the sound has NaN"):
        chain(PROMPTS[:1])


def test_words_that_are_not_read_are_noted(pipe):
    chain = fast.Chain(pipe, seconds=None, steps=1, **PLAIN)
    with pytest.warns(MaaWarning, match="P-LONG: prompt 0 has .* the last .* are not read"):
        chain(["dog " * 100])


def test_where_nothing_is_compiled_or_recorded_each_part_runs_once_at_first(pipe, monkeypatch):
    ran, denoise = [], fast.Chain.denoise
    monkeypatch.setattr(fast.Chain, "denoise", lambda chain: ran.append(1) or denoise(chain))
    fast.Chain(pipe, seconds=None, steps=1, **PLAIN)
    assert len(ran) == 1


class FromTheHost(TorchFunctionMode):
    """Notes each call that makes a tensor for some device of numbers in host memory."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, call, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if call in (torch.tensor, torch.as_tensor, torch.scalar_tensor) and kwargs.get("device"):
            self.seen.append(call)
        return call(*args, **kwargs)


def test_the_host_s_numbers_are_noted():
    with FromTheHost() as host:
        torch.tensor([1.0], device="cpu"), torch.zeros(2, device="cpu"), torch.tensor(2)
    assert host.seen == [torch.tensor]


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_what_is_recorded_copies_no_numbers_from_the_host(pipe, sampler):
    """A CUDA graph cannot replay such a copy; here is no GPU to say so."""
    pipe.use_sampler(sampler)
    invariants.hoist(pipe.unet)  # as a compiled chain does
    chain = fast.Chain(pipe, seconds=None, steps=4, **PLAIN)
    for part in fast.PARTS[1:]:
        with FromTheHost() as host:
            chain.run(part)
        assert not host.seen, part


@pytest.mark.parametrize("encoder", ["clap", "bert", "t5", "clip"])
def test_a_compiled_reading_is_one_graph_that_holds_no_numbers_of_the_host(encoder):
    """So that it can be recorded, which a published text encoder as it is cannot."""
    whole = tiny_pipeline.build(encoder=getattr(tiny_pipeline, f"{encoder}_encoder"))
    ids, mask = text.tokenize(whole.tokenizer, PROMPTS)
    graphs = []
    call = torch.compile(text.encode_tokens, dynamic=False, fullgraph=True,
                         backend=aot_autograd(fw_compiler=lambda graph, inputs: (
                             graphs.append(graph) or graph.forward)))
    with torch.no_grad():
        found = call(whole.text_encoder, ids, mask)
        expected = text.encode_tokens(whole.text_encoder, ids, mask)
    assert same(found, expected)
    assert len(graphs) == 1
    assert not [node for node in graphs[0].graph.nodes
                if node.op == "get_attr" or "lift" in str(node.target)]


def test_words_stay_where_the_recorded_parts_read_them(pipe):
    chain = fast.Chain(pipe, seconds=None, steps=1, **PLAIN)
    place = chain.words.data_ptr()
    one = chain(PROMPTS[:1], noise=noise(1))
    assert not torch.allclose(chain(PROMPTS[1:], noise=noise(1)), one)
    assert chain.words.data_ptr() == place


def test_a_chain_leaves_its_pipeline_as_it_was(pipe):
    before = {name: (one.data_ptr(), one.dtype) for name, one in pipe.unet.named_parameters()}
    chain = fast.Chain(pipe, seconds=None, steps=1, **PLAIN | {"dtype": torch.bfloat16})
    assert chain.wave.isfinite().all() and chain.pipe.unet.dtype == torch.bfloat16
    assert before == {name: (one.data_ptr(), one.dtype)
                      for name, one in pipe.unet.named_parameters()}
    assert {one.dtype for one in pipe.text_encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("within", [(0.0, 1.0), (0.25, 0.75)])
def test_a_hoisted_network_makes_the_same_latents_in_a_chain_and_afterwards(pipe, sampler, within):
    def latents():
        return pipe(PROMPTS, num_inference_steps=4, latents=noise(2), output_type="latent").audios

    def chained():
        chain = fast.Chain(pipe, sounds=2, seconds=None, steps=4, within=within, **PLAIN)
        chain(PROMPTS, noise=noise(2))
        return chain.latents

    pipe.use_sampler(sampler)
    alone, expected = latents(), chained()
    invariants.hoist(pipe.unet)
    assert same(chained(), expected)
    assert same(latents(), alone)


@pytest.mark.gpu
@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("encoder", ["clap", "bert", "t5", "clip"])
def test_a_recorded_chain_makes_the_same_latents(encoder, sampler):
    whole = tiny_pipeline.build(encoder=getattr(tiny_pipeline, f"{encoder}_encoder"),
                                width=16, inner=16, depth=1).to("cuda")
    whole.use_sampler(sampler)
    start = noise(2).cuda()
    # TensorFloat-32, cuDNN's way for float32, would round both to a thousandth at each step
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected = whole(PROMPTS, num_inference_steps=10, latents=start,
                         output_type="latent").audios
        exact = fast.Chain(whole, sounds=2, seconds=None, steps=10, dtype=torch.float32)
    exact(PROMPTS[::-1], noise=start)  # what is replayed reads the prompts of now
    exact(PROMPTS, noise=start)
    assert torch.allclose(exact.latents, expected, atol=1e-2, rtol=1e-2)
    chain = fast.Chain(whole, sounds=2, seconds=None, steps=10)
    chain(PROMPTS, noise=start)
    found = torch.corrcoef(torch.stack([chain.latents.flatten(), expected.flatten()]))[0, 1]
    assert found > 0.999
    assert torch.equal(chain(PROMPTS, noise=start), chain(PROMPTS, noise=start))


def released():
    """A pipeline of the release's networks, untrained, in which prompts and noise can be heard."""
    whole = benchmark.paper("bigvgan", **RELEASED)
    with training.seeded(0), torch.no_grad():
        torch.nn.init.normal_(whole.text_encoder.get_input_embeddings().weight)
        whole.vae.decoder.conv_out.weight *= 30
        for attention in invariants.attentions(whole.unet):
            attention.to_out[0].weight *= 10
    return whole


@pytest.mark.gpu
def test_a_recorded_chain_of_the_releases_kind_makes_the_same_waves():
    """Its text tower, and its vocoder, which the chain hastens: all four parts are recorded."""
    whole = released()
    start = noise(2).to(whole.device)
    expected = whole(PROMPTS, num_inference_steps=10, latents=start, output_type="pt").audios
    chain = fast.Chain(whole, sounds=2, seconds=None, steps=10)
    assert [*chain.graphs] == [*fast.PARTS]
    other, found = (chain(prompts, noise=start) for prompts in (PROMPTS[::-1], PROMPTS))
    assert found.shape == expected.shape == (2, tiny_pipeline.COLUMNS * 2048)
    like = alike.likeness(expected, found)
    assert like.min() > 0.999
    assert (like > alike.likeness(expected, other)).all()  # replayed are the prompts of now
    assert (like > alike.likeness(expected, found.flip(0)) + 0.1).all()  # and the noise
