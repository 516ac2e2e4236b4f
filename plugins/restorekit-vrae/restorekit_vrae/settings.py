"""Settings of a `VRAE`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from restorekit import SpecError
from restorekit.models import DecoderConfig, RateConfig, check_size
from restorekit_vrae.lines import AXES


@dataclass(frozen=True)
class VRAEConfig(RateConfig, DecoderConfig):
    """Sizes and objective of a `VRAE`.

    Parameters
    ----------
    axis : {"columns", "rows", "channels"}
        Kind of line, a step of the recurrent networks: a column, a row, or an entire channel.
    size : tuple of int
        Height and width of the images; empty = as in the training images.
    width : int
        Width of the embedding of a line, the input of the recurrent networks.
    hidden : int
        Units of each direction of the recurrent networks.
    middle : int
        Units between the latents of the image and the lines.
    latent : int
        Latents of the image.
    local : int
        Latents of each line.
    hide : float
        Largest share of the lines, or of the pixels, of a training image that is hidden from the inference network;
        the share is drawn for each image. 0 = nothing is hidden.
    free_bits : float
        Nats per image without cost, for each latent of the image, and each latent of a line over all lines.
    noise : float
        Standard deviation of the noise in the training images, on [0, 1]; 0 = clean images.
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
        """Return settings completed by the shape, (C, H, W), and the number of classes of the training images."""
        return replace(super().fitted(shape, classes), size=self.size or shape[1:])

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.axis == "channels" and self.likelihood == "mixture":
            raise SpecError(
                "likelihood=mixture joins the channels of a pixel, which axis=channels separates; set another"
            )
        if self.axis == "channels" and self.channels == 1:
            raise SpecError("axis=channels expects two channels or more, got images of 1; set axis=columns or rows")
