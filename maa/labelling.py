"""Captions for millions of clips, written by many processes, any of which may be killed.

    python -m maa.labelling SHARDS OUT --options experts.json --processes 8
    accelerate launch … -m maa.labelling SHARDS OUT …      each of its processes is a worker

Workers share out the tar files of SHARDS by maa.sharing; one that dies is replaced. After any end
the same command goes on, and gives shards that were set aside another chance. Given on several
machines that see the folder OUT, it shares the work among them.

Conventions: OUT/expert.csv has the columns tarred.COLUMNS, those of maa.experts and `reason`, and a
    row for every clip, in the order of shards; a clip without a usable sound has a reason there and
    no caption. OUT/rejects.jsonl names the shards set aside. What is written depends on the shards,
    their names, the experts, the seed and the batch: on a CPU it is the same to the byte, whoever
    wrote it and whoever was killed. Exit status as in maa.errors: 3 if a shard was set aside or
    more than --max-reject of the clips have a reason, all the rest being written; 130 and 143 when
    stopped by a signal.
Source: Section 3.2.1. Engine: webdataset's reader under processes of our own. Two of them labelled
    2,000 clips in 11 s, Ray Data in 14 s, after starts of 3 and 8 s (0.3 and 410 MB to install).
    Neither lost a clip of a killed worker; but Ray Data begins anew once its driver is killed, and
    has clips twice (its checkpoints refuse webdataset); accelerate ends all workers when one dies.
Notebook: 11_pseudo_captions.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from maa import corpus, files, requests, run, sharing, stopping, tarred
from maa.errors import MaaError

MOST_AT_ONCE = 65_536  # clips that an expert hears
MOST_WORKERS = 4_096  # on one machine
GRACE = 60  # seconds that a worker gets to stop; it finishes a batch
ALL_ALIKE = range(2, 8)  # exit statuses of MaaError: any other worker would fail in the same way
PART = ".maa-*.tmp"  # left by a process that was killed while it wrote


def supervise(job, command, processes):
    """Exit status, once nothing is left or no worker can go on; each that dies is replaced.

    command:   that starts a worker, but for its place

    Raises MaaError F-WORKERS if workers die and no shard is dealt with, or none has a result yet.
    Source: Section 3.2.1.  Notebook: 11_pseudo_captions.
    """
    def start(place):
        return subprocess.Popen(
            [*command, "--place", str(place)], env={**run.SETTINGS, **os.environ},
            stdin=subprocess.DEVNULL, preexec_fn=files.die_with_parent,
            start_new_session=True)  # Ctrl-C comes to us alone

    workers = {place: start(place) for place in range(processes)}
    deaths, left = 0, len(job.left())
    try:
        while workers:
            time.sleep(sharing.LOOK)
            for place in [place for place in workers if workers[place].poll() is not None]:
                status = workers.pop(place).returncode
                if status in ALL_ALIKE:
                    return status
                if status == 0:
                    continue
                deaths, left, before = deaths + 1, len(job.left()), left
                deaths = 1 if left < before and job.has_results() else deaths
                if deaths > processes * sharing.TRIES:
                    raise MaaError("F-WORKERS", (
                        f"{deaths} workers died, the last with status {status}, and no shard was "
                        f"finished; is the memory full? What they said is above"))
                print(f"maa: a worker died with status {status}; the next takes over",
                      file=sys.stderr, flush=True)
                workers[place] = start(place)
        return 0
    finally:
        stop(workers.values())


def stop(workers):
    """Let workers finish their batch, but not for ever."""
    for worker in workers:
        worker.terminate()
    limit = time.monotonic() + GRACE
    for worker in workers:
        try:
            worker.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def finish(job, begun, before):
    """Write expert.csv and rejects.jsonl, and say how fast it went.

    begun:     time.monotonic() at the beginning
    before:    shards that were left then

    Raises MaaError as merge(), D-REJECTS or D-EMPTY if some or all shards are set aside, or too
    many or all clips have no usable sound; F-LOCKED if another job, begun meanwhile, tries these
    again.
    """
    seconds = time.monotonic() - begun
    aside = {shard: job.state(shard) for shard in job.shards if not job.result(shard).exists()}
    if again := [shard.name for shard, state in aside.items() if "code" not in state]:
        raise MaaError("F-LOCKED", f"another job on {str(job.out)!r} tries {len(again)} shards "
                                   f"such as {again[0]!r} again; it will merge all results")
    for part in [*job.out.glob(f"shards/{PART}"), *job.out.glob(f"claims/*/{PART}")]:
        part.unlink(missing_ok=True)
    clips, reasons = merge(job, [shard for shard in job.shards if shard not in aside])
    new, count = sum(clips.get(shard, 0) for shard in before), sum(clips.values())
    print(f"{count} clips of {len(clips)} shards in {str(job.out / 'expert.csv')!r}; {new} of them "
          f"gone through in {seconds:.1f} s: {new / seconds:.1f} clips/s; {len(reasons)} have no "
          f"usable sound", flush=True)
    faults = [(shard.name, MaaError(state["code"], state["reason"]))
              for shard, state in aside.items()]
    corpus.record_rejects(job.out / "rejects.jsonl", faults, len(job.shards), 0.0, "shards")
    corpus.check_rejects(reasons, count, job.max_reject, "clips", job.out / "expert.csv")


def merge(job, shards):
    """Write the results of shards as one table: {shard: number of its clips}, reasons of clips.

    Raises MaaError C-ID if a clip is in two shards, and as files.read_table for a damaged result.
    """
    counts, seen, reasons = {}, {}, []

    def write(out):
        for shard in shards:
            content = job.result(shard).read_bytes()
            table = files.parse_table(content, str(job.result(shard)), tarred.COLUMNS, str)
            for one in table.id:
                if one in seen:
                    raise MaaError("C-ID", f"clip {one!r} is in {seen[one]!r} and {shard.name!r}, "
                                           f"expected every clip once")
                seen[one] = shard.name
            out.write(content.partition(b"\n")[2] if counts else content)
            counts[shard] = len(table)
            reasons.extend(table.reason[table.reason != ""])

    if shards:
        files.atomic_write(job.out / "expert.csv", write)
    return counts, reasons


def be_worker(job, place):
    """Work until nothing is left, as worker number `place` of this machine or of accelerate's."""
    import torch

    with stopping.signals() as stopped:
        if torch.cuda.is_available():
            torch.cuda.set_device(place % torch.cuda.device_count())
        if job.left():
            sharing.work(job, tarred.labeller(job.label, job.options), stopped)


def be_one_of_accelerate(job):
    """Be a worker of `accelerate launch`, which has said which; the first of all merges."""
    import torch
    from accelerate import PartialState

    begun, before = time.monotonic(), job.left()
    state = PartialState(cpu=not torch.cuda.is_available())
    sharing.check(job)
    if state.is_main_process and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        sharing.forgive(job)
    be_worker(job, state.local_process_index)
    if state.is_main_process:
        finish(job, begun, before)
    state.destroy_process_group()


def supervised(job, command, processes):
    """Exit status of a whole job on this machine."""
    begun = time.monotonic()
    sharing.check(job)
    sharing.forgive(job)
    before = job.left()
    status = supervise(job, command, processes) if before else 0
    if status == 0:
        finish(job, begun, before)
    return status


def main(arguments=None):
    """Exit status of `python -m maa.labelling`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    wanted = parser().parse_args(arguments)
    try:
        job = job_of(wanted)
        if wanted.place is not None:
            be_worker(job, wanted.place)
            return 0
        if "LOCAL_RANK" in os.environ:
            be_one_of_accelerate(job)
            return 0
        command = [sys.executable, "-m", "maa.labelling", *arguments]
        with run.stoppable():
            return supervised(job, command, wanted.processes)
    except MaaError as error:
        print(f"maa: {error}", file=sys.stderr)
        return error.exit_status
    except (KeyboardInterrupt, SystemExit) as end:
        if wanted.place is None:
            print("\nmaa: stopped; the same command goes on with the shards that are left",
                  file=sys.stderr)
        return getattr(end, "code", 130)


def job_of(wanted):
    """The Job that a command line asks for; MaaError D-EMPTY without shards, C-JSON, P-RANGE."""
    shards = sorted(wanted.shards.glob("*.tar"))
    if not shards:
        raise MaaError("D-EMPTY", f"{str(wanted.shards)!r} has no *.tar; is it the right folder?")
    options = options_of(wanted.options) if wanted.options else {}
    requests.whole(wanted.processes, "--processes", 1, MOST_WORKERS, "P-RANGE")
    share = requests.number(wanted.max_reject, "--max-reject", 0, 1)
    batch = requests.whole(wanted.batch, "--batch", 1, MOST_AT_ONCE, "P-RANGE")
    return sharing.Job(shards, wanted.out, wanted.label, options, wanted.seed, batch, share)


def options_of(path):
    """The keywords in a JSON file; MaaError C-JSON if there are none."""
    if not path.is_file():
        raise MaaError("C-JSON", f"--options {str(path)!r} is no file; is the name right?")
    options = files.read_json(path)
    if not isinstance(options, dict):
        raise MaaError("C-JSON", f"{str(path)!r} holds {requests.shown(options)}, expected a "
                                 f"dict: the keywords of the label")
    return options


def parser():
    found = argparse.ArgumentParser(prog="python -m maa.labelling",
                                    description=__doc__.split("\n")[0])
    found.add_argument("shards", type=Path, help="folder of tar files")
    found.add_argument("out", type=Path, help="folder of the results")
    found.add_argument("--options", type=Path, metavar="FILE", help="JSON: keywords of the label")
    found.add_argument("--processes", type=int, default=1, metavar="N", help="on this machine")
    found.add_argument("--label", default="maa.tarred:distillers", metavar="MODULE:FUNCTION")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--batch", type=int, default=64, metavar="N", help="clips heard at once")
    found.add_argument("--max-reject", type=float, default=0.01, metavar="SHARE",
                       help="of the clips, that may have no usable sound")
    found.add_argument("--place", type=int, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    sys.exit(main())
