"""What the cards of models and of data sets have in common: escapes, tables, the constitution, who judged.

Texts of users and models are escaped, so that they can be read but not take part in the page's layout.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from constitution.model import Constitution, Principle
from reports.text import visible

_MARKUP = re.compile(r"([\\`*_\[\]#|~$]|^[-+])")


class JudgeCard(NamedTuple):
    """Who voted: its name in the run file, its kind, its model with revision (None without one), its identity."""

    name: str
    kind: str
    model: str | None
    digest: str


def escaped(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or HTML would act upon."""
    return html.escape(_MARKUP.sub(r"\\\1", " ".join(visible(text).split())), quote=False)


def principles_section(constitution: Constitution) -> str:
    """The rule and every principle, the weightiest first."""
    rows = [
        [p.id, f"{p.weight:g}", "against" if p.polarity == "against" else "for", p.text] for p in _sorted(constitution)
    ]
    about = f"Key {constitution.key}, rule {escaped(constitution.aggregation.rule)}."
    return f"## Constitution\n\n{about}\n\n{table(['principle', 'weight', 'polarity', 'text'], rows)}"


def _sorted(constitution: Constitution) -> list[Principle]:
    return sorted(constitution.principles, key=lambda p: (-p.weight, p.id))


def labels_section(judges: Sequence[JudgeCard], labels: Mapping[str, int]) -> str:
    """Who voted, and how many pairs have a label or lack one for which reason."""
    voters = [[j.name, j.kind, j.model or "–", j.digest] for j in judges]
    counts = [[name.replace("_", " "), str(count)] for name, count in labels.items()]
    tables = table(["judge", "kind", "model", "identity"], voters), table(["pairs", "n"], counts)
    return "## Labels\n\n" + "\n\n".join(tables)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; every cell is escaped."""
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
