"""The run file's JSON Schema for editors.

python -m pipeline.schema        writes pipeline/run.schema.json
"""

from __future__ import annotations

from pathlib import Path

from constitution.files import write_atomically
from constitution.schema import json_schema, schema_text
from pipeline.config import RunConfig

RUN_SCHEMA = Path(__file__).with_name("run.schema.json")

if __name__ == "__main__":
    write_atomically(RUN_SCHEMA, schema_text(json_schema(RunConfig)))
