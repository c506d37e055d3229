"""What every test starts from."""

import signal

import pytest

# A shell ignores Ctrl-C for what it starts with nohup or &, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    """Tests make their own sounds, whatever folder the user has named."""
    monkeypatch.delenv("MAA_DATA", raising=False)
