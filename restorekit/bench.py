"""Clean images damaged, restored and compared, one value at a time: what a calibration is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit import asking, bands
from restorekit.blame import blamed
from restorekit.contracts import Corruption, Restorer
from restorekit.errors import ImageError, UsageError
from restorekit.evaluate import of_one_image
from restorekit.intervals import TINY
from restorekit.jury import as_told
from restorekit.noise import Noise
from restorekit.pool import gray
from restorekit.risk import Counts
from restorekit.seen import Seen, distances, see
from restorekit.trials import Subject, Told

Watch = Callable[[str, str | None], None]


@dataclass(frozen=True, eq=False)
class Sample:
    """One restored image: what was seen of it; distance, |x - m| and s of each value that was unknown, (N,)."""

    corruption: str
    seen: Seen
    distance: Tensor
    error: Counts
    std: Tensor


@dataclass(frozen=True, eq=False)
class Bench:
    """What images are put through.

    Attributes
    ----------
    restorer : Restorer
        One that gives standard deviations.
    corruptions : sequence of (str, Corruption)
        Specs and what they mean.
    told : {"true", "blind", "auto"}
        What the restorer is told of the noise.
    seed : int
        Of the damage.
    watch : callable
        Called with the name of each image that is done, and with what was wrong with it or None.
    """

    restorer: Restorer
    corruptions: Sequence[tuple[str, Corruption]]
    told: Told
    seed: int
    watch: Watch

    def samples(self, subjects: Iterable[Subject]) -> Iterator[list[Sample]]:
        """Yield what was found of each image that can be used, in each way that a restorer may see it."""
        for subject in subjects:
            try:
                found = [[self._sample(subject, x, *one) for one in self.corruptions] for x in self._views(subject)]
            except ImageError as error:
                self.watch(subject.key, str(error))
                continue
            yield from found
            self.watch(subject.key, None)

    def _views(self, subject: Subject) -> Iterator[Tensor]:
        """Yield an image, or its bands one by one; and a colour image in gray too, where both can be restored."""
        with of_one_image():
            x = subject.read()
        yield from torch.split(x, bands.together(self.restorer, x.shape[1]), 1)
        if x.shape[1] == 3 and {1, 3} <= set(self.restorer.geometry.channels):
            yield gray(x)

    def _sample(self, subject: Subject, x: Tensor, spec: str, corruption: Corruption) -> Sample:
        noise = Noise(self.seed, (subject.key,)).fork("calibrate")
        with of_one_image():
            observation = replace(asking.damage(corruption, x, noise.fork(spec)), label=subject.label)
            shown = as_told(observation, corruption, self.told)
            with blamed(f"the restorer {self.restorer.name!r}", self.restorer, corruption):
                found = self.restorer(shown, corruption, 0, noise)
            restored = asking.restored(self.restorer, found, shown, 0)
        if restored.std is None:
            raise UsageError("a calibration turns standard deviations into intervals, and this restorer gives none")
        distance, where = distances(shown.observed), observation.unknown().expand_as(x)
        seen = see(shown, corruption, distance)[0]
        error = (x - restored.mmse)[where].abs().double().numpy()
        return Sample(spec, seen, distance.expand_as(x)[where], error, restored.std[where].clamp_min(TINY))
