"""Is the ablation report right? Whole reports on simulated ablations whose effects are known; nothing is trained.

    python -m benchmarks.ablation_truth [--simulations 200] [--seeds 3]

Prints, each with n and a 95 % interval: how often a planted principle is found; how often the sham and the duplicate
are treated rightly; how often an interval covers the truth; how often a report finds an effect where there is none,
which Holm's adjustment keeps at 5 % a report. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.ablation_world import make_world, simulated, true_effects
from constitution.identity import seed_from
from judge.resampling import share_score
from reports.ablation.analyse import Evidence, analyse
from reports.ablation.controls import sham_control
from reports.ablation.records import AblationReport

ZERO = 1e-12
SIMULATIONS, SEEDS = 200, 3


class Rate(NamedTuple):
    """A share with its 95 % interval (Wilson) and how many were counted."""

    rate: float
    n: int
    low: float
    high: float


class Judged(NamedTuple):
    """One simulated report against the truth."""

    planted_found: bool
    sham_covers_zero: bool
    duplicate_right: bool
    """The control passed, the twins have the same effects, and the report says that they may hide each other."""
    covered: list[bool]
    """For each cell, whether its interval covers the true effect."""
    false_find: bool
    """Whether some effect was found that is truly zero."""


def rate(hits: list[bool], clusters: list[int] | None = None) -> Rate:
    """Of hits; those of one cluster belong together."""
    found = share_score(np.array(hits, dtype=np.float64), clusters)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return Rate(found.value, found.n, found.low, found.high)


def sham_false_positive_rate(simulations: int, seed: int, seeds: int = SEEDS) -> Rate:
    """How often the sham's interval leaves zero out, at the nominal 5 %."""
    hits = []
    for number in range(simulations):
        evidence = simulated(seed_from("sham", seed, number), seeds, learns=True, kinds=("all", "sham"))
        control = sham_control(evidence.plan, evidence.results, evidence.held, evidence.settings, number)
        assert control is not None
        assert control.passed is not None
        hits.append(not control.passed)
    return rate(hits)


def judged(evidence: Evidence, learns: bool) -> Judged:
    """The report of one simulation, held against the truth."""
    report = analyse(evidence)
    truth = true_effects(make_world(evidence.seed, learns), evidence.plan)
    cells = {(f"without {' and '.join(cell.left_out)}", cell.behaviour): cell for cell in report.cells}
    found = {key: cell.outcome in ("raises", "lowers") for key, cell in cells.items()}
    covered = []
    for key, cell in cells.items():
        assert cell.effect.low is not None
        assert cell.effect.high is not None
        covered.append(cell.effect.low <= truth[key] <= cell.effect.high)
    controls = {control.kind: control.passed for control in report.controls}
    return Judged(
        planted_found=cells["without wanted", "wanted"].outcome == "raises",
        sham_covers_zero=controls["sham"] is True,
        duplicate_right=controls["duplicate"] is True and _twins_alike(report),
        covered=covered,
        false_find=any(found[key] and abs(truth[key]) <= ZERO for key in found),
    )


def _twins_alike(report: AblationReport) -> bool:
    by_twin = [
        [cell.effect.estimate for cell in report.cells if cell.left_out == (twin,)] for twin in ("twin-a", "twin-b")
    ]
    hidden = {(one.first, one.second) for one in report.redundancy if one.hidden}
    return by_twin[0] == by_twin[1] and hidden == {("twin-a", "twin-b")}


def figures(simulations: int, seed: int, seeds: int = SEEDS) -> dict[str, Rate]:
    """All rates: the first five in a world that learns, the last in one where labels have no effect at all."""
    learning = list(_reports(simulations, seed, seeds, learns=True))
    idle = list(_reports(simulations, seed, seeds, learns=False))
    which = [index for index, one in enumerate(learning) for _ in one.covered]
    return {
        "planted_found": rate([one.planted_found for one in learning]),
        "sham_covers_zero": rate([one.sham_covers_zero for one in learning]),
        "duplicate_right": rate([one.duplicate_right for one in learning]),
        "interval_covers_truth": rate([hit for one in learning for hit in one.covered], which),
        "false_find": rate([one.false_find for one in learning]),
        "false_find_without_any_effect": rate([one.false_find for one in idle]),
    }


def _reports(simulations: int, seed: int, seeds: int, learns: bool) -> Iterator[Judged]:
    for number in range(simulations):
        yield judged(simulated(seed_from("truth", seed, number), seeds, learns), learns)


def main() -> None:
    """Run it and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=SIMULATIONS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = figures(given.simulations, given.seed, given.seeds)
    found["sham_false_positive"] = sham_false_positive_rate(given.simulations, given.seed, given.seeds)
    for name, value in found.items():
        words = f"{100 * value.rate:.1f} % [{100 * value.low:.1f}, {100 * value.high:.1f}], n = {value.n}"
        print(f"{name.replace('_', ' ')}: {words}")
    print(json.dumps({name: round(value.rate, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
