"""The ablation as one HTML page, in the report's style: nothing is loaded, nothing runs, all text is only text."""

from __future__ import annotations

from reports.ablation.picture import matrices
from reports.ablation.records import AblationReport
from reports.ablation.words import cell_sentence, control_sentence, found_cells, headline, reproduced_sentence
from reports.page import drawn_matrices, page_environment, page_frame

OUTCOME_CLASSES = {"raises": "intended", "lowers": "against"}


def render_ablation(report: AblationReport) -> str:
    """The whole page. The same report gives the same bytes."""
    return (
        page_environment()
        .get_template("ablation.html.j2")
        .render(
            report=report,
            **page_frame(),
            pictures=drawn_matrices(matrices(report)),
            headline=headline(report),
            found=[
                (OUTCOME_CLASSES[cell.outcome], cell_sentence(cell, report.behaviours)) for cell in found_cells(report)
            ],
            undetected=sum(cell.outcome == "undetected" for cell in report.cells),
            controls=[control_sentence(report, kind) for kind in ("sham", "duplicate")],
            reproduced=reproduced_sentence(report),
        )
    )
