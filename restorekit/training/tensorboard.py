"""A training's log for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from restorekit.core.errors import UsageError
from restorekit.training.log import HEALTH, LogEntry

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

GROUPS = {"step": "training", "epoch": "epoch", "validation": "validation"}  # of tags, by event of the log
PICTURES = ("previews", "samples")  # folders of RUN, and tags


class Board:
    """Writes the lines of a training's log, and its pictures, to RUN/tensorboard.

    Parameters
    ----------
    run : Path
        Folder of the training.

    Raises
    ------
    UsageError
        The package tensorboard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401  # which looks for the package
        except ImportError as error:
            raise UsageError(
                "--tensorboard needs the package tensorboard, which is not installed here; "
                "pip install 'restorekit[tensorboard]', or leave the option out"
            ) from error
        self._run = run
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def show(self, line: LogEntry) -> None:
        """Write one line of the log; with a validation, its pictures.

        The first line of a resumed training takes the place of all from its step on that a killed one left.
        """
        if line.event not in GROUPS:
            return
        if self._writer is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(self._run / "tensorboard", purge_step=line.step)
        for name, value in line.values.items():
            if name != "epoch":
                self._writer.add_scalar(_tag(line.event, name), value, line.step)
        if line.event == "validation":
            self._picture(self._writer, line.step)
        self._writer.flush()

    def _picture(self, writer: SummaryWriter, step: int) -> None:
        import numpy as np
        from PIL import Image

        for folder in PICTURES:
            path = self._run / folder / f"{step:07d}.png"
            if path.is_file():
                with Image.open(path) as found:
                    writer.add_image(folder, np.asarray(found.convert("RGB")), step, dataformats="HWC")


def _tag(event: str, name: str) -> str:
    return f"{'health' if name in HEALTH else GROUPS[event]}/{name}"
