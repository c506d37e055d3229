"""maa.errors: one code, one line, one exit status."""

import pickle

import pytest

from maa import errors


def test_an_error_reads_as_code_and_text():
    fault = errors.MaaError("A-EMPTY", "'x.wav' has 0 bytes, expected a sound")
    assert str(fault) == "A-EMPTY: 'x.wav' has 0 bytes, expected a sound"
    assert fault.code == "A-EMPTY"
    assert isinstance(fault, ValueError)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("A-TRUNC", 3),
        ("A-EXISTS", 2),
        ("C-COLUMNS", 3),
        ("F-LOCKED", 6),
        ("F-SPACE", 7),
        ("K-HASH", 5),
        ("K-EXISTS", 2),
        ("P-SEED", 2),
        ("T-NAN", 4),
        ("X-NEW", 1),
    ],
)
def test_the_exit_status_follows_the_code(code, status):
    assert errors.MaaError(code, "text").exit_status == status


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b", "\u2028", "\udcff", "\0"])
def test_an_error_stays_on_one_printable_line(letter):
    """C22: escapes of a terminal are shown, not obeyed."""
    text = str(errors.MaaError("A-FORMAT", f"a{letter}b"))
    assert text.isprintable()
    assert text.encode()


def test_letters_of_any_script_stay_as_they_are():
    assert errors.one_line("Hündin 犬 😀") == "Hündin 犬 😀"


def test_an_error_survives_the_way_from_another_process():
    fault = pickle.loads(pickle.dumps(errors.MaaError("K-HASH", "other bytes")))
    assert (fault.code, fault.exit_status, str(fault)) == ("K-HASH", 5, "K-HASH: other bytes")


def test_a_warning_reads_as_an_error_does():
    with pytest.warns(errors.MaaWarning, match="^A-SILENT: a\\\\nb$"):
        errors.warn("A-SILENT", "a\nb")
