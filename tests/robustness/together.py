"""Run `restorekit restore` several times at once into one folder: shards, and the same command twice.

``python -m tests.robustness.together SOURCE WORK`` prints a JSON line with what came out.
"""

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tests.robustness.faults import run, tree


def main():
    source, work = Path(sys.argv[1]), Path(sys.argv[2])
    import torch

    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        run(words(source, work / "whole"))
    out = work / "shards"
    codes = [wait(process)[0] for process in [start(source, out, "--shard", f"{i}/3") for i in (1, 2, 3)]]
    expected, found = files(work / "whole"), files(out)
    differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    print(json.dumps({"codes": codes, "differing": differing, "files": len(expected)}))
    for first, second in (((), ()), (("--shard", "1/2"), ("--shard", "1/2")), (("--shard", "1/2"), ())):
        out, (read_end, write_end) = work / "-".join(["twice", *first, *second]).replace("/", "of"), os.pipe()
        held = start(source, out, *first, until=read_end)
        while not list(out.glob("_restorekit/run*.json")):  # it has the lock
            os.sched_yield()
        code, said = wait(start(source, out, *second))
        os.write(write_end, b"!")
        print(json.dumps({"first": wait(held)[0], "second": code, "said": said[-300:]}))


def words(source, out):
    return ["restore", source, out, "--model", "tv", "--sigma", "20/255", "--workers", "1"]


def files(out):
    """Return the digests of all files but the records of runs and locks, of which each shard has its own."""
    return {name: value for name, value in tree(out).items() if "/run" not in name and "/.lock" not in name}


def start(source, out, *more, until=None):
    """Start the command in a child, which restores nothing before a byte comes; return process and log."""
    log = out.with_name(f"{out.name}{len([*out.parent.iterdir()])}.log")
    process = os.fork()
    if not process:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1), os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        if until is not None:
            from restorekit.restoration.folder import run as stage

            compute = stage.restore_planes
            stage.restore_planes = lambda *arguments: (until_byte(until), compute(*arguments))[1]
        code = 99
        try:
            code = run([*words(source, out), *more])
            sys.stdout.flush(), sys.stderr.flush()
        finally:
            os._exit(code)
    return process, log


waited = []


def until_byte(pipe):
    if not waited:
        waited.append(os.read(pipe, 1))


def wait(started):
    """Return the exit code of a child and what it printed."""
    process, log = started
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), log.read_text(errors="replace")


if __name__ == "__main__":
    main()
