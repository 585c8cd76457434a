"""A run's pairs, with every principle's view and the label, as annotated pairs v2.0: what Feedback Forensics shows.

judge/imports/annotated_pairs.py describes the format and reads it. Each principle is an annotator of type `principle`
that picks the response which satisfies its text more, whichever the constitution prefers; the label is the default
annotator. `p_a`, a key of our own, is the probability behind a pick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from constitution.identity import canonical_json
from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.records import Label, Share

LABEL_ANNOTATOR = "ba751e7b"
"""The id that Inverse Constitutional AI gives its default annotator: some readers know no other."""
FORMAT_VERSION = "2.0"
METADATA_KEYS = ("prompt_id", "tags", "messages")


def annotated_pairs(
    pairs: Iterable[Pair], labels: Mapping[str, Label], constitution: Constitution, name: str, created: str
) -> dict[str, Any]:
    """The whole file as JSON values. `labels` by pair key; `created` is a UTC time such as 2025-05-07T18:35:36Z."""
    principles = {
        _annotator(principle): {"name": principle.id, "description": principle.text, "type": "principle"}
        for principle in constitution.principles
    }
    label = {
        "name": "preceptor-label",
        "description": f"Label of constitution {constitution.name}, rule {constitution.aggregation.rule}",
        "type": "ai",
    }
    return {
        "metadata": {
            "version": FORMAT_VERSION,
            "description": f"Pairs, principles' votes and labels of the Preceptor run {name}",
            "created_at": created,
            "dataset_name": name,
            "default_annotator": LABEL_ANNOTATOR,
            "available_metadata_keys_per_comparison": list(METADATA_KEYS),
        },
        "annotators": {LABEL_ANNOTATOR: label, **principles},
        "comparisons": [_comparison(pair, labels[pair.key], constitution) for pair in pairs],
    }


def _comparison(pair: Pair, label: Label, constitution: Constitution) -> dict[str, Any]:
    shares = {share.principle: share for share in label.shares}
    annotations = {
        _annotator(p): _annotation(p, shares.get(p.id), dict(label.missing)) for p in constitution.principles
    }
    picked = {"pref": None, "no_pref_reason": label.reason} if label.p is None else _pick(label.p)
    conversation = pair.prompt.conversation
    single = len(conversation) == 1 and conversation[0].role == "user"
    return {
        "id": pair.key,
        "prompt": "\n\n".join(turn.content if single else f"{turn.role}: {turn.content}" for turn in conversation),
        "response_a": {"text": pair.a.text},
        "response_b": {"text": pair.b.text},
        "annotations": {LABEL_ANNOTATOR: picked, **annotations},
        "metadata": {
            "prompt_id": pair.prompt.id,
            "tags": " ".join(pair.prompt.tags),
            "messages": "" if single else canonical_json([turn.model_dump() for turn in conversation]),
        },
    }


def _annotator(principle: Principle) -> str:
    """Readers make a column of it, beside `prompt`, `weight` and others."""
    return f"principle-{principle.id}"


def _annotation(principle: Principle, share: Share | None, missing: Mapping[str, str]) -> dict[str, Any]:
    if share is not None:
        return _pick(1 - share.p if principle.polarity == "against" else share.p)
    why = missing.get(principle.id)
    reason = "not_applicable" if why is None or why.startswith("abstain") else "invalid"
    return {"pref": None, "no_pref_reason": reason}


def _pick(p: float) -> dict[str, Any]:
    if p == 0.5:
        return {"pref": None, "no_pref_reason": "tie", "p_a": p}
    return {"pref": "a" if p > 0.5 else "b", "p_a": p}
