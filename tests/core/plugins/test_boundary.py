"""Who is named where something breaks, and who is not."""

import pytest

from restorekit.core.errors import ImageError, PluginError
from restorekit.core.plugins import registry
from restorekit.core.plugins.boundary import attribute_errors, error_message
from restorekit.corruptions import Chain, Missing
from tests._helpers.broken_plugin import strange

__all__ = ["strange"]


def breaks(error, *things):
    with attribute_errors("a test", *things):
        raise error


def test_a_class_is_its_plugins_whether_registered_or_only_defined_there(strange):
    for cls in (registry.models()["wobbly"], registry.models()["wobbly"].Config):
        assert registry.owner(cls).package == "restorekit-strange"
    assert registry.owner(Missing).built_in
    assert registry.owner(dict) is None


@pytest.mark.parametrize("error", [ValueError("ours"), MemoryError(), KeyboardInterrupt(), ImageError("a sentence")])
def test_our_own_faults_memory_interrupts_and_sentences_pass_as_they_are(strange, error):
    with pytest.raises(type(error)) as raised:
        breaks(error, *(() if isinstance(error, ValueError) else (registry.models()["wobbly"],)))
    assert raised.value is error


def test_a_strangers_part_of_a_chain_is_to_blame_where_the_traceback_names_nobody(strange):
    chain = Chain((Missing(0.5), registry.corruptions()["smash"]()))
    with pytest.raises(PluginError, match=r"^the plugin 'strange' .* failed in a test: TypeError: odd; `restorekit"):
        breaks(TypeError("odd"), chain)
    with pytest.raises(TypeError):
        breaks(TypeError("odd"), Missing(0.5))


def test_a_traceback_is_kept_once_in_the_folder_of_the_run(strange, tmp_path):
    with pytest.raises(PluginError) as raised:
        breaks(TypeError("odd"), registry.models()["wobbly"])
    first, second = (error_message(raised.value, tmp_path) for _ in range(2))
    assert first == second
    assert first.endswith(f"(traceback: {tmp_path / 'errors.log'})")
    assert (tmp_path / "errors.log").read_text().count("TypeError: odd\n") == 1
    assert error_message(ValueError("ours"), tmp_path) is None
