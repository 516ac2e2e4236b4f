"""Rows of results: means of a method, metric values of an image, failures and comparisons.

The annotations are the source of ``results.schema.json``; see `restorekit.evaluation.results_schema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from restorekit.core.records import About
from restorekit.images.views import Views

NoisePolicy = Literal["true", "blind", "auto"]

Spec = Annotated[str, About("Spec of the corruption exactly as typed; empty if it is not known, as in `report`.")]
MethodName = Annotated[
    str,
    About(
        "Name of the method: of a classical one, of weights, the path of a model file, or of a folder that another "
        "tool has written.",
        shortest=1,
    ),
]
ImageName = Annotated[
    str,
    About(
        "Name of the image below the folder of clean ones, with forward slashes; a frame of a file is NAME#NUMBER.",
        shortest=1,
    ),
]
MetricValues = Annotated[
    dict[str, float | None],
    About(
        "Value of a plugin's metric, or the difference to another run (its name ends in _difference): `metrics` "
        "describes it. Null if it does not exist; `reasons` has the reason.",
        flat=True,
    ),
]
Reasons = Annotated[dict[str, Annotated[str, About(shortest=1)]], About("Reasons for null values, by metric.")]
Tenths = Annotated[list[float], About(size=10)] | None
Share = Annotated[float | None, About(minimum=0, maximum=1)]
Curve = Annotated[list[Annotated[float, About(minimum=0)]], About(size=20)]


@dataclass(frozen=True)
class ImageCoverage:
    """Calibration and ranking of the predicted spread on one image.

    Attributes
    ----------
    coverage_by_width : list of float, (10,), or None
        Share inside the 90 % interval, for each tenth of the values by the width of their interval.
    calibrated : bool or None
        Whether the model has a calibrated interval for this image; None for a method without a calibration.
    calibration : list of float or None, (6,), or None
        Coverage of the intervals of `metrics.uncertainty.LEVELS`.
    sparsification : list of list of float, (2, 20), or None
        Sparsification curves by standard deviation and by true error.
    """

    coverage_by_width: Annotated[
        Tenths,
        About("Share inside the interval for each tenth of the values, narrowest intervals first; null without any."),
    ] = None
    calibrated: Annotated[
        bool | None,
        About("Whether the model has a calibrated interval for this image; null for a method without a calibration."),
    ] = None
    calibration: Annotated[
        Annotated[list[Share], About(size=6)] | None,
        About(
            "Share of the missing or noisy values inside the interval of 50, 60, 70, 80, 90 and 95 %; null without a "
            "spread."
        ),
    ] = None
    sparsification: Annotated[
        Annotated[list[Curve], About(size=2)] | None,
        About(
            "Relative root mean square error of the rest when 0, 5, 10 ... 95 % are left out: those of the largest "
            "standard deviation first, and those of the largest error; null without a spread."
        ),
    ] = None


@dataclass(frozen=True)
class ImageRow:
    """Metric values of one image as one method restored it.

    Attributes
    ----------
    corruption, restorer, image : str
        Spec, name of the method, and name of the image.
    metrics : dict of str to float or None
        Values by metric, times and differences to another run among them.
    reasons : dict of str to str
        Reasons for values that are None or infinite.
    coverage : ImageCoverage or None
        None if the coverage was not measured.
    views : Views or None
        Pictures for the report.
    notes : sequence of str or None
        Remarks; None in `evaluate`, which makes none.
    """

    corruption: Spec
    restorer: MethodName
    image: ImageName
    metrics: MetricValues = field(default_factory=dict)
    reasons: Reasons = field(default_factory=dict)
    coverage: Annotated[ImageCoverage | None, About(flat=True)] = None
    views: Annotated[
        Views | None, About("Pictures for the report, if any: paths relative to its folder.", omitted=True)
    ] = None
    notes: Annotated[Sequence[str] | None, About("Remarks, a phrase each.", omitted=True)] = None


@dataclass(frozen=True)
class RunCoverage:
    """Distribution of the coverage of one method over images and over values.

    Attributes
    ----------
    coverage90_images : list of float, (3,), or None
        5, 50 and 95 % quantiles over images.
    coverage_by_width : list of float, (10,), or None
        Means over images for each tenth of the values by the width of their interval.
    calibrated : int or None
        Images with a calibrated interval; None for a method without a calibration.
    """

    coverage90_images: Annotated[
        Annotated[list[float], About(size=3)] | None, About("5, 50 and 95 % quantiles of coverage90 over images.")
    ] = None
    coverage_by_width: Annotated[
        Tenths,
        About(
            "Means over images of the share inside the interval, for each tenth of values, narrowest intervals first."
        ),
    ] = None
    calibrated: Annotated[
        int | None,
        About("Images for which the model has calibrated intervals; null for a method without a calibration."),
    ] = None


@dataclass(frozen=True)
class RunRow:
    """Means over the images of one method under one corruption.

    Attributes
    ----------
    corruption, restorer : str
        Spec and name of the method.
    images : int
        Images that were measured.
    sigma : {"true", "blind", "auto"} or None
        Noise policy; None if the images were not restored here.
    draws : int
        Draws for each image; 0 for one pass.
    learned : bool
        Whether the method is a model.
    estimate : str
        Name of the estimate; empty if it is not known.
    digest : str or None
        Start of the model file's SHA-256; empty for classical methods, None if it is not known.
    metrics, reasons
        Means by metric, and reasons for those that are None or infinite.
    coverage : RunCoverage or None
        None if the images were not restored here.
    """

    corruption: Spec
    restorer: MethodName
    images: Annotated[int, About("Number of images that were measured.", minimum=0)]
    sigma: Annotated[
        NoisePolicy | None,
        About(
            "Noise level passed to the method: the true one, none (blind), or an estimate (auto); null if the images "
            "were not restored here."
        ),
    ] = None
    draws: Annotated[int, About("Draws for each image; 0: one pass.", minimum=0)] = 0
    learned: Annotated[bool, About("Whether it is a model; false for classical methods, and if it is not known.")] = (
        False
    )
    estimate: Annotated[
        str, About("Name of the estimate, such as one pass, or the mean over draws; empty if it is not known.")
    ] = ""
    digest: Annotated[
        str | None,
        About(
            "First 16 hexadecimal digits of the SHA-256 of the model file; empty or absent for a method without one.",
            pattern="^([0-9a-f]{16})?$",
            omitted=True,
        ),
    ] = None
    metrics: MetricValues = field(default_factory=dict)
    coverage: Annotated[RunCoverage | None, About(flat=True)] = None
    reasons: Reasons = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """One image, method or metric that failed; everything else went on.

    Attributes
    ----------
    image, error : str
        Name of the image, and one sentence.
    corruption, restorer : str
        Empty if the failure does not depend on them.
    """

    image: ImageName
    error: Annotated[str, About("The problem, the value found and what to do, in one sentence.", shortest=1)]
    corruption: Annotated[str, About("Spec of the corruption, if the failure depends on it.", omitted=True)] = ""
    restorer: Annotated[str, About("Name of the method, if the failure depends on it.", omitted=True)] = ""


@dataclass(frozen=True)
class ImageDifference:
    """Difference of two methods on one image."""

    image: ImageName
    difference: Annotated[float, About("`restorer` minus `against`, as in the mean.")]


@dataclass(frozen=True)
class ComparisonRow:
    """Two methods compared by one metric, image by image; fields as in `restorekit.evaluation.bootstrap.Comparison`."""

    corruption: Spec
    restorer: Annotated[str, About("The method whose wins are counted.", shortest=1)]
    against: Annotated[str, About("The method that it is compared with.", shortest=1)]
    metric: Annotated[str, About("Name of the metric.", shortest=1)]
    images: Annotated[int, About("Images for which both have a value.", minimum=1)]
    mean: Annotated[float | None, About("Mean of `restorer` over the images on which both values are finite.")]
    mean_against: Annotated[float | None, About("Mean of `against` over the same images.")]
    difference: Annotated[
        float | None,
        About("Mean of the differences, `restorer` minus `against`; for a metric with a goal, of the distances to it."),
    ]
    low: Annotated[float | None, About("Lower end of the interval of the mean difference; null if there is none.")]
    high: Annotated[float | None, About("Upper end of that interval.")]
    level: Annotated[
        float, About("Share of such intervals that contain the mean difference over all images like these.")
    ]
    reason: Annotated[
        str,
        About("Reason for a missing interval, or the number of images that the means leave out; empty if neither."),
    ]
    wins: Annotated[
        int, About("Images on which `restorer` is better by more than the effect of rounding to 8 bits.", minimum=0)
    ]
    losses: Annotated[int, About("Images on which it is worse by more than that.", minimum=0)]
    ties: Annotated[int, About("All other images.", minimum=0)]
    worse: Annotated[Sequence[str], About("Images on which it is worse, the worst first.")]
    differences: Annotated[
        Sequence[ImageDifference],
        About("The difference on every image where both values are finite, the worst first."),
    ]
