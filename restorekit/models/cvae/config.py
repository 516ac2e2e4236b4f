"""Configuration of the conditional variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from restorekit.core.errors import SpecError
from restorekit.models.layers import halo
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
        Channels of the features from which spread and gains are computed.
    recogniser : int
        Channels of the inference network.
    floor : float
        Smallest standard deviation of a pixel, on the [0, 1] scale.
    blind : float
        Share of training images with unknown sigma.
    beta : float
        Weight of the rate.
    free_bits : float
        Nats per position of each latent grid without cost.
    octaves : float
        Weight of the spectral loss, which compares the energy of draws and errors by frequency; the ELBO has weight 1.
    latent_share : float
        Share of each training batch for gains and inference network; trunk and spread are trained on all of it.
    learns : {"all", "trunk", "around", "draws"}
        Parts to train: all; the trunks alone, as a plain regressor; the error models of fixed trunks ("around"); or of
        those only the gains and the inference network, with a fixed spread ("draws").
    filling : bool
        Have a second trunk and error model for corruptions that only hide values and leave the others exact.
    filling_widths, filling_encoder, filling_decoder : tuple of int
        Sizes of the second trunk; as many levels as the first.
    classes : int
        Number of class labels; 0 = none. An unknown class is one more, trained on the images of unknown class and on a
        share of the others. Its one pass represents all classes, in place of a sum over those of a classifier.
    spots : int
        Above 0, every value is predicted from the others, so that training needs no clean images: side of the squares
        in which one pixel at a time is hidden. A restoration takes `spots` squared passes.
    noise : float
        Standard deviation of the noise in the training images, used if an observation has none; only with `spots`.
    grain : {"known", "sigma", "gain"}
        Noise model: known, learnt level, or learnt level and growth with brightness; only with `spots`.
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
                f"encoder expects a number for each of at least two widths, and decoder one less, got widths "
                f"{self.widths}, encoder {self.encoder}, decoder {self.decoder}; change --set"
            )
        second = (len(self.filling_widths), len(self.filling_encoder), len(self.filling_decoder) + 1)
        if self.filling and second != (levels,) * 3:
            raise SpecError(
                f"the trunk for filling expects the {levels} levels of the other, got filling_widths "
                f"{self.filling_widths}, filling_encoder {self.filling_encoder}, filling_decoder "
                f"{self.filling_decoder}; set those three too, or filling=no"
            )

    def for_filling(self) -> CVAEConfig:
        """Return the configuration with the sizes of the second trunk."""
        return replace(self, widths=self.filling_widths, encoder=self.filling_encoder, decoder=self.filling_decoder)

    @property
    def halo(self) -> int:
        """Distance in pixels beyond which a result changes by less than 1e-3."""
        return halo(self.encoder, self.decoder)
