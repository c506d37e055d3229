"""Several processes that train one network together, each on a GPU of its own, on one host or many.

`accelerate launch` starts the same program in each of them and says by the environment how many
there are. Each draws its share of every batch; gradients are averaged, so that all keep the same
weights and any of them could write the result. One process is the plain case: nothing is exchanged.

Conventions: a rank is a process's number, 0 the first, which alone writes checkpoints and logs.
Source: Appendix E.2 (18 GPUs).  Notebook: 22_diffusion.
"""

import datetime
import os

import torch
from torch import distributed

from maa.errors import MaaError


PATIENCE = datetime.timedelta(hours=1)  # with a host that reads the same clips from a slower disk


def count():
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank():
    """This process's number, 0 … count() - 1."""
    return int(os.environ.get("RANK", "0"))


def share(batch):
    """How many of a batch's rows this process draws.

    Raises ValueError unless they can be shared out evenly.
    """
    if batch % count():
        raise ValueError(
            f"batch is {batch} for {count()} processes, expected a multiple; change `batch` in "
            f"params.yaml, or the number of GPUs in limits.gpus")
    return batch // count()


def own():
    """Which of many things are this process's: every count()th from its rank on, a slice."""
    return slice(rank(), None, count())


def device():
    """The accelerator of this process if there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if count() == 1:
        return torch.device("cuda")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def add(gradients):
    """Replace tensors by their sum over all processes, in one exchange."""
    if count() == 1:
        return
    flat = [in_memory(one) for one in gradients]
    whole = torch.cat(flat)
    distributed.all_reduce(whole)
    torch._foreach_copy_(flat, whole.split([len(one) for one in flat]))


def in_memory(tensor):
    """A view (values,) of a tensor without gaps, in the order in which its values lie in memory:
    copied so, pictures' gradients with channels last are not turned round."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return tensor.permute(order).view(-1)


def means(values, place):
    """{name: mean over all processes} of a {name: number}."""
    if count() == 1:
        return values
    numbers = torch.tensor([float(one) for one in values.values()], dtype=torch.float64)
    numbers = numbers.to(place)
    distributed.all_reduce(numbers)
    return dict(zip(values, (numbers / count()).tolist()))


def meet():
    """Find the other processes, if that is not done yet."""
    if count() > 1:
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def gathered(value):
    """What each process has, in the order of their ranks."""
    if count() == 1:
        return [value]
    meet()
    found = [None] * count()
    distributed.all_gather_object(found, value)
    return found


def first(call):
    """What call() returns in the first process, in all; the others wait, and fail as it does.

    For what only one may write.
    """
    if count() == 1:
        return call()
    told = None
    try:
        told = call() if rank() == 0 else None
    except MaaError as fault:
        told = fault
    except Exception as fault:  # whatever it is, the others must not wait for ever
        told = MaaError("R-PROCESSES", f"the first process failed: {fault!r}")
    told = gathered(told)[0]
    if isinstance(told, MaaError):
        raise told
    return told


def divided(things, call):
    """call(things of this process) of each process put together: a list, one for each of `things`.

    call:      gives one result for each of the things it is given, in their order; is not called
               where there are none, in the last of more processes than things
    """
    found, part = [None] * len(things), things[own()]
    for place, results in enumerate(gathered(list(call(part)) if len(part) else [])):
        found[place::count()] = results
    return found


class Joined(torch.autograd.Function):
    """Rows of all processes; each gets back the sum of what all of them want its rows to be."""

    @staticmethod
    def forward(ctx, own):
        own = own.contiguous()
        parts = [torch.empty_like(own) for _ in range(count())]
        distributed.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient):
        whole = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole.chunk(count())[rank()]


def joined(rows):
    """The rows of all processes, one after another, through which gradients find their way back.

    rows:  tensor, as many in each process
    """
    return rows if count() == 1 else Joined.apply(rows)


def union(values):
    """All that any process has, each once and sorted: alike in all, whatever their shares are."""
    return sorted(set().union(*gathered(sorted(set(values)))))


def follow_first(module):
    """Give a module the weights and statistics that the first process has."""
    if count() > 1:
        for value in module.state_dict().values():
            distributed.broadcast(value, 0)
