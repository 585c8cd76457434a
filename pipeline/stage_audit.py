"""Stage `audit`: the judge's card in 35-audit.json and 35-audit.html. Asks nothing without `audit` in the run file.

`preceptor audit RUN.yaml` asks even without it (pipeline/command_audit.py).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from constitution.errors import JudgeError
from constitution.files import write_atomically
from constitution.identity import digest, file_digest, seed_from
from generate.records import Pair
from judge.ask import plan_votes
from judge.audit.card import CARD_VERSION, About, Card, Voter, make_card
from judge.audit.cells import Cell, collect_cells
from judge.audit.gate import NOT_MEASURED, unmeasured
from judge.audit.gold import Calibrated
from judge.audit.measure import Asked
from judge.audit.probes import Asker
from judge.audit.settings import AuditSettings, Probe
from judge.calibration import calibration_inputs
from judge.interface import Judge
from judge.labels import Preference, view
from judge.opinions import OPINIONS_FILE
from judge.panel import Turn, turns
from pipeline.audit_asks import about_gold, ask_probes, gold_folder, planned_votes, probing, read_gold
from pipeline.context import Run
from pipeline.judged import by_the_judge
from pipeline.stage import Stage, reason_to_run, run_stage
from pipeline.stage_judge import read_account
from pipeline.used import settings_of, voters

MOST_PAIRS = 2000
"""Of more pairs a random sample of this many is looked at: intervals are narrow by then, and memory stays flat."""
ONE_ORDER = {
    "rules": "It applies the principles' checks: exactly antisymmetric, so that one order says everything.",
    "recorded": "Its votes are recorded: there is no order of showing to compare.",
    "reward-model": "It scores each response on its own: there is no order of showing.",
}
"""Kind -> why seeing each pair in one order says all."""
NO_ORDER = "Several judges vote, and none of them has an order of showing to compare: see each principle."


def effective_settings(run: Run) -> AuditSettings | None:
    """The run file's `audit`; without one, that of the card which is there, as long as the votes are the same."""
    if run.config.audit is not None:
        return run.config.audit
    card = read_card(run)
    if card is None or card.settings is None or card.about.votes_digest != read_account(run)["digest"]:
        return None
    return card.settings


def read_card(run: Run) -> Card | None:
    """The card that is there; None without one, or with one that another version wrote."""
    try:
        return Card.model_validate_json(run.folder.audit.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not there, of another version, or no text at all
        return None


def _inputs(run: Run) -> dict[str, str]:
    settings = effective_settings(run)
    gold = gold_folder(run, settings)
    return {
        "pairs": file_digest(run.folder.pairs),
        "votes": read_account(run)["digest"],
        "judge": run.judge(run.config.judge).digest,
        "constitution": run.constitution.key,
        "audit settings": digest("audit", version=CARD_VERSION, settings=_asking(settings), seed=run.config.seed),
        "gold": file_digest(gold / OPINIONS_FILE) if gold and (gold / OPINIONS_FILE).exists() else "none",
        **calibration_inputs(run.calibration),
    }


def _asking(settings: AuditSettings | None) -> str:
    """Identity of the settings, without `accept`, which changes no figure."""
    return settings.model_dump_json(exclude={"accept"}) if settings else ""


def own_pairs(run: Run) -> list[Pair]:
    """The run's pairs in their order; of more than MOST_PAIRS, a random sample (Vitter's algorithm R)."""
    draw = random.Random(seed_from("audit", run.config.seed))  # noqa: S311
    kept: list[tuple[int, Pair]] = []
    for index, pair in enumerate(run.pairs()):
        if len(kept) < MOST_PAIRS:
            kept.append((index, pair))
        elif (place := draw.randrange(index + 1)) < MOST_PAIRS:
            kept[place] = (index, pair)
    return [pair for _, pair in sorted(kept, key=lambda row: row[0])]


def make_run_card(run: Run) -> Card:
    """Ask what the settings want, and score it."""
    settings, judge, pairs = effective_settings(run), run.judge(run.config.judge), own_pairs(run)
    folder, left_out = gold_folder(run, settings), dict[Probe, str]()
    gold = read_gold(run, settings, folder) if settings and folder else None  # first: its faults should cost no vote
    with run.judged_votes() as store:
        asked = Asked(own=collect_cells(pairs, run.constitution, judge, store))
        if settings is not None:
            plan = probing(run, settings, pairs, judge)
            asked, left_out = ask_probes(run, settings, plan, judge, store, asked.own), plan.left_out
        if gold is not None:
            run.console.say(f"  {len(gold.pairs)} pairs with gold")
            cells = Asker(judge, store, run.console.tick).cells(gold.pairs, about_gold(run, gold.gold))
            asked = asked._replace(gold_cells=cells, gold=gold.gold, calibrated=_calibrated(run, judge))
    return make_card(_about(run, settings, left_out), run.constitution, judge, asked, settings)


def _calibrated(run: Run, judge: Judge) -> Calibrated | None:
    """What the judge's calibration makes of a cell; None where it has none."""
    calibration = run.calibration
    if calibration is None:
        return None

    def logit(cell: Cell) -> float:
        found = view(cell.votes, cell.principle, judge, calibration)
        assert isinstance(found, Preference), "only cells with a view are calibrated"
        return found.logit

    return logit


def _about(run: Run, settings: AuditSettings | None, left_out: Mapping[Probe, str]) -> About:
    account, stamp = read_account(run), run.folder.stamp("judge")
    asked = account["count"]["asked"]
    judge = run.judge(run.config.judge)
    voters = tuple(_voter(run, turn) for turn in turns(judge, run.constitution))
    alone = voters[0] if len(voters) == 1 else None
    return About(
        run=run.config.name,
        judge=run.config.judge,
        kind=alone.kind if alone else "panel",
        digest=judge.digest,
        model=alone.model if alone else None,
        voters=() if alone else voters,
        constitution=run.constitution.name,
        constitution_key=run.constitution.key,
        votes_digest=account["digest"],
        gold=settings.gold if settings else None,
        seconds_per_vote=stamp.seconds / asked if stamp and asked else None,
        one_order=alone.one_order if alone else NO_ORDER if all(voter.one_order for voter in voters) else None,
        not_probed=dict(left_out),
    )


def _voter(run: Run, turn: Turn) -> Voter:
    entry = run.config.judges[turn.judge.name]
    return Voter(
        name=turn.judge.name,
        kind=entry.kind,
        model=getattr(entry, "model", None),
        digest=turn.judge.digest,
        principles=tuple(principle.id for principle in turn.principles),
        one_order=ONE_ORDER.get(entry.kind),
    )


def _execute(run: Run) -> list[str]:
    from reports.card_page import render_card

    card = make_run_card(run)
    write_atomically(run.folder.audit_page, render_card(card))
    write_atomically(run.folder.audit, card.model_dump_json(indent=2) + "\n")
    return card_lines(card)


def card_lines(card: Card) -> list[str]:
    """The verdict and the gate, for a terminal."""
    lines = [f"judge `{card.about.judge}`: {words}" for words in card.words]
    if card.figures.gold and card.figures.gold.published:
        lines += [f"against gold, {name}: {value}" for name, value in card.figures.gold.published.items()]
    lines += [f"gate, {c.name}: {c.outcome.replace('_', ' ')}: {c.why}" for c in card.gate if c.why != NOT_MEASURED]
    if left := unmeasured(card.gate):
        lines.append(f"gate, not measured and so not demanded: {', '.join(left)}")
    return [*lines, "the judge passed" if card.passed else "the judge did NOT pass"]


def _preview(run: Run) -> list[str]:
    if not (run.folder.pairs.exists() and run.folder.vote_counts.exists()):
        return ["the judge's card, once there are votes"]
    settings = effective_settings(run)
    if settings is None:
        return ["the judge's card from the stored votes; no judge is asked"]
    judge, folder = run.judge(run.config.judge), gold_folder(run, settings)
    gold = read_gold(run, settings, folder) if folder else None
    with run.vote_store() as store:
        counts = planned_votes(settings, probing(run, settings, own_pairs(run), judge), judge, store)
        known = plan_votes(gold.pairs, about_gold(run, gold.gold), judge, store).to_ask if gold else None
    lines = [
        f"probe `{name}`: {'at most ' if name == 'injection' else ''}{n} votes to ask" for name, n in counts.items()
    ]
    return lines if known is None else [*lines, f"pairs with gold: {known} votes to ask"]


AUDIT = Stage(
    name="audit",
    needs=("generate", "judge"),
    inputs=_inputs,
    uses=lambda config: settings_of(config, "audit", "seed", "judge", "sources", "votes", judges=voters(config)),
    outputs=lambda folder: [folder.audit, folder.audit_page],
    execute=_execute,
    preview=_preview,
)


def require_passed(run: Run) -> None:
    """Raise JudgeError if the judge's card says that nothing may be trained on its labels; made now if it is stale.

    Raises DataError if the labels are not this judge's.
    """
    for _ in by_the_judge(run, run.labels()):
        pass
    if reason_to_run(AUDIT, run, _inputs(run)) is not None:
        run_stage(AUDIT, run)
    card = read_card(run)
    assert card is not None, "the stage has just written it"
    name = card.about.judge
    accepted = (*run.accept, *(run.config.audit.accept if run.config.audit else ()))
    if card.passed:
        return
    wanting = [f"{c.name} ({c.wanted}): {c.why}" for c in card.gate if c.outcome in ("failed", "undecided")]
    if name in accepted:
        run.console.say(f"  judge `{name}` did not pass its audit and is accepted by name: {'; '.join(wanting)}")
        return
    raise JudgeError(
        f"judge `{name}` did not pass its audit, so nothing is trained on its labels.\n  "
        + "\n  ".join(wanting)
        + f"\nSee {run.folder.audit_page}. To train all the same: `--accept-judge {name}`, or `accept: [{name}]` under "
        "`audit` in the run file."
    )
