"""Each line of the map imports only from the lines under it; training needs no imaging library; help needs no torch."""

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import restorekit

ROOT = Path(restorekit.__file__).parent

# the top level of the package, from the top down; what stands in one line does not import from the same line
MAP = Path(__file__).parents[1] / "CONTRIBUTING.md"
LAYERS = MAP.read_text(encoding="utf-8").split("<!-- layers -->\n```\n")[1].split("```")[0]
HEIGHT = {name: -i for i, line in enumerate(LAYERS.strip().splitlines()) for name in line.split()}

BARE = {
    *("models", "corruptions", "samplers", "likelihoods", "blocks", "train", "checkpoint", "noise", "pool", "state"),
    *(
        "optimise",
        "muon",
        "batches",
        "job",
        "validate",
        "recipe",
        "settings",
        "fill",
        "types",
        "contracts",
        "errors",
        "hookspecs",
    ),
}
DRAWING = ("matplotlib", "jinja2", "tensorboard")
IMAGING = ("cv2", "skimage", "scipy", "tifffile", "imagecodecs")
HOMES_OF_CV2 = ("images", "restorers")


def _sources():
    """Yield (dotted name, syntax tree) of every module of the package."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(("restorekit", *parts)).removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


SOURCES = dict(_sources())


class _Imports(ast.NodeVisitor):
    """Collects what a module imports, at any depth, but not what only the type checker sees."""

    def __init__(self):
        self.found = []

    def visit_If(self, node):
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Import(self, node):
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            self.found.append(full if full in SOURCES else node.module)


def _imports(tree):
    visitor = _Imports()
    visitor.visit(tree)
    return visitor.found


def _top(name):
    """Return the top-level name inside the package; "" for the package itself and for others."""
    parts = name.split(".")
    return parts[1] if parts[0] == "restorekit" and len(parts) > 1 else ""


def test_every_module_has_its_place_in_the_table():
    missing = {_top(name) for name in SOURCES} - set(HEIGHT) - {""}
    assert not missing, f"put {sorted(missing)} into LAYERS"
    gone = set(HEIGHT) - {_top(name) for name in SOURCES}
    assert not gone, f"take {sorted(gone)} out of LAYERS"


@pytest.mark.parametrize("name", [name for name in SOURCES if _top(name)])
def test_a_module_imports_only_from_the_lines_under_it(name):
    own = _top(name)
    for imported in _imports(SOURCES[name]):
        other = _top(imported)
        assert not other or other == own or HEIGHT[other] < HEIGHT[own], (
            f"{name} imports {imported}, which is not under it"
        )


def test_the_package_itself_imports_nothing_of_its_own():
    assert not [name for name in _imports(SOURCES["restorekit"]) if name.startswith("restorekit")]


@pytest.mark.parametrize("name", [name for name in SOURCES if _top(name) in BARE])
def test_training_mentions_no_imaging_library(name):
    used = {imported.partition(".")[0] for imported in _imports(SOURCES[name])}
    assert not used & {*IMAGING}  # Pillow comes with torchvision


def test_opencv_has_two_homes():
    users = {_top(name) for name, tree in SOURCES.items() if any(i.partition(".")[0] == "cv2" for i in _imports(tree))}
    assert users <= set(HOMES_OF_CV2)


def test_no_command_touches_tensors_before_it_is_called():
    for name, tree in SOURCES.items():
        if _top(name) == "cli":
            first = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
            loaded = {i.partition(".")[0] for i in _imports(ast.Module(first, []))}
            assert "torch" not in loaded, name


def _run(program, *arguments):
    """Run a program in a fresh interpreter; return what it printed last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_and_asking_for_help_need_no_torch():
    loaded = _run("""
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


@pytest.fixture(scope="module")
def bare():
    """What a machine with PyTorch, and without imaging libraries, can import and do."""
    return _run(
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

        def saved_and_loaded():
            from restorekit import checkpoint
            from restorekit.models import VAE
            model = VAE(VAE.Config(network="mlp", size=(4, 4), channels=1, hidden=(8,), latent=2))
            path = Path(tempfile.mkdtemp()) / "m.safetensors"
            checkpoint.save(path, model.state_dict(), checkpoint.describe(model))
            return checkpoint.load(path)

        def a_training():
            import numpy as np
            from restorekit.cli.train import command
            folder = Path(tempfile.mkdtemp())
            np.save(folder / "x.npy", np.zeros((4, 8, 8), dtype=np.uint8))
            words = ["--model", "vae", "--steps", "1", "--device", "cpu", "--set", "size=8,8", "--set", "network=mlp"]
            command([str(folder / "x.npy"), str(folder / "run"), *words], standalone_mode=False)
            assert (folder / "run" / "model.safetensors").is_file()
            assert not (folder / "run" / "report.html").exists()

        for name in sorted(modules):
            attempt(name, lambda: importlib.import_module(f"restorekit.{name}"))
        attempt("stacks", lambda: importlib.import_module("restorekit.images.stacks"))
        attempt("training", lambda: importlib.import_module("restorekit.training"))
        attempt("a model file", saved_and_loaded)
        attempt("a command", a_training)
        print(json.dumps([failures, sorted(m for m in sys.modules if m.partition(".")[0] in blocked)]))
        """,
        " ".join((*IMAGING, *DRAWING)),
        " ".join(BARE),
    )


@pytest.mark.parametrize("what", [*sorted(BARE), "stacks", "training", "a model file", "a command"])
def test_training_runs_where_there_is_only_pytorch(bare, what):
    failures, _ = bare
    assert what not in failures, failures.get(what)


def test_no_imaging_library_was_there(bare):
    assert bare[1] == []
