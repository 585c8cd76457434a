"""From a pydantic error's location to a place in the file and in the model: which node is meant, what may stand there.

Needed because pydantic's locations contain the tags of discriminated unions, which are not keys of the file.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from constitution.nodes import Entry, Mapping, Node, Sequence

_UNIONS = (Union, types.UnionType)


class Place(NamedTuple):
    """`node` is None where the file has nothing; `type` is what the model wants; `name` is the nearest key above."""

    node: Node | None
    type: Any
    name: str = ""
    entry: Entry | None = None
    description: str = ""


def locate(root: Node, model: type[BaseModel], location: Iterable[int | str]) -> Place:
    """Follow a pydantic location from the top."""
    place = Place(root, model)
    for part in location:
        place = _step(place, part)
    return place


def models_at(wanted: Any) -> list[type[BaseModel]]:
    """The models among the alternatives of a type: one for a model, several for a union of them."""
    return [t for t in _alternatives(wanted) if isinstance(t, type) and issubclass(t, BaseModel)]


def keys_at(wanted: Any) -> list[str]:
    """Every key that the models at a place know, in the order of their definition."""
    return list(dict.fromkeys(name for model in models_at(wanted) for name in model.model_fields))


def literals(wanted: Any) -> list[str]:
    """The texts that a `Literal` allows."""
    return [str(arg) for t in _alternatives(wanted) if get_origin(t) is Literal for arg in get_args(t)]


def tags_of(model: type[BaseModel]) -> dict[str, str]:
    """Fields that can only have one value, such as `type: words`: what tells the members of a union apart."""
    fixed = {name: literals(info.annotation) for name, info in model.model_fields.items()}
    return {name: values[0] for name, values in fixed.items() if len(values) == 1}


def _alternatives(wanted: Any) -> list[Any]:
    if get_origin(wanted) is Annotated:
        return _alternatives(get_args(wanted)[0])
    if get_origin(wanted) in _UNIONS:
        return [t for member in get_args(wanted) for t in _alternatives(member) if t is not types.NoneType]
    return [wanted]


def _step(place: Place, part: int | str) -> Place:
    models = models_at(place.type)
    if len(models) > 1:
        tagged = [model for model in models if part in tags_of(model).values()]
        return place._replace(type=tagged[0] if tagged else place.type)
    entry = place.node.entries.get(str(part)) if isinstance(place.node, Mapping) else None
    node = _child(place.node, part)
    if models:
        field = models[0].model_fields.get(str(part))
        wanted, description = (field.annotation, field.description or "") if field else (Any, "")
        return Place(node, wanted, str(part), entry, description)
    inner = [arg for t in _alternatives(place.type) for arg in get_args(t) if arg is not ...]
    if isinstance(part, int):
        return Place(node, inner[0] if inner else Any, f"{place.name}[{part}]")
    return Place(node, inner[-1] if inner else Any, part, entry)


def _child(node: Node | None, part: int | str) -> Node | None:
    if isinstance(node, Mapping) and (entry := node.entries.get(str(part))):
        return entry.node
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None
