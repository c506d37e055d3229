"""What every test starts from."""

import os
import signal

import pytest

# A shell ignores Ctrl-C for what it starts with nohup or &, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """Bits are compared on the CPU, also where there is a GPU; `-m gpu` runs what needs one."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_runtest_setup(item):
    import torch

    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU: make test-gpu")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    """Tests make their own sounds, whatever folder the user has named."""
    monkeypatch.delenv("MAA_DATA", raising=False)


@pytest.fixture(scope="module")
def one_thread():
    """Networks this small are slower on several threads, by far where others use them too."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
