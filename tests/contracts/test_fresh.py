"""A stranger's plugin, installed from a wheel beside nothing but the wheel of restorekit."""

from __future__ import annotations

import pytest

from tests._helpers.wheel_environment import fresh, photos


@pytest.mark.slow
def test_a_plugin_is_found_trained_and_used_and_missed_once_it_is_gone(tmp_path):
    alone = fresh(tmp_path)
    names = photos(alone.work / "photos")
    alone.must("restorekit plugin new moire --kind model && pip wheel -q --no-deps --wheel-dir dist ./restorekit-moire")
    alone.must("pip install -q dist/*.whl && rm -r restorekit-moire")
    assert "[restorekit-moire]" in alone.must("restorekit list models")
    spec = "--corruption gaussian:sigma=25/255"
    alone.must(f"restorekit train photos RUN --model moire {spec} --set crop=16 --set width=4 --steps 3")
    alone.must("restorekit restore photos OUT --model RUN/model.safetensors --sigma 25/255")
    assert sorted(path.name for path in (alone.work / "OUT").iterdir() if path.is_file()) == names
    alone.must("pip uninstall -q -y restorekit-moire")
    done = alone.run("restorekit restore photos OUT2 --model RUN/model.safetensors")
    assert done.returncode == 2
    begun, sentence = done.stdout.strip().splitlines()
    assert "loading" in begun
    assert "'restorekit-moire'" in sentence
    assert "not installed" in sentence
    assert not (alone.work / "OUT2").exists()
