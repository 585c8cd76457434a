"""What the reports say of one thing alone: no plural of it, and a list said once."""

from __future__ import annotations

from judge.audit.gate import NOT_MEASURED, Criterion
from reports.behaviour import interval_alone
from reports.data import JudgeCard
from reports.page import render
from reports.principle_trace import Pull
from reports.principle_words import pull_sentence
from reports.trace.fidelity import Fidelity, words
from tests.reporting import report_data
from train.estimate import Estimate


def test_one_of_anything_is_no_plural() -> None:
    one = Fidelity(lds=0.9, low=0.8, high=1.0, size_error=0.3, sets=1, behaviours=1, by_behaviour=(0.9,))
    assert words(one).endswith("1 retrained label set, 1 behaviour")
    pull = Pull(first_step=1, last_step=1, share=1.0, updates=1, voted=1)
    assert "(n = 1 update by a pair," in pull_sentence(pull, [])
    assert Estimate(value=0.5, low=None, high=None, n=1, prompts=1).words() == "0.50, 1 pair of 1 prompt"


def test_an_adjusted_p_value_says_what_it_is() -> None:
    assert interval_alone(0.0561, "principles") == (
        'its own interval excludes "no change", but with all principles tested together that may be chance '
        "(p = 0.056 after Holm's adjustment)"
    )


def test_what_was_not_measured_of_the_judge_is_one_line_of_the_report() -> None:
    def left(name: str) -> Criterion:
        return Criterion(name=name, wanted="x", outcome="does_not_apply", score=None, why=NOT_MEASURED)

    symmetric = left("order_consistency").model_copy(update={"why": "it is symmetric"})
    card = JudgeCard(passed=True, words=("It is fine.",), gate=(symmetric, left("accuracy"), left("negation")))
    page = render(report_data().model_copy(update={"judge_card": card}))
    assert "<p>Not measured and so not demanded: accuracy, negation.</p>" in page
    section = page[page.index('<section id="judge"') :].partition("</section>")[0]
    assert section.count("does not apply") == 1
    assert "it is symmetric" in section
