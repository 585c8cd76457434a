"""A constitution as it is in the end: what it extends worked in, weights normalised, every key, and which fields bear
meaning, so that changing them costs votes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import Field

from constitution.errors import harmless
from constitution.extend import ITSELF, Spot, Written
from constitution.model import MEANING, Aggregation, Constitution, Principle
from constitution.record import Record
from constitution.scalars import read_plain
from constitution.wording import plural

LEGEND = (
    "* bears meaning: another value costs this principle's votes. Other weights, axes, scopes and ids leave every vote "
    "as it is; a wider scope adds votes, and another source asks another judge."
)
_OTHER_FIELDS = ("axis", "scope", "source")


class ShownPrinciple(Record):
    """One principle, resolved."""

    principle: Principle
    """All its fields, defaults included."""
    key: str
    """Digest of its meaning: votes are kept under it."""
    share: float
    """Its weight over the sum of all weights: its part of a label to which every principle has a vote."""
    places: dict[str, str]
    """Field -> `file:line` where it is written; `itself` -> where the principle begins."""


class Shown(Record):
    """A constitution, resolved."""

    name: str
    """Its name."""
    description: str
    """What it is for."""
    key: str
    """Digest of all that can change a label."""
    files: tuple[str, ...]
    """The file, then what it extends."""
    aggregation: Aggregation
    """The rule."""
    meaning: tuple[str, ...] = Field(default=MEANING)
    """The fields of a principle that bear meaning."""
    principles: tuple[ShownPrinciple, ...]
    """In the constitution's order."""


def shares(constitution: Constitution) -> dict[str, float]:
    """Every principle's weight over the sum of all of them, by id."""
    total = math.fsum(principle.weight for principle in constitution.principles)
    return {principle.id: principle.weight / total for principle in constitution.principles}


def show(written: Written) -> Shown:
    """Everything about it as one record."""
    constitution, share = written.constitution, shares(written.constitution)
    rows = (
        ShownPrinciple(principle=p, key=p.key, share=share[p.id], places=_places(written.spots[p.id]))
        for p in constitution.principles
    )
    return Shown(
        name=constitution.name,
        description=constitution.description,
        key=constitution.key,
        files=tuple(map(shown_path, written.files)),
        aggregation=constitution.aggregation,
        principles=tuple(rows),
    )


def shown_lines(shown: Shown) -> Iterator[str]:
    """The same for a terminal."""
    rule = inline(shown.aggregation.model_dump(mode="json", exclude_defaults=True, exclude={"rule"}))
    yield f"{shown.name}: {plural(len(shown.principles), 'principle')}, rule {shown.aggregation.rule} {rule}".rstrip()
    yield f"  key {shown.key}"
    yield from (f"  extends {harmless(file)}" for file in shown.files[1:])
    total = math.fsum(row.principle.weight for row in shown.principles)
    for row in shown.principles:
        yield ""
        yield f"{row.principle.id}: {row.share:.1%} of the weight ({row.principle.weight:g} of {total:g})"
        yield f"    key {row.key}  {harmless(row.places['itself'])}"
        for name in (*MEANING, *_OTHER_FIELDS):
            if getattr(row.principle, name) not in (None, ()):
                said = row.principle.model_dump(mode="json", include={name}, exclude_defaults=name == "check")[name]
                yield f"  {'*' if name in MEANING else ' '} {name}: {harmless(inline(said))}"
    yield ""
    yield LEGEND


def as_yaml(constitution: Constitution) -> str:
    """The constitution written out in one file: loading it gives the same keys."""
    return yaml_text(constitution.model_dump(mode="json", exclude_defaults=True))


def yaml_text(value: object) -> str:
    """YAML that `load_yaml` reads back."""
    return yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)


class _Plain(yaml.SafeDumper):
    """No anchors: constitutions may not have them. Quotes around what a YAML could read as something else than text,
    and around characters that nobody sees: there they can be written as escapes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None if read_plain(data) == data == harmless(data) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Plain.add_representer(str, _Plain.represent_str)


def shown_path(path: str) -> str:
    """Without `x/../`, where that names the same file: behind a link it need not."""
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else path


def _places(spots: dict[str, Spot]) -> dict[str, str]:
    return {name if name != ITSELF else "itself": f"{shown_path(s.tree.file)}:{s.at.line}" for name, s in spots.items()}


def inline(value: Any) -> str:
    """A value on one line, as YAML could say it; nothing for an empty one."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value else ""
