import pytest

from restorekit.core.plugins import registry
from restorekit.core.plugins.registry import Entry, Plugin
from restorekit.evaluation.protocol import Protocol, Results
from restorekit.report.plugin_sections import added
from tests._helpers.broken_plugin import MODULE

RESULTS = Results(Protocol("IN", 0, 3, "cpu", {}), [], [], [])


def _section(title, html):
    """A section as a plugin of its own has it."""

    class Section:
        def render(self, results):
            if isinstance(html, Exception):
                raise html
            return html and f"{html}{results.protocol.images}"

    Section.title, Section.__module__ = title, MODULE
    return Section


@pytest.fixture
def sections(monkeypatch):
    def install(*classes):
        stranger, found = Plugin("strange", "restorekit-strange", "3.1"), registry.Plugins()
        found._entries["sections"] = {cls.title: Entry(cls, stranger) for cls in classes}
        monkeypatch.setattr(registry, "installed", lambda: found)

    return install


def test_sections_are_made_of_the_results(sections):
    sections(_section("Sharpness", "<p>"), _section("Colour", "<i>"))
    assert added(RESULTS, pytest.fail) == [("Colour", "<i>3"), ("Sharpness", "<p>3")]


@pytest.mark.parametrize("html", [ZeroDivisionError("no"), None])
def test_a_section_that_breaks_is_named_and_the_others_stand(sections, html):
    sections(_section("Bad", html), _section("Good", "<p>"))
    told = []
    assert added(RESULTS, told.append) == [("Good", "<p>3")]
    (error,) = told
    assert "restorekit-strange" in str(error)
    assert "rendering the section 'Bad'" in str(error)
