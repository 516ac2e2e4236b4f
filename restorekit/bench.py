"""Clean images damaged, restored and compared, one value at a time: what a calibration is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from restorekit import bands
from restorekit.contracts import Corruption, Restorer
from restorekit.errors import ImageError, UsageError
from restorekit.intervals import TINY
from restorekit.noise import Noise
from restorekit.pool import gray
from restorekit.risk import Counts
from restorekit.seen import Seen, distances, see
from restorekit.trials import Subject

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
    seed : int
        Of the damage.
    watch : callable
        Called with the name of each image that is done, and with what was wrong with it or None.
    """

    restorer: Restorer
    corruptions: Sequence[tuple[str, Corruption]]
    seed: int
    watch: Watch

    def samples(self, subjects: Iterable[Subject]) -> Iterator[list[Sample]]:
        """Yield what was found of each image that can be read, and of each colour image in gray too."""
        for subject in subjects:
            try:
                x = subject.read()
            except ImageError as error:
                self.watch(subject.key, str(error))
                continue
            yield [self._sample(subject, x, *one) for one in self.corruptions]
            if x.shape[1] == 3 and {1, 3} <= set(self.restorer.geometry.channels):
                yield [self._sample(subject, gray(x), *one) for one in self.corruptions]
            self.watch(subject.key, None)

    def _sample(self, subject: Subject, x: Tensor, spec: str, corruption: Corruption) -> Sample:
        noise = Noise(self.seed, (subject.key,)).fork("calibrate")
        observation = corruption(x, noise.fork(spec))
        shown = replace(observation, label=subject.label).blind()
        restored = bands.restore(self.restorer, shown, corruption, 0, noise)
        if restored.std is None:
            raise UsageError("a calibration turns standard deviations into intervals, and this restorer gives none")
        distance, where = distances(shown.observed), observation.unknown().expand_as(x)
        seen = see(shown, corruption, bands.together(self.restorer, x.shape[1]), distance)[0]
        error = (x - restored.mmse)[where].abs().double().numpy()
        return Sample(spec, seen, distance.expand_as(x)[where], error, restored.std[where].clamp_min(TINY))
