"""What differs between two constitutions as values: comments, layout and the order of principles do not exist here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from constitution.errors import harmless
from constitution.model import MEANING, Constitution, Principle
from constitution.record import Record
from constitution.show import inline, shares

Kind = Literal["renamed", "reworded", "re-scoped", "re-weighted", "another source", "regrouped"]
KINDS: dict[str, Kind] = {
    "id": "renamed",
    **dict.fromkeys(MEANING, "reworded"),
    "scope": "re-scoped",
    "weight": "re-weighted",
    "source": "another source",
    "axis": "regrouped",
}
"""Field of a principle -> what a change of it is called. Only `reworded` makes the votes given invalid."""


class FieldChange(Record):
    """One field with its two values, as in JSON."""

    field: str
    """Its name."""
    old: Any
    """What it was."""
    new: Any
    """What it is."""


class PrincipleChange(Record):
    """A principle that both have."""

    id: str
    """Its id in the new one."""
    was: str
    """Its id in the old one."""
    kinds: tuple[Kind, ...]
    """What changed, in the order of KINDS."""
    fields: tuple[FieldChange, ...]
    """The fields themselves."""
    old_share: float
    """Its part of all weights, before."""
    new_share: float
    """And after."""


class Lone(Record):
    """A principle that only one of the two has."""

    id: str
    """Its id."""
    text: str
    """What it asks for."""
    share: float
    """Its part of all weights, where it is."""


class ConstitutionDiff(Record):
    """The difference; of two equal ones, nothing in any of the lists."""

    old_key: str
    """Key of the old constitution."""
    new_key: str
    """Key of the new one: the same where no label can differ."""
    added: tuple[Lone, ...]
    """Only in the new one."""
    removed: tuple[Lone, ...]
    """Only in the old one."""
    changed: tuple[PrincipleChange, ...]
    """In both, with a difference."""
    rule: tuple[FieldChange, ...]
    """Fields of the aggregation."""
    about: tuple[FieldChange, ...]
    """Name and description, which no vote and no label depends on."""

    @property
    def empty(self) -> bool:
        """Whether there is no difference at all."""
        return not (self.added or self.removed or self.changed or self.rule or self.about)


def diff(old: Constitution, new: Constitution) -> ConstitutionDiff:
    """What has to be done to `old` to get `new`."""
    pairs = matched(old, new)
    before, after = shares(old), shares(new)
    taken = {principle.id for principle in pairs.values()}
    changes = (_changed(pairs[p.id], p, before, after) for p in new.principles if p.id in pairs)
    return ConstitutionDiff(
        old_key=old.key,
        new_key=new.key,
        added=tuple(Lone(id=p.id, text=p.text, share=after[p.id]) for p in new.principles if p.id not in pairs),
        removed=tuple(Lone(id=p.id, text=p.text, share=before[p.id]) for p in old.principles if p.id not in taken),
        changed=tuple(change for change in changes if change.fields),
        rule=_fields(old.aggregation, new.aggregation),
        about=tuple(c for c in _fields(old, new) if c.field in ("name", "description")),
    )


def matched(old: Constitution, new: Constitution) -> dict[str, Principle]:
    """Id in `new` -> the principle of `old` that it is: of the same id, else the only one of the same meaning."""
    by_id = {principle.id: principle for principle in old.principles}
    found = {principle.id: by_id[principle.id] for principle in new.principles if principle.id in by_id}
    fresh = [principle for principle in new.principles if principle.id not in by_id]
    gone = [principle for principle in old.principles if principle.id not in found]
    for principle in fresh:
        same = [p for p in gone if p.key == principle.key]
        if len(same) == 1 and sum(p.key == principle.key for p in fresh) == 1:
            found[principle.id] = same[0]
    return found


def _changed(old: Principle, new: Principle, before: dict[str, float], after: dict[str, float]) -> PrincipleChange:
    fields = _fields(old, new)
    return PrincipleChange(
        id=new.id,
        was=old.id,
        kinds=tuple(dict.fromkeys(kind for field, kind in KINDS.items() if any(c.field == field for c in fields))),
        fields=fields,
        old_share=before[old.id],
        new_share=after[new.id],
    )


def _fields(old: Record, new: Record) -> tuple[FieldChange, ...]:
    one, other = (record.model_dump(mode="json", exclude={"principles"}) for record in (old, new))
    if isinstance(old, Principle):
        one["scope"], other["scope"] = sorted(set(one["scope"])), sorted(set(other["scope"]))
    return tuple(FieldChange(field=f, old=one[f], new=other[f]) for f in one if one[f] != other[f])


def diff_lines(found: ConstitutionDiff) -> Iterator[str]:
    """The same for a terminal."""
    if found.empty:
        yield "no difference: the same principles, weights and rule"
    for lone, what in [(lone, "added") for lone in found.added] + [(lone, "removed") for lone in found.removed]:
        yield f"{what} {lone.id} ({lone.share:.1%} of the weight): {harmless(lone.text)}"
    for change in found.changed:
        yield from _change_lines(change)
    for field in (*found.rule, *found.about):
        name = f"rule: {field.field}" if field in found.rule else field.field
        yield f"{name}: {_value(field.old)} -> {_value(field.new)}"


def _change_lines(change: PrincipleChange) -> Iterator[str]:
    for kind in change.kinds:
        fields = [field for field in change.fields if KINDS[field.field] == kind]
        if kind == "reworded":
            yield f"{kind} {change.id}: {', '.join(field.field for field in fields)}"
            for field in fields:
                yield f"    - {_value(field.old)}"
                yield f"    + {_value(field.new)}"
        else:
            (field,) = fields
            share = (
                f" ({change.old_share:.1%} -> {change.new_share:.1%} of the weight)" if kind == "re-weighted" else ""
            )
            yield f"{kind} {change.id}: {_value(field.old)} -> {_value(field.new)}{share}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return harmless(inline(value)) or "nothing"
