"""What every test starts from."""

import pytest


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    """Tests make their own sounds, whatever folder the user has named."""
    monkeypatch.delenv("MAA_DATA", raising=False)
