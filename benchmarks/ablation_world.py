"""A small world in which the effect of every principle is known: real votes, labels and label sets, and a learner whose
answer to labels can be written down.

A pair has one feature a principle, drawn from a normal distribution, and the principle votes sigma(2 z_k). Training on
labels p gives theta_k = gain_k * mean of (2p - 1) z_k over the pairs, disturbed anew at every retraining, and moves a
held-out pair by h = theta . z + noise. So the margin along principle k changes by c * (change of theta_k), with
c = E[(2 sigma(2z) - 1) z], and that by c * (change of the mean), which is the truth that intervals must cover.

Four principles: `wanted` is learned; `twin-a` and `twin-b` are learned and vote alike; `idle` cannot be learned, so no
label set moves it.

Shapes: N pairs, K principles.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, get_args

import numpy as np

from constitution.identity import seed_from
from constitution.model import Constitution, Principle
from judge.label_sets import labels_digest, training_labels
from judge.labels import relabel
from judge.records import Label, Share
from reports.ablation.analyse import Evidence
from reports.ablation.behaviours import HeldPair
from reports.ablation.plan import Asked, Kind, Plan, make_plan
from reports.ablation.records import Retrained
from reports.settings import BehaviourSettings
from reports.statistics import Values

WEIGHTS = {"wanted": 2.0, "twin-a": 1.0, "twin-b": 1.0, "idle": 1.0}
GAINS = {"wanted": 1.0, "twin-a": 1.0, "twin-b": 1.0, "idle": 0.0}
TRAINED, HELD_OUT = 60, 120
DISTURBED, NOISE = 0.01, 0.1
"""Standard deviation of theta between retrainings of one label set, and of h between pairs beyond theta."""
KINDS: tuple[Kind, ...] = get_args(Kind)
SETTINGS = BehaviourSettings(resamples=500)


class World(NamedTuple):
    """Pairs with their votes, the first TRAINED of them trained on, and how well each principle is learned."""

    seed: int
    constitution: Constitution
    features_N_K: Values
    labels: list[Label]
    gains_K: Values


def make_world(seed: int, learns: bool) -> World:
    """One draw of pairs; with `learns` False labels have no effect at all."""
    principles = tuple(Principle(id=i, text=f"It is {i}.", weight=w) for i, w in WEIGHTS.items())
    constitution = Constitution(name="truth", principles=principles)
    features_N_K = np.random.default_rng(seed_from("world", seed)).normal(size=(TRAINED + HELD_OUT, len(WEIGHTS)))
    features_N_K[:, 2] = features_N_K[:, 1]
    votes_N_K = 1 / (1 + np.exp(-2 * features_N_K))
    labels = [_label(index, votes_K, constitution) for index, votes_K in enumerate(votes_N_K)]
    gains_K = np.array(list(GAINS.values())) * learns
    return World(seed, constitution, features_N_K, labels, gains_K)


def _label(index: int, votes_K: Values, constitution: Constitution) -> Label:
    shares = tuple(Share(principle=i, weight=0, p=float(p)) for i, p in zip(WEIGHTS, votes_K, strict=True))
    blank = Label(
        pair_key=f"pair-{index:03d}",
        constitution=constitution.key,
        judge="truth",
        rule="weighted_mean",
        reason="coverage",
        shares=shares,
    )
    return relabel(blank, constitution)


def theta(world: World, labels: dict[str, float | None]) -> Values:
    """What the learner makes of these labels [K], undisturbed; a pair without one pulls nowhere and counts."""
    pull_N = np.array([0.0 if p is None else 2 * p - 1 for p in list(labels.values())[:TRAINED]])
    theta_K: Values = world.gains_K * (pull_N @ world.features_N_K[:TRAINED]) / TRAINED
    return theta_K


def unit_margin() -> float:
    """c = E[(2 sigma(2z) - 1) z] for a normal z, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return float((weights * np.tanh(nodes) * nodes).sum() / weights.sum())


def simulated(seed: int, seeds: int, learns: bool, kinds: Collection[Kind] = KINDS) -> Evidence:
    """A whole ablation of this world, as the command would hand it to the report, or some kinds of label sets alone."""
    world = make_world(seed, learns)
    votes = dict.fromkeys(WEIGHTS, len(world.labels))
    whole = make_plan(world.constitution, votes, Asked(seeds=seeds), seed)
    plan = whole._replace(variants=tuple(one for one in whole.variants if one.kind in kinds))
    trained, held = world.labels[:TRAINED], world.labels[TRAINED:]
    return Evidence(
        run="truth",
        inputs=f"truth-{seed}",
        steps=1,
        constitution=world.constitution,
        plan=plan,
        results=retrained(world, plan),
        trained=trained,
        prompts=[label.pair_key for label in trained],
        held=[HeldPair(label.pair_key, label.pair_key, label) for label in held],
        undecided=[],
        sampled=[],
        answers_each=0,
        margin_of_run=None,
        settings=SETTINGS,
        seed=seed,
    )


def retrained(world: World, plan: Plan) -> dict[tuple[str, int], Retrained]:
    """Every retraining of the plan; the same labels at the same seed are one retraining, as in the command."""
    found = {}
    for variant in plan.variants:
        labels = training_labels(world.labels, world.constitution, variant.at(plan.seeds[0]))
        for seed in plan.seeds:
            if variant.seeded:
                labels = training_labels(world.labels, world.constitution, variant.at(seed))
            found[variant.name, seed] = Retrained(
                inputs=f"truth-{world.seed}",
                label_set=variant.at(seed),
                labels=labels_digest(labels),
                seed=seed,
                steps=1,
                h=_margins(world, labels, seed),
                seconds=0.0,
            )
    return found


def _margins(world: World, labels: dict[str, float | None], seed: int) -> dict[str, float]:
    draw = np.random.default_rng(seed_from("retraining", world.seed, seed, labels_digest(labels)))
    theta_K = theta(world, labels) + DISTURBED * draw.normal(size=len(WEIGHTS))
    h_N = world.features_N_K[TRAINED:] @ theta_K + NOISE * draw.normal(size=HELD_OUT)
    return {label.pair_key: float(h) for label, h in zip(world.labels[TRAINED:], h_N, strict=True)}


def true_effects(world: World, plan: Plan) -> dict[tuple[str, str], float]:
    """(label set's name, principle) -> the effect of the set's missing principles on the principle's margin.

    A twin's feature counts twice in h, for theta has two equal entries along it.
    """
    whole = theta(world, training_labels(world.labels, world.constitution, plan.variants[0].label_set))
    alike_K_K = np.eye(len(WEIGHTS))
    alike_K_K[1, 2] = alike_K_K[2, 1] = 1
    found = {}
    for variant in plan.of_kind("without"):
        change_K = whole - theta(world, training_labels(world.labels, world.constitution, variant.label_set))
        for principle, effect in zip(WEIGHTS, unit_margin() * (alike_K_K @ change_K), strict=True):
            found[variant.name, principle] = float(effect)
    return found
