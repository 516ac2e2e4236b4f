"""Run `restorekit restore` again and again, each time with a fault at the next step of the file system.

``python -m tests.robustness.faults kill|ERRNO SOURCE WORK [EVERY]`` prints a JSON line for each step that went wrong,
and at last the number of steps. Every run is a child of this process, which has imported everything before. The fault
is SIGKILL, or an OSError, before one call of open, replace, fsync, unlink or mkdir. After it the same command runs
undisturbed, and must end with the files of a run that nothing disturbed.
"""

import errno
import hashlib
import io
import json
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

CALLS = ((os, "open"), (os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (io, "open"))
VOLATILE = ("run.json", "images.jsonl", "report.html", ".lock")  # with times, or with the history of runs


def main():
    fault, source, work, every = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int((*sys.argv, "1")[4])
    import torch

    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        restore(source, work / "warm")  # in this process, so that its children need not import anything
    code, text, steps = child(source, work / "whole", "count", 0)
    expected = tree(work / "whole")
    assert code == 0, text
    tried = 0
    for step in range(1, steps + 1, every):
        tried += 1
        out = work / f"{fault}{step}"
        first, said, _ = child(source, out, fault, step)
        again, told, _ = child(source, out, None, 0)
        found = tree(out)
        wrong = {
            "traceback": "Traceback" in said + told,
            "first": first not in ((-signal.SIGKILL,) if fault == "kill" else (0, 1)),
            "again": again != 0,
            "files": sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)),
        }
        if any(wrong.values()):
            print(json.dumps({"step": step, **wrong, "said": said[-600:], "told": told[-600:]}), flush=True)
    print(json.dumps({"steps": steps, "tried": tried, "files": len(expected)}))


def tree(out):
    """Return the digest of every file that does not depend on the time."""
    paths = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in VOLATILE)
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def child(source, out, fault, step):
    """Run the command in a child; return its exit code, what it printed, and the number of its steps."""
    read_end, write_end = os.pipe()
    log = out.with_name(f"{out.name}.log")
    process = os.fork()
    if not process:
        code = 99
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1), os.dup2(descriptor, 2)
            code = command_line(source, out, fault, step, write_end)
        except BaseException:  # the parent finds it in the log
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        counted = pipe.read()
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), log.read_text(errors="replace"), int(counted or 0)


def command_line(source, out, fault, step, pipe):
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115 - till the end
    count = arm(out, fault, step)
    code = restore(source, out)
    sys.stdout.flush(), sys.stderr.flush()
    os.write(pipe, str(count[0]).encode())
    return code


def restore(source, out):
    """Run the command line in this process; return its exit code."""
    from restorekit.cli import main as program

    sys.argv = ["restorekit", "restore", str(source), str(out), "--model", "tv", "--sigma", "20/255", "--workers", "1"]
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    return 98


def arm(out, fault, step):
    """Count the calls on files below `out`, and let the fault happen before one of them."""
    count = [0]

    def wrapped(call):
        def counted(path, *arguments, **named):
            if isinstance(path, int) or str(path).startswith(str(out)):
                count[0] += 1
                if fault not in (None, "count") and count[0] == step:
                    if fault == "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)), None)
            return call(path, *arguments, **named)

        return counted

    for module, name in CALLS if fault else ():
        setattr(module, name, wrapped(getattr(module, name)))
    return count


if __name__ == "__main__":
    main()
