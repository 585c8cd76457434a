"""The JSON schema that a server is sent: what its strict mode accepts. Our own check of the answer keeps every limit.

The common subset of the servers that constrain (OpenAI's strict mode, Azure, Anthropic's and Google's endpoints):
objects with every key required and none added, `enum` instead of `const`, and no limits on lengths, which some of them
refuse with an error and others drop without a word.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

LIMITS = ("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def server_schema(schema: type[BaseModel], limits: bool) -> dict[str, Any]:
    """`schema` for a server; with `limits`, lengths are kept for a server that is known to constrain them too.

    Without them a limit stands in the field's description, where the model may read it.
    """
    plain: dict[str, Any] = schema.model_json_schema()
    plain.pop("description", None)
    properties = {name: _field(field, limits) for name, field in plain["properties"].items()}
    return plain | {"properties": properties, "required": list(properties), "additionalProperties": False}


def _field(field: dict[str, Any], limits: bool) -> dict[str, Any]:
    kept = {name: value for name, value in field.items() if limits or name not in LIMITS}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if not limits and "maxLength" in field:
        kept["description"] = f"At most {field['maxLength']} characters."
    return kept
