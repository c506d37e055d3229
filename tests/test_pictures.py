"""maa.pictures: every source ends as one kind of folder; a picture is read or refused."""

import io
import json
import os
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from maa import drawings, errors, picture_corpus, picture_files, pictures

FOUR = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)  # 2 × 2


def corners(side=16):
    """A picture with a colour in each corner, (side, side, 3)."""
    return np.kron(FOUR, np.ones((side // 2, side // 2, 1), np.uint8))


def encoded(pixels=None, kind="PNG", **options):
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(
        corners() if pixels is None else pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def noise(seed=0, side=32):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def read(tmp_path, content, size=None):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    return picture_files.read(path, size)


def quadrants(picture):
    """The colours in the middles of the four corners, (2, 2, 3) as FOUR."""
    side = picture.shape[-1]
    at = [side // 4, 3 * side // 4]
    return np.rint(255 * picture[:, at][:, :, at]).astype(int).transpose(1, 2, 0)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content))


def png(width, height, *chunks):
    """A PNG file with the header given and whatever chunks follow."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


# the reader


def test_pixels_come_back_as_they_were_written(tmp_path):
    pixels = noise()
    picture = read(tmp_path, encoded(pixels))
    assert picture.dtype == np.float32 and picture.shape == (3, 32, 32)
    np.testing.assert_array_equal(np.rint(255 * picture), pixels.transpose(2, 0, 1))
    assert 0 <= picture.min() and picture.max() <= 1


def test_the_middle_square_is_taken_and_sized(tmp_path):
    wide = np.concatenate([np.zeros((16, 20, 3), np.uint8), corners(), np.zeros_like(corners())], 1)
    wide = np.concatenate([wide, np.zeros((16, 4, 3), np.uint8)], 1)
    assert (quadrants(read(tmp_path, encoded(wide))) == FOUR).all()
    assert read(tmp_path, encoded(wide), 8).shape == (3, 8, 8)
    assert (quadrants(read(tmp_path, encoded(wide), 64)) == FOUR).all()


def test_a_member_of_a_zip_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/c.png", encoded())
    assert (quadrants(picture_files.read((tmp_path / "a.zip", "b/c.png"))) == FOUR).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_every_format_is_known_by_its_content(tmp_path, kind):
    assert np.abs(quadrants(read(tmp_path, encoded(corners(64), kind))) - FOUR).max() < 40


def test_i01_cmyk_becomes_rgb(tmp_path):
    image = Image.fromarray(corners(64)).convert("CMYK")
    found = quadrants(read(tmp_path, encoded(image, "JPEG", quality=95)))
    assert np.abs(found - FOUR).max() < 40


def test_i02_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(corners()).quantize(4)
    assert (quadrants(read(tmp_path, encoded(image))) == FOUR).all()


def test_i03_a_transparent_entry_of_a_palette_becomes_white(tmp_path):
    image = Image.fromarray(corners()).quantize(4)
    found = quadrants(read(tmp_path, encoded(image, transparency=image.getpixel((0, 0)))))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert (found.reshape(4, 3)[1:] == FOUR.reshape(4, 3)[1:]).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_i04_what_is_transparent_becomes_white_and_half_of_it_half_so(tmp_path, mode):
    image = Image.new(mode, (8, 8), (0, 128) if mode == "LA" else (0, 0, 0, 128))
    image.paste((0, 0) if mode == "LA" else (0, 0, 0, 0), (0, 0, 8, 4))
    found = quadrants(read(tmp_path, encoded(image)))
    assert (found[0] == 255).all() and (found[1] == 127).all()


def test_i05_sixteen_bits_are_rescaled_and_not_clipped(tmp_path):
    levels = np.repeat(np.linspace(90, 60_000, 16).astype(np.uint16)[:, None], 16, 1)
    picture = read(tmp_path, encoded(levels))
    np.testing.assert_allclose(picture[1, :, 0], levels[:, 0] / 65_535, atol=0.003)


def test_i06_a_picture_of_one_pixel_is_read(tmp_path):
    with pytest.warns(errors.MaaWarning, match="I-UNIFORM: .*x.png' has one colour all over"):
        picture = read(tmp_path, encoded(FOUR[:1, :1]), 8)
    assert (picture == np.array([1, 0, 0], np.float32)[:, None, None]).all()


def test_i07_a_thread_of_pixels_is_cut_before_it_is_enlarged(tmp_path):
    content = encoded(np.full((10_000, 1, 3), 9, np.uint8))
    with pytest.warns(errors.MaaWarning, match="I-UNIFORM"):
        assert read(tmp_path, content, 64).shape == (3, 64, 64)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_i08_every_exif_orientation_ends_upright(tmp_path, orientation, kind):
    # what a camera stores so that the viewer's turn or mirror gives the corners back
    stored = [None, lambda a: a, np.fliplr, lambda a: np.rot90(a, 2), np.flipud,
              lambda a: a.transpose(1, 0, 2), lambda a: np.rot90(a, 1),
              lambda a: np.rot90(a, 2).transpose(1, 0, 2), lambda a: np.rot90(a, 3)][orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(np.ascontiguousarray(stored(corners(64))), kind, exif=exif)
    assert np.abs(quadrants(read(tmp_path, content)) - FOUR).max() < 40


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_i08_an_orientation_that_does_not_exist_is_ignored(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (quadrants(read(tmp_path, encoded(exif=exif))) == FOUR).all()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_i09_a_cut_picture_is_refused(tmp_path, kind, share):
    content = encoded(noise(), kind)
    with pytest.raises(errors.MaaError, match="I-(TRUNC|CORRUPT|FORMAT): .*x.png'"):
        read(tmp_path, content[: int(len(content) * share)])


def test_i09_a_png_without_its_end_is_told_to_be_cut(tmp_path):
    with pytest.raises(errors.MaaError, match="I-TRUNC: .*x.png' ends too early .*was the copy"):
        read(tmp_path, encoded(noise())[:-12])


def test_i09_a_damaged_picture_is_told_from_a_cut_one(tmp_path):
    content = bytearray(encoded(noise()))
    content[content.index(b"IDAT") + 20] ^= 0xFF
    with pytest.raises(errors.MaaError, match="I-CORRUPT: .*x.png' is damaged inside"):
        read(tmp_path, bytes(content))


@pytest.mark.parametrize("side, message", [
    (15_000, "is refused"), (10_000, "10000 × 10000 pixels, expected 1 to 40"), (6_325, "pixels")])
def test_i10_a_bomb_is_refused_before_it_is_decoded(tmp_path, side, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(errors.MaaError, match=f"I-BOMB: .*x.png'.*({message})") as fault:
            read(tmp_path, png(side, side))
    assert fault.value.exit_status == 3


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_i11_a_picture_without_width_is_refused(tmp_path, size):
    with pytest.raises(errors.MaaError, match="I-(BOMB|FORMAT|CORRUPT): .*x.png'"):
        read(tmp_path, png(*size, chunk(b"IDAT", zlib.compress(b""))))


def test_i12_an_empty_file_is_refused(tmp_path):
    with pytest.raises(errors.MaaError, match="I-EMPTY: .*x.png' has 0 bytes"):
        read(tmp_path, b"")


@pytest.mark.parametrize("content", [
    b'<svg xmlns="http://www.w3.org/2000/svg"/>', b"<!DOCTYPE html><html>404</html>",
    b'{"error": 1}', b"version https://git-lfs.github.com/spec/v1\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_i13_text_named_png_is_refused_with_its_beginning(tmp_path, content):
    with pytest.raises(errors.MaaError, match="I-FORMAT: .*x.png' begins with .*is it a web page"):
        read(tmp_path, content)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_i14_of_a_moving_picture_the_first_frame_is_taken_and_told_of(tmp_path, kind):
    more = [Image.fromarray(np.full((64, 64, 3), 200, np.uint8))]
    content = encoded(corners(64), kind, save_all=True, append_images=more)
    with pytest.warns(errors.MaaWarning, match="I-ANIMATED: .*x.png' moves; its first frame"):
        picture = read(tmp_path, content)
    assert np.abs(quadrants(picture) - FOUR).max() < 40


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_i15_a_broken_colour_profile_is_ignored(tmp_path, kind):
    content = encoded(corners(64), kind, icc_profile=b"no profile at all")
    assert np.abs(quadrants(read(tmp_path, content)) - FOUR).max() < 40


def test_i16_a_uniform_picture_is_read_and_told_of(tmp_path):
    with pytest.warns(errors.MaaWarning, match="I-UNIFORM"):
        assert (read(tmp_path, encoded(np.full((8, 8, 3), 51, np.uint8))) == np.float32(0.2)).all()


@pytest.mark.parametrize("kind, place", [
    (b"iTXt", "before"), (b"iTXt", "after"), (b"zTXt", "before"), (b"zTXt", "after"),
    (b"iCCP", "before")])
def test_i17_a_text_that_unpacks_to_too_much_is_refused(tmp_path, kind, place):
    packed = zlib.compress(bytes(70 * 2**20))
    text = chunk(kind, b"a\0\1\0\0\0" + packed if kind == b"iTXt" else b"a\0\0" + packed)
    content = encoded()
    at = 33 if place == "before" else len(content) - 12  # of the header, of the end
    with pytest.raises(errors.MaaError, match="I-BOMB: .*x.png' holds data that unpack to too"):
        read(tmp_path, content[:at] + text + content[at:])


def test_i17_many_texts_that_are_too_much_together_are_refused(tmp_path):
    notes = PngImagePlugin.PngInfo()
    for number in range(70):
        notes.add_itxt(f"k{number}", "x" * 2**20, zip=True)
    with pytest.raises(errors.MaaError, match="I-BOMB: .*x.png'"):
        read(tmp_path, encoded(pnginfo=notes))


def test_i17_a_file_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "MOST_BYTES", 2**20)
    with pytest.raises(errors.MaaError, match="I-BOMB: .*x.png' is over 1 MiB"):
        read(tmp_path, encoded() + bytes(2**20))


def test_i18_huge_exif_data_do_not_hide_the_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 3, "x" * 4 * 2**20
    content = encoded(np.ascontiguousarray(np.rot90(corners(), 2)), exif=exif)
    assert (quadrants(read(tmp_path, content)) == FOUR).all()


def test_i18_exif_data_that_are_noise_are_ignored(tmp_path):
    for seed in range(20):
        exif = b"Exif\0\0MM\0*" + np.random.default_rng(seed).bytes(3_000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow's grumbling is kept from the user
            picture = read(tmp_path, encoded(corners(64), "JPEG", exif=exif))
        assert np.abs(quadrants(picture) - FOUR).max() < 40


def test_a_file_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "x.png").write_bytes(encoded())
    with pytest.raises(errors.MaaError, match="A-LINK"):
        picture_files.read(tmp_path / "root" / ".." / "x.png", root=tmp_path / "root")


def test_hundreds_of_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    seeds = [encoded(noise(side=16), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")]
    generator, refused = np.random.default_rng(0), 0
    for number in range(500):
        content = bytearray(seeds[number % 5])
        for place in generator.integers(0, min(200, len(content)), 3):
            content[place] = generator.integers(256)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", errors.MaaWarning)
                assert read(tmp_path, bytes(content), 8).shape == (3, 8, 8)
        except errors.MaaError as fault:
            assert fault.code.startswith("I-") and str(fault).isprintable()
            refused += 1
    assert 100 < refused < 500


# the sources


def test_the_words_of_sources_are_those_of_params():
    assert list(pictures.SOURCES) == ["drawings", "photos", "folder"]


@pytest.fixture
def two(monkeypatch):
    known = {label: drawings.DRAWINGS[label] for label in ("dog", "rain")}
    monkeypatch.setattr(drawings, "DRAWINGS", known)


def test_drawings_hold_out_every_fifth_picture_of_a_label(tmp_path, two):
    table = pictures.SOURCES["drawings"](tmp_path, pictures_per_label=10, size=32)
    assert list(table.columns) == picture_corpus.COLUMNS
    assert table.groupby(["label", "split"]).size().to_dict() == {
        ("dog", "held_out"): 2, ("dog", "train"): 8, ("rain", "held_out"): 2, ("rain", "train"): 8}
    assert set(table.licence) == {"CC0-1.0 (drawn)"} and table.id.is_unique
    seen = sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert seen == ["pictures", "pictures.csv", "rejects.jsonl"]


def test_two_writers_of_pictures_do_not_meet(tmp_path, two, monkeypatch):
    make, told = drawings.make, []
    written = pictures.from_drawings(tmp_path, pictures_per_label=5, size=32)

    def draw(*given):  # while others are written, which would delete what there is of them
        with pytest.raises(errors.MaaError) as fault:
            picture_corpus.write(tmp_path, [], 0.0)
        told.append(fault.value.code)
        return make(*given)

    monkeypatch.setattr(drawings, "make", draw)
    assert pictures.from_drawings(tmp_path, pictures_per_label=5, size=32, seed=1).shape == (
        written.shape)
    assert told == ["F-LOCKED"] * len(written)


def test_load_gives_the_table_and_the_pictures_that_were_drawn(tmp_path, two, monkeypatch):
    make, made = drawings.make, []
    monkeypatch.setattr(drawings, "make", lambda *given: made.append(make(*given)) or made[-1])
    written = pictures.from_drawings(tmp_path, pictures_per_label=5, size=32, seed=3)
    table, found = pictures.load(tmp_path)
    assert table.equals(written)
    assert found.shape == (10, 3, 32, 32) and str(found.dtype) == "torch.float32"
    for (drawn, caption), picture, said in zip(made, found, table.caption, strict=True):
        np.testing.assert_allclose(picture, drawn, atol=0.5 / 255 + 1e-6)
        assert said == caption
    table, found = pictures.load(tmp_path, "held_out")
    assert list(table.split) == ["held_out"] * 2 and len(found) == 2 and list(table.index) == [0, 1]


def test_load_reads_a_share_or_some_that_are_spread_evenly(tmp_path, two):
    pictures.from_drawings(tmp_path, pictures_per_label=5, size=32)
    table, found = pictures.load(tmp_path)
    for kept, given in {(1, 4, 7): {"part": slice(1, None, 3)}, (0, 2, 4, 6, 8): {"most": 5},
                        (2, 6): {"most": 5, "part": slice(1, None, 2)},
                        tuple(range(10)): {"most": 11}}.items():
        own, some = pictures.load(tmp_path, **given)
        assert own.equals(table.iloc[list(kept)].reset_index(drop=True))
        assert some.equal(found[list(kept)])


def test_the_seed_alone_decides_the_drawings(tmp_path, two, monkeypatch):
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        pictures.from_drawings(tmp_path / str(number), pictures_per_label=2, size=32, seed=seed)
        contents.append((tmp_path / str(number) / "pictures" / "rain-0001.png").read_bytes())
    assert contents[0] == contents[1] != contents[2]
    monkeypatch.setattr(drawings, "DRAWINGS", {"rain": drawings.DRAWINGS["rain"]})
    pictures.from_drawings(tmp_path / "alone", pictures_per_label=2, size=32)
    assert (tmp_path / "alone" / "pictures" / "rain-0001.png").read_bytes() == contents[0]


def test_load_names_what_is_missing_or_unknown(tmp_path, two):
    with pytest.raises(errors.MaaError, match="D-MISSING: .* has no pictures.csv"):
        pictures.load(tmp_path)
    pictures.from_drawings(tmp_path, pictures_per_label=2, size=32)
    with pytest.raises(ValueError, match="split is 'test', expected None or one of"):
        pictures.load(tmp_path, "test")
    with pytest.raises(errors.MaaError, match="D-MISSING: .* no picture of split 'held_out'"):
        pictures.load(tmp_path, "held_out")
    (tmp_path / "pictures" / "dog-0001.png").write_bytes(encoded(corners(8)))
    with pytest.raises(errors.MaaError, match=r"I-SIZE: .* has sides \[8, 32\]"):
        pictures.load(tmp_path)


PHOTOS = {"train/dog/0001.jpg": 1, "train/automobile/0001.jpg": 2, "test/dog/0001.jpg": 3,
          "test/deer/0001.jpg": 4}
CIFAR = "filename,split,class\n" + "".join(
    f"{name},{name.split('/')[0]},{name.split('/')[1]}\n" for name in PHOTOS)
IMAGENET = "filename,wnid,class\nn1_cock.jpg,n1,cock\nn2_African_elephant.jpg,n2,African_elephant\n"


def photo_sets(root, zipped):
    members = {name: encoded(noise(seed), "JPEG") for name, seed in PHOTOS.items()}
    singles = {"n1_cock.jpg": encoded(noise(5), "JPEG"),
               "n2_African_elephant.jpg": encoded(noise(6, 128), "JPEG")}
    for name, content in (("cifar", members), ("imagenet", singles)):
        (root / "deep").mkdir(parents=True, exist_ok=True)
        if zipped:
            with zipfile.ZipFile(root / "deep" / f"{name}.zip", "w") as archive:
                for member, data in content.items():
                    archive.writestr(member, data)
        else:
            for member, data in content.items():
                (root / name / member).parent.mkdir(parents=True, exist_ok=True)
                (root / name / member).write_bytes(data)
    (root / "deep" / "cifar.csv").write_text(CIFAR)
    (root / "imagenet.csv").write_text(IMAGENET)
    (root / "sounds.csv").write_text("filename,fold,split,class\na.wav,1,train,dog\n")
    return root


@pytest.mark.parametrize("zipped", [True, False], ids=["zips", "folders"])
def test_photos_take_labels_of_sounds_where_they_match(tmp_path, monkeypatch, zipped):
    monkeypatch.setenv("MAA_DATA", str(photo_sets(tmp_path / "in", zipped)))
    table = pictures.SOURCES["photos"](tmp_path / "out")
    assert dict(zip(table.label, table.split)) == {
        "dog": "held_out", "engine_idling": "train", "deer": "held_out",
        "rooster": "train", "african_elephant": "train"}
    assert sorted(table.label).count("dog") == 2 and table.id.is_unique
    captions = dict(zip(table.label, table.caption))
    assert "a dog" in captions["dog"] and "an african elephant" in captions["african_elephant"]
    assert any(noun in captions["rooster"] for noun in ("a cock", "a rooster"))
    assert any(noun in captions["engine_idling"] for noun in ("a car", "an automobile"))
    found = pictures.load(tmp_path / "out")[1]
    assert found.shape == (6, 3, 64, 64)
    deer = found[list(table.label).index("deer")]
    expected = read(tmp_path, encoded(noise(4), "JPEG"), 64)  # its own picture, no other dog's
    np.testing.assert_allclose(deer, expected, atol=0.5 / 255 + 1e-6)


def test_photos_that_are_missing_or_cut_are_set_apart(tmp_path):
    root = photo_sets(tmp_path / "in", zipped=False)
    (root / "cifar" / "train/dog/0001.jpg").unlink()
    (root / "cifar" / "test/deer/0001.jpg").write_bytes(encoded(noise(), "JPEG")[:500])
    with pytest.raises(errors.MaaError, match="D-REJECTS: 2 of 6 pictures refused"):
        pictures.from_photos(tmp_path / "out", root=root)
    assert len(pictures.from_photos(tmp_path / "out", root=root, max_reject=0.5)) == 4
    lines = (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()
    assert {json.loads(line)["code"] for line in lines} == {"A-ACCESS", "I-TRUNC"}


def test_photos_of_an_unknown_split_are_refused(tmp_path):
    root = photo_sets(tmp_path / "in", zipped=False)
    (root / "deep" / "cifar.csv").write_text("filename,split,class\na.jpg,val,dog\n")
    with pytest.raises(errors.MaaError, match="C-SPLIT: 'a.jpg' has split 'val'"):
        pictures.from_photos(tmp_path / "out", root=root)


@pytest.mark.parametrize("source", ["photos", "folder"])
@pytest.mark.parametrize("root", [None, "nowhere"])
def test_a_missing_root_is_explained(tmp_path, monkeypatch, source, root):
    monkeypatch.delenv("MAA_DATA", raising=False)
    with pytest.raises(errors.MaaError, match=f"F-ROOT: root is {root!r}, .* MAA_DATA"):
        pictures.SOURCES[source](tmp_path, root=root)


def test_a_root_without_a_table_of_photos_is_explained(tmp_path):
    (tmp_path / "sounds.csv").write_text("filename,fold,class\na.wav,1,dog\n")
    with pytest.raises(errors.MaaError, match="F-ROOT: no table of photos under"):
        pictures.from_photos(tmp_path / "out", root=tmp_path)


def folder_of_pictures(root, table, names=("a.png", "b.png")):
    root.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (root / name).write_bytes(encoded(noise(number)))
    (root / "pictures.csv").write_text(table, "utf-8")
    return root


def test_a_folder_with_a_full_table_is_taken_as_it_says(tmp_path):
    root = folder_of_pictures(
        tmp_path / "in", "file,label,caption,split,source_id,licence\n"
        'a.png,dog,"a dog, brown",train,r1,CC0\nb.png,NA,None,held_out,r2,CC BY\n')
    table = pictures.SOURCES["folder"](tmp_path / "out", root=root, size=16)
    assert list(table.caption) == ["a dog, brown", "None"] and list(table.label) == ["dog", "NA"]
    assert list(table.split) == ["train", "held_out"]
    assert list(table.source_id) == ["r1", "r2"] and list(table.licence) == ["CC0", "CC BY"]
    assert pictures.load(tmp_path / "out")[1].shape == (2, 3, 16, 16)


def test_a_folder_without_split_is_split_by_source(tmp_path):
    names = [f"{number}.png" for number in range(30)]
    rows = "".join(f"{name},dog,a dog,r{number // 3}\n" for number, name in enumerate(names))
    root = folder_of_pictures(tmp_path / "in", "file,label,caption,source_id\n" + rows, names)
    table = pictures.from_folder(tmp_path / "out", root=root, size=16)
    assert (table.groupby("source_id").split.nunique() == 1).all()
    assert set(table.split) == {"train", "held_out"} and set(table.licence) == {"unknown"}


def test_several_captions_in_one_row_are_all_of_the_picture(tmp_path):
    rows = "a.png,dog,a dog | one brown dog |\nb.png,cat,a cat|kitten\n"
    root = folder_of_pictures(tmp_path / "in", "file,label,caption\n" + rows)
    table = pictures.from_folder(tmp_path / "out", root=root, size=8)
    assert pictures.captions(table) == [["a dog", "one brown dog"], ["a cat|kitten"]]


def test_a_file_with_two_captions_becomes_two_pictures_and_a_repeated_row_one(tmp_path):
    rows = "a.png,dog,a dog\na.png,dog,one dog\na.png,dog,a dog\n"
    root = folder_of_pictures(tmp_path / "in", "file,label,caption\n" + rows)
    with pytest.warns(errors.MaaWarning, match="D-DUPCONTENT: 1 pictures repeat another"):
        table = pictures.from_folder(tmp_path / "out", root=root)
    assert list(table.caption) == ["a dog", "one dog"] and table.id.is_unique


@pytest.mark.parametrize("rows, message", [
    ("a.png,dog,a dog,train,r1\nb.png,dog,a dog,held_out,r1\n", "are of one source, expected every"),
    ("a.png,dog,a dog,train,r1\nc.png,dog,a dog,held_out,r2\n", "are of one content")])
def test_one_picture_in_both_splits_is_refused(tmp_path, rows, message):
    root = folder_of_pictures(tmp_path / "in", "file,label,caption,split,source_id\n" + rows)
    (root / "c.png").write_bytes((root / "a.png").read_bytes())
    with pytest.raises(errors.MaaError, match=f"D-OVERLAP: .* {message}"):
        pictures.from_folder(tmp_path / "out", root=root)


def test_plain_colour_in_both_splits_is_nobodys_content_and_told_of_once(tmp_path):
    rows = "a.png,dog,a dog,train\nb.png,dog,a dog,held_out\n"
    root = folder_of_pictures(tmp_path / "in", "file,label,caption,split\n" + rows)
    for name in ("a.png", "b.png"):
        (root / name).write_bytes(encoded(np.full((8, 8, 3), (9, 8, 7), np.uint8)))
    with pytest.warns(errors.MaaWarning, match=r"D-NOTES: {'I-UNIFORM': 2} in 2") as notes:
        assert len(pictures.from_folder(tmp_path / "out", root=root)) == 2
    assert len(notes) == 1


@pytest.mark.parametrize("table, message", [
    ("file,label\na.png,dog\n", r"C-COLUMNS: .* lacks \['caption'\]"),
    ("file,label,caption\na.png,dog,a dog, brown\n", "C-ROWS: .* line 2 has 4 fields"),
    ("file,label,caption,split\na.png,dog,a dog,test\n", r"C-SPLIT: .* splits \['test'\]"),
    ("file,label,caption\na.png,dog, \n", "D-EMPTY: none of 1 pictures .*C-EMPTY"),
    ("file,label,caption\na.png,dog, | \n", "D-EMPTY: none of 1 pictures .*C-EMPTY"),
    ("file,label,caption\n../x.png,dog,a dog\n", "D-EMPTY: .*A-"),
    ("file,label,caption\n", "D-EMPTY: none of 0 pictures")])
def test_a_table_that_cannot_be_used_is_refused(tmp_path, table, message):
    (tmp_path / "x.png").write_bytes(encoded())
    root = folder_of_pictures(tmp_path / "in", table)
    with pytest.raises(errors.MaaError, match=message):
        pictures.from_folder(tmp_path / "out", root=root)


@pytest.mark.parametrize("name", ["a b.png", "Hündin 😀.png", "-x.png", "a\nb.png", "%s'.png"])
def test_odd_names_become_plain_ids(tmp_path, name):
    root = folder_of_pictures(tmp_path / "in", f'file,label,caption\n"{name}",dog,a dog\n', [name])
    (row,) = pictures.from_folder(tmp_path / "out", root=root).itertuples()
    assert row.id.isascii() and row.id.replace("-", "").replace("_", "").isalnum()
    assert row.source_id == name


def test_a_refused_corpus_keeps_the_earlier_one_and_a_new_one_replaces_it(tmp_path, two):
    pictures.from_drawings(tmp_path, pictures_per_label=2, size=32)
    with pytest.raises(errors.MaaError, match="D-EMPTY"):
        pictures.from_drawings(tmp_path, pictures_per_label=0)
    with pytest.raises(ValueError, match="size is 1, expected 16"):
        pictures.from_drawings(tmp_path, pictures_per_label=1, size=1)
    assert len(pictures.load(tmp_path)[0]) == 4 and not (tmp_path / ".building").exists()
    root = folder_of_pictures(tmp_path / "in", "file,label,caption\na.png,dog,a dog\n")
    pictures.from_folder(tmp_path / "out", root=root)
    pictures.from_folder(tmp_path, root=root)
    assert len(os.listdir(tmp_path / "pictures")) == 1


def test_a_disk_that_refuses_ends_the_corpus(tmp_path, two, monkeypatch):
    def refuse(path, content):
        raise errors.MaaError("F-SPACE", "the disk is full")

    monkeypatch.setattr(pictures.files, "atomic_write", refuse)
    with pytest.raises(errors.MaaError, match="F-SPACE"):
        pictures.from_drawings(tmp_path, pictures_per_label=2, size=32)
