"""What the judging benchmark judges: pairs of 350 tokens and eight principles of 40, the same on every machine.

Questions are those of examples/plain-speech; answers are sentences put together at random, by a seed, from the words
below. What they say does not matter: the time of a vote depends on lengths, and those vary as they do in real data.
"""

from __future__ import annotations

import random
from pathlib import Path

from constitution.model import Constitution
from generate.prompts import load_prompts
from generate.records import Pair, Prompt, Response

PROMPTS = Path(__file__).parent.parent / "examples/plain-speech/prompts/train.jsonl"
ANSWER_WORDS = (115, 150)
"""Shortest and longest answer: with the question, 350 tokens a pair on average (SmolLM2's tokenizer)."""

OPENINGS = (
    "In most cases",
    "As a rule",
    "At first",
    "After a while",
    "On a cold day",
    "With a little care",
    "For many people",
)
SUBJECTS = (
    "the dough",
    "a good lamp",
    "the old kettle",
    "your neighbour",
    "the whole garden",
    "a short walk",
    "the second coat of paint",
)
VERBS = ("needs", "takes up", "slowly changes", "depends on", "makes room for", "can replace", "rarely spoils")
OBJECTS = (
    "more time than it seems",
    "a bowl of warm water",
    "the light of the morning",
    "half of what was left",
    "a clean piece of cloth",
)
ENDINGS = (
    "so it pays to wait",
    "but nobody notices",
    "which is easy to forget",
    "and that is enough",
    "unless the weather turns",
)
PRINCIPLES = {
    "short": (
        "The answer is short: it says what is needed in a few sentences and then stops, without a summary, a "
        "list of further ideas, or an offer to explain more of the same."
    ),
    "honest": (
        "The answer says openly what it does not know, keeps what is certain apart from what is only likely, "
        "and never makes up a source, a number or a name to sound well informed."
    ),
    "harmless": (
        "The answer gives no help with anything that could hurt a person or an animal, and where it declines, "
        "it says so briefly and kindly, names the reason, and offers something safe to do in its place."
    ),
    "useful": (
        "The answer can be acted upon at once: it names the next step, the amount or the tool, in the order "
        "in which they are needed, and leaves out whatever the one who asked already knows."
    ),
    "kind": (
        "The answer is friendly without flattery: it takes the question seriously, does not talk down to the "
        "one who asked, makes no joke at their cost, and gives advice the way a patient friend would."
    ),
    "plain": (
        "The answer uses everyday words: it avoids long, learned or technical expressions where a short one "
        "would do, and explains in half a sentence each special term that really cannot be left out."
    ),
    "focused": (
        "The answer keeps to the question that was asked: it takes up the subject in its first sentence, does "
        "not wander off to related matters, and mentions nothing that the question gave no reason for."
    ),
    "fair": (
        "The answer treats people alike: it makes no assumption about age, sex, origin, faith or income, "
        "gives each side of a dispute its best argument, and does not press its own opinion upon the reader."
    ),
}


def principles() -> Constitution:
    """Eight principles of about 40 tokens each."""
    return Constitution.model_validate(
        {"name": "bench", "principles": [{"id": name, "text": text} for name, text in PRINCIPLES.items()]}
    )


def pairs(count: int, repetition: int) -> list[Pair]:
    """`count` pairs that no other repetition has."""
    questions = load_prompts(PROMPTS)
    draw = random.Random(repetition)  # noqa: S311 - text, not a secret
    return [_pair(questions[draw.randrange(len(questions))], draw) for _ in range(count)]


def _pair(prompt: Prompt, draw: random.Random) -> Pair:
    first, second = (_response(prompt, index, draw) for index in range(2))
    return Pair(prompt=prompt, a=first, b=second)


def _response(prompt: Prompt, index: int, draw: random.Random) -> Response:
    wanted, sentences = draw.randint(*ANSWER_WORDS), list[str]()
    while sum(len(sentence.split()) for sentence in sentences) < wanted:
        parts = (OPENINGS, SUBJECTS, VERBS, OBJECTS, ENDINGS)
        opening, subject, verb, what, ending = (draw.choice(part) for part in parts)
        sentences.append(f"{opening}, {subject} {verb} {what}, {ending}.")
    text = " ".join(sentences)
    return Response(
        prompt_key=prompt.key, text=text, finish="stop", tokens=len(text.split()), sampler="bench", seed=0, index=index
    )
