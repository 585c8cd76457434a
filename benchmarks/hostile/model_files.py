"""What a stranger's model folder holds: numbers that would use up the machine, chat templates that build gigabytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse, shown
from generate.models import resolve_model
from generate.template_bounds import check_template

CONFIGS: Sequence[Mapping[str, object]] = (
    {"num_hidden_layers": 10**7},
    {"num_hidden_layers": 0},
    {"num_hidden_layers": "2"},
    {"num_hidden_layers": True},
    {"num_hidden_layers": [2, 10**9]},
    {"hidden_size": "abc"},
    {"hidden_size": -5},
    {"hidden_size": 1e300},
    {"hidden_size": float("nan")},
    {"num_attention_heads": 0},
    {"num_attention_heads": 10**18},
    {"vocab_size": 10**11},
    {"max_position_embeddings": "long\x1b[31m"},
    {"max_position_embeddings": 10**30},
    {"text_config": {"num_hidden_layers": 10**7}},
    {"vision_config": {"layers": {"n_layer": 10**7}}},
)
CHAT_TEMPLATES: Sequence[object] = (
    '{{ "a" * 10**9 }}',
    '{{ "a" * 999999999 }}',
    '{{ "a" * 9999 * 9999 }}',
    '{{ ("abcd" * 9999)|upper }}',
    "{{ [0] * 99999999 }}",
    "{{ 9**9**9 }}",
    '{{ "%999999999d"|format(1) }}',
    '{{ "%999999999d" % 1 }}',
    '{{ "%.999999999f"|format(1) }}',
    '{{ "%*d"|format(999999999, 1) }}',
    '{{ "{:>999999999}".format(1) }}',
    '{{ "{0!s:a>999999999}".format(1) }}',
    '{{ "a".center(999999999) }}',
    '{{ "a"|center(999999999) }}',
    '{{ "999999999"|int * "a" }}',
    "{{ lipsum(n=9999, min=9999, max=10000) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
    "{% for i in range(9999)|list %}{% if i %}{% for j in range(n) %}x{% endfor %}{% endif %}{% endfor %}",
    "{% for m in messages %}" * 3000,
    "{% if %}",
    "{{",
    "x" * 2_000_000,
    {"default": '{{ "a" * 10**9 }}'},
    {"default": None},
    ["{{ messages }}"],
    7,
)


def _config(changes: Mapping[str, object], folder: Path) -> object:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **changes}), encoding="utf-8")
    (folder / "model.safetensors").write_text("x", encoding="utf-8")
    return resolve_model(str(folder))


def _template(template: object) -> str:
    check_template("m", template)
    return "a chat template"


def cases() -> list[Case]:
    """All of them must be refused before weights are loaded or anything is rendered."""
    found = [must_refuse("model config", shown(str(c)), lambda f, c=c: _config(c, f)) for c in CONFIGS]
    return found + [must_refuse("chat template", shown(str(t)), lambda _, t=t: _template(t)) for t in CHAT_TEMPLATES]
