"""Ending a long run in an orderly way when a signal asks for it.

Conventions: signals are SIGTERM and SIGINT; exit status 128 + the signal's number.
Notebook: 22_diffusion.
"""

import contextlib
import signal
import threading


@contextlib.contextmanager
def signals():
    """List that receives SIGTERM or SIGINT in place of the process: a step can be finished."""
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number, _):
        if received:  # the second signal does not wait
            raise SystemExit(128 + number)
        received.append(number)

    before = {n: signal.signal(n, receive) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
