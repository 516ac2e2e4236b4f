import pytest

from tests.architecture.surface import closed_doors, side_imports


def test_a_public_module_needs_all(repository):
    r = repository(
        {
            "pkg/testing/__init__.py": "__all__ = ['a']\n",
            "pkg/models/__init__.py": "",
            "pkg/samplers/__init__.py": "__all__: list[str] = []\n",
        }
    )
    assert closed_doors(r) == ["pkg: no __all__", "pkg.models: no __all__", "pkg.corruptions: missing"]


@pytest.mark.parametrize(
    "text",
    [
        "import pkg\n",
        "from pkg import Model\n",
        "import pkg.testing\n",
        "from pkg.testing import check\n",
        "from pkg import testing\n",
        "import torch\n",
        "import pkgs.core\n",
    ],
)
def test_public_modules_may_be_imported(repository, text):
    r = repository({"plugins/p/p.py": text, "pkg/testing/model.py": "", "pkg/core/types.py": ""})
    assert side_imports(r) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pkg.core.types\n",
        "from pkg.core.types import A\n",
        "from pkg import core\n",
        "from pkg.core import A\n",
        "from pkg.testing.model import check\n",
        "from pkg.testing import model\n",
        "def f():\n    import pkg.core\n",
        "if TYPE_CHECKING:\n    import pkg.core\n",
    ],
)
def test_an_import_of_another_module_is_found(repository, text):
    r = repository({"plugins/p/p.py": text, "pkg/testing/model.py": "", "pkg/core/types.py": ""})
    assert len(side_imports(r)) == 1


def test_scaffold_files_are_looked_at_too(repository):
    r = repository(
        {
            "pkg/cli/scaffold/model.py": "from pkg.core import A\n",
            "pkg/core/types.py": "",
            "pkg/cli/a.py": "import pkg.core\n",
        }
    )
    assert side_imports(r) == ["pkg/cli/scaffold/model.py:1: pkg.core.A"]
