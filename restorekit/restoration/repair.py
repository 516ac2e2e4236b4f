"""Repair of defects that nobody has marked: a detector finds them, and they are filled like missing pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from restorekit.core.channels import observed_channel
from restorekit.core.contracts import Detector
from restorekit.core.errors import RestorekitError, UsageError
from restorekit.core.interpolation import fill
from restorekit.core.rng import Rng
from restorekit.core.types import Observation, Source, shape_of
from restorekit.images.dataset import LabelledImages
from restorekit.images.defects import GROW_PX, Bytes, Mask, Probability, extend_marks, find_marks, touched
from restorekit.images.sequence import made_frames, temporal_evidence, with_evidence
from restorekit.restoration.tiling import Limits, process_tiles
from restorekit.uncertainty.touch import LOG_ODDS, TouchTable, fit_touch

CROWDED = 0.05  # share of an image above which marks are not extended: no promise is made there


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A `restorekit.core.types.Source` over one image in memory.

    Attributes
    ----------
    image : Tensor, (C, H, W)
        On [0, 1], NaN where missing.
    """

    image: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of x, (B, C, H, W)."""
        channels, height, width = self.image.shape
        return 1, channels, height, width

    @property
    def resized(self) -> bool:
        """Whether y has another height or width than x: it has not."""
        return False

    def rows(self, top: int, bottom: int) -> Observation:
        """Return rows `top` to `bottom`; missing values are interpolated."""
        y = self.image[None, :, top:bottom]
        observed = y.isfinite()
        filled = y.nan_to_num(0.0)
        initial = filled if bool(observed.all()) else fill(filled, observed)
        return Observation(filled, observed, shape_of(filled), initial=initial)


@dataclass(frozen=True, eq=False)
class Repair:
    """A detector, and the log-odds from which a pixel counts as defective.

    Attributes
    ----------
    detector : Detector
        Gives the probability of a defect.
    threshold : float
        Log-odds in nats, as in `restorekit.images.defects.find_marks`.
    grow : int or None
        Pixels by which marks are widened before they are extended; None: GROW_PX, or 0 if the detector `extends` them.
    limits : Limits or None
        Amount of work done at once.
    others : tuple of Repair
        Repairs by other detectors, whose marks are added.
    sequence_threshold : float or None
        The threshold where neighbouring frames are compared; None: they are not.
    """

    detector: Detector
    threshold: float
    grow: int | None = None
    limits: Limits | None = None
    others: tuple[Repair, ...] = ()
    sequence_threshold: float | None = None

    @property
    def thresholds(self) -> list[float]:
        """Threshold of each detector."""
        return [self.threshold, *(other.threshold for other in self.others)]

    def probability(self, source: Source, rng: Rng) -> Probability:
        """Return the probability that each pixel of one image is defective, (H, W); `rng` has the key of the image."""
        with torch.inference_mode():
            full = self.detector.search(source, rng)
        if full is not None:
            return np.asarray(full[0, 0].cpu().numpy())
        accepted = self.detector.geometry.channels

        def solve(o: Observation, places: Rng) -> dict[str, Tensor]:
            together = o.shape[0] in accepted or 1 not in accepted
            parts = [o] if together else [observed_channel(o, c) for c in range(o.shape[0])]
            with torch.inference_mode():  # of channels that are not accepted together, the largest counts
                return {"mmse": torch.stack([self.detector.probability(part, places) for part in parts]).amax(0)}

        found = np.zeros(source.shape[2:], np.float32)
        for top, strip in process_tiles(source, solve, self.detector.geometry, rng, self.limits or Limits()):
            rows = strip.mmse[0, 0].numpy()
            found[top : top + len(rows)] = rows
        return found

    def marks(self, source: Source, rng: Rng, neighbours: tuple[Bytes, Bytes] | None = None) -> Mask:
        """Return the defective pixels of one image, (H, W); `neighbours` are the frames before and after, (H, W, C)."""
        probability, threshold = self.probability(source, rng), self.threshold
        if neighbours is not None and self.sequence_threshold is not None:
            frame = _bytes(source, 0, source.shape[2])
            probability = with_evidence(probability, temporal_evidence(neighbours[0], frame, neighbours[1]))
            threshold = self.sequence_threshold
        found = self.judge(probability, source, threshold)
        for other in self.others:
            found |= other.marks(source, rng, neighbours)
        return found

    def judge(self, probability: Probability, source: Source, threshold: float) -> Mask:
        """Return the defective pixels of one image, (H, W), by their probability and a threshold."""
        grow = self.grow if self.grow is not None else 0 if self.detector.extends else GROW_PX
        found = find_marks(probability, threshold, grow, self.detector.penalty)
        if not self.detector.extends or found.mean() > CROWDED:
            return found
        return extend_marks(found, partial(_bytes, source))

    def fitted(
        self, clean: LabelledImages, share: float, seed: int, watch: Callable[[str, str | None], None]
    ) -> tuple[Repair, float]:
        """Return this repair with the threshold that touches `share` of clean pixels, and the share of further ones.

        Two images are enough, but nothing is promised of further ones, unlike with the table of `calibrated`.

        Parameters
        ----------
        clean : LabelledImages
            At least two: every other one sets the threshold, the rest check it.
        share : float
            Share of pixels.
        seed : int
            Of the draws of a model that has no estimate in one pass.
        watch : callable
            Called with the name of each image that is done, and with its error or None.

        Raises
        ------
        UsageError
            There is one image only, or no threshold touches so few pixels.
        """
        shares = self._shares(clean, seed, watch)
        if len(shares) < 2:
            raise UsageError("at least two clean images are needed: one sets the threshold, the other checks it")
        fine = np.flatnonzero(np.mean(shares[::2], 0) <= share)
        if not len(fine):
            raise UsageError(f"no threshold keeps {share:g} of clean pixels; pass clean images without outliers")
        return replace(self, threshold=float(LOG_ODDS[fine[0]])), float(np.mean(shares[1::2], 0)[fine[0]])

    def calibrated(self, clean: LabelledImages, source: str, watch: Callable[[str, str | None], None]) -> TouchTable:
        """Return the table of thresholds that control the share of clean pixels touched.

        Parameters
        ----------
        clean : LabelledImages
            Images without defects that the detector was not trained on.
        source : str
            Name of these images, kept in the table.
        watch : callable
            Called with the name of each image that is done, and with its error or None.

        Raises
        ------
        UsageError
            The images are too few for any promise.
        """
        moving = list[npt.NDArray[np.float64]]()
        shares = self._shares(clean, 0, watch, moving if self.detector.transient else None)
        source = f"{len(shares)} images of {source}, fingerprint {clean.fingerprint[:16]}"
        return replace(fit_touch(shares, source), sequence=fit_touch(moving, source) if moving else None)

    def _shares(
        self, clean: LabelledImages, seed: int, watch: Callable[[str, str | None], None],
        moving: list[npt.NDArray[np.float64]] | None = None,
    ) -> list[npt.NDArray[np.float64]]:  # fmt: skip
        """Return the share of each image that is touched at each threshold; add those of made sequences to `moving`."""
        shares = []
        for key, error in clean.drop_unreadable().items():
            watch(key, f"left out: {error}")
        for i, key in enumerate(clean.keys):
            try:
                source, rng = ArraySource(clean[i]), Rng(seed, (key,))
                found = self.probability(source, rng)
                shares.append(touched(found, LOG_ODDS, partial(self.judge, found, source)))
                if moving is not None:
                    frames = made_frames(_bytes(source, 0, source.shape[2]), rng)
                    source = ArraySource(torch.from_numpy(frames[1]).movedim(-1, 0) / 255)
                    found = with_evidence(self.probability(source, rng), temporal_evidence(*frames))
                    moving.append(touched(found, LOG_ODDS, partial(self.judge, found, source)))
                watch(key, None)
            except RestorekitError as error:
                watch(key, str(error))
        return shares


def _bytes(source: Source, top: int, bottom: int) -> Bytes:
    """Return rows of one image as 8-bit values, (h, W, C); what is missing is interpolated."""
    observation = source.rows(top, bottom)
    y = observation.y if observation.initial is None else observation.initial
    return np.asarray((255 * y[0].clamp(0, 1)).round().byte().movedim(0, -1).cpu().numpy())
