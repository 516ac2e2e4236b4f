"""Model files: safetensors weights with a JSON card in the metadata; no pickle, no flags."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor
from torch.nn.modules import module as hooks

from restorekit import __version__
from restorekit.core.config import from_json
from restorekit.core.contracts import Model, Network
from restorekit.core.errors import CheckpointError, RecordError, SpecError, shortage, unknown
from restorekit.core.files import atomic, digest_of_file
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import attribute_errors
from restorekit.core.plugins.registry import CARD
from restorekit.core.records import About, decode, encode, parse_json

FORMAT = 1
MAX_SETTING = 2**20  # in the card of a small file
TOLERATED_VALUES = 2**16  # in buffers and layers of a small network, beyond what its file holds
MAX_CARD_BYTES = 2**24  # the cards of the shipped models have 2**17


@dataclass(frozen=True)
class TrainingData:
    """Training images of a model; None for entries that a card does not have.

    Attributes
    ----------
    source : str or None
        Name of their folder or file.
    range : str or None
        Intensity range, as typed by the user, or "auto".
    axes : str or None
        Axes of arrays, as typed by the user.
    images : int or None
        Number of images.
    fingerprint : str or None
        Digest of their content.
    held_out : int, sequence of str or None
        Validation images, or their number if they are many.
    """

    source: Annotated[str | None, About(omitted=True)] = None
    range: Annotated[str | None, About(omitted=True)] = None
    axes: Annotated[str | None, About(omitted=True)] = None
    images: Annotated[int | None, About(omitted=True)] = None
    fingerprint: Annotated[str | None, About(omitted=True)] = None
    held_out: Annotated[int | Sequence[str] | None, About(omitted=True)] = None


@dataclass(frozen=True)
class Card:
    """Description of a model, stored in its file.

    Attributes
    ----------
    model, package, version : str
        Name of the model, and the package that provides it with its version.
    config : mapping
        Values of the model's `Config`.
    corruptions : tuple of str
        Specs of the corruptions in training, with weights.
    label_names : tuple of str
        Names of class 0, 1, ...; empty if it has no classes, or the file is older than this entry.
    recipe : mapping
        Settings of the training; empty if it was not trained, or the file is older than this entry.
    data : TrainingData
        Training images.
    licence : str
        Terms of the weights.
    command : str
        Command that trained it.
    start : str
        Name and digest of the weights that the training started from; "" for random weights.
    steps, seed : int
        Number of updates, and seed of the training.
    seconds : float
        Duration of the training.
    metrics : mapping
        Metrics on the validation images at the end.
    calibration : mapping or None
        Table written by `restorekit calibrate`.
    format : int
        Version of this card.
    """

    model: str
    package: str
    version: str
    config: Mapping[str, object]
    corruptions: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    recipe: Mapping[str, object] = field(default_factory=dict)
    data: TrainingData = TrainingData()
    licence: str = ""
    command: str = ""
    start: str = ""
    steps: int = 0
    seed: int = 0
    seconds: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, object] | None = None
    format: int = FORMAT


def describe(model: Network) -> Card:
    """Return the card of an untrained model."""
    plugin = registry.owner(type(model))
    assert plugin is not None
    return Card(model.name, plugin.package, plugin.version, dataclasses.asdict(model.config))


def save(path: Path, weights: Mapping[str, Tensor], card: Card, half: bool = False) -> None:
    """Write a model file atomically.

    Parameters
    ----------
    path : Path
        File to write.
    weights : mapping of str to Tensor
        State dict of the model.
    card : Card
        Description of the model.
    half : bool
        Store floating-point weights in half precision.
    """
    stored = {
        k: v.detach().cpu().to(torch.float16 if half and v.is_floating_point() else v.dtype).contiguous()
        for k, v in weights.items()
    }
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(stored, {CARD: json.dumps(encode(card))}))


def read_card(path: Path) -> Card:
    """Return the card of a model file; raise a CheckpointError of one sentence if it has none."""
    with _open(path) as file:
        metadata = file.metadata() or {}
    if CARD not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file without a restorekit card; expected a file written by restorekit train"
        )
    try:
        values = parse_json(metadata[CARD], "the card", MAX_CARD_BYTES)
    except RecordError as error:
        raise CheckpointError(f"{path} has a card that cannot be read ({error}); train it again") from error
    if not (isinstance(values, dict) and isinstance(values.get("format", 0), int)):
        raise CheckpointError(f"{path} has a card of another format; expected one written by restorekit train")
    if values.get("format", 0) > FORMAT:
        raise CheckpointError(
            f"{path} has card format {values['format']}, this restorekit reads up to {FORMAT}; upgrade restorekit"
        )
    if not all(isinstance(values.get(k), kind) for k, kind in (("model", str), ("config", dict), ("package", str))):
        raise CheckpointError(f"{path} has a card without model, package or config; train it again")
    try:
        return decode(Card, values)
    except RecordError as error:
        raise CheckpointError(f"{path} has a card with a wrong entry ({error}); train it again") from error


def load(path: Path) -> tuple[Model, Card]:
    """Build the model of a file, in evaluation mode on the CPU; return it with its card.

    Raises
    ------
    CheckpointError
        The file is missing, truncated or too new, holds a detector, or its plugin is not installed; one sentence each.
    """
    found, card = load_network(path)
    if not isinstance(found, Model):
        raise CheckpointError(f"{path} holds a detector, which restores nothing; pass it to restore --repair")
    return found, card


def load_network(path: Path) -> tuple[Network, Card]:
    """Build the model or detector of a file, as `load` does."""
    card = read_card(path)
    known = registry.networks()
    if card.model not in known:
        what = f"a {card.model!r} of the package {card.package!r} {card.version}"
        raise CheckpointError(f"{path} holds {what}, {_why_unavailable(card)}")
    cls = known[card.model]
    with torch.random.fork_rng(devices=[]), attribute_errors(f"making the model {cls.name!r}", cls):
        try:
            with limited_size(_stored_values(path, card), f"{path} has a card of a larger network than its weights"):
                model = cls(from_json(cls.Config, card.config))
        except (RuntimeError, MemoryError) as error:
            if shortage(error) is None:
                raise
            raise CheckpointError(
                f"{path} has a card that asks for more memory than there is; train it again"
            ) from error
        except (SpecError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} was made by {card.package} {card.version} with other settings: {error}"
            ) from error
    try:
        model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in read_weights(path).items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit {card.model!r} as installed: {str(error).splitlines()[-1].strip()}"
        ) from error
    return model.eval(), card


def _stored_values(path: Path, card: Card) -> int:
    """Return how many numbers a file holds; CheckpointError if a setting in its card is larger than any could be."""
    with _open(path) as file:
        count: int = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118, no mapping
    values: list[object] = [*card.config.values()]
    for value in values:
        if isinstance(value, list | tuple):
            values.extend(value)
        elif isinstance(value, int) and abs(value) > max(count, MAX_SETTING):
            raise CheckpointError(f"{path} has a card with a setting of {value} for {count} numbers; train it again")
    return count


@contextmanager
def limited_size(most: int, what: str) -> Iterator[None]:
    """Stop the construction of a network as soon as it has clearly more parameters than expected.

    Parameters
    ----------
    most : int
        Expected number of values in parameters and buffers; twice as many, and a few, are tolerated, because buffers
        may be computed.
    what : str
        Start of the message.

    Raises
    ------
    CheckpointError
        The network has more. Memory that its layers only reserved is released.
    """
    left = [2 * most + TOLERATED_VALUES]

    def spend(cost: int) -> None:
        left[0] -= cost
        if left[0] < 0:
            raise CheckpointError(f"{what}; lower its settings, or train it again")

    handles = [
        hooks.register_module_parameter_registration_hook(lambda _, name, value: spend(value.numel())),
        hooks.register_module_buffer_registration_hook(lambda _, name, value: spend(value.numel())),
        hooks.register_module_module_registration_hook(lambda _, name, value: spend(1)),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _why_unavailable(card: Card) -> str:
    """Explain in half a sentence why the model of a card is not available, and how to install it."""
    installed = registry.installed()
    for name, plugin in installed.left_out.items():
        if plugin.package == card.package:
            return f"which is installed but not in use, as {installed.problems[name]}"
    if card.package == registry.OWN:
        return f"and this is restorekit {__version__}; install that version or a later one"
    # only a plain name and version make a command: the card of a downloaded file may hold any text
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", card.package) and re.fullmatch(r"[A-Za-z0-9.+!]+", card.version)
    command = f" (pip install '{card.package}=={card.version}')" if plain else ""
    try:
        found = version(card.package)
    except PackageNotFoundError:
        return f"which is not installed; install it{command}"
    return (
        f"of which {found} is installed without such a model in use; install that version{command}, and check "
        "that RESTOREKIT_PLUGINS does not exclude it"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file in their stored dtype."""
    with _open(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, safe_open is no mapping


def resolve(name: str) -> Path:
    """Return the file that ``--model`` names: a path, or the name of installed weights."""
    path = Path(name)
    if path.suffix == ".safetensors" or path.is_file():
        return path
    known, unreadable = registry.weights(), registry.installed().unreadable
    if name in unreadable:
        problem = unreadable[name]
        raise CheckpointError(f"plugin {problem.plugin}: {problem.value}; install it again")
    if path.is_dir() and name not in known:
        return path  # which is refused with a hint at the file in it
    if name not in known:
        raise CheckpointError(unknown("model file or installed weights", name, known))
    return known[name]


def model_digest(path: Path) -> str:
    """Return the first 16 hexadecimal digits of the file's SHA-256."""
    return digest_of_file(path)[:16]


def _open(path: Path) -> Any:
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; give the model file in it, such as {path / 'model.safetensors'}")
    if not path.is_file():
        raise CheckpointError(
            f"there is no model file {path}; pass a file written by restorekit train, or the name of installed weights"
        )
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        with path.open("rb") as file:
            head = file.read(2)
        if head == b"PK" or head[:1] == b"\x80":  # of torch.save, which can hold any code, and is never opened
            raise CheckpointError(
                f"{path} is a file of torch.save or another archive; expected a model file of restorekit train"
            ) from error
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}); copy it again or train it again"
        ) from error
