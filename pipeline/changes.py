"""Why a stage is done again, in words: not only that the constitution is another one, but what of it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from constitution.diff import ConstitutionDiff, diff
from pipeline.context import Run
from pipeline.folder import Stamp, changed_inputs

PRINCIPLE = "principle `"
CONSTITUTION, JUDGE, SCOPES, SETTINGS = "constitution", "judge", "scopes", "settings"


def changed_words(run: Run, stamp: Stamp, inputs: Mapping[str, str]) -> list[str]:
    """The names of what is new, gone or different since the stamp: as `changed_inputs`, but without what only follows
    from something that is named."""
    changed, was = changed_inputs(stamp, inputs), run.constitution_before
    found = diff(was, run.constitution) if was else None
    implied = {SETTINGS} if {CONSTITUTION, JUDGE} & set(changed) else set[str]()
    if any((name in stamp.inputs) != (name in inputs) for name in changed if name.startswith(PRINCIPLE)) and not (
        found and _rescoped(found)
    ):
        implied.add(SCOPES)  # it covers which principles there are
    words = (word for name in changed if name not in implied for word in _named(name, found))
    return list(dict.fromkeys(words))


def _named(name: str, found: ConstitutionDiff | None) -> Iterator[str]:
    parts = list(_parts(found)) if found and name == CONSTITUTION else []
    yield from parts or [name]


def _parts(found: ConstitutionDiff) -> Iterator[str]:
    kinds = {kind for change in found.changed for kind in change.kinds}
    if found.added or found.removed or kinds - {"re-weighted", "re-scoped"}:
        yield "principles"
    if "re-weighted" in kinds:
        yield "weights"
    if "re-scoped" in kinds:
        yield SCOPES
    if found.rule:
        yield "rule"


def _rescoped(found: ConstitutionDiff) -> bool:
    return any("re-scoped" in change.kinds for change in found.changed)
