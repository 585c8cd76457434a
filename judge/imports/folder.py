"""From what a reader found to an import folder: pairs.jsonl, opinions.jsonl, singles.jsonl and import.json.

The two responses of a pair stand in the order of their keys, which are hashes of their content. So whether `a` is the
preferred one is as good as random, the same on every machine, and the same for a row that comes twice with its
responses swapped: a judge that always prefers the first cannot look good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError, StoreError, harmless
from constitution.files import read_records, read_text, write_atomically, write_records
from constitution.record import Record
from generate.records import Message, Pair, Prompt, Response
from judge.imports.found import Better, Compared, Item, Principled, Rated, Request, Said, Single, Skipped
from judge.opinions import OPINIONS_FILE, Opinion, Side
from judge.records import Order

PAIRS_FILE, SINGLES_FILE, ACCOUNT_FILE = "pairs.jsonl", "singles.jsonl", "import.json"
IMPORTED = "imported"


class ImportAccount(Record):
    """What an import folder is made of, import.json: where it is from, and what became of it."""

    request: Request
    """What was asked for: format, sources, licence, notes."""
    versions: dict[str, str]
    """Every source's identity: a file's digest, a hub data set's commit, or that it is not known."""
    compared: int
    """Comparisons read, those that were skipped not counted."""
    prompts: int
    """Different conversations."""
    pairs: int
    """Different pairs: comparisons of the same two texts are one pair."""
    opinions: int
    """What was said of them."""
    verdicts: dict[str, int]
    """The opinions by the side that they prefer, `a` or `b` as the pairs have them; ties and abstentions."""
    singles: int
    """Responses rated on their own."""
    skipped: dict[str, int]
    """What could not be used, by reason."""
    principles: dict[str, str]
    """Principles that the data brought along: id and text."""


class Imported(NamedTuple):
    """An import in memory."""

    pairs: tuple[Pair, ...]
    opinions: tuple[Opinion, ...]
    singles: tuple[Single, ...]
    account: ImportAccount


class _Prompts:
    """Prompts by their content, each under a name of its own."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.found: dict[str, Prompt] = {}
        self._tags = tags
        self._names: set[str] = set()

    def of(self, name: str, conversation: tuple[Message, ...], tags: tuple[str, ...] = ()) -> Prompt:
        """The prompt of this conversation; the first to bring it names and tags it."""
        single = conversation[0].content if len(conversation) == 1 and conversation[0].role == "user" else None
        made = Prompt(
            id=self._free(name),
            prompt=single,
            messages=() if single else conversation,
            tags=tuple(dict.fromkeys((*self._tags, *tags))),
        )
        prompt = self.found.setdefault(made.key, made)
        self._names.add(prompt.id)
        return prompt

    def _free(self, name: str) -> str:
        short = name[:180]
        return short if short not in self._names else f"{short}-{len(self._names) + 1}"


def gather(items: Iterable[Item], request: Request, versions: dict[str, str]) -> Imported:
    """Pairs placed by content, each once; opinions about them; what was skipped, counted."""
    prompts, pairs = _Prompts(request.tags), dict[str, Pair]()
    opinions, singles = list[Opinion](), list[Single]()
    skipped, principles, compared = Counter[str](), dict[str, str](), 0
    for item in items:
        if isinstance(item, Skipped):
            skipped[item.reason] += 1
        elif isinstance(item, Principled):
            principles[item.id] = item.text
        elif isinstance(item, Rated):
            singles.append(_single(item, prompts, request))
        elif reason := _unusable(item):
            skipped[reason] += 1
        else:
            compared += 1
            pair, first = _placed(item, prompts.of(item.name, item.conversation, item.tags))
            pairs.setdefault(pair.key, pair)
            opinions += [_opinion(pair, first, said, request) for said in item.said]
    account = ImportAccount(
        request=request,
        versions=versions,
        compared=compared,
        prompts=len(prompts.found),
        pairs=len(pairs),
        opinions=len(opinions),
        verdicts=dict(sorted(Counter(opinion.side for opinion in opinions).items())),
        singles=len(singles),
        skipped=dict(sorted(skipped.items())),
        principles=principles,
    )
    return Imported(tuple(pairs.values()), tuple(opinions), tuple(singles), account)


def _unusable(item: Compared) -> str | None:
    if not item.first.strip() or not item.second.strip():
        return "an empty response"
    return "both responses are the same" if item.first == item.second else None


def _placed(item: Compared, prompt: Prompt) -> tuple[Pair, Side]:
    """The pair, and the slot in which the file's first response came to stand."""
    first, second = (_response(prompt, text, index) for index, text in enumerate((item.first, item.second)))
    a, b = sorted((first, second), key=lambda response: response.key)
    return Pair(prompt=prompt, a=a, b=b), "a" if a is first else "b"


def _response(prompt: Prompt, text: str, index: int) -> Response:
    return Response(prompt_key=prompt.key, text=text, finish="unknown", tokens=0, sampler=IMPORTED, seed=0, index=index)


def _opinion(pair: Pair, first: Side, said: Said, request: Request) -> Opinion:
    order: Order | None = None
    if said.shown_first is not None:
        order = "ab" if _side(said.shown_first, first) == "a" else "ba"
    p = said.p if said.p is None or first == "a" else 1 - said.p
    return Opinion(
        pair=pair.key,
        principle=said.principle,
        verdict=_side(said.better, first) if p is None else None,
        p=p,
        order=order,
        annotator=said.annotator,
        source=said.voice or request.voice,
        comment=said.comment,
    )


def _side(better: Better, first: Side) -> Side:
    if better == "tie" or better == "abstain":
        return better
    return "a" if (better == "first") == (first == "a") else "b"


def _single(item: Rated, prompts: _Prompts, request: Request) -> Single:
    return Single(
        prompt=prompts.of(item.name, item.conversation),
        response=item.response,
        up=item.up,
        annotator=item.annotator,
        source=request.voice,
    )


def write_import(imported: Imported, folder: Path) -> None:
    """Write the folder. Raises StoreError if it holds anything but an earlier import."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise StoreError(f"{harmless(str(folder))}: cannot be made or read: {error.strerror}") from error
    if strangers and ACCOUNT_FILE not in strangers:
        raise StoreError(f"{harmless(str(folder))}: holds other files; give `--out` a new folder")
    if not imported.pairs and not imported.singles:
        raise DataError(f"nothing could be imported: {_listed(imported.account.skipped) or 'the source is empty'}")
    write_records(folder / PAIRS_FILE, imported.pairs)
    opinions = (opinion.model_dump_json(exclude_defaults=True) for opinion in imported.opinions)
    write_atomically(folder / OPINIONS_FILE, "".join(f"{opinion}\n" for opinion in opinions))
    write_records(folder / SINGLES_FILE, imported.singles)
    write_atomically(folder / ACCOUNT_FILE, imported.account.model_dump_json(indent=2) + "\n")


def read_pairs(folder: Path) -> list[Pair]:
    """The pairs of an import folder. Raises DataError if it is none or has no pair; ConfigError for a broken line."""
    if not (folder / PAIRS_FILE).is_file():
        raise DataError(f"{harmless(str(folder))}: not a folder that `preceptor import` wrote: no {PAIRS_FILE} in it")
    pairs = read_records(folder / PAIRS_FILE, Pair)
    if not pairs:
        raise DataError(f"{harmless(str(folder))}: holds no pairs, only single responses")
    return pairs


def read_singles(folder: Path) -> list[Single]:
    """The single responses of an import folder; none where it has no such file."""
    path = folder / SINGLES_FILE
    return read_records(path, Single) if path.exists() else []


def read_account(folder: Path) -> ImportAccount:
    """What the folder says of itself."""
    return ImportAccount.model_validate_json(read_text(folder / ACCOUNT_FILE))


def account_lines(account: ImportAccount) -> list[str]:
    """The account in words."""
    lines = [
        f"{account.compared} comparisons: {account.pairs} different pairs of {account.prompts} prompts",
        f"{account.opinions} opinions: {_listed(account.verdicts) or 'none'}",
    ]
    if account.singles:
        lines.append(f"{account.singles} single responses")
    if account.principles:
        lines.append(f"principles: {', '.join(account.principles)}")
    return [*lines, f"skipped: {_listed(account.skipped) or 'nothing'}"]


def _listed(counts: dict[str, int]) -> str:
    return "; ".join(f"{count} {name}" for name, count in counts.items())
