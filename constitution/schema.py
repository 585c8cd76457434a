"""JSON Schemas for editors, Draft 7 (what yaml-language-server reads), from the models themselves.

python -m constitution.schema        writes constitution/schema.json; pipeline/schema.py writes the run file's
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from constitution.files import write_atomically
from constitution.model import ConstitutionFile

DRAFT = "http://json-schema.org/draft-07/schema#"
CONSTITUTION_SCHEMA = Path(__file__).with_name("schema.json")


def json_schema(model: type[BaseModel]) -> dict[str, object]:
    """The model's schema in Draft 7, field docstrings as descriptions."""
    schema = _draft_7(model.model_json_schema())
    assert isinstance(schema, dict)
    return {"$schema": DRAFT, **schema}


def constitution_schema() -> dict[str, Any]:
    """The schema of a constitution's file: where it extends another, no principle is needed, and of one no text."""
    schema: dict[str, Any] = json_schema(ConstitutionFile)
    principle, listed = schema["$defs"]["Principle"], schema["properties"]["principles"]
    whole = {"minItems": listed.pop("minItems"), "items": {"required": principle["required"]}}
    principle["required"] = ["id"]
    schema["if"] = {"not": {"required": ["extends"]}}
    schema["then"] = {
        "required": schema["required"],
        "properties": {"principles": whole},
        "not": {"required": ["remove"]},
    }
    schema["required"] = ["name"]
    return schema


def schema_text(schema: Mapping[str, object]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _draft_7(part: object) -> object:
    """Draft 7 ignores what stands beside a `$ref`, so that moves into an `allOf`; `discriminator` is OpenAPI's."""
    if isinstance(part, list):
        return [_draft_7(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _draft_7(value) for key, value in part.items() if not _foreign(key, value)}
    if "$ref" in kept and len(kept) > 1:
        kept["allOf"] = [{"$ref": kept.pop("$ref")}]
    if isinstance(description := kept.get("description"), str):
        kept["description"] = " ".join(description.split())
    return kept


def _foreign(key: str, value: object) -> bool:
    return key == "discriminator" and isinstance(value, dict) and "propertyName" in value


if __name__ == "__main__":
    write_atomically(CONSTITUTION_SCHEMA, schema_text(constitution_schema()))
