"""The matrix as a picture: what each principle's presence does to each behaviour, every figure readable in it."""

from __future__ import annotations

from reports import matrix_figure
from reports.ablation.records import AblationReport
from reports.matrix_figure import Effect, Matrix

TITLE = "What each principle does to"


def matrices(report: AblationReport) -> list[Matrix]:
    """The pictures: behaviours of one kind together."""
    rows = list(dict.fromkeys(" + ".join(cell.left_out) for cell in report.cells))
    effects = {
        (" + ".join(cell.left_out), cell.behaviour): Effect(
            cell.effect.estimate, cell.effect.low, cell.effect.high, cell.outcome in ("raises", "lowers")
        )
        for cell in report.cells
    }
    pictures: list[Matrix] = []
    for kind in ("margin", "check", "feature"):
        ids = [behaviour.id for behaviour in report.behaviours if behaviour.kind == kind]
        pictures += matrix_figure.matrices(rows, ids, effects, f"ablation-{kind}", TITLE)
    return pictures
