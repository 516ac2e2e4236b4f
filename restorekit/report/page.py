"""Content of a report as plain values, of which `restorekit.report.render` makes a page.

Paths of pictures are relative to the folder of the page, with forward slashes. Unknown values are None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from restorekit.images.views import Views

SCHEMA = 1
CHECK = "check this one"  # verdict of a row with flags
Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True)
class Column:
    """A metric that rows have values of.

    Attributes
    ----------
    name : str
        Its key in the values of rows and runs.
    title, unit, meaning : str
        For the head of a column: a word or two, what it is in, and one sentence of what it says.
    better : {"higher", "lower", ""}
        Which values are good ones.
    goal : float or None
        The value that is best where neither higher nor lower is: coverage of a 90 % interval has 0.9.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    goal: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class Row:
    """One image as one restorer gave it back.

    Attributes
    ----------
    image : str
        Its name in the folder, with forward slashes.
    status : {"done", "failed", "skipped"}
        What became of it; skipped ones were done before.
    corruption, restorer : str
        Spec of the corruption and name of the method, if there are several.
    values : mapping of str to float or None
        By column.
    reasons : mapping of str to str
        Why a value is missing, by column.
    flags : sequence of str
        What a person should look at: a sentence each.
    notes : sequence of str
        What else is to be known of it: a sentence each.
    error : str
        Why it failed.
    views : Views or None
        Pictures of it.
    verdict : str
        What became of it in a word or two; empty for what `status` says.
    """

    image: str
    status: Status = "done"
    corruption: str = ""
    restorer: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[str] = ()
    notes: Sequence[str] = ()
    error: str = ""
    views: Views | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Run:
    """Means over the images of one method under one corruption.

    Attributes
    ----------
    corruption, restorer : str
        Which.
    images : int
        How many count.
    learned : bool
        Whether it is a model; else a classical method.
    values : mapping of str to float or None
        By column.
    reasons : mapping of str to str
        Why a value is missing, by column.
    wins, losses, ties : int or None
        Images on which a model did better, worse or as well as the classical method of `against` on the same input.
    against : str
        That method; empty where there is none.
    note : str
        Noise policy and kind of estimate.
    alike : bool
        Whether all runs under its corruption are over the same images.
    """

    corruption: str
    restorer: str
    images: int
    learned: bool = False
    values: Mapping[str, float | None] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    against: str = ""
    note: str = ""
    alike: bool = True


@dataclass(frozen=True)
class Chart:
    """A drawing and the numbers in it.

    Attributes
    ----------
    title, caption : str
        What it shows, and a sentence on how to read it.
    svg : str
        The drawing, one <svg> element.
    head : sequence of str
        Heads of the table of its numbers.
    table : sequence of sequences
        The numbers, for those who cannot see it, and for copying.
    """

    title: str
    caption: str
    svg: str
    head: Sequence[str]
    table: Sequence[Sequence[str | float | None]]


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes
    ----------
    kind : {"restore", "evaluate", "report", "train"}
        What was done.
    title : str
        Of the page.
    alarms : sequence of str
        Sentences to show first: failures, an interrupted run, where a model loses to a classical method.
    summary : sequence of str
        What was done, to how many, how well, how sure: a sentence each.
    command : str
        What to type to do it again.
    protocol : sequence of (str, str)
        Conditions of the measurement: a word and its explanation.
    columns : sequence of Column
        Metrics that have values, the most important first.
    runs : sequence of Run
        Means; none where there is one method and no truth.
    rows : sequence of Row
        Images.
    charts : sequence of Chart
        Drawings.
    sections : sequence of (str, str)
        Title and HTML of what plugins add.
    galleries : sequence of Gallery
        Pictures over time.
    pictured : str
        Of how many images there are pictures, and how to have more; empty where all have some.
    pairs : sequence of int
        Indices of the rows whose pictures before and after come first on the page, the worst first.
    headline : sequence of str
        Names of the columns whose values stand under those pictures.
    """

    kind: Literal["restore", "evaluate", "report", "train"]
    title: str
    alarms: Sequence[str] = ()
    summary: Sequence[str] = ()
    command: str = ""
    protocol: Sequence[tuple[str, str]] = ()
    columns: Sequence[Column] = ()
    runs: Sequence[Run] = ()
    rows: Sequence[Row] = ()
    charts: Sequence[Chart] = ()
    sections: Sequence[tuple[str, str]] = ()
    galleries: Sequence[Gallery] = ()
    pictured: str = ""
    pairs: Sequence[int] = ()
    headline: Sequence[str] = ()


@dataclass(frozen=True)
class GalleryPicture:
    """A picture with a name.

    Attributes
    ----------
    path : str
        PNG.
    title : str
        Caption, such as "step 2,000".
    """

    path: str
    title: str


@dataclass(frozen=True)
class Gallery:
    """Pictures in an order, of which one is looked at: the same thing at several times.

    Attributes
    ----------
    title, caption : str
        What they show, and a sentence on how to read them.
    pictures : sequence of GalleryPicture
        At least one; the last is shown first.
    """

    title: str
    caption: str
    pictures: Sequence[GalleryPicture]
