"""What is doubtful about a constitution: each heuristic on what it should find and on what it should leave alone."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.extend import Written
from constitution.load import read_constitution
from constitution.model import Aggregation, Constitution, Principle
from constitution.show import as_yaml
from judge.aggregate import Heard, aggregate
from judge.labels import Opinion, weighed
from judge.lint.demands import two_demands
from judge.lint.negation import negative_word
from judge.lint.patterns import senseless_checks
from judge.lint.reach import Prompts, can_turn, without_prompts
from judge.lint.similar import cosine, near_duplicates, tf_idf
from judge.lint.weights import never_decide, widest_share
from tests.runs import preceptor, write_run


def principle(i: str, text: str = "The answer is short.", **fields: object) -> Principle:
    return Principle.model_validate({"id": i, "text": text, **fields})


def write(tmp_path: Path, *principles: Principle, **aggregation: object) -> Written:
    path = tmp_path / "c.yaml"
    rule = Aggregation.model_validate(aggregation)
    path.write_text(as_yaml(Constitution(name="c", principles=principles, aggregation=rule)), encoding="utf-8")
    return read_constitution(path)


def test_tf_idf_by_hand() -> None:
    """Two texts; `kind` is in both (idf 1), the others in one each (idf ln(3/2) + 1)."""
    one, other = tf_idf(["The answer is kind and polite.", "The response is kind and friendly."])
    rare = math.log(3 / 2) + 1
    assert one == {"kind": 1.0, "polit": rare}
    assert other == {"kind": 1.0, "friendly": rare}
    assert cosine(one, other) == pytest.approx(1 / (1 + rare**2))
    assert cosine(one, one) == pytest.approx(1)
    assert cosine(one, {}) == 0


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("The answer is polite and kind.", "The response should be polite and kind.", True),
        ("The answer cites its sources.", "Answers cite their sources.", True),
        ("The answer is short.", "The answer is polite.", False),
        ("The answer says what it does not know.", "The answer says who is to blame.", False),
    ],
)
def test_near_duplicates(one: str, other: str, near: bool, tmp_path: Path) -> None:
    found = list(near_duplicates(write(tmp_path, principle("a", one), principle("b", other))))
    assert bool(found) == near
    if near:
        assert (found[0].problem.line, found[0].problem.column) == (6, 9)
        assert "`b`: nearly the text of `a` (cosine of TF-IDF " in found[0].problem.message


def test_principles_that_never_meet_are_no_duplicates_and_opposites_are_called_so(tmp_path: Path) -> None:
    apart = write(tmp_path, principle("a", scope=["x"]), principle("b", scope=["y"]))
    assert not list(near_duplicates(apart))
    (found,) = near_duplicates(write(tmp_path, principle("a"), principle("b", polarity="against")))
    assert "opposite polarity" in found.problem.message


@pytest.mark.parametrize(
    ("text", "heuristic"),
    [
        ("The answer is short and polite.", "two qualities"),
        ("The answer is always honest, kind, and brief; nothing else counts.", "two qualities"),
        ("The answer must be true and should be short.", "two duties"),
        ("The answer cites sources, and it ends with a question.", "joined clauses"),
        ("The answer names its sources and also thanks the user.", "joined by `also`"),
        ("The answer is plain and simple.", None),
        ("The answer is short. It says what is needed in a few sentences and then stops.", None),
        ("The answer takes up the subject of the question and does not wander off.", None),
        ("It is about food and drink in the region.", None),
        ("The answer must be true. It should say so.", None),
    ],
)
def test_two_demands(text: str, heuristic: str | None, tmp_path: Path) -> None:
    found = [f.problem.message for f in two_demands(write(tmp_path, principle("a", text)))]
    assert len(found) == (heuristic is not None)
    assert heuristic is None or f"({heuristic}: " in found[0]


@pytest.mark.parametrize(
    ("text", "word"), [("It doesn’t lecture.", "doesn’t"), ("No lists.", "No"), ("Noted knots.", None), ("Kind.", None)]
)
def test_negative_words(text: str, word: str | None) -> None:
    assert negative_word(principle("a", text)) == word
    assert negative_word(principle("a", text, polarity="against")) == "polarity: against"


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"type": "pattern", "pattern": ".*"}, "matches any text whatever"),
        ({"type": "pattern", "pattern": "(sorry)?"}, "also matches where there is nothing"),
        ({"type": "pattern", "pattern": "^"}, "also matches where there is nothing"),
        ({"type": "pattern", "pattern": "a", "opening": 20_000}, "the first 10,000 characters are searched"),
        ({"type": "overlap", "scale": 4}, "at most 25% of the full confidence"),
        ({"type": "repetition", "scale": 2}, "at most 50% of the full confidence"),
        ({"type": "pattern", "pattern": "[aeiou]"}, None),
        ({"type": "pattern", "pattern": r"\w+"}, None),
        ({"type": "pattern", "pattern": "^sure", "opening": 20}, None),
        ({"type": "overlap", "scale": 1}, None),
        ({"type": "sentences", "scale": 4}, None),
    ],
)
def test_checks_that_tell_nothing(check: dict[str, object], said: str | None, tmp_path: Path) -> None:
    found = [f.problem.message for f in senseless_checks(write(tmp_path, principle("a", check=check)))]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_no_prompt_falls_under_it(tmp_path: Path) -> None:
    written = write(tmp_path, principle("a", scope=["moral", "law"]), principle("b", "Be kind.", scope=["cook"]))
    (found,) = without_prompts(written, Prompts("train.jsonl", [("cook", "bake"), ()], "it is never judged"))
    assert found.problem.message == (
        "`a`: none of the 2 prompts in train.jsonl has a tag of its scope (`moral`, `law`), so it is never judged; "
        "tags there: `bake`, `cook`"
    )


WEIGHTS = st.lists(st.integers(1, 12), min_size=2, max_size=4)
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    weights=WEIGHTS,
    band=st.sampled_from([0.0, 0.053, 0.107, 0.211, 0.307]),
    rule=st.sampled_from(["weighted_mean", "majority"]),
)
def test_who_is_warned_never_decides_and_who_is_not_can(weights: list[int], band: float, rule: str) -> None:
    """All votes there: against every combination of votes, and against the others at one half."""
    aggregation = Aggregation.model_validate({"rule": rule, "abstain_band": band, "min_coverage": 1.0})
    rows = tuple(principle(f"p{i}", weight=w) for i, w in enumerate(weights))
    constitution = Constitution(name="c", principles=rows, aggregation=aggregation)
    for row in rows:
        decides = widest_share(row, constitution) > 2 * max(band, 1e-9)
        others = [p.id for p in rows if p.id != row.id]
        ways = (dict(zip(others, ps, strict=True)) for ps in product(GRID, repeat=len(others)))
        assert any(_turns(constitution, row.id, way) for way in ways) == decides
        assert _turns(constitution, row.id, dict.fromkeys(others, 0.5)) == decides


def _turns(constitution: Constitution, mine: str, others: dict[str, float]) -> bool:
    weights = {p.id: p.weight for p in constitution.principles}
    sides = []
    for p in (0.0, 1.0):
        shares = weighed({i: Opinion(q, None) for i, q in {**others, mine: p}.items()}, weights)
        outcome = aggregate(Heard(shares, weights, None), constitution.aggregation)
        sides.append(outcome.p)
    if constitution.aggregation.rule == "weighted_mean":
        share = next(s.weight for s in shares if s.principle == mine)
        rest = math.fsum(s.weight * s.p for s in shares if s.principle != mine)
        assert can_turn(share, rest, constitution.aggregation) == (None not in sides and sides[0] < 0.5 < sides[1])
    return None not in sides and sides[0] < 0.5 < sides[1]


def test_missing_votes_and_scopes_leave_room(tmp_path: Path) -> None:
    """Of 10, 1 is a tenth; with half of the votes missing a fifth; alone under its own tag, half."""
    rows = [principle("a", weight=9), principle("b", "Kind.", weight=1)]
    banded = {"abstain_band": 0.08}
    assert not list(never_decide(write(tmp_path, *rows, **banded)))
    assert [f.problem.message[:3] for f in never_decide(write(tmp_path, *rows, **banded, min_coverage=1.0))] == ["`b`"]
    scoped = [principle("a", weight=9, scope=["x"]), principle("b", "Kind.", weight=1, scope=["x", "y"])]
    assert not list(never_decide(write(tmp_path, *scoped, **banded, min_coverage=1.0)))


def test_priority_that_is_never_reached(tmp_path: Path) -> None:
    order = {"rule": "priority", "priority": ["a", "b", "c"]}
    rows = [principle("a"), principle("b", "Kind."), principle("c", scope=["x"])]
    (found,) = never_decide(write(tmp_path, *rows, **order))
    assert "`c`: is never reached: `a` asks the same" in found.problem.message
    narrow = [principle("a", scope=["x"]), principle("b", "Kind."), principle("c")]
    assert not list(never_decide(write(tmp_path, *narrow, **order)))
    told = [
        f.problem.message
        for f in never_decide(write(tmp_path, *rows[:2], principle("c", "True."), **order, margin=0.0))
    ]
    assert [message[:3] for message in told] == ["`b`", "`c`"]
    assert all("reached only where `a`" in message for message in told)


def test_the_command_warns_and_strict_fails(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    path = tmp_path / "constitution.yaml"
    path.write_text(
        path.read_text().replace("The answer is short.", "The answer is short and kind.").replace("[ask]", "[no-such]")
    )
    said = preceptor("constitution", "check", "constitution.yaml", "--prompts", "train.jsonl", cwd=tmp_path)
    assert said.returncode == 0
    assert "constitution.yaml:5:11: warning [two-demands]: `short`: two demands" in said.stdout
    assert (
        "constitution.yaml:13:12: warning [no-prompt]: `no-repetition`: none of the 12 prompts in train.jsonl"
        in said.stdout
    )
    assert "\n2 warnings\n" in said.stdout
    strict = preceptor("constitution", "check", "constitution.yaml", "--strict", "--run", "run.yaml", cwd=tmp_path)
    assert strict.returncode == 1
    assert "none of the 5 prompts in heldout.jsonl" in strict.stdout
    assert "not looked at: what is undecided, since runs/" in strict.stdout
    assert "negative phrasing" not in strict.stdout  # of the judge `rules`, which reads none
    run_file = tmp_path / "run.yaml"
    run_file.write_text(run_file.read_text().replace("judge: rules", "judge: reader"))
    read = preceptor("constitution", "check", "constitution.yaml", "--run", "run.yaml", cwd=tmp_path)
    assert "not looked at: negative phrasing, since runs/" in read.stdout
    assert not (tmp_path / "runs").exists()
