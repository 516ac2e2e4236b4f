"""The schema is the one that the rows generate, describes every key, and holds for real results."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from restorekit.evaluation.results_schema import results_schema
from restorekit.models import checkpoint
from tests._helpers.restored_folders import clean_image, folder, write

SCHEMA = json.loads(files("restorekit.report").joinpath("results.schema.json").read_text(encoding="utf-8"))
NAMES = ("a", "sub/b", "c", "d", "e")


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def faults(validator, path):
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)], found


def test_results_of_an_evaluation_with_a_model_classical_methods_and_failures(validator, run, tmp_path, model_file):
    clean = folder(tmp_path / "clean", 0, NAMES)
    (clean / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    specs = ("--corruption", "gaussian:sigma=25/255", "--corruption", "missing:rate=0.5")
    words = ("--model", model_file, "--baseline", "tv", "--samples", "2")
    code, _, _ = run("evaluate", clean, tmp_path / "R", *words, *specs)
    wrong, found = faults(validator, tmp_path / "R" / "results.json")
    assert wrong == []
    assert code == 1
    assert [f["image"] for f in found["failures"]] == ["broken.png"]
    assert len(found["comparisons"]) == 2
    assert found["command"].startswith("restorekit evaluate ")
    assert {m["name"] for m in found["metrics"]} >= {"psnr", "coverage90", "seconds", "nelbo"}
    digests = {run["restorer"]: run["digest"] for run in found["runs"]}
    assert digests == {str(model_file): checkpoint.model_digest(model_file), "tv": ""}
    for row in (*found["runs"], *found["images"]):
        nulls = {name for name in row if row[name] is None and name in {m["name"] for m in found["metrics"]}}
        assert nulls == set(row["reasons"])
        assert {"nelbo"} <= nulls


def test_results_of_a_report_with_everything_that_it_can_hold(validator, run, tmp_path):
    for name, sigma, seed in (("clean", 0, 0), ("seen", 30, 0), ("good", 6, 10), ("bad", 9, 20)):
        folder(tmp_path / name, sigma, NAMES, seed=seed)
    write(tmp_path / "seen/c.missing.png", np.eye(48, dtype=np.uint8) * 255)
    write(tmp_path / "bad/d.png", clean_image(3)[:9])
    write(tmp_path / "bad/e.png", clean_image(4))
    words = ("--reference", tmp_path / "clean", "--observed", tmp_path / "seen", "--against", tmp_path / "good")
    assert run("report", tmp_path / "bad", tmp_path / "R", *words)[0] == 1
    wrong, found = faults(validator, tmp_path / "R" / "results.json")
    assert wrong == []
    exact = next(row for row in found["images"] if row["image"] == "e.png")
    assert exact["psnr"] is None
    assert "infinite" in exact["reasons"]["psnr"]
    assert found["comparisons"]
    assert found["failures"]
    assert {"psnr_gain", "psnr_difference"} <= {m["name"] for m in found["metrics"]}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"surprise": 1},
        {"protocol": {}},
        {"runs": [{"corruption": "", "restorer": "a"}]},
        {"images": [{"corruption": "", "restorer": "a", "image": "a.png", "psnr": "inf", "reasons": {}}]},
        {"images": [{"corruption": "", "restorer": "a", "image": "a.png", "reasons": {"psnr": ""}}]},
        {"failures": [{"image": "a"}]},
        {"metrics": [{"name": "a", "unit": "", "better": "sideways", "goal": None, "meaning": ""}]},
        {"comparisons": [{"metric": "psnr"}]},
    ],
)
def test_what_is_wrong_is_found(validator, change):
    p = dict.fromkeys(SCHEMA["$defs"]["Protocol"]["properties"], "") | {"seed": 0, "images": 0, "versions": {}}
    lists = {key: [] for key in ("runs", "images", "failures", "metrics", "comparisons")}
    sound = {"schema": 1, "protocol": p, "command": "", **lists}
    assert validator.is_valid(sound)
    assert not validator.is_valid({**sound, **change})


def test_the_file_is_the_one_that_the_rows_generate():
    """Write it again by ``python -m restorekit.evaluation.results_schema > restorekit/report/results.schema.json``."""
    assert results_schema() == SCHEMA


def test_every_field_has_a_description():
    undescribed = []

    def look(node, where):
        if not isinstance(node, dict):
            return
        for name, field in node.get("properties", {}).items():
            if not field.get("description", "").strip().endswith((".", ";")):
                undescribed.append(f"{where}.{name}")
            look(field, f"{where}.{name}")
        for key in ("items", "additionalProperties"):
            look(node.get(key), where)
        for name, field in node.get("$defs", {}).items():
            look(field, name)

    look(SCHEMA, "results")
    assert undescribed == []
    assert SCHEMA["$schema"].endswith("2020-12/schema")
