"""Contracts of imports: rooms by import-linter, no torch for help, no imaging library for training, homes of OpenCV."""

import json
import subprocess
import sys
import textwrap

import pytest
from importlinter.cli import lint_imports

from tests.architecture.criteria import HERE
from tests.architecture.imports import imported_names, layers

BARE = ("core", "models", "corruptions", "samplers", "training")  # rooms that work where there is only PyTorch
BARE_MODULES = ("restorekit.images.stacks", "restorekit.images.dataset")  # and what training reads images with
DRAWING = ("matplotlib", "jinja2", "tensorboard")
IMAGING = ("cv2", "skimage", "scipy", "tifffile", "imagecodecs")
HOMES_OF_OPENCV = ("restorekit.images", "restorekit.restoration.classical")
CORE_LIBRARIES = {"torch", "pluggy", "safetensors"}


def libraries(module):
    """Return the first names of everything that a module imports, in functions too."""
    return {name.partition(".")[0] for name, _, _ in imported_names(module)}


def in_rooms(*rooms):
    return [pytest.param(module, id=module.name) for module in HERE.importable if module.top in rooms]


def test_contracts_of_import_linter_are_kept():
    assert lint_imports(config_filename=str(HERE.root / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_every_room_has_its_line():
    assert sorted(room for line in layers(HERE) for room in line.rooms) == HERE.rooms()


def test_the_package_itself_imports_nothing_of_its_own():
    assert not [
        name
        for name, _, deferred in imported_names(HERE.by_name["restorekit"])
        if not deferred and "restorekit" in name
    ]


@pytest.mark.parametrize("module", in_rooms("core"))
def test_core_imports_torch_and_pluggy_only(module):
    assert libraries(module) - set(sys.stdlib_module_names) <= {"restorekit", *CORE_LIBRARIES}


@pytest.mark.parametrize("module", in_rooms(*BARE))
def test_training_mentions_no_imaging_library(module):
    assert not libraries(module) & {*IMAGING}  # Pillow comes with torchvision


def test_opencv_has_two_homes():
    users = [module.name for module in HERE.importable if "cv2" in libraries(module)]
    assert users
    assert all(name.startswith(tuple(f"{home}." for home in HOMES_OF_OPENCV)) for name in users)


@pytest.mark.parametrize("module", in_rooms("cli"))
def test_no_command_loads_torch_before_it_is_called(module):
    loaded = {name.partition(".")[0] for name, _, deferred in imported_names(module) if not deferred}
    assert "torch" not in loaded


def run(program, *arguments):
    """Run a program in a new interpreter; return the last line that it printed, parsed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_import_and_help_load_no_torch():
    loaded = run("""
        import json, sys
        import restorekit
        first = sorted(sys.modules)
        from restorekit.cli import main
        sys.argv = ["restorekit", "--help"]
        try:
            main()
        except SystemExit as stop:
            assert not stop.code
        print()
        print(json.dumps([first, sorted(sys.modules)]))
    """)
    for modules in loaded:
        assert not {"torch", "numpy", *IMAGING, "PIL", "lightning_fabric"} & set(modules)


def test_a_restoration_loads_no_training_code():
    loaded = run("""
        import json, sys
        import restorekit.report.live, restorekit.restoration.folder
        print(json.dumps([name for name in sys.modules if name.startswith(("restorekit.training", "torchvision"))]))
    """)
    assert not loaded


def bare_modules():
    """Return the modules that must be importable with PyTorch alone."""
    return [*(module.name for module in HERE.importable if module.top in BARE), *BARE_MODULES]


@pytest.fixture(scope="module")
def bare():
    """What a machine with PyTorch and without imaging libraries can import and do."""
    return run(
        """
        import importlib, json, sys, tempfile, traceback
        from pathlib import Path
        blocked, modules = (set(text.split()) for text in sys.argv[1:])

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in blocked:
                    raise ModuleNotFoundError(f"No module named {name!r} here", name=name)

        sys.meta_path.insert(0, Absent())
        failures = {}

        def attempt(what, action):
            try:
                return action()
            except Exception:
                failures[what] = traceback.format_exc(limit=-4)

        def save_and_load():
            from restorekit.models import VAE, checkpoint
            model = VAE(VAE.Config(network="mlp", size=(4, 4), channels=1, hidden=(8,), latent=2))
            path = Path(tempfile.mkdtemp()) / "m.safetensors"
            checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
            return checkpoint.load(path)

        def train():
            import numpy as np
            from restorekit.cli.train import command
            folder = Path(tempfile.mkdtemp())
            np.save(folder / "x.npy", np.zeros((5, 8, 8), dtype=np.uint8))
            words = ["--model", "vae", "--steps", "1", "--device", "cpu", "--set", "size=8,8", "--set", "network=mlp"]
            command([str(folder / "x.npy"), str(folder / "run"), *words], standalone_mode=False)
            assert (folder / "run" / "model.safetensors").is_file()
            assert not (folder / "run" / "report.html").exists()

        for name in sorted(modules):
            attempt(name, lambda: importlib.import_module(name))
        attempt("a model file", save_and_load)
        attempt("a training", train)
        print(json.dumps([failures, sorted(m for m in sys.modules if m.partition(".")[0] in blocked)]))
        """,
        " ".join((*IMAGING, *DRAWING)),
        " ".join(bare_modules()),
    )


@pytest.mark.parametrize("what", [*bare_modules(), "a model file", "a training"])
def test_training_needs_no_imaging_library(bare, what):
    failures, _ = bare
    assert what not in failures, failures.get(what)


def test_no_imaging_library_was_loaded(bare):
    assert bare[1] == []
