"""Run a command again and again, each time with a fault at the next step of the file system.

``python -m tests.robustness.faults WORK SCENARIO/FAULT ... [--steps open,write] [--below IN] [--every N] [--first K]
[--tries N]`` prints a JSON line for each step that went wrong, and one with the number of steps for each scenario and
fault. FAULT is ``kill`` or the name of an errno. Every run is a child of this process, which has imported everything
before. The fault comes before one call of the C library on a path or file below OUT (or IN), by faulty.c, which is
compiled and preloaded. After it the same command runs undisturbed, and must end with the files of a run that nothing
disturbed.
"""

import argparse
import ctypes
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CHANGES = "open,write,close,fsync,rename,link,unlink,mkdir,rmdir,truncate"
STEPS = f"{CHANGES},read,list,stat,lock,map"
VOLATILE = (
    "run.json",
    "images.jsonl",
    "report.html",
    ".lock",
    "log.jsonl",
    "results.json",
    "results.csv",
)  # with times or history
TEMPORARY = ".restorekit-part"
MODEL = "m.safetensors"


@dataclass(frozen=True)
class Scenario:
    """A command under faults.

    Attributes
    ----------
    words : callable
        Returns its arguments for IN and OUT.
    before : callable or None
        As `words`, for a command that has run in OUT before.
    resume : tuple of str
        Arguments of the next run in addition, unless it then says that there is nothing to go on with.
    """

    words: Callable[[Path, Path], list[object]]
    before: Callable[[Path, Path], list[object]] | None = None
    resume: tuple[str, ...] = ()


def restore(level):
    return lambda source, out: ["restore", source, out, "--model", "tv", "--sigma", level, "--workers", "1"]


def train(source, out):
    from restorekit.training import loop

    loop.SAVE_EVERY = -1.0  # seconds: the state is saved after each update
    return [
        "train", source, out, "--model", "vae", "--steps", "3", "--init", "none", "--device", "cpu", "--threads", "1",
        "--set", "batch=2", "--set", "validate=2", "--set", "hidden=8", "--set", "latent=4", "--set", "crop=16",
    ]  # fmt: skip


SCENARIOS = {
    "restore": Scenario(restore("20/255")),
    "other": Scenario(restore("20/255"), before=restore("9/255")),
    "again": Scenario(restore("20/255"), before=restore("20/255")),
    "train": Scenario(train, resume=("--resume",)),
    "corrupt": Scenario(lambda source, out: ["corrupt", source, out, "--corruption", "missing+gaussian:sigma=0.1"]),
    "sample": Scenario(lambda source, out: ["sample", out / "s.png", "--model", MODEL, "--count", "2", "--size", "16"]),
    "detect": Scenario(lambda source, out: ["detect", source, out, "--clean", source, "--model", MODEL]),
    "evaluate": Scenario(
        lambda source, out: ["evaluate", source, out, "--model", "tv", "--baseline", "none", "--corruption", "missing"]
    ),
    "plugin": Scenario(lambda source, out: ["plugin", "new", "sun-glare", "--kind", "model", "--into", out]),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("jobs", nargs="+")
    parser.add_argument("--tries", type=int)
    parser.add_argument("--steps", default=None)
    parser.add_argument("--below", choices=("IN", "OUT"), default="OUT")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.work = options.work.resolve()
    library = options.work / "faulty.so"
    if str(library) not in os.environ.get("LD_PRELOAD", ""):
        code = Path(__file__).with_name("faulty.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", library, code, "-ldl"], check=True)
        os.environ["LD_PRELOAD"] = str(library)
        os.execv(sys.executable, [sys.executable, "-m", "tests.robustness.faults", *sys.argv[1:]])
    for job in options.jobs:
        scenario, fault = job.split("/")
        Rig(scenario, fault, options, ctypes.CDLL(str(library))).try_all()


class Rig:
    """A scenario, its inputs and the library with faults."""

    def __init__(self, name, fault, options, library):
        self.scenario, self.fault, self.options, self.library = SCENARIOS[name], fault, options, library
        self.job, self.work = f"{name}/{fault}/{options.below}", options.work / f"{name}-{fault}"
        self.source = self.work / "IN"
        self.kinds = options.steps or (CHANGES if fault == "kill" else STEPS)
        library.faulty_happened.restype, library.faulty_count.restype = ctypes.c_char_p, ctypes.c_long

    def try_all(self):
        import torch

        torch.set_num_threads(1)
        make_inputs(self.source)
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            if self.job.startswith(("sample", "detect")):
                run(train(self.source, self.work / "run"))
                shutil.copy(self.work / "run" / "model.safetensors", self.work / MODEL)
            if self.scenario.before:
                run(self.scenario.before(self.source, self.work / "earlier"))
            run(self.scenario.words(self.source, self.work / "warm"))  # so that children need not import anything
        self.earlier = tree(self.work / "earlier")
        os.chdir(self.work)
        code, text, steps = self.child(self.work / "whole", -1, 0)
        assert code == 0, text
        expected, tried, wrong = tree(self.work / "whole"), 0, 0
        every = max(1, steps // self.options.tries) if self.options.tries else self.options.every
        for step in range(self.options.first, steps + 1, every):
            tried += 1
            found = self.try_step(step, expected)
            if any(found.get(key) for key in ("traceback", "first", "half", "again", "files", "untold")):
                wrong += 1
                print(json.dumps({"job": self.job, "step": step, **found}), flush=True)
        summary = {"job": self.job, "steps": steps, "tried": tried, "wrong": wrong, "files": len(expected)}
        print(json.dumps(summary), flush=True)

    def try_step(self, step, expected):
        out, fault = self.work / f"out{step}", self.fault
        first, said, _ = self.child(out, 0 if fault == "kill" else getattr(errno, fault), step)
        middle = tree(out)
        again, told, _ = self.child(out, None, 0, self.scenario.resume)
        if again == 2 and self.scenario.resume:
            again, more, _ = self.child(out, None, 0)
            told += more
        found = tree(out)
        allowed = {name: {expected.get(name), self.earlier.get(name)} for name in middle}
        if self.scenario.resume and "left out" in said and again == 2 and "Traceback" not in said + told:
            shutil.rmtree(out, ignore_errors=True)
            return {}  # trained without an image, as the note says: the next run is refused as another training
        codes = (-signal.SIGKILL,) if fault == "kill" else (0, 1, 2)
        result = {
            "traceback": any(bad in said + told for bad in ("Traceback", "please report", "Exception ignored")),
            "first": 0 if first in codes else first,
            "untold": first == 0 and missing(expected, found),
            "half": sorted(name for name, value in middle.items() if self.is_half(name, value, allowed[name])),
            "again": 0 if again == 2 and " exists" in told else again,
            "files": missing(expected, found),
            "said": said[-700:], "told": told[-700:],
        }  # fmt: skip
        shutil.rmtree(out, ignore_errors=True)
        return result

    def is_half(self, name, value, allowed):
        if TEMPORARY in name or Path(name).name in VOLATILE:
            return value == "broken"
        return value == "broken" if self.scenario.resume else value not in allowed

    def child(self, out, fault, step, more=()):
        """Run the command in a child; return its exit code, what it printed, and the number of its steps."""
        if self.scenario.before and not out.exists():
            shutil.copytree(self.work / "earlier", out)
        read_end, write_end = os.pipe()
        log = self.work / "log"
        process = os.fork()
        if not process:
            code = 99
            try:
                descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(descriptor, 1), os.dup2(descriptor, 2)
                sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
                words = self.scenario.words(self.source, out)
                if fault is not None:
                    below = self.source if self.options.below == "IN" else out
                    self.library.faulty_arm(str(below).encode(), self.kinds.encode(), step, fault)
                code = run([*words, *more])
                sys.stdout.flush(), sys.stderr.flush()
                os.write(2, b"fault: " + self.library.faulty_happened())
                os.write(write_end, str(self.library.faulty_count()).encode())
            except BaseException:  # the parent finds it in the log
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            counted = pipe.read()
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status), log.read_text(errors="replace"), int(counted or 0)


def make_inputs(source):
    rng = np.random.default_rng(0)
    (source / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "sub/b.png", "c.png"):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(source / name)


def missing(expected, found):
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


def tree(out):
    """Return the digest of every file, without what depends on the time or on the history of runs."""
    return {str(path.relative_to(out)): content(path) for path in sorted(out.rglob("*")) if path.is_file()}


def content(path):
    data = path.read_bytes()
    if path.suffix == ".safetensors":  # the card holds seconds
        head = 8 + int.from_bytes(data[:8], "little")
        parts = [part for name, part in json.loads(data[8:head] or "{}").items() if name != "__metadata__"]
        if not parts or len(data) != head + max(part["data_offsets"][1] for part in parts):
            return "broken"
        data = data[head:]
    elif path.name == "images.jsonl":
        lines = {}
        for line in data.splitlines():
            try:
                found = json.loads(line)
                lines[found["image"]] = [found["status"], found.get("output")]
            except ValueError:
                lines["?"] = "cut"
        lines.pop("?", None)
        data = json.dumps(lines, sort_keys=True).encode()
    elif path.name == "run.json":
        try:
            data = json.dumps(json.loads(data)["status"]).encode()
        except ValueError:
            return "broken"
    elif path.name in VOLATILE:
        data = b"exists"
    return hashlib.sha256(data).hexdigest()


def run(words):
    """Run the command line in this process; return its exit code."""
    from restorekit.cli import main as program

    sys.argv = ["restorekit", *map(str, words)]
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    return 98


if __name__ == "__main__":
    main()
