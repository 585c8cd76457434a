"""Open the judge that a run file names. Nothing is loaded here: a language model is opened at its first vote."""

from __future__ import annotations

from collections.abc import Callable

from constitution.model import Constitution
from generate.engine import Engine, ModelRef
from judge.by_rules import JudgeByRules
from judge.interface import Ask, Judge
from judge.llm import JudgeByModel
from judge.recorded import JudgeByRecord
from judge.settings import JudgeSettings, RecordedJudge, RulesJudge
from judge.template import check_questions, load_template

__all__ = ["Ask", "Judge", "open_judge"]


def open_judge(
    name: str,
    settings: JudgeSettings,
    constitution: Constitution,
    model: ModelRef | None = None,
    engine: Callable[[], Engine] | None = None,
) -> Judge:
    """The judge called `name`. `model` and `engine` are for judges of kind `llm`.

    `engine` is called once, at the first vote that is not in the store; whoever passes it closes the engine. Raises
    JudgeError, with every principle concerned, where the constitution cannot be put to this judge.
    """
    if isinstance(settings, RulesJudge):
        return JudgeByRules(name, settings.confidence, constitution)
    if isinstance(settings, RecordedJudge):
        return JudgeByRecord(name, settings, constitution)
    assert model is not None, "an llm judge needs a model"
    assert engine is not None, "an llm judge needs a way to open its engine"
    template = load_template(settings.template)
    check_questions(template, constitution)
    return JudgeByModel(name, settings, template, model, engine)
