import textwrap

import pytest

from tests.architecture.tree import Repository


@pytest.fixture
def repository(tmp_path):
    """A function that writes files, by path and text, and returns the repository that they are; its package is pkg."""

    def write(files):
        for name, text in {"pkg/__init__.py": "", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
            for folder in path.relative_to(tmp_path).parents[:-1]:
                if folder.parts[0] == "pkg" and "scaffold" not in folder.parts[1:]:
                    (tmp_path / folder / "__init__.py").touch()
        return Repository(tmp_path, "pkg")

    return write
