"""Runs notebooks at one scale: `python -m maa.run SCALE [NOTEBOOK ...]`.

Each notebook gets its row of params.yaml, is executed by papermill into results/<scale>/notebooks/
and takes its final name only when every cell completed: a failing run leaves the last good copy
where it is, with <name>.failed.ipynb beside it. Without NOTEBOOK all run, in reading order, except
that a notebook waits for those whose results it reads (dvc.yaml knows which).

A notebook that params.yaml gives several GPUs (limits.gpus) runs in as many processes, which train
together (maa.processes); over several hosts the same under accelerate's own launcher:
`accelerate launch --num_machines 2 … -m maa.run paper diffusion`.

Conventions: exit status as in maa.errors; 130 and 143 when stopped by a signal.
Notebook: all of them.
"""

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from maa import files, jobs, notebooks, project
from maa.errors import MaaError

KERNEL = "python3"
SHUTDOWN = 120  # seconds that a stopped kernel is given, half of them to write a checkpoint
GOES_ON = "the same command goes on from the last checkpoint"
SETTINGS = {  # of the kernel, unless the user has set them otherwise
    "HF_HUB_OFFLINE": "1",  # no model hub: nothing is fetched unasked
    "TRANSFORMERS_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # small networks are fastest so, with the same bits on any machine
    "PYTHONHASHSEED": "0",  # sets iterate in the same order every time
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm: a bar of text is all we want
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a debugger's remark in every kernel's output
}
DIE_WITH_PARENT = "__import__('maa.files').files.die_with_parent()"


def run(folder, job):
    """Execute one notebook; its executed copy is promoted only when every cell completed.

    Raises MaaError with the code of what went wrong; <name>.failed.ipynb then shows where.
    """
    if "RANK" not in os.environ and job.gpus > 1:
        return launch(folder, job)
    if int(os.environ.get("RANK", "0")) > 0:
        return help_along(folder, job)
    place = folder / "results" / job.scale
    running = place / "notebooks" / f"{job.copy}.running.ipynb"
    with files.locked(place / "locks" / job.copy):
        running.parent.mkdir(parents=True, exist_ok=True)
        try:
            result = execute(folder, job, running)
            problem = notebooks.failure(result)
        except MaaError as error:
            if error.code == "F-WRITE":
                raise
            result, problem = notebooks.read(running), (error.code, error.args[1])
        content = notebooks.normalised(result, folder)
        running.unlink()
        failed = running.with_name(f"{job.copy}.failed.ipynb")
        if problem:
            files.atomic_write(failed, content)
            code, text = problem
            raise MaaError(code, (
                f"{job.copy} at scale {job.scale!r}: {text[:600]} "
                f"(run so far: {failed.relative_to(folder)})"))
        files.atomic_write(running.with_name(f"{job.copy}.ipynb"), content)
        failed.unlink(missing_ok=True)
        forget_checkpoints(place / "checkpoints" / job.section)


def launch(folder, job):
    """One notebook in a process for each of its GPUs.

    Raises MaaError R-PROCESSES if one of them fails; what it printed says why.
    """
    word = f"{job.name}@{job.variant}" if job.variant else job.name
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
               "--num_processes", str(job.gpus), "--num_machines", "1", "--mixed_precision", "no",
               "--dynamo_backend", "no", "-m", "maa.run", job.scale, word]
    print(f"in {job.gpus} processes", flush=True)
    with subprocess.Popen(command, cwd=folder, preexec_fn=files.die_with_parent) as launcher:
        try:
            status = launcher.wait()
        except BaseException:
            launcher.terminate()  # killed, it could not end its processes
            launcher.wait()
            raise
    if status:
        raise MaaError("R-PROCESSES", (
            f"{job.copy} at scale {job.scale!r} failed in {job.gpus} processes, which ended with "
            f"{status}; the first of their messages above says why"))


def help_along(folder, job):
    """The notebook in a process that is not the first of several: its copy is of no interest."""
    with tempfile.TemporaryDirectory() as place:
        if problem := notebooks.failure(execute(folder, job, Path(place) / f"{job.copy}.ipynb")):
            raise MaaError(problem[0], f"{job.copy} at scale {job.scale!r}: {problem[1][:600]}")


def check_launch(chosen):
    """MaaError R-LAUNCH for several notebooks under a launcher, whose processes meet only once, and
    for one that keeps to one GPU under a launcher of several processes."""
    if "RANK" not in os.environ:
        return
    one, count = chosen[0], int(os.environ.get("WORLD_SIZE", "1"))
    if len(chosen) > 1:
        raise MaaError("R-LAUNCH", (
            f"{len(chosen)} notebooks under one launcher, the first {one.copy}, expected "
            f"one; name it, and its variant: diffusion, or variant@bert"))
    if one.gpus == 1 and count > 1:
        raise MaaError("R-LAUNCH", (
            f"{one.copy} in {count} processes, expected one, as limits.gpus of params.yaml gives it "
            f"1 at scale {one.scale!r}; run it without a launcher, on one host"))


def forget_checkpoints(folder):
    """A finished notebook has written its model; what was kept to resume it would only be refused
    (T-SETTINGS) once a number is changed."""
    for path in folder.rglob("step-*.pt"):
        path.unlink()


def execute(folder, job, output):
    """The executed notebook, whole or up to the cell that failed.

    Raises MaaError N-OUTPUT, F-TIME, F-WRITE or N-KERNEL (it died, or cannot be started).
    """
    import papermill  # slow to import; a refusal should come at once
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    deadline = time.monotonic() + 60 * job.minutes
    try:
        return papermill.execute_notebook(
            job.notebook, str(output), parameters=job.parameters, kernel_name=KERNEL,
            cwd=str(folder), progress_bar=False, iopub_timeout=60,
            timeout_func=lambda cell: max(1, int(deadline - time.monotonic())),
            on_cell_executed=lambda cell, **_: notebooks.refuse_large(cell),
            extra_arguments=[f"--IPKernelApp.exec_lines={DIE_WITH_PARENT}", "--log-level=CRITICAL"],
            config=Config({"KernelManager": {"shutdown_wait_time": SHUTDOWN}}),
        )
    except PapermillExecutionError:  # the notebook itself says more
        return notebooks.read(output)
    except CellTimeoutError as error:
        raise MaaError("F-TIME", (
            f"did not end within {job.minutes} minutes; "
            f"is the machine slow, or limits.minutes in params.yaml too small?")) from error
    except OSError as error:
        raise MaaError("F-WRITE", f"cannot write {output.name!r}: {error}") from error
    except DeadKernelError as error:
        raise MaaError("N-KERNEL", "its kernel died; was it killed, or out of memory?") from error
    except RuntimeError as error:
        raise MaaError("N-KERNEL", f"its kernel did not start: {error}") from error
    except NoSuchKernel as error:
        raise MaaError("N-KERNEL", (
            f"there is no Jupyter kernel {KERNEL!r}; run `make test` once, it installs ipykernel"
        )) from error


@contextlib.contextmanager
def stoppable():
    """SIGTERM ends the kernel as Ctrl-C does; what DVC or a launcher started ends with it."""
    def stop(number, _):
        raise SystemExit(128 + number)

    if {"DVC_STAGE", "RANK"} & {*os.environ}:  # else someone may have started it with nohup
        files.die_with_parent()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments=None):
    """Exit status of `python -m maa.run`."""
    parser = argparse.ArgumentParser(prog="python -m maa.run", description=__doc__.split("\n")[0])
    parser.add_argument("scale", help="row of params.yaml: mini, small or paper")
    parser.add_argument("notebook", nargs="*",
                        help="such as autoencoder or variant@bert; all when none is named")
    wanted = parser.parse_args(arguments)
    for name in ("papermill", "asyncio"):  # one line, ours, is enough
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        folder = project.root()
        with stoppable():
            chosen = jobs.prepare(folder, wanted.scale, wanted.notebook)
            check_launch(chosen)
            for job in chosen:
                started = time.monotonic()
                print(f"{job.copy:24} {job.scale:6}", end=" ", flush=True)
                run(folder, job)
                print(f"{time.monotonic() - started:7.1f} s", flush=True)
    except MaaError as error:
        print(f"\nmaa: {error}", file=sys.stderr)
        return error.exit_status
    except (KeyboardInterrupt, SystemExit) as stop:
        print(f"\nmaa: stopped; {GOES_ON}", file=sys.stderr)
        return getattr(stop, "code", 130)
    return 0


if __name__ == "__main__":
    sys.exit(main())
