"""TensorBoard output of a training."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from restorekit.core.errors import UsageError
from restorekit.core.files import refuse_links
from restorekit.training.log import HEALTH, LogEntry

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

TAG_GROUPS = {"step": "training", "epoch": "epoch", "validation": "validation"}  # by event of the log
PICTURES = ("previews", "samples")  # folders of RUN and tags


class TensorBoardLog:
    """Writer of a training's log and pictures to RUN/tensorboard.

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
            import torch.utils.tensorboard  # noqa: F401  # raises if the package is missing
        except ImportError as error:
            raise UsageError(
                "--tensorboard needs the package tensorboard, which is not installed here; "
                "pip install 'restorekit[tensorboard]', or remove the option"
            ) from error
        self._run = run
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def show(self, line: LogEntry) -> None:
        """Write one line of the log, and the pictures of a validation.

        The first line of a resumed training replaces everything that a killed one wrote from that step on.
        """
        event, step = line.event, line.step
        if event not in TAG_GROUPS:
            return
        if self._writer is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            refuse_links(self._run / "tensorboard")
            self._writer = SummaryWriter(self._run / "tensorboard", purge_step=step)
        for name, value in line.values.items():
            if name != "epoch":
                self._writer.add_scalar(f"{'health' if name in HEALTH else TAG_GROUPS[event]}/{name}", value, step)
        for folder in PICTURES if event == "validation" else ():
            path = self._run / folder / f"{step:07d}.png"
            if path.is_file():
                with Image.open(path) as picture:
                    self._writer.add_image(folder, np.asarray(picture.convert("RGB")), step, dataformats="HWC")
        self._writer.flush()
