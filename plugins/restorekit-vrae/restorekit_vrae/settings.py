"""Settings of a `VRAE`."""

from __future__ import annotations

from dataclasses import dataclass, field

from restorekit.errors import SpecError
from restorekit.models.heads import KINDS
from restorekit_vrae.lines import AXES


@dataclass(frozen=True)
class VRAEConfig:
    """Sizes and objective of a `VRAE`.

    Parameters
    ----------
    axis : {"columns", "rows", "channels"}
        What a line is, a step of the recurrent networks: a column, a row, or a whole channel (a band of a multi-band
        image).
    size : tuple of int
        Height and width of the images; taken from the training images where not set.
    channels : int
        Channels of the images; taken from the training images where not set.
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
    likelihood : {"bernoulli", "gaussian", "gaussian-pixel", "logistic", "mixture"}
        Of the decoder: "gaussian" has one learned sigma, "gaussian-pixel" one per value; "logistic" is discretised, and
        "mixture" has several of these.
    floor : float
        Least standard deviation of a Gaussian decoder, on the [0, 1] scale.
    beta : float
        Weight of the rate.
    kl_warmup : int
        Updates over which the weight of the rate grows from 0 to beta.
    free_bits : float
        Nats per image that cost nothing: of each latent of the image, and of each latent of a line over all lines.
    noise : float
        Standard deviation of the noise of the images it learns from, on [0, 1]; 0 = they are clean.
    classes : int
        Number of class labels that condition encoder and decoder; 0 = none.
    """

    axis: str = field(default="columns", metadata={"choices": AXES})
    size: tuple[int, ...] = field(default=(), metadata={"low": 1})
    channels: int = field(default=0, metadata={"low": 0})
    width: int = field(default=64, metadata={"low": 1})
    hidden: int = field(default=64, metadata={"low": 1})
    middle: int = field(default=64, metadata={"low": 1})
    latent: int = field(default=16, metadata={"low": 1})
    local: int = field(default=8, metadata={"low": 1})
    hide: float = field(default=0.6, metadata={"objective": True, "low": 0, "high": 1})
    likelihood: str = field(default="gaussian", metadata={"choices": KINDS})
    floor: float = field(default=1 / 255, metadata={"low": 1e-6})
    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    kl_warmup: int = field(default=0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    classes: int = field(default=0, metadata={"low": 0})

    def __post_init__(self) -> None:
        if len(self.size) not in (0, 2):
            raise SpecError(f"size takes height and width, such as 28,28, got {len(self.size)} numbers")
        if self.axis == "channels" and self.likelihood == "mixture":
            raise SpecError(
                "likelihood=mixture ties the channels of a pixel, which axis=channels takes apart; use another"
            )
        if self.axis == "channels" and self.channels == 1:
            raise SpecError("axis=channels runs along two channels or more, got images of 1; take columns or rows")
