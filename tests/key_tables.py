"""What a vote's key covers, field by field: another value for each, and whether it must change the key (`yes`, `no`).

Used by tests/test_keys.py, which fails where a record has a field that its table does not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from generate.settings import TransformersEngine, VllmEngine


class Other(NamedTuple):
    """Another value for a field, whether it must change the key, and what must be set for the field to act at all."""

    value: Any
    matters: bool
    given: Mapping[str, Any] = {}


def yes(value: Any, **given_too: Any) -> Other:
    return Other(value, True, given_too)


def no(value: Any, **given_too: Any) -> Other:
    return Other(value, False, given_too)


FIXED = Other(None, False)
"""A field that only says which record it is."""
REASONED = {"readout": "reasoned"}
WORDS = {"type": "words", "max": 6}

LLM = {
    "kind": FIXED,
    "calibration": no("calibration.json"),
    "model": FIXED,  # as a ModelRef, below
    "revision": FIXED,
    "engine": no("another"),
    "readout": yes("reasoned"),
    "reasoned_confidence": yes(0.7, **REASONED),
    "clamp": yes((0.3, 0.7), readout="two_step"),
    "rationales": no(3, **REASONED, temperature=1.0),  # more votes, each with a replicate of its own
    "temperature": yes(0.5, **REASONED),
    "abstain": yes(True, **REASONED),
    "rationale_chars": yes(100, **REASONED),
    "max_new_tokens": yes(99, **REASONED),
    "template": yes("small"),
    "max_chars": yes(100),
    "orders": no("ab"),
    "batch_pairs": no(3),
}
IDLE = {"reasoned_confidence": 0.7, "clamp": (0.3, 0.7), "rationale_chars": 100, "max_new_tokens": 99}
"""What a direct read-out has no use for."""
RULES = {"kind": FIXED, "calibration": no("calibration.json"), "confidence": yes(3.0)}
REWARD = {
    "kind": FIXED,
    "calibration": no("calibration.json"),
    "model": FIXED,
    "revision": FIXED,
    "scale": yes(2.0),
    "dtype": no("float32"),
    "batch_size": no(3),
    "batch_pairs": no(3),
}
RECORDED = {
    "kind": FIXED,
    "calibration": no("calibration.json"),
    "file": no("moved.jsonl"),  # its content counts, below
    "confidence": yes(0.7),
    "orders": yes("both"),
}
PRINCIPLE = {
    "id": no("other"),
    "text": yes("Be kind."),
    "weight": no(7.0),
    "axis": no("style"),
    "scope": no(("code",)),
    "polarity": yes("against"),
    "question": yes("Which is shorter? {{ principle }}"),
    "source": no("crowd"),
    "check": yes(WORDS),
    "examples": yes(({"prompt": "p", "better": "b", "worse": "w"},)),
}
EXAMPLE = {"prompt": yes("x"), "better": yes("x"), "worse": yes("x")}
PROMPT = {
    "id": no("q"),
    "prompt": yes("How do I bake a cake?"),
    "messages": yes(({"role": "user", "content": "How?"},), prompt=None),
    "tags": no(("code",)),
}
MESSAGE = {"role": yes("assistant"), "content": yes("Hello!")}
RESPONSE = {
    "prompt_key": FIXED,  # the prompt's, below
    "text": yes("something else"),
    "finish": no("length"),
    "tokens": no(77),
    "sampler": no("t"),
    "seed": no(9),
    "index": no(9),
}
PAIR = {"prompt": yes(None), "a": yes(None), "b": yes(None)}  # each by its own table
REQUEST = {
    "pair_key": yes("x"),
    "principle_key": yes("x"),
    "judge": yes("x"),
    "first": yes("x"),
    "second": yes("x"),
    "order": yes("ba"),
    "rendered": yes("x"),
    "replicate": yes(1),
}
MODEL_REF = {"name": yes("some/other"), "path": no("/elsewhere"), "revision": yes("1" * 40)}
TRANSFORMERS = dict.fromkeys(TransformersEngine.model_fields, FIXED)
VLLM = dict.fromkeys(VllmEngine.model_fields, FIXED)
"""A judge is given a model, not an engine: how numbers are computed is no part of the question."""
OPENAI = {
    "type": FIXED,
    "base_url": yes("http://127.0.0.1:8001/v1"),
    "api_key_env": no("ANOTHER_KEY"),
    "concurrency": no(2),
    "timeout_seconds": no(2.0),
    "max_retries": no(2),
    "length_limits": no(True),
}
CHECKS: dict[str, dict[str, Other]] = {
    "words": {"type": FIXED, "min": yes(2), "max": yes(7), "scale": yes(9.0)},
    "lists": {"type": FIXED, "scale": yes(9.0)},
    "pattern": {
        "type": FIXED,
        "pattern": yes("b"),
        "want": yes("present"),
        "opening": yes(9),
        "per_word": yes(True),
        "scale": yes(9.0),
    },
    "overlap": {"type": FIXED, "scale": yes(9.0)},
    "repetition": {"type": FIXED, "n": yes(4), "scale": yes(9.0)},
    "sentences": {"type": FIXED, "max_words": yes(9), "scale": yes(9.0)},
}
NEEDED = {"words": {"max": 6}, "pattern": {"pattern": "a"}}
