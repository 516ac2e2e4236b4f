"""Facts about the page that a training keeps up to date."""

import sys
from types import SimpleNamespace

import pytest

from restorekit.report import live
from restorekit.report.live import TrainingPage
from tests._helpers.training_logs import card, entry, good, start, step, validation, write


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until its `now` is set; the page takes as long as `page` says."""
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.fixture
def written(monkeypatch, clock):
    """What was written, as (step of the card or None, whether it goes on); each takes a second."""
    found = []

    def page_of(run, card, running):
        clock.now += 1.0
        found.append((card and card.steps, running))

    monkeypatch.setattr("restorekit.report.pages.trained.page_of", page_of)
    monkeypatch.setattr("restorekit.report.single_file.write_report", lambda page, path, single_file: "")
    return found


def job(run):
    return SimpleNamespace(run=run, card=card(steps=0))


def refuse(*_):
    raise AssertionError("nothing was to be said")


def test_a_page_is_written_at_validations_and_at_the_end(tmp_path, written, clock):
    with TrainingPage(job(tmp_path), refuse) as page:
        for line in (start(0), step(50), validation(60), step(100)):
            page.show(entry(line))
        assert written == []  # it has only begun
        clock.now += live.EARLIEST
        for line in (step(150), validation(160), step(200)):
            page.show(entry(line))
        assert written == [(160, True)]
    assert written == [(160, True), (None, False)]


def test_pages_take_a_fiftieth_of_the_time_at_most(tmp_path, written, clock):
    with TrainingPage(job(tmp_path), refuse) as page:
        for at in range(10):
            clock.now = 1000.0 + 20 * at
            page.show(entry(validation(at)))
    assert [at for at, running in written if running] == [1, 4, 7]


def test_a_process_that_gets_no_lines_writes_nothing(tmp_path, written):
    with TrainingPage(job(tmp_path), refuse):
        pass
    assert written == []


@pytest.mark.parametrize(("error", "count"), [(ValueError, 1), (KeyboardInterrupt, 0)])
def test_a_training_that_breaks_leaves_a_page_and_one_that_is_torn_down_does_not_wait(tmp_path, written, error, count):
    with pytest.raises(error), TrainingPage(job(tmp_path), refuse) as page:
        page.show(entry(start(0)))
        raise error
    assert len(written) == count


def test_where_nothing_can_be_drawn_one_sentence_says_so_and_the_training_goes_on(tmp_path, monkeypatch):
    write(tmp_path, good())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(live, "EARLIEST", 0.0)
    said = []
    with TrainingPage(job(tmp_path), said.append) as page:
        page.show(entry(validation(500)))
        page.show(entry(validation(1000)))
    assert said == ["no report.html: matplotlib is not installed here; pip install matplotlib"]
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_is_told_once(tmp_path):
    write(tmp_path, good())
    (tmp_path / "report.html").mkdir()
    said = []
    with TrainingPage(job(tmp_path), said.append) as page:
        page.show(entry(validation(500)))
    (sentence,) = said
    assert sentence.startswith("no report.html: ImageError: cannot write")
