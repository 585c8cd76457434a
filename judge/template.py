"""What an LLM judge reads: system, conversation, responses, THEN the principle, so that K principles share one prefix.

A template is a Jinja file of blocks, shipped in judge/templates/ or the user's own: judge/template_file.py says which
blocks there are, and what may stand in them. The order in which they are put together is fixed here:

    system | case, ruler, principle (with its question), options, and the block of the read-out

Templates get the untrusted parts already fenced, so none can forget to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from constitution.errors import JudgeError
from constitution.identity import digest
from constitution.model import Constitution, Example, Principle
from generate.align import Aligned
from generate.records import Message, Pair
from judge.interface import shown
from judge.question import render_question
from judge.records import Order
from judge.template_file import JudgeTemplate, load_template
from judge.untrusted import FENCE_CLOSE, FENCE_OPEN, Bounded, bound, fenced, neutralise

__all__ = ["JudgeTemplate", "Rendered", "check_questions", "label_question", "load_template", "render"]

EXAMPLE_CHARS = 1_000
PRINCIPLE_CHARS = 20_000

Block = Literal["direct", "reasoned", "think"]
"""What a judge is told to answer with: a label, a verdict in JSON, or reasons in JSON with the label to come."""


class Rendered(NamedTuple):
    """A judge's prompt. `cut_chars` counts the characters left out of over-long texts."""

    messages: tuple[Message, ...]
    cut_chars: int

    @property
    def digest(self) -> str:
        """Identity of the prompt. A ruled line follows from it, from the template and from the model's tokenizer."""
        return digest("rendered", messages=[message.model_dump() for message in self.messages])


class _Case(NamedTuple):
    """What every principle's prompt has in common: before the principle, and, in some templates, after it."""

    text: str
    options: str
    cut_chars: int


def check_questions(template: JudgeTemplate, constitution: Constitution) -> None:
    """Raise JudgeError with every principle whose question or examples cannot be put to a judge."""
    problems: list[str] = []
    for principle in constitution.principles:
        try:
            length = len(_principle_part(template, principle))
        except JudgeError as error:
            problems.append(str(error))
            continue
        if length > PRINCIPLE_CHARS:
            problems.append(
                f"principle `{principle.id}`: its question and examples make {length} characters, "
                f"more than the {PRINCIPLE_CHARS} that a judge is given; shorten them"
            )
    if problems:
        raise JudgeError("\n".join(problems))


def render(
    template: JudgeTemplate,
    pair: Pair,
    principle: Principle,
    order: Order,
    block: Block,
    max_chars: int,
    abstain: bool = False,
) -> Rendered:
    """The conversation with the judge about one pair, one principle, one order. Deterministic.

    The conversation and each response get at most `max_chars` characters. `abstain`: it may say that neither is better.
    """
    case = _case(template, pair, order, max_chars)
    told = _block(template, block, {"abstain": abstain}) if block == "reasoned" else _fixed(template, block)
    user = "\n\n".join(filter(None, (case.text, _principle_part(template, principle), case.options, told)))
    system = _fixed(template, "system")
    before = (Message(role="system", content=system),) if system else ()
    messages = (*before, Message(role="user", content=user))
    ruler = _fixed(template, "ruler")
    return Rendered(Aligned(messages, len(case.text), ruler) if ruler else messages, case.cut_chars)


# Two renderings for each vote, of its identity and of what is asked: a pair's siblings and the second one find it here.
@lru_cache(maxsize=1024)
def _case(template: JudgeTemplate, pair: Pair, order: Order, max_chars: int) -> _Case:
    nonce = _nonce(pair)
    conversation = _conversation(pair.prompt.conversation, nonce, max_chars)
    responses = [bound(neutralise(response.text), max_chars) for response in shown(pair, order)]
    fields = {"conversation": fenced("CONVERSATION", conversation.text, nonce)}
    for label, response in zip("AB", responses, strict=True):
        fields[f"response_{label.lower()}"] = fenced(f"RESPONSE {label}", response.text, nonce)
    cut_chars = conversation.cut_chars + sum(response.cut_chars for response in responses)
    return _Case(_block(template, "case", fields), _block(template, "options", fields), cut_chars)


def _nonce(pair: Pair) -> str:
    """Unguessable without knowing both responses; the same in both orders, so that they share a prefix too."""
    return digest("fence", prompt=pair.prompt.key, responses=sorted((pair.a.key, pair.b.key)))[:8]


def _conversation(messages: Sequence[Message], nonce: str, max_chars: int) -> Bounded:
    """The latest turns that fit, oldest first; the last turn is always there, cut in the middle if it must be."""
    last = bound(neutralise(messages[-1].content), max_chars)
    turns = [_turn(message.role, neutralise(message.content), nonce) for message in messages[:-1]]
    kept, room = [_turn(messages[-1].role, last.text, nonce)], max_chars - len(last.text)
    while turns and len(turns[-1]) <= room:
        room -= len(turns[-1])
        kept.insert(0, turns.pop())
    if turns:
        kept.insert(0, f"[... {len(turns)} earlier turns left out ...]")
    return Bounded("\n".join(kept), last.cut_chars + sum(map(len, turns)))


def _turn(role: str, text: str, nonce: str) -> str:
    return f"{FENCE_OPEN}{role} {nonce}{FENCE_CLOSE}\n{text}"


@lru_cache(maxsize=1024)
def _principle_part(template: JudgeTemplate, principle: Principle) -> str:
    text = neutralise(principle.text)
    if principle.question is not None:
        question = neutralise(render_question(principle))
    else:
        question = _block(template, "question", {"principle": text})
    examples = [_short(example) for example in principle.examples]
    return _block(template, "principle", {"question": question, "examples": examples})


def _short(example: Example) -> dict[str, str]:
    fields = {"prompt": example.prompt, "better": example.better, "worse": example.worse}
    return {name: bound(neutralise(text), EXAMPLE_CHARS).text for name, text in fields.items()}


def label_question(template: JudgeTemplate) -> str:
    """What asks for the label alone, once the reasons are given."""
    return _fixed(template, "direct")


@lru_cache(maxsize=64)
def _fixed(template: JudgeTemplate, name: str) -> str:
    return _block(template, name, {})


def _block(template: JudgeTemplate, name: str, fields: Mapping[str, object]) -> str:
    if name not in template.compiled.blocks:
        return ""
    context = template.compiled.new_context(dict(fields))
    return "".join(template.compiled.blocks[name](context)).strip()
