"""Every module of the package has its test file, or a test file of another module that tests it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "restorekit"
# Module -> test file and a word that the test uses: the module, a name or word in it.
TESTED_BY = {
    "cli/embed": ("cli/test_likelihood.py", "embed"),
    "core/contracts": ("contracts/test_traits.py", "noise_law"),
    "core/plugins/hookspecs": ("contracts/test_hooks_documented.py", "hookspecs"),
    "core/progress": ("samplers/test_chains.py", "watched"),
    "core/psnr": ("evaluation/metrics/test_fidelity.py", "psnr"),
    "evaluation/protocol": ("evaluation/test_results_file.py", "Results"),
    "evaluation/rows": ("evaluation/test_metric_values.py", "ImageRow"),
    "evaluation/scenarios": ("cli/test_evaluate.py", "sigma"),
    "images/views": ("images/test_previews_panels.py", "Views"),
    "models/cvae/config": ("models/cvae/test_unet.py", "widths"),
    "models/likelihood_heads": ("models/vae/test_model.py", "bernoulli"),
    "report/page": ("report/test_render.py", "Page"),
    "report/pages/trained/series": ("report/pages/trained/test_summary.py", "nats per image"),
    "restoration/classical/base": ("restoration/classical/test_classical.py", "Inpainter"),
    "restoration/folder/detect": ("cli/test_detect.py", "images"),
    "restoration/folder/repairing": ("cli/test_restore_repair.py", "repaired"),
    "restoration/loading": ("restoration/test_api.py", "open_restorer"),
    "samplers/base": ("samplers/test_selection.py", "conditional"),
    "samplers/importance": ("samplers/test_exact.py", "importance"),
    "samplers/map": ("models/vae/test_semi_supervised.py", "Mode"),
    "samplers/metropolis_gibbs": ("samplers/test_exact.py", "mwg"),
    "samplers/targets": ("samplers/test_exact.py", "Marginal"),
    "testing/_fake_device": ("testing/test_model.py", "works_on_a_gpu"),
    "training/interrupts": ("training/test_loop.py", "SIGTERM"),
    "uncertainty/selfcheck/case": ("uncertainty/selfcheck/test_sure.py", "Case"),
    "uncertainty/selfcheck/result": ("uncertainty/selfcheck/test_check.py", "harms"),
}
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.stem not in ("__init__", "__main__") and "scaffold" not in path.parts
)


def own_test(module: str) -> bool:
    folder, _, name = module.rpartition("/")
    return (TESTS / folder / f"test_{name}.py").is_file() or any((TESTS / folder).glob(f"test_{name}_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_test_file_or_an_entry(module):
    assert own_test(module) != (module in TESTED_BY), f"expected either test_{Path(module).name}.py or an entry"


@pytest.mark.parametrize(("module", "entry"), TESTED_BY.items(), ids=TESTED_BY)
def test_the_named_file_uses_the_module(module, entry):
    file, word = entry
    test, source = (TESTS / file).read_text(encoding="utf-8"), (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    assert "\ndef test_" in test
    assert re.search(rf"\b{word}\b", test)
    assert word == Path(module).name or re.search(rf"\b{word}\b", source)
