"""A clock for work that a GPU does while Python is already elsewhere.

Conventions: seconds of wall time; a row of measurements says how often it was taken.
Source: none.  Notebook: 03_how_fast.
"""

import gc
import time

import numpy as np
import torch


def timed(call, times, warm=1):
    """Wall seconds of each of `times` calls after `warm` of them, the GPU's work included."""
    for _ in range(warm):
        call()
    settle()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        settle()
        found.append(time.perf_counter() - began)
    return found


def settle():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def row(what, seconds, sounds, **more):
    """One measurement: median, 95th percentile and sounds a second, with how often it was taken."""
    return {"what": what, "sounds": sounds, "n": len(seconds),
            "p50_ms": 1000 * float(np.median(seconds)),
            "p95_ms": 1000 * float(np.percentile(seconds, 95)),
            "per_second": sounds / float(np.median(seconds)), **more}


def memory():
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def clear():
    """Forget what was compiled and give memory back, so that every row starts alike."""
    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
