"""Microsoft's CLAP: from a file by its published names comes the network that they belong to."""

import shutil

import pytest
import torch
from torch.nn import functional as F
from torchlibrosa.stft import LogmelFilterBank, Spectrogram
from transformers import BertConfig, BertModel

from maa import files, msclap, text, training
from maa.errors import MaaError

SPACE, WIDTHS = 12, [4, 5, 6, 8, 12, 16]
READER = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
          "intermediate_size": 32, "max_position_embeddings": 100}
SIZES = READER | {"projection_dim": SPACE, "audio_widths": WIDTHS}
SENTENCES = ["a dog barking", "heavy rain falling far away", ""]
MELS = "audio_encoder.base.logmel_extractor.melW"


def front_end(highest):
    """torchlibrosa's two layers, as Microsoft sets them; `highest` frequency in Hz."""
    return torch.nn.ModuleDict({
        "spectrogram_extractor": Spectrogram(1024, 320, 1024, freeze_parameters=True),
        "logmel_extractor": LogmelFilterBank(44_100, 1024, 64, 50, highest, top_db=None)})


def reader():
    """BERT with a pooler, which the file has and the score does without."""
    return BertModel(BertConfig(**READER)).eval()


def shapes():
    """{published name: shape} of the layers that learn from pairs of sounds and texts."""
    named, before = {}, 1
    for number, width in enumerate(WIDTHS, 1):
        block = f"audio_encoder.base.conv_block{number}"
        named |= {f"{block}.conv1.weight": (width, before, 3, 3),
                  f"{block}.conv2.weight": (width, width, 3, 3)}
        named |= norm(f"{block}.bn1", width) | norm(f"{block}.bn2", width)
        before = width
    named |= norm("audio_encoder.base.bn0", 64)
    named |= {"audio_encoder.base.fc1.weight": (before, before),
              "audio_encoder.base.fc1.bias": (before,),
              "audio_encoder.base.fc_audioset.weight": (527, before),
              "audio_encoder.base.fc_audioset.bias": (527,), "logit_scale": ()}
    for tower, width in (("audio", before), ("caption", READER["hidden_size"])):
        named |= {f"{tower}_encoder.projection.linear1.weight": (SPACE, width),
                  f"{tower}_encoder.projection.linear2.weight": (SPACE, SPACE),
                  f"{tower}_encoder.projection.layer_norm.weight": (SPACE,),
                  f"{tower}_encoder.projection.layer_norm.bias": (SPACE,)}
    return named


def norm(name, width):
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (width,) for leaf in leaves} | {f"{name}.num_batches_tracked": ()}


def drawn(name, shape):
    """A weight at random, with which a sound gets through all layers."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(5)
    if len(shape) > 1:
        return torch.randn(shape) * (2 / torch.Size(shape[1:]).numel()) ** 0.5
    value = 0.1 * torch.randn(shape)
    return value.abs() + 1 if name.endswith(("weight", "running_var")) else value


@pytest.fixture(scope="module")
def weights():
    """By the published names, at random, with filters of 50 to 8000 Hz as the paper has them."""
    with training.seeded(0):
        found = {name: drawn(name, shape) for name, shape in shapes().items()}
        found["audio_encoder.base.bn0.running_mean"] -= 20  # dB, about where mels of noise lie
        found["audio_encoder.base.bn0.running_var"] += 100  # dB²
        found |= {f"caption_encoder.base.{name}": 10 * value  # fresh ones hardly tell words apart
                  for name, value in reader().state_dict().items()}
    places = {"caption_encoder.base.embeddings.position_ids": torch.arange(100)[None]}  # of 2022
    front = {f"audio_encoder.base.{name}": value
             for name, value in front_end(8000).state_dict().items()}
    return found | front | places


def save(path, weights):
    """As Microsoft's training does: beside the epoch and the state of the optimizer."""
    torch.save({"epoch": 9, "model": weights, "optimizer": {"state": {0: torch.ones(2)}}}, path)


@pytest.fixture(scope="module")
def imported(weights, tmp_path_factory):
    place = tmp_path_factory.mktemp("msclap")
    save(place / "CLAP_weights_2022.pth", weights)
    told = msclap.import_checkpoint(
        place / "CLAP_weights_2022.pth", place / "new/msclap", sizes=SIZES)
    return place, told


@pytest.fixture(scope="module")
def clap(imported):
    return msclap.load(imported[0] / "new/msclap")


@pytest.fixture(scope="module")
def tokenizer():
    return text.build_tokenizer(SENTENCES, READER["vocab_size"])


def sounds(rate=44_100):
    """A hiss and a sweep up to 4 kHz of one second, the latter hissing too, so no band is empty."""
    time = torch.arange(rate) / rate
    hiss = torch.randn(2, rate, generator=torch.Generator().manual_seed(0))
    sweep = 0.5 * torch.sin(2 * torch.pi * (50 * time + 2000 * time**2))
    return torch.stack([0.1 * hiss[0], sweep + 0.01 * hiss[1]])


def filters(highest=14_000):
    return front_end(highest)["logmel_extractor"].melW.detach()


# ---- the reference: the same layers as formulas over the names of the file ----------------------

def mels_by_torchlibrosa(weights, waves):
    front = front_end(8000)
    front.load_state_dict({name.removeprefix("audio_encoder.base."): value
                           for name, value in weights.items() if "_extractor" in name})
    return front["logmel_extractor"](front["spectrogram_extractor"](waves))


def normed(weights, name, x):
    return F.batch_norm(x, *(weights[f"{name}.{leaf}"] for leaf in (
        "running_mean", "running_var", "weight", "bias")))


def projected(weights, tower, x):
    name = f"{tower}_encoder.projection"
    x = x @ weights[f"{name}.linear1.weight"].T
    x = x + F.gelu(x) @ weights[f"{name}.linear2.weight"].T
    x = F.layer_norm(x, x.shape[-1:], weights[f"{name}.layer_norm.weight"],
                     weights[f"{name}.layer_norm.bias"])
    return x / x.norm(dim=-1, keepdim=True)


def heard(weights, waves):
    """Unit vectors of sounds: pools lie between the blocks; loudest moment and mean are added."""
    base = "audio_encoder.base"
    x = normed(weights, f"{base}.bn0", mels_by_torchlibrosa(weights, waves).mT.swapaxes(1, 2))
    x = x.swapaxes(1, 2).mT
    for block in (f"{base}.conv_block{number}" for number in range(1, 7)):
        for half in "12":
            x = F.conv2d(x, weights[f"{block}.conv{half}.weight"], padding=1)
            x = normed(weights, f"{block}.bn{half}", x).relu()
        x = x if block.endswith("6") else F.avg_pool2d(x, 2)
    x = x.mean(3)
    x = F.linear(x.max(2).values + x.mean(2), weights[f"{base}.fc1.weight"],
                 weights[f"{base}.fc1.bias"]).relu()
    return projected(weights, "audio", x)


def understood(weights, tokenizer, sentences):
    """Unit vectors of sentences, each by its first token, padded to 100 and masked."""
    bert = reader()
    bert.load_state_dict({
        name.removeprefix("caption_encoder.base."): value for name, value in weights.items()
        if name.startswith("caption_encoder.base.") and not name.endswith("position_ids")})
    read = tokenizer(sentences, padding="max_length", truncation=True, max_length=100,
                     return_tensors="pt")
    states = bert(read["input_ids"], attention_mask=read["attention_mask"],
                  token_type_ids=torch.zeros_like(read["input_ids"]))[0]
    return projected(weights, "caption", states[:, 0])


# ---- the network --------------------------------------------------------------------------------

def test_a_sound_or_a_sentence_scores_1_with_itself_and_less_with_another(clap, tokenizer):
    for found in (clap.sounds(sounds(), 44_100), clap.texts(tokenizer, SENTENCES)):
        scores = found @ found.T
        assert torch.allclose(scores.diagonal(), torch.ones(len(found)), atol=1e-6)
        assert (scores - torch.eye(len(found))).max() < 0.9999


@torch.no_grad()
def test_an_imported_file_hears_as_the_published_network_does(clap, weights):
    expected = heard(weights, sounds())
    assert (clap.sounds(sounds(), 44_100) - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@torch.no_grad()
def test_an_imported_file_reads_as_the_published_network_does(clap, weights, tokenizer):
    expected = understood(weights, tokenizer, SENTENCES)
    assert (clap.texts(tokenizer, SENTENCES) - expected).abs().max() < 1e-5
    assert (expected[0] - expected[1]).abs().max() > 1e-2


def test_mel_filters_are_those_of_the_file(clap, weights):
    assert torch.equal(clap.ear.filters, weights[MELS])
    assert not torch.allclose(clap.ear.filters, filters(), atol=1e-4)


def test_the_published_sizes_are_those_of_cnn14_and_bert():
    """PANNs counts 80,753,615 weights of Cnn14, 2049 for each of AudioSet's 527 classes."""
    with torch.device("meta"):
        whole = msclap.MsClap(BertConfig())
        pooler = BertModel(BertConfig()).pooler
    count = {name: sum(value.numel() for value in part.parameters())
             for name, part in [*whole.named_children(), ("pooler", pooler)]}
    assert count["ear"] == 80_753_615 - 527 * 2049
    assert count["projection"] == 2048 * 1024 + 1024 * 1024 + 2 * 1024
    text_projection = 768 * 1024 + 1024 * 1024 + 2 * 1024
    assert count["caption_encoder"] + count["pooler"] == 109_482_240 + text_projection


# ---- the front end ------------------------------------------------------------------------------

def test_filters_and_log_mels_are_those_of_torchlibrosa():
    """To 0.01 dB; the filters to one part in 100,000 of the largest."""
    with torch.no_grad():
        front = front_end(14_000)
        expected = front["logmel_extractor"](front["spectrogram_extractor"](sounds()))
    ours = msclap.Cnn14(WIDTHS).filters
    assert (ours - filters()).abs().max() < 1e-5 * filters().max()
    found = msclap.log_mel(sounds(), ours, 44_100)
    assert found.shape == expected.shape == (2, 1, 138, 64)  # 44,100 // 320 + 1
    assert (found - expected).abs().max() < 1e-2


def test_a_tone_is_as_loud_in_the_same_band_at_every_rate():
    """440 Hz in the middle of a second, to 0.1 dB; 16 kHz is what is not said."""
    tones = {rate: torch.sin(2 * torch.pi * 440 * torch.arange(rate) / rate)[None]
             for rate in (16_000, 32_000, 44_100)}
    low, middle, high = (msclap.log_mel(wave, filters(), rate)[0, 0, 69]
                         for rate, wave in tones.items())
    assert low.argmax() == middle.argmax() == high.argmax()
    assert abs(low.max() - high.max()) < 0.1 and abs(middle.max() - high.max()) < 0.1
    assert torch.equal(low, msclap.log_mel(tones[16_000], filters())[0, 0, 69])


def test_silence_is_100_db_below_a_power_of_1():
    found = msclap.log_mel(torch.zeros(1, 16_000), filters())
    assert found.shape == (1, 1, 138, 64)
    assert (found == -100).all()


@pytest.mark.parametrize("rate, least", [(44_100, 9920), (16_000, 3600)])
def test_the_shortest_sound_leaves_one_moment(clap, rate, least):
    assert clap.sounds(sounds(rate)[:, :least], rate).shape == (2, SPACE)
    with pytest.raises(ValueError, match=rf"expected \(clips, {least} samples or more\)"):
        clap.sounds(sounds(rate)[:, :least - 1], rate)


@pytest.mark.parametrize("shape", [(16_000,), (1, 2, 16_000), (2, 0)])
def test_sounds_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"waves have shape .*, expected \(clips, 3600 samples or"):
        msclap.log_mel(torch.zeros(shape), filters())


# ---- the text tower -----------------------------------------------------------------------------

@torch.no_grad()
def test_without_a_mask_padding_is_read_and_with_one_it_is_not(clap):
    ids = torch.randint(4, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    other = ids.clone()
    other[:, 7:] = 2
    mask = (torch.arange(12) < 7).long()[None]
    tower = clap.caption_encoder
    assert tower(ids).shape == (1, 12, SPACE)
    assert torch.allclose(tower(ids, mask)[:, :7], tower(other, mask)[:, :7], atol=1e-5)
    assert torch.allclose(tower(ids, mask)[:, :7], tower(ids[:, :7]), atol=1e-5)
    assert (tower(ids)[:, :7] - tower(other)[:, :7]).abs().amax(-1).min() > 1e-2


def test_a_sentence_is_read_alike_alone_and_among_others(clap, tokenizer):
    alone = clap.texts(tokenizer, SENTENCES[1:2])
    assert torch.allclose(clap.texts(tokenizer, SENTENCES)[1:2], alone, atol=1e-5)


def test_of_a_long_sentence_the_first_100_tokens_are_read(clap, tokenizer):
    """The marks of its two ends are among them: 98 words of one token."""
    assert len(tokenizer("rain rain")["input_ids"]) == 4
    plain, within, beyond = clap.texts(tokenizer, [
        "rain " * 200, "rain " * 97 + "dog" + " rain" * 102, "rain " * 98 + "dog" + " rain" * 101])
    assert torch.allclose(plain, beyond, atol=1e-6)
    assert (plain - within).abs().max() > 1e-4


# ---- the file -----------------------------------------------------------------------------------

def test_the_folder_says_where_it_comes_from_and_is_sealed(imported):
    place, told = imported
    assert told == files.read_json(place / "new/msclap/source.json") == {
        "files": {"CLAP_weights_2022.pth": files.sha256(place / "CLAP_weights_2022.pth")},
        "result": files.sha256(place / "new/msclap/model.safetensors")}
    files.check_hashes(place / "new/msclap")
    assert "source.json" in files.read_json(place / "new/msclap/hashes.json")
    assert str(place) not in (place / "new/msclap/config.json").read_text()


def test_importing_twice_gives_the_same_bytes_and_never_writes_over(imported):
    place, told = imported
    file = place / "CLAP_weights_2022.pth"
    assert msclap.import_checkpoint(file, place / "again", sizes=SIZES) == told
    with pytest.raises(MaaError, match="K-EXISTS: .*again' exists, expected a new folder"):
        msclap.import_checkpoint(file, place / "again", sizes=SIZES)


def test_only_a_whole_folder_of_this_clap_is_loaded(imported, tmp_path):
    with pytest.raises(MaaError, match="K-MISSING: .*none/hashes.json' is not there"):
        msclap.load(tmp_path / "none")
    shutil.copytree(imported[0] / "new/msclap", tmp_path / "other")
    about = files.read_json(tmp_path / "other/config.json")
    files.write_json(tmp_path / "other/config.json", about | {"architectures": ["ClapModel"]})
    with pytest.raises(MaaError, match="K-HASH: .*config.json"):
        msclap.load(tmp_path / "other")
    files.write_hashes(tmp_path / "other")
    with pytest.raises(MaaError, match=r"K-FORMAT: .* holds \['ClapModel'\], expected .*--laion"):
        msclap.load(tmp_path / "other")


@pytest.mark.parametrize("changes, words", [
    ({MELS: None}, f"K-KEYS: 1 weights are missing in 'any.pth': {MELS};"),
    ({"caption_encoder.projection.linear2.weight": None}, "K-KEYS: 1 weights are missing"),
    ({"audio_encoder.base.conv_block7.conv1.weight": torch.zeros(1)},
     "K-KEYS: 1 weights are unknown in 'any.pth': audio_encoder.base.conv_block7.conv1.weight;"),
    ({MELS: torch.zeros(513, 80)}, r"K-SHAPE: .*melW \(513, 80\) for \(513, 64\)"),
    ({"audio_encoder.base.fc1.bias": torch.full((WIDTHS[-1],), torch.nan)},
     "K-NAN: 1 weights are not finite in 'any.pth': audio_encoder.base.fc1.bias;"),
])
def test_a_file_with_other_weights_is_refused_and_leaves_nothing(
        weights, tmp_path, changes, words):
    """K11, K12, K13, K15."""
    changed = {name: value for name, value in (weights | changes).items() if value is not None}
    save(tmp_path / "any.pth", changed)
    with pytest.raises(MaaError, match=words):
        msclap.import_checkpoint(tmp_path / "any.pth", tmp_path / "new/msclap", sizes=SIZES)
    assert [path.name for path in tmp_path.iterdir()] == ["any.pth"]


def test_k01_a_missing_file_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(MaaError, match="K-MISSING: .*none.pth' is no file; was it downloaded"):
        msclap.import_checkpoint(tmp_path / "none.pth", tmp_path / "new", sizes=SIZES)
    assert not list(tmp_path.iterdir())


def test_a_network_of_another_size_is_refused(weights, tmp_path):
    save(tmp_path / "any.pth", weights)
    with pytest.raises(MaaError, match=r"K-SHAPE: \d+ weights have another shape in 'any.pth': "):
        msclap.import_checkpoint(
            tmp_path / "any.pth", tmp_path / "new", sizes=SIZES | {"projection_dim": 10})
