"""Pydantic's errors as problems that say where in the file, what was expected, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from collections.abc import Mapping as MappingLike
from collections.abc import Sequence as SequenceLike
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel, ValidationError

from constitution.errors import Problem
from constitution.model import ID_PATTERN
from constitution.nodes import Mapping, Position, Sequence, Tree, Unusable, damaged
from constitution.places import Place, keys_at, locate, models_at, tags_of
from constitution.wording import code, first_sentence, found, listed, plural, wrong_type

Details: TypeAlias = MappingLike[str, Any]


class Fault(NamedTuple):
    """What is wrong, and where. `quote`: whether the line may be shown; not where it may hold a secret."""

    at: Position
    message: str
    quote: bool = True


def explain(error: ValidationError, tree: Tree, model: type[BaseModel]) -> list[Problem]:
    """One problem for each thing to mend; nothing about what was refused already."""
    assert tree.root is not None
    faults: list[Fault] = []
    hidden: set[int] = set()
    suggested: set[tuple[Position, str]] = set()
    details = error.errors(include_url=False, include_input=False)
    for detail in sorted(details, key=lambda d: d["type"] == "missing"):
        location = detail["loc"]
        owner = locate(tree.root, model, location[:-1])
        before = len(faults)
        if detail["type"] == "extra_forbidden":
            faults.append(_unknown_key(owner, str(location[-1]), suggested))
        elif detail["type"] == "missing":
            faults += _missing_key(owner, str(location[-1]), locate(tree.root, model, location), suggested)
        else:
            place = locate(tree.root, model, location)
            faults += _wrong_value(place, detail, tree.root.at)
            owner = place if _hides(place) else owner
        hidden |= {fault.at.line for fault in faults[before:] if not fault.quote or _hides(owner)}
    problems = [tree.problem(fault.at, fault.message) for fault in faults]
    return [problem._replace(snippet="") if problem.line in hidden else problem for problem in problems]


def _hides(owner: Place) -> bool:
    """Whether a model that may be meant here says that its values are not to be shown."""
    return any(model.model_config.get("hide_input_in_errors") for model in models_at(owner.type))


def closest(word: str, choices: SequenceLike[str]) -> str | None:
    """The choice that `word` was probably meant to be."""
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), list(folded), n=1)
    return folded[found[0]] if found else None


def _unknown_key(owner: Place, key: str, suggested: set[tuple[Position, str]]) -> Fault:
    assert isinstance(owner.node, Mapping)
    allowed = keys_at(owner.type)
    at = owner.node.entries[key].key_at
    if meant := closest(key, allowed):
        suggested.add((owner.node.at, meant))
        return Fault(at, f"unknown key {code(key)}; did you mean `{meant}`?")
    if home := _home_of(key, owner.type):
        return Fault(at, f"unknown key {code(key)} here; it belongs under `{home}`")
    return Fault(at, f"unknown key {code(key)}; allowed here: {listed(sorted(allowed))}")


def _home_of(key: str, wanted: Any) -> str | None:
    """The field of this model whose own model has `key`: for keys written one level too high."""
    for model in models_at(wanted):
        for name, field in model.model_fields.items():
            inner = models_at(field.annotation)
            if len(inner) == 1 and key in inner[0].model_fields:
                return name
    return None


def _missing_key(owner: Place, key: str, wanted: Place, suggested: set[tuple[Position, str]]) -> list[Fault]:
    if not isinstance(owner.node, Mapping) or owner.node.incomplete or (owner.node.at, key) in suggested:
        return []
    where = f" in `{owner.name}`" if owner.name else ""
    purpose = first_sentence(wanted.description)
    return [Fault(owner.node.at, f"the key `{key}` is missing{where}{f' ({purpose})' if purpose else ''}")]


def _wrong_value(place: Place, detail: Details, top: Position) -> list[Fault]:
    if isinstance(place.node, Unusable) or (isinstance(place.node, Mapping) and place.node.incomplete):
        return []
    at = place.node.at if place.node else top
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(place, context["discriminator"].strip("'"))
    if kind == "value_error" and place.node and damaged(place.node):
        return []  # a rule over several fields says nothing about a part of them
    if kind == "value_error":
        said = str(context["error"])
        return [Fault(at, said if isinstance(place.node, Mapping) or not place.name else f"`{place.name}`: {said}")]
    size = _SIZES.get(kind)
    if size and isinstance(place.node, Sequence) and len(place.node.items) > context["actual_length"]:
        return []  # pydantic counts only the items without a fault
    message = said_of(place, detail)
    return [Fault(at, f"`{place.name}`: {message}" if place.name else message, quote=kind != "may_hold_secret")]


def said_of(place: Place, detail: Details) -> str:
    """What is wrong with a value, what was expected and what was found, without its name."""
    kind, context = detail["type"], detail.get("ctx", {})
    if bound := _BOUNDS.get(kind):
        return f"must be {bound.words} {context[bound.field]:.12g}, found {found(place.node)}"
    if size := _SIZES.get(kind):
        return size(context)
    if kind == "string_pattern_mismatch":
        rule = _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
        return f"expected {rule}, found {found(place.node)}"
    return wrong_type(kind, place, closest) or str(detail["msg"])


def _wrong_tag(place: Place, discriminator: str) -> list[Fault]:
    """A mapping whose `type` (or `kind`) is missing or names no member of the union."""
    node = place.node
    tags = [tags_of(model)[discriminator] for model in models_at(place.type)]
    if not isinstance(node, Mapping):
        return []
    if entry := node.entries.get(discriminator):
        if isinstance(entry.node, Unusable):
            return []
        said = wrong_type("literal_error", place._replace(node=entry.node), closest, tags)
        return [Fault(entry.node.at, f"`{discriminator}`: {said}")]
    if node.incomplete:
        return []
    strangers = [key for key in node.entries if key not in keys_at(place.type)]
    if meant := closest(discriminator, strangers):
        return [Fault(node.entries[meant].key_at, f"unknown key {code(meant)}; did you mean `{discriminator}`?")]
    return [Fault(node.at, f"the key `{discriminator}` is missing in `{place.name}`: one of {listed(tags)}")]


_PATTERNS = {ID_PATTERN: "lower-case letters, digits and single hyphens, a letter first"}


class _Bound(NamedTuple):
    words: str
    field: str


_BOUNDS = {
    "greater_than": _Bound("above", "gt"),
    "greater_than_equal": _Bound("at least", "ge"),
    "less_than": _Bound("below", "lt"),
    "less_than_equal": _Bound("at most", "le"),
}


def _too_short(context: Details) -> str:
    least = context["min_length"]
    if "actual_length" in context:
        return f"needs at least {plural(least, 'item')}, has {context['actual_length']}"
    return "must not be empty" if least == 1 else f"needs at least {plural(least, 'character')}"


def _too_long(context: Details) -> str:
    unit = "item" if "actual_length" in context else "character"
    return f"may have at most {plural(context['max_length'], unit)}"


_SIZES: dict[str, Callable[[Details], str]] = {
    "too_short": _too_short,
    "string_too_short": _too_short,
    "too_long": _too_long,
    "string_too_long": _too_long,
}
