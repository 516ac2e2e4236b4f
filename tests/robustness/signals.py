"""Interrupt `restorekit restore` twice: in its work, and then at one of the next steps of its end.

``python -m tests.robustness.signals SOURCE WORK FACTOR [OPTION ...]`` prints a JSON line for each second signal that
left a traceback, another exit code, or files that the next run does not complete, and at last the number of places. A
place is a call or return of a Python function in the main thread, from the first signal to the end of the interpreter;
those tried are 1, FACTOR, FACTOR ** 2 ... before the last one.
"""

import json
import mmap
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from itertools import takewhile
from pathlib import Path

from tests.robustness.faults import run, tree

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main():
    source, work, factor = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    import torch

    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        run(words(source, work / "whole"))
    expected = tree(work / "whole")
    _, _, places = child(source, work / "first", None, signal.SIGINT)
    powers = (int(factor**i) for i in range(1000))
    tried = sorted({places - power for power in takewhile(lambda power: power < places, powers)})
    for i, place in enumerate(tried):
        first, second = SIGNALS[i % 2], SIGNALS[i // 2 % 2]
        out = work / f"out{place}"
        code, said, _ = child(source, out, place, first, second)
        again = os.fork()
        if not again:
            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                os._exit(run(words(source, out)))
        _, status = os.waitpid(again, 0)
        told = any(bad in said for bad in ("Traceback", "Exception ignored", "please report"))
        if told or code not in (130, 143, -second) or status or tree(out) != expected:
            print(json.dumps({"place": place, "code": code, "again": status, "said": said[-900:]}), flush=True)
    print(json.dumps({"places": places, "tried": len(tried)}))


def words(source, out):
    return ["restore", source, out, "--model", "tv", "--sigma", "20/255", "--workers", "1", *sys.argv[4:]]


def child(source, out, place, first, second=None):
    """Run the command in a child that ends as an interpreter does; return exit code, output and number of places."""
    log, counter = out.with_name(f"{out.name}.log"), mmap.mmap(-1, 8)  # shared with the child
    process = os.fork()
    if not process:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1), os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        from restorekit.restoration.folder import run as stage

        compute = stage.restore_planes

        def interrupted(*arguments):
            stage.restore_planes = compute
            numbers, send, stop = iter(range(1, 10**9)), os.kill, sys.setprofile

            def count(frame, event, argument):
                number = next(numbers)
                counter[:] = number.to_bytes(8, "little")
                if number == place:
                    stop(None)
                    send(os.getpid(), second)

            sys.setprofile(count)
            send(os.getpid(), first)
            return compute(*arguments)

        stage.restore_planes = interrupted
        sys.exit(run(words(source, out)))  # through the end of the interpreter
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), log.read_text(errors="replace"), int.from_bytes(counter[:], "little")


if __name__ == "__main__":
    main()
