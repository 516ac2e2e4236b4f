"""Write masks of detected defects, named so that `restore` finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from restorekit.core.errors import RestorekitError, system_error
from restorekit.core.rng import Rng
from restorekit.images.dataset import LabelledImages
from restorekit.restoration.folder.write import write_mask
from restorekit.restoration.repair import ArraySource, Repair


@dataclass(frozen=True)
class Masking:
    """Result of a detection: number of images, share of pixels that look defective, image and error of each failure."""

    images: int
    defective: float
    failures: list[dict[str, str]]


def mask_all(
    repair: Repair, images: LabelledImages, out: Path, seed: int, watch: Callable[[str, str | None], None]
) -> Masking:
    """Write a mask for every image, OUT/NAME.png, white where it looks defective or is known to be missing.

    Parameters
    ----------
    repair : Repair
        Detector of defects and its threshold.
    images : LabelledImages
        Images to search.
    out : Path
        Folder of the masks; sub-folders as in the source.
    seed : int
        Of the noise, by the images' names.
    watch : callable
        Called with the name of each image that is done, and with what was wrong with it or None.

    Returns
    -------
    Masking
        Counts, and the images that failed.
    """
    failures, shares = list[dict[str, str]](), list[float]()
    for i, key in enumerate(images.keys):
        is_frame = "#" in key  # a.png#3 becomes a.png.3.png
        path = out / (f"{key.replace('#', '.')}.png" if is_frame else PurePath(key).with_suffix(".png"))
        try:
            image, missing = images[i], images.missing(i)
            lost = np.zeros(image.shape[1:], np.bool_) if missing is None else missing.any(-1).numpy()
            if missing is not None:
                image = image.masked_fill(missing.movedim(-1, 0), np.nan)
            defective = repair.marks(ArraySource(image), Rng(seed, (key,)))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask((defective | lost)[None, ..., None], path)
            shares.append(float(defective.mean()))
        except (RestorekitError, OSError) as error:
            text = system_error(error) if isinstance(error, OSError) else None
            failures.append({"image": key, "error": text or str(error)})
        watch(key, failures[-1]["error"] if failures and failures[-1]["image"] == key else None)
    return Masking(len(shares), float(np.mean(shares)) if shares else 0.0, failures)
