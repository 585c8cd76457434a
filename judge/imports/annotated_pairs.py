"""Annotated pairs, JSON v2.0: what Inverse Constitutional AI writes and Feedback Forensics shows.

    {"metadata": {"version": "2.0", "default_annotator": ID, ...}, "annotators": {ID: {"name", "description", "type"}},
     "comparisons": [{"id", "prompt", "response_a": {"text"}, "response_b": {"text"},
                      "annotations": {ID: {"pref": "a" | "b" | null, "no_pref_reason": ...}}, "metadata": {...}}]}

An annotator of type `principle` becomes opinions on that principle, any other on the pair as a whole.
judge/annotated.py writes the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from constitution.errors import ConfigError, Problem
from constitution.model import ID_PATTERN
from constitution.strict_json import json_fault
from generate.records import Message
from judge.imports.found import Better, Compared, Item, Principled, Request, Said, Skipped
from judge.imports.json_values import Refused, whole_value
from judge.imports.rows import Foreign, Row, parsed, read_whole
from judge.opinions import Voice

TIES = {"tie", "equal", "both", "neither"}
VOICES: dict[str, Voice] = {"human": "human", "ai": "ai", "model": "ai", "user": "user", "expert": "expert"}
_MESSAGES = TypeAdapter(tuple[Message, ...])


class Annotator(Foreign):
    """Whose annotations these are."""

    name: str | None = None
    description: str | None = None
    type: str = "unknown"


class Annotation(Foreign):
    """One annotator on one comparison."""

    pref: str | None
    no_pref_reason: str | None = None
    p_a: float | None = Field(default=None, ge=0, le=1)
    comment: str | None = None


class ResponseText(Foreign):
    """One response."""

    text: str


class ComparisonMetadata(Foreign):
    """What we know of what the file says of a pair."""

    tags: str | None = None
    messages: str | None = None


class Comparison(Foreign):
    """One pair."""

    id: str = Field(min_length=1)
    prompt: str | None
    response_a: ResponseText
    response_b: ResponseText
    annotations: dict[str, Annotation]
    metadata: ComparisonMetadata = ComparisonMetadata()


class Metadata(Foreign):
    """What the file says of itself."""

    version: Literal["2.0"]


class AnnotatedPairs(Foreign):
    """The whole file."""

    metadata: Metadata
    annotators: dict[str, Annotator]
    comparisons: tuple[Comparison, ...]


def read_annotated_pairs(request: Request) -> Iterator[Item]:
    """One Compared a comparison, response_a first, and one Principled for each annotator that is a principle."""
    for source in request.sources:
        found = _parsed(source)
        ids = principle_ids(found.annotators)
        yield from (Principled(ids[key], (found.annotators[key].description or "").strip() or ids[key]) for key in ids)
        for comparison in found.comparisons[: request.limit]:
            yield from _items(comparison, found.annotators, ids)


def _parsed(source: str) -> AnnotatedPairs:
    text = read_whole(source)
    try:
        value = whole_value(text)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg}"
        raise ConfigError([Problem(source, error.lineno, error.colno, message)]) from None
    except Refused as error:
        raise ConfigError([Problem(source, 1, 1, str(error))]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem(source, 1, 1, json_fault(text, str(error)).message)]) from None
    return parsed(Row(source, 1, 1, value), value, AnnotatedPairs)


def principle_ids(annotators: dict[str, Annotator]) -> dict[str, str]:
    """An id that a constitution can use for each annotator that is a principle: its name, its key, or from its text."""
    ids: dict[str, str] = {}
    for key, annotator in annotators.items():
        if annotator.type == "principle":
            words = re.findall(r"[a-z0-9]+", (annotator.description or "").lower())
            made = "-".join(["principle", *words])[:48].rstrip("-")
            named = [name for name in (annotator.name, key) if name and re.fullmatch(ID_PATTERN, name)]
            wanted = (named or [made])[0]
            ids[key] = f"{wanted}-{len(ids)}" if wanted in ids.values() else wanted
    return ids


def _items(comparison: Comparison, annotators: dict[str, Annotator], ids: dict[str, str]) -> Iterator[Item]:
    conversation = _conversation(comparison)
    if conversation is None:
        yield Skipped("no prompt")
        return
    said: list[Said] = []
    for key, annotation in comparison.annotations.items():
        one = _said(key, annotation, annotators.get(key, Annotator()), ids)
        if isinstance(one, Skipped):
            yield one
        else:
            said.append(one)
    first, second = comparison.response_a.text, comparison.response_b.text
    tags = tuple((comparison.metadata.tags or "").split())
    yield Compared(comparison.id, conversation, first, second, tuple(said), tags)


def _said(key: str, annotation: Annotation, annotator: Annotator, ids: dict[str, str]) -> Said | Skipped:
    better = _better(annotation)
    if better is None:
        return Skipped(f"an annotation without a preference: {annotation.no_pref_reason or annotation.pref}")
    principle = ids.get(key)
    name = "" if principle else annotator.name or key
    voice = "ai" if principle else VOICES.get(annotator.type)
    return Said(better, principle, name, voice, p=annotation.p_a, comment=annotation.comment)


def _better(annotation: Annotation) -> Better | None:
    """`not_applicable` is an abstention; a vote that failed is left out."""
    sides: dict[str, Better] = {"a": "first", "b": "second", "text_a": "first", "text_b": "second"}
    if annotation.pref in sides:
        return sides[annotation.pref]
    reason = annotation.pref or annotation.no_pref_reason
    if reason in TIES:
        return "tie"
    return "abstain" if reason in (None, "not_applicable", "undecided") else None


def _conversation(comparison: Comparison) -> tuple[Message, ...] | None:
    """The messages that our own export keeps beside a prompt of several turns, else the prompt as the user's turn."""
    try:
        messages = _MESSAGES.validate_json(comparison.metadata.messages or "")
        if messages and messages[-1].role == "user":
            return messages
    except ValidationError:
        pass
    prompt = comparison.prompt
    return (Message(role="user", content=prompt),) if prompt and prompt.strip() else None
