"""Configuration of the conditional variational autoencoder."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from restorekit.core.errors import SpecError
from restorekit.models.noise_model import KINDS


@dataclass(frozen=True)
class CVAEConfig:
    """Sizes and objective of a `CVAE`.

    Parameters
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    encoder, decoder : tuple of int
        Residual blocks at each resolution, finest first; the last of `encoder` is the middle.
    levels : int
        Grids of latents, at strides 1, 2, 4 ...
    context : int
        Channels of what spread and gains are read off.
    recogniser : int
        Channels of the inference network.
    floor : float
        Least standard deviation of a pixel, on the [0, 1] scale.
    blind : float
        Share of training images whose sigma is not told.
    beta : float
        Weight of the rate.
    free_bits : float
        Nats per position of each latent grid that cost nothing.
    octaves : float
        Weight of the match between the energies of draws and errors in each octave, beside the ELBO's 1.
    latent_share : float
        Share of each training batch that gains and inference network learn from; trunk and spread learn from all.
    learns : {"all", "trunk", "around", "draws"}
        The trunks alone, which a plain regressor is; what stands around settled trunks, or of that only how draws
        differ, whose spread is settled too; or everything at once.
    filling : bool
        Have a second of everything for damage that only takes values out and leaves the others exact.
    filling_widths, filling_encoder, filling_decoder : tuple of int
        Sizes of the second trunk; as many levels as the first.
    classes : int
        Number of class labels; 0 = none. An unknown class is one more, learnt from the images that do not tell theirs
        and from a share of the others: its one pass stands for all classes, in place of a sum over a classifier's.
    spots : int
        Where above 0, every value is predicted from the others, so that no clean image is needed to learn: side of the
        squares of which one pixel at a time is hidden; a restoration takes its square of passes.
    noise : float
        Standard deviation of the noise of what was learnt from, where it is not told; with `spots` alone.
    grain : {"known", "sigma", "gain"}
        That noise is known; or its level is learnt; or that and how it grows with brightness; with `spots` alone.
    """

    widths: tuple[int, ...] = field(default=(32, 64, 128), metadata={"low": 1})
    encoder: tuple[int, ...] = field(default=(2, 1, 2), metadata={"low": 0})
    decoder: tuple[int, ...] = field(default=(2, 1), metadata={"low": 0})
    levels: int = field(default=5, metadata={"low": 2})
    context: int = field(default=48, metadata={"low": 1})
    recogniser: int = field(default=32, metadata={"low": 1})
    floor: float = field(default=0.25 / 255, metadata={"low": 1e-6})
    blind: float = field(default=0.5, metadata={"objective": True, "low": 0, "high": 1})
    beta: float = field(default=1.0, metadata={"objective": True, "low": 0})
    free_bits: float = field(default=0.0, metadata={"objective": True, "low": 0})
    octaves: float = field(default=1.0, metadata={"objective": True, "low": 0})
    latent_share: float = field(default=0.25, metadata={"objective": True, "low": 0, "high": 1})
    learns: str = field(default="all", metadata={"objective": True, "choices": ("all", "trunk", "around", "draws")})
    filling: bool = True
    filling_widths: tuple[int, ...] = field(default=(32, 56, 96), metadata={"low": 1})
    filling_encoder: tuple[int, ...] = field(default=(3, 1, 1), metadata={"low": 0})
    filling_decoder: tuple[int, ...] = field(default=(3, 1), metadata={"low": 0})
    classes: int = field(default=0, metadata={"low": 0})
    spots: int = field(default=0, metadata={"low": 0, "high": 8})
    noise: float = field(default=0.0, metadata={"low": 0, "high": 1})
    grain: str = field(default="known", metadata={"choices": KINDS})

    def __post_init__(self) -> None:
        levels = len(self.widths)
        found = (len(self.encoder), len(self.decoder) + 1)
        if levels < 2 or found != (levels,) * 2:
            raise SpecError(
                f"encoder needs a number for each of at least two widths and decoder one less, got widths "
                f"{self.widths}, encoder {self.encoder}, decoder {self.decoder}"
            )
        second = (len(self.filling_widths), len(self.filling_encoder), len(self.filling_decoder) + 1)
        if self.filling and second != (levels,) * 3:
            raise SpecError(
                f"the trunk for filling needs the {levels} levels of the other, got filling_widths "
                f"{self.filling_widths}, filling_encoder {self.filling_encoder}, filling_decoder "
                f"{self.filling_decoder}; set those three too, or filling=no"
            )

    def for_filling(self) -> CVAEConfig:
        """Return the configuration whose sizes are those of the second trunk."""
        return replace(
            self, widths=self.filling_widths, encoder=self.filling_encoder, decoder=self.filling_decoder
        )  # fmt: skip

    @property
    def halo(self) -> int:
        """Pixels around one that its result depends on by 1e-3 or more: three quarters of the receptive field."""
        ends = 2 * 2  # stem and head
        encoder = sum(2 ** (i + 2) * n for i, n in enumerate(self.encoder))  # two 3x3 convolutions a block
        decoder = sum(2 ** (i + 2) * n for i, n in enumerate(self.decoder))
        crossings = sum(2 ** (i + 1) for i in range(len(self.widths)))  # positions within each coarser cell
        return 8 * math.ceil(3 / 32 * float(ends + encoder + decoder + crossings))
