import tempfile

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


def around(path):
    return sorted(place.name for place in path.iterdir())


def test_a_new_folder_appears_whole_and_not_before_its_end(tmp_path):
    with folders.new(tmp_path / "a/b") as made:
        (made / "weights").write_bytes(b"numbers")
        assert made.name == "b" and not (tmp_path / "a").exists()
    assert (tmp_path / "a/b/weights").read_bytes() == b"numbers"
    assert around(tmp_path) == ["a"] and around(tmp_path / "a") == ["b"]


def test_a_new_folder_may_be_named_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with folders.new("b") as made:
        assert around(made) == []
    assert around(tmp_path) == ["b"]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left_of_a_new_folder(tmp_path, fault):
    with pytest.raises(fault), folders.new(tmp_path / "a/b") as made:
        (made / "half").write_bytes(b"num")
        raise fault
    assert around(tmp_path) == []


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(), lambda path: path.write_bytes(b"mine"),
    lambda path: path.symlink_to("nowhere")], ids=["folder", "file", "broken link"])
def test_what_exists_is_no_new_folder_and_stays(tmp_path, make):
    make(tmp_path / "b")
    before = (tmp_path / "b").lstat()
    with pytest.raises(MaaError, match="K-EXISTS: .*b' exists, expected a new folder") as caught:
        with folders.new(tmp_path / "b"):
            pass
    assert caught.value.exit_status == 2
    assert around(tmp_path) == ["b"] and (tmp_path / "b").lstat() == before


@pytest.mark.parametrize("name, cause", [("file/b", "Not a directory"), ("b" * 300, "too long")])
def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path, name, cause):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(MaaError, match=f"F-ACCESS: cannot write .*{cause}"):
        with folders.new(tmp_path / name):
            pass
    assert around(tmp_path) == ["file"]


def test_k26_in_a_read_only_folder_nothing_new_is_begun(tmp_path, monkeypatch):
    def refuse(*_, **__):  # chmod would not stop a test run by root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(MaaError, match="F-ACCESS: cannot write .*b': Permission denied"):
        with folders.new(tmp_path / "b"):
            pass


@pytest.fixture
def made(tmp_path):
    """A folder of weights, and beside it the file that they are from."""
    (tmp_path / "source.pt").write_bytes(b"abc")
    files.atomic_write(tmp_path / "made/weights", b"numbers")
    return tmp_path / "made"


def test_a_folder_tells_what_it_was_made_from_and_then_is_sealed(made):
    """By hand: the SHA-256 of "abc" begins with ba7816bf."""
    told = folders.record(made, [made.parent / "source.pt"], "weights")
    files.write_hashes(made)
    assert told == files.read_json(made / "source.json") == {
        "files": {"source.pt": files.sha256(made.parent / "source.pt")},
        "result": files.sha256(made / "weights")}
    assert told["files"]["source.pt"].startswith("ba7816bf")
    files.check_hashes(made)
    assert sorted(files.read_json(made / "hashes.json")) == ["source.json", "weights"]


def test_a_sealed_folder_tells_what_it_was_made_from_and_keeps_its_seal(made):
    files.write_hashes(made)
    told = folders.record(made, [made.parent / "source.pt"], files.HASHES)
    assert told == files.read_json(made / "source.json")
    assert told["result"] == files.sha256(made / "hashes.json")
    assert sorted(files.read_json(made / "hashes.json")) == ["weights"]
