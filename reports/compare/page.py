"""The comparison as one HTML page, in the report's style: nothing is loaded, nothing runs, all text is only text."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from constitution.diff import diff_lines
from reports.compare import words
from reports.compare.picture import differences
from reports.compare.records import RunsCompared
from reports.compare.tables import labels_beside
from reports.page import drawn, page_environment, page_frame

OUTCOME_CLASSES = {"higher": "rose", "lower": "fell", "undetected": "undetected", "unmeasured": "undetected"}
CHANGES_SHOWN = 30


def render_comparison(found: RunsCompared, json_at: str, csv_at: str) -> str:
    """The whole page. The same comparison gives the same bytes. Its twins are at these paths, seen from the page."""
    environment = page_environment()
    environment.filters |= {
        "value": words.value_text,
        "flips": words.flips_text,
        "ranked": words.ranked,
        "headline": words.headline,
        "diff_lines": lambda constitution: list(diff_lines(constitution)),
        "digits": words.digits,
        "judged_sentence": words.judged_sentence,
        "trained_sentence": words.trained_sentence,
        "both_sentence": words.both_sentence,
    }
    return environment.get_template("compare.html.j2").render(
        found=found,
        **page_frame(),
        pictures=[_picture(differences(couple, place)) for place, couple in enumerate(found.couples)],
        outcome_classes=OUTCOME_CLASSES,
        how=words.how_measured(found),
        caution=words.caution(found),
        changes_shown=CHANGES_SHOWN,
        json_at=_link(json_at),
        csv_at=_link(csv_at),
        labels_at=_link(labels_beside(csv_at)),
    )


class Link(NamedTuple):
    """A file as an address, for a name can hold anything, and as text."""

    address: str
    name: str


def _link(path: str) -> Link:
    return Link(f"./{quote(path)}", path)


def _picture(svg: str) -> Markup | None:
    return drawn([svg])[0] if svg else None
