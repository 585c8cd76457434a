"""Training again on other labels: same pairs in the same steps, same adapter to begin with, same references and lower
layers. What an ablation compares the real run with.

    session = prepare(job, references, progress)      # loads the model, runs the reference, once
    again = Retrainer(session)
    again.train(labels)                               # {pair key: p, or None where there is no label}
    margins = again.heldout()

A pair without a label keeps its place in its step and pulls nowhere, so that two label sets differ in their labels
alone. The labels of the real run give the real run's weights, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from constitution.identity import seed_from
from train.baseline import session_baseline
from train.loop import new_learner
from train.metrics import Moved
from train.policy import Policy, trained_parameters
from train.schedule import learning_rate, step_pairs
from train.session import Session
from train.step import Trainee, backward, evaluate, update
from train.tokens import TokenPair

Labels = Mapping[str, float | None]
"""p by pair key; None, or no entry, where there is no label."""


class Retrainer:
    """A session whose policy is trained again and again, each time from where the real run started."""

    def __init__(self, session: Session) -> None:
        """The session must not have been trained yet."""
        self.session = session
        weights = trained_parameters(session.trainee.policy)
        self._start = {name: weight.detach().clone() for name, weight in weights.items()}

    def train(
        self,
        labels: Labels,
        seed: int | None = None,
        steps: int | None = None,
        tick: Callable[[int], None] = lambda step: None,
    ) -> None:
        """Leave the policy trained on `labels`.

        Another `seed` than the job's means another order of the pairs and another adapter to begin with. `steps` ends
        it early, as an early stop did in the real run; the schedule stays that of all steps.
        """
        job, settings = self.session.job, self.session.job.settings
        seed = job.seed if seed is None else seed
        self._begin(seed)
        learner = new_learner(self.session)
        trainee, pairs = relabelled(self.session.trainee, self.session.parts.train, labels)
        session = self.session._replace(trainee=trainee)
        for step in range(self.session.steps if steps is None else steps):
            these = step_pairs(pairs, settings, seed, step)
            backward(trainee, these, session_baseline(session, these))
            rate = learning_rate(step, self.session.steps, settings)
            update(learner.optimizer, list(learner.weights.values()), rate, settings.max_grad_norm, step + 1)
            tick(step + 1)

    def heldout(self) -> Moved:
        """h of the held-out pairs under the policy as it is."""
        pairs = self.session.parts.heldout
        return evaluate(self.session.trainee, pairs, session_baseline(self.session, pairs))

    def _begin(self, seed: int) -> None:
        policy, job = self.session.trainee.policy, self.session.job
        with torch.no_grad():
            for name, weight in trained_parameters(policy).items():
                weight.copy_(self._start[name])
            if seed != job.seed and job.settings.lora:
                fresh_adapter(policy, seed)


def fresh_adapter(policy: Policy, seed: int) -> None:
    """Another random beginning for the adapters that are there."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_from("adapter", seed))
        for module in policy.model.modules():
            if hasattr(module, "reset_lora_parameters"):
                module.reset_lora_parameters(module.active_adapters[0], True)


def relabelled(trainee: Trainee, pairs: Sequence[TokenPair], labels: Labels) -> tuple[Trainee, list[TokenPair]]:
    """The pairs with these labels in the place of their own; the trainee knows those that have none now."""
    silent = frozenset(tokens.pair.key for tokens in pairs if labels.get(tokens.pair.key) is None)
    return trainee._replace(silent=silent), [_with(tokens, labels.get(tokens.pair.key)) for tokens in pairs]


def _with(tokens: TokenPair, p: float | None) -> TokenPair:
    # A silent pair's own p is never read for a gradient.
    return tokens if p is None else tokens._replace(pair=tokens.pair.model_copy(update={"p": p, "shares": ()}))
