"""A plugin package to begin with, written from templates.

The templates are working code, in which `YourName`, `your_name`, `your-name` and the version 0.0.0 are replaced.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from importlib.resources import files
from io import StringIO
from pathlib import Path
from string import Template
from token import NAME
from tokenize import generate_tokens

from restorekit import __version__
from restorekit.core.errors import UsageError
from restorekit.core.files import atomic_folder, claim, sweep

KINDS = ("model", "corruption", "sampler")
SUFFIXES = (".py", ".md", ".toml")


# string.Template asks for the other groups too; (?!) never matches
_PATTERN = r"(?P<named>YourName|your_name|your-name|0\.0\.0)|(?P<escaped>(?!))|(?P<braced>(?!))|(?P<invalid>(?!))"


class PluginTemplate(Template):
    """Text in which the words that stand for a plugin's name are replaced, and nothing else."""

    flags = re.NOFLAG
    pattern = _PATTERN  # type: ignore[assignment]  # string.Template compiles it


def write(name: str, kind: str, into: Path) -> list[Path]:
    """Write the package ``restorekit-NAME`` into a folder, completely or not at all.

    Parameters
    ----------
    name : str
        What it will register: small letters, digits and hyphens, such as ``sun-glare``.
    kind : {"model", "corruption", "sampler"}
        Which sort of thing.
    into : Path
        Folder that the package's own folder is made in; made where there is none.

    Returns
    -------
    list of Path
        The package's folder, and the files in it.

    Raises
    ------
    UsageError
        For a name that is taken or cannot be one, or a folder that exists: one sentence each.
    """
    words = template_values(name, kind)
    target = into / f"restorekit-{name}"
    claim(into)
    if target.exists():
        raise UsageError(f"{target} exists, and is not written over; choose another name, or another folder by --into")
    sweep(into, recursive=False)
    with atomic_folder(target) as package:
        for file, text in _texts(kind):
            (package / PluginTemplate(file).substitute(words)).write_text(
                PluginTemplate(text).substitute(words), encoding="utf-8"
            )
    return [target, *sorted(target.iterdir())]


def template_values(name: str, kind: str) -> dict[str, str]:
    """Return what each word of the templates is replaced by; UsageError in one sentence where a name will not do."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        better = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^[^a-zA-Z]+", "", name).lower()).strip("-")
        hint = f"; {better!r} would do" if better else ""
        raise UsageError(
            f"a plugin's name is small letters, digits and hyphens, and begins with a letter, got {name!r}{hint}"
        )
    cls = "".join(map(str.capitalize, name.split("-")))
    code = [StringIO(text).readline for file, text in _texts(kind) if file.endswith(".py")]
    used = {token.string for line in code for token in generate_tokens(line) if token.type == NAME}
    if keyword.iskeyword(cls) or cls in used:
        raise UsageError(f"{name!r} would be a class {cls}, which means something else there; choose another name")
    _refuse_taken(name)
    return {"YourName": cls, "your_name": name.replace("-", "_"), "your-name": name, "0.0.0": __version__}


def _refuse_taken(name: str) -> None:
    from restorekit.core.plugins import registry

    known = registry.installed()
    for kind in registry.KINDS:
        if entry := known.entries(kind).get(name):
            raise UsageError(
                f"{name!r} is taken among the {kind} by {entry.plugin.name!r} ({entry.plugin.package}); "
                "choose another name"
            )
    if name in known.problems or name in {plugin.name for plugin in known.loaded}:
        raise UsageError(f"a plugin {name!r} is installed already; choose another name, or uninstall it")


def _texts(kind: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of every template of a kind of plugin."""
    for folder in ("package", kind):
        for file in files(__name__).joinpath(folder).iterdir():
            if file.name.endswith(SUFFIXES):  # and not what Python has compiled
                yield file.name, file.read_text(encoding="utf-8")
