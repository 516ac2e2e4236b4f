"""JSON schema of results.json: ``python -m restorekit.evaluation.results_schema`` prints it."""

from __future__ import annotations

import json

from restorekit.core.records import Json, schema_of
from restorekit.evaluation.metric_values import BEFORE, OF_A_RUN, metric_infos
from restorekit.evaluation.metrics import fidelity, uncertainty
from restorekit.evaluation.protocol import SCHEMA, Results


def results_schema() -> dict[str, Json]:
    """Return the schema, generated from `Results`, its rows and the built-in metrics."""
    classes = [*fidelity.restorekit_register_metrics(), *uncertainty.restorekit_register_metrics()]
    metrics: dict[str, Json] = {}
    for info in [*metric_infos([cls() for cls in classes]), *OF_A_RUN, *BEFORE]:
        unit = f" In {info.unit}." if info.unit else ""
        metrics[info.name] = {"type": ["number", "null"], "description": f"{info.meaning}{unit}"}
    schema = schema_of(Results, lambda cls: metrics)
    properties, required = schema["properties"], schema["required"]
    version: Json = {"const": SCHEMA, "description": "Version of this layout; keys may be added within a version."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "results.json of restorekit evaluate and restorekit report",
        **schema,
        "required": ["schema", *(required if isinstance(required, list) else [])],
        "properties": {"schema": version, **(properties if isinstance(properties, dict) else {})},
    }


if __name__ == "__main__":
    print(json.dumps(results_schema(), indent=1))
