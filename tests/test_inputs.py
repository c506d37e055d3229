"""maa.inputs: files from outside are opened only if they are plain files where they should be."""

import os
import socket
import stat
import zipfile

import pytest

from maa import errors, inputs


def content(source, **options):
    with inputs.opened(source, **options) as file:
        return file.read()


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_path_and_a_zip_member_give_their_bytes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"abc")
    archive = zipped(tmp_path / "a.zip", b=b"xyz")
    assert content(tmp_path / "a.wav") == b"abc"
    assert content(os.fsencode(tmp_path / "a.wav")) == b"abc"
    assert content((archive, "b")) == b"xyz"
    with zipfile.ZipFile(archive) as opened:
        assert content((opened, "b")) == b"xyz"


def test_a33_a_link_loop_is_named(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    with pytest.raises(errors.MaaError, match="A-LINK: .*a.wav' is a symbolic link loop"):
        content(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["link.wav", "sub/link.wav", "../outside.wav"])
def test_a34_a_file_out_of_the_root_needs_follow_links(tmp_path, name):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside.wav").write_bytes(b"abc")
    if not name.startswith(".."):
        (root / name).symlink_to(tmp_path / "outside.wav")
    with pytest.raises(errors.MaaError, match="A-LINK: .* leads to .*outside.wav'"):
        content(root / name, root=root)
    assert content(root / name, root=root, follow_links=True) == b"abc"
    assert content(root / name) == b"abc"


def test_a34_a_link_inside_the_root_is_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"abc")
    (tmp_path / "b.wav").symlink_to("a.wav")
    assert content(tmp_path / "b.wav", root=tmp_path) == b"abc"


def make_socket(path, monkeypatch):
    monkeypatch.chdir(path.parent)  # the full path can pass the 108 bytes a socket may have
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path, _: path.mkdir(), "a folder"),
        (lambda path, _: os.mkfifo(path), "a pipe"),
        (lambda path, _: path.symlink_to("/dev/zero"), "a device"),
        (make_socket, "a socket"),
    ],
    ids=["folder", "pipe", "device", "socket"],
)
def test_a35_what_is_no_file_is_refused_without_waiting(tmp_path, monkeypatch, make, kind):
    make(tmp_path / "x.wav", monkeypatch)
    with pytest.raises(errors.MaaError, match=f"A-KIND: .* is {kind}, expected a regular file"):
        content(tmp_path / "x.wav")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (PermissionError(13, "Permission denied"), "no permission to read it"),
        (FileNotFoundError(2, "No such file"), "was it moved after the list was made"),
    ],
    ids=["unreadable", "gone after the look"],
)
def test_a36_a_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch, fault, reason):
    (tmp_path / "a.wav").write_bytes(b"abc")

    def refuse(*_):  # chmod would not stop a test run by root
        raise fault

    with monkeypatch.context() as patch, pytest.raises(errors.MaaError) as raised:
        patch.setattr(os, "open", refuse)
        content(tmp_path / "a.wav")
    assert raised.match(f"A-ACCESS: cannot read .*a.wav': .*{reason}")


@pytest.mark.parametrize("name", ["gone.wav", "a.wav/b.wav", "x" * 300, "a\0b"])
def test_a36_a_file_that_cannot_be_is_named(tmp_path, name):
    (tmp_path / "a.wav").write_bytes(b"abc")
    with pytest.raises(errors.MaaError, match="A-ACCESS: cannot read"):
        content(tmp_path / name)


@pytest.mark.parametrize("change", ["size", "time"])
def test_a38_a_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    path = tmp_path / "a.wav"
    path.write_bytes(b"abc")
    with pytest.raises(errors.MaaError, match="A-CHANGED: .* changed while it was read"):
        with inputs.opened(path):
            if change == "size":
                path.write_bytes(b"abcd")
            else:
                os.utime(path, ns=(0, 0))


def test_a_closed_file_stays_closed_after_an_error(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"abc")
    with pytest.raises(ZeroDivisionError):
        with inputs.opened(tmp_path / "a.wav") as file:
            raise ZeroDivisionError
    assert file.closed


def test_a_missing_member_a_damaged_one_and_a_cut_archive_are_named(tmp_path):
    archive = zipped(tmp_path / "a.zip", b=bytes(range(256)) * 9)
    with pytest.raises(errors.MaaError, match="A-ACCESS: there is no 'c' in '.*a.zip'"):
        content((archive, "c"))
    data = bytearray(archive.read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(data)
    with pytest.raises(errors.MaaError, match="A-ZIP: 'b' in '.*damaged.zip' is damaged"):
        content((tmp_path / "damaged.zip", "b"))
    (tmp_path / "cut.zip").write_bytes(data[:-30])
    with pytest.raises(errors.MaaError, match="A-ZIP: .*cut.zip' is no whole zip"):
        content((tmp_path / "cut.zip", "b"))
    with pytest.raises(errors.MaaError, match="A-ACCESS: cannot read .*gone.zip'"):
        content((tmp_path / "gone.zip", "b"))


def test_a_huge_member_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MEMBER_CAP", 2**20)
    archive = zipped(tmp_path / "a.zip", b=bytes(2**21))
    with pytest.raises(errors.MaaError, match="A-SIZE: 'b' in .* is over 1 MiB"):
        content((archive, "b"))


def test_names_are_quoted_so_that_they_stay_on_one_line(tmp_path):
    assert inputs.name_of("a\nb.wav") == r"'a\nb.wav'"
    assert inputs.name_of(b"\xff.wav") == r"'\udcff.wav'"
    assert inputs.name_of(("x.zip", "a\nb")) == r"'a\nb' in 'x.zip'"


def test_every_kind_of_file_has_a_name():
    assert set(inputs.KINDS) == {
        stat.S_IFDIR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK
    }
