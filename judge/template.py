"""What an LLM judge reads: system, conversation, responses, THEN the principle, so that K principles share one prefix.

A template is a Jinja file of blocks in judge/templates/: `system` (may be empty), `case` (conversation and responses),
`question` (used when the principle has none of its own), `principle`, and one block for each read-out, `direct` and
`reasoned`. The order in which they are put together is fixed here. Templates get the untrusted parts already fenced, so
none can forget to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from constitution.errors import JudgeError
from constitution.identity import digest
from constitution.model import Constitution, Example, Principle
from generate.records import Message, Pair
from judge.interface import shown
from judge.question import render_question
from judge.records import Order
from judge.untrusted import FENCE_CLOSE, FENCE_OPEN, bound, fenced, neutralise

TEMPLATE_CODE_VERSION = 1
EXAMPLE_CHARS = 1_000
PRINCIPLE_CHARS = 20_000

ReadOut = Literal["direct", "reasoned"]


class JudgeTemplate(NamedTuple):
    """A compiled template. `digest` covers its text and the code that fills it."""

    name: str
    digest: str
    compiled: Template


class Rendered(NamedTuple):
    """A judge's prompt. `cut_chars` counts the characters left out of over-long texts."""

    messages: tuple[Message, ...]
    cut_chars: int

    @property
    def digest(self) -> str:
        """Identity of the prompt."""
        return digest("rendered", messages=[message.model_dump() for message in self.messages])


class _Case(NamedTuple):
    """What every principle's prompt has in common, or a part of it."""

    text: str
    cut_chars: int


@lru_cache(maxsize=8)
def load_template(name: str) -> JudgeTemplate:
    """A shipped template by name. Raises JudgeError that lists the names there are."""
    folder = files("judge") / "templates"
    names = sorted(entry.name.removesuffix(".j2") for entry in folder.iterdir() if entry.name.endswith(".j2"))
    if name not in names:
        raise JudgeError(f"no judge template is called `{name}`; there are: {', '.join(names)}")
    source = (folder / f"{name}.j2").read_text(encoding="utf-8")
    # The output is text for a model, not HTML: escaping would change what is judged.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    identity = digest("template", source=source, code=TEMPLATE_CODE_VERSION)
    return JudgeTemplate(name, identity, environment.from_string(source))


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
    template: JudgeTemplate, pair: Pair, principle: Principle, order: Order, readout: ReadOut, max_chars: int
) -> Rendered:
    """The conversation with the judge about one pair, one principle, one order. Deterministic.

    The conversation and each response get at most `max_chars` characters.
    """
    case = _case(template, pair, order, max_chars)
    user = "\n\n".join((case.text, _principle_part(template, principle), _block(template, readout, {})))
    system = _block(template, "system", {})
    messages = [Message(role="system", content=system)] if system else []
    return Rendered((*messages, Message(role="user", content=user)), case.cut_chars)


def _case(template: JudgeTemplate, pair: Pair, order: Order, max_chars: int) -> _Case:
    nonce = _nonce(pair)
    conversation, left_out = _conversation(pair.prompt.conversation, nonce, max_chars)
    responses = [bound(neutralise(response.text), max_chars) for response in shown(pair, order)]
    fields = {"conversation": fenced("CONVERSATION", conversation, nonce)}
    for label, response in zip("AB", responses, strict=True):
        fields[f"response_{label.lower()}"] = fenced(f"RESPONSE {label}", response.text, nonce)
    return _Case(_block(template, "case", fields), left_out + sum(response.cut_chars for response in responses))


def _nonce(pair: Pair) -> str:
    """Unguessable without knowing both responses; the same in both orders, so that they share a prefix too."""
    return digest("fence", prompt=pair.prompt.key, responses=sorted((pair.a.key, pair.b.key)))[:8]


def _conversation(messages: Sequence[Message], nonce: str, max_chars: int) -> _Case:
    """The latest turns that fit, oldest first; the last turn is always there, cut in the middle if it must be."""
    last = bound(neutralise(messages[-1].content), max_chars)
    turns = [_turn(message.role, neutralise(message.content), nonce) for message in messages[:-1]]
    kept, room = [_turn(messages[-1].role, last.text, nonce)], max_chars - len(last.text)
    while turns and len(turns[-1]) <= room:
        room -= len(turns[-1])
        kept.insert(0, turns.pop())
    if turns:
        kept.insert(0, f"[... {len(turns)} earlier turns left out ...]")
    return _Case("\n".join(kept), last.cut_chars + sum(map(len, turns)))


def _turn(role: str, text: str, nonce: str) -> str:
    return f"{FENCE_OPEN}{role} {nonce}{FENCE_CLOSE}\n{text}"


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


def _block(template: JudgeTemplate, name: str, fields: Mapping[str, object]) -> str:
    context = template.compiled.new_context(dict(fields))
    return "".join(template.compiled.blocks[name](context)).strip()
