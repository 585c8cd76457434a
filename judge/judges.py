"""Open the judge that a run file names. Nothing is loaded here: a language model is opened at its first vote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from constitution.model import Constitution
from generate.engine import Engine, ModelRef
from judge.by_reward import JudgeByReward
from judge.by_rules import JudgeByRules
from judge.interface import Ask, Judge
from judge.llm import JudgeByModel
from judge.recorded import JudgeByRecord
from judge.reward_model import RewardModel
from judge.settings import JudgeSettings, RecordedJudge, RewardModelJudge, RulesJudge
from judge.template import check_questions, load_template

__all__ = ["Ask", "Judge", "open_judge"]


def open_judge(
    name: str,
    settings: JudgeSettings,
    constitution: Constitution,
    model: ModelRef | None = None,
    engine: Callable[[], Engine] | None = None,
    base: Path | None = None,
    scorer: Callable[[], RewardModel] | None = None,
) -> Judge:
    """The judge called `name`. `model` is for judges that have one, `engine` for the kind `llm`, `scorer` for the kind
    `reward-model`; `base` is the folder that a template file's name is relative to.

    `engine` or `scorer` opens the model or gives the one that is open: it is called for every batch of votes that are
    not in the store, and who passes it closes what it opens. Raises JudgeError, with every principle concerned, where
    the constitution cannot be put to this judge, ConfigError with every fault of a template file.
    """
    if isinstance(settings, RulesJudge):
        return JudgeByRules(name, settings.confidence, constitution)
    if isinstance(settings, RecordedJudge):
        return JudgeByRecord(name, settings, constitution)
    assert model is not None, "a judge with a model needs to know which"
    if isinstance(settings, RewardModelJudge):
        assert scorer is not None, "a reward model must be opened by somebody"
        return JudgeByReward(name, settings, model, scorer)
    assert engine is not None, "an llm judge needs a way to open its engine"
    template = load_template(settings.template, base)
    check_questions(template, constitution)
    return JudgeByModel(name, settings, template, model, engine)
