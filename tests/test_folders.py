import pytest

from maa import files, folders
from maa.errors import MaaError


@pytest.fixture
def saved(tmp_path):
    """A folder as diffusers leaves it, with one part."""
    place = tmp_path / "saved"
    files.write_json(place / "model_index.json", {"unet": ["diffusers", "UNet"]})
    files.write_json(place / "unet/config.json", {"_name_or_path": "/somewhere/else/x", "width": 3})
    files.atomic_write(place / "unet/weights.safetensors", b"numbers")
    folders.seal(place, ["unet"])
    return place


def test_a_sealed_folder_passes_its_check(saved):
    folders.check(saved)
    assert sorted(files.read_json(saved / "hashes.json")) == [
        "model_index.json", "unet/config.json", "unet/weights.safetensors"]


def test_sealing_forgets_where_a_part_was_loaded_from(saved):
    assert files.read_json(saved / "unet/config.json") == {"width": 3}


def test_k04_a_changed_byte_is_refused(saved):
    (saved / "unet/weights.safetensors").write_bytes(b"numberz")
    with pytest.raises(MaaError, match="K-HASH: .*weights.safetensors"):
        folders.check(saved)


def test_k01_a_missing_file_is_refused(saved):
    (saved / "unet/weights.safetensors").unlink()
    with pytest.raises(MaaError, match="K-MISSING: .*weights.safetensors"):
        folders.check(saved)
    with pytest.raises(MaaError, match="K-MISSING: .* has no model_index.json"):
        folders.check(saved / "unet")


def test_a_model_card_may_be_edited_after_sealing(saved):
    (saved / "README.md").write_text("# what it can and cannot do")
    folders.check(saved)


def test_a_folder_without_hashes_is_taken_as_it_is(saved):
    (saved / "hashes.json").unlink()
    folders.check(saved)


def test_the_best_pipeline_at_hand_is_found(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "maa/folders.py"))
    with pytest.raises(MaaError, match="K-MISSING: there is no model.*make paper"):
        folders.find()
    for scale in ("mini", "small"):
        place = tmp_path / f"results/{scale}/pipeline"
        files.write_json(place / "model_index.json", {})
        assert folders.find() == place
    assert folders.find(saved) == saved
    with pytest.raises(MaaError, match="K-MISSING: .* has no model_index.json"):
        folders.find(tmp_path)
