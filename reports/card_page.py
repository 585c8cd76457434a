"""A judge's card as one HTML page, in the report's style: nothing is loaded, nothing runs, all text is only text."""

from __future__ import annotations

import json

from judge.audit.card import Card
from judge.audit.injections import INJECTIONS
from reports.page import page_environment, page_frame


def render_card(card: Card) -> str:
    """The whole page. The same card gives the same bytes."""
    settings = card.settings.model_dump(mode="json") if card.settings else None
    return (
        page_environment()
        .get_template("card.html.j2")
        .render(
            card=card,
            **page_frame(),
            payload_texts={injection.name: injection for injection in INJECTIONS},
            config=json.dumps(settings, indent=2, ensure_ascii=False) if settings else "",
        )
    )
