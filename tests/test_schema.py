"""The editor's schemas: current, Draft 7, at one with the models; every shipped YAML names its schema and fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from constitution.load import load_constitution, load_yaml
from constitution.schema import CONSTITUTION_SCHEMA, constitution_schema, json_schema, schema_text
from pipeline.config import RunConfig
from pipeline.schema import RUN_SCHEMA

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted((ROOT / "examples").glob("**/*.yaml"))
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")
SCHEMAS: list[dict[str, Any]] = [constitution_schema(), json_schema(RunConfig)]
# Draft 2019-09 and 2020-12 keywords that a Draft 7 reader passes over in silence.
NEWER = {"prefixItems", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas", "dependentRequired"}


def parts(schema: object) -> Iterator[dict[str, Any]]:
    """Every object within a schema."""
    if isinstance(schema, dict):
        yield schema
    for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(child)


@pytest.mark.parametrize(
    ("path", "schema", "command"),
    [
        (CONSTITUTION_SCHEMA, constitution_schema(), "constitution.schema"),
        (RUN_SCHEMA, json_schema(RunConfig), "pipeline.schema"),
    ],
)
def test_the_files_are_current(path: Path, schema: dict[str, object], command: str) -> None:
    assert path.read_text(encoding="utf-8") == schema_text(schema), f"run: python -m {command}"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema["title"])
def test_draft_7(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)
    for part in parts(schema):
        assert not NEWER & set(part)
        assert "$ref" not in part or len(part) == 1


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema["title"])
def test_every_key_is_described_and_nothing_else_allowed(schema: dict[str, Any]) -> None:
    for record in [schema, *schema["$defs"].values()]:
        assert record["additionalProperties"] is False
        for name, field in record["properties"].items():
            # A field described in its model's own words is a bare reference: the words are at the model.
            described = "description" in field or "$ref" in field or "allOf" in field
            assert name in ("type", "kind") or described, f"{record['title']}.{name}"
        assert record["description"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    is_run = "constitution" in content
    if is_run:
        load_yaml(path, RunConfig)
    else:
        load_constitution(path)
    modeline = MODELINE.match(text)
    assert modeline, "the first line must name the schema"
    schema = (path.parent / modeline[1]).resolve()
    assert schema == (RUN_SCHEMA if is_run else CONSTITUTION_SCHEMA).resolve()
    Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(content)


def test_there_are_shipped_files() -> None:
    assert {"constitution.yaml", "run.yaml"} <= {path.name for path in SHIPPED}


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    validator = Draft7Validator(constitution_schema())
    good: dict[str, Any] = {"name": "a", "principles": [{"id": "b", "text": "c", "check": {"type": "words", "max": 3}}]}
    assert validator.is_valid(good)
    principle = good["principles"][0]
    wrong = [
        {"wieght": 1},
        {"id": "B"},
        {"weight": -1},
        {"text": ""},
        {"check": {"type": "word"}},
        {"check": {"max": 3}},
    ]
    for change in wrong:
        assert not validator.is_valid({**good, "principles": [{**principle, **change}]}), change
    extending = {"name": "a", "extends": "b.yaml", "principles": [{"id": "b", "weight": 2}], "remove": ["c"]}
    assert validator.is_valid(extending)
    assert validator.is_valid({"name": "a", "extends": "b.yaml"})
    assert not validator.is_valid({**extending, "principles": [{"weight": 2}]})
    assert not validator.is_valid({"name": "a"})
    assert not validator.is_valid({"name": "a", "principles": []})
    assert not validator.is_valid({"name": "a", "principles": [{"id": "b"}]})
    assert not validator.is_valid({**good, "remove": ["c"]})
