"""Settings of a `VRAE`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from restorekit import SpecError
from restorekit.models import DecoderConfig, RateConfig, of_one_size
from restorekit_vrae.lines import AXES


@dataclass(frozen=True)
class VRAEConfig(RateConfig, DecoderConfig):
    """Sizes and objective of a `VRAE`.

    Parameters
    ----------
    axis : {"columns", "rows", "channels"}
        What a line is, a step of the recurrent networks: a column, a row, or a whole channel (a band of a multi-band
        image).
    size : tuple of int
        Height and width of the images; taken from the training images where not set.
    width : int
        Numbers that stand for a line where the recurrent networks read it.
    hidden : int
        Units of each direction of the recurrent networks.
    middle : int
        Units between the latents of the image and the lines.
    latent : int
        Latents of the image.
    local : int
        Latents of each line.
    hide : float
        Most that is hidden of a training image from the inference network: a share up to this, drawn for each, of its
        lines or of its pixels. 0 = it always sees all.
    free_bits : float
        Nats per image that cost nothing: of each latent of the image, and of each latent of a line over all lines.
    noise : float
        Standard deviation of the noise of the images it learns from, on [0, 1]; 0 = they are clean.
    """

    axis: str = field(default="columns", metadata={"choices": AXES})
    size: tuple[int, ...] = field(default=(), metadata={"low": 1})
    width: int = field(default=64, metadata={"low": 1})
    hidden: int = field(default=64, metadata={"low": 1})
    middle: int = field(default=64, metadata={"low": 1})
    latent: int = field(default=16, metadata={"low": 1})
    local: int = field(default=8, metadata={"low": 1})
    hide: float = field(default=0.6, metadata={"objective": True, "low": 0, "high": 1})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})

    def fitted(self, shape: tuple[int, int, int], classes: int) -> Self:
        """Take what is not set from the shape, (C, H, W), and the number of classes of the training images."""
        return replace(super().fitted(shape, classes), size=self.size or shape[1:])

    def __post_init__(self) -> None:
        of_one_size(self.size)
        if self.axis == "channels" and self.likelihood == "mixture":
            raise SpecError(
                "likelihood=mixture ties the channels of a pixel, which axis=channels takes apart; use another"
            )
        if self.axis == "channels" and self.channels == 1:
            raise SpecError("axis=channels runs along two channels or more, got images of 1; take columns or rows")
