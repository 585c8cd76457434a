"""From what a reader found to an import folder: pairs.jsonl, opinions.jsonl, singles.jsonl and import.json.

The two responses of a pair stand in the order of their keys, which are hashes of their content. So whether `a` is the
preferred one is as good as random, the same on every machine, and the same for a row that comes twice with its
responses swapped: a judge that always prefers the first cannot look good.

Records are written as they come; what must be known of all of them is on disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

from constitution.errors import DataError, StoreError, harmless
from constitution.files import RecordFile, replacing, write_atomically
from constitution.read_json import read_record
from constitution.scratch import FirstValues, SeenKeys
from generate.record_files import LINES, TABLES, RecordSource, is_url, reached
from generate.records import Message, Pair, Prompt, Response
from judge.imports.account import ImportAccount, skipped_words
from judge.imports.found import Better, Compared, Item, Principled, Rated, Request, Said, Single, Skipped
from judge.opinions import OPINIONS_FILE, Opinion, Side
from judge.records import Order

PAIRS_FILE, SINGLES_FILE, ACCOUNT_FILE = "pairs.jsonl", "singles.jsonl", "import.json"
IMPORTED = "imported"
Placed: TypeAlias = Pair | Opinion | Single
FILES: dict[type[Placed], str] = {Pair: PAIRS_FILE, Opinion: OPINIONS_FILE, Single: SINGLES_FILE}


class _Prompts:
    """Prompts by their content, each under a name of its own."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.count = 0
        self._tags = tags
        self._known = FirstValues()
        self._names = SeenKeys()

    def of(self, name: str, conversation: tuple[Message, ...], tags: tuple[str, ...] = ()) -> Prompt:
        """The prompt of this conversation; the first to bring it names and tags it."""
        single = conversation[0].content if len(conversation) == 1 and conversation[0].role == "user" else None
        made = Prompt(id="-", prompt=single, messages=() if single else conversation)
        known = self._known.get(made.key)
        if known is None:
            self.count += 1
            given = {"id": self._free(name), "tags": list(dict.fromkeys((*self._tags, *tags)))}
            known = self._known.setdefault(made.key, json.dumps(given))
        return made.model_copy(update=_named(known))

    def _free(self, name: str) -> str:
        short, number = name[:180], self.count
        while not self._names.add([free := short if number == self.count else f"{short}-{number}"]):
            number += 1
        return free

    def close(self) -> None:
        """Give the temporary files back."""
        self._known.close()
        self._names.close()


def _named(known: str) -> dict[str, object]:
    fields = json.loads(known)
    return {"id": fields["id"], "tags": tuple(fields["tags"])}


class Placing:
    """What a reader finds, item by item, as records that are placed by content, each pair once; and the account of it.

    Nothing is kept in memory but counts.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._prompts, self._pairs = _Prompts(request.tags), SeenKeys()
        self._skipped, self._verdicts, self._records = Counter[str](), Counter[str](), Counter[type]()
        self._principles: dict[str, str] = {}
        self._compared = 0

    def records(self, items: Iterable[Item]) -> Iterator[Placed]:
        """Pairs, opinions about them and single responses, as they come; what cannot be used is counted."""
        for item in items:
            for record in self._of(item):
                self._records[type(record)] += 1
                yield record

    def _of(self, item: Item) -> Iterator[Placed]:
        if isinstance(item, Skipped):
            self._skipped[item.reason] += 1
        elif isinstance(item, Principled):
            self._principles[item.id] = item.text
        elif isinstance(item, Rated):
            yield _single(item, self._prompts, self._request)
        elif reason := _unusable(item):
            self._skipped[reason] += 1
        else:
            self._compared += 1
            yield from self._compare(item)

    def _compare(self, item: Compared) -> Iterator[Placed]:
        pair, first = _placed(item, self._prompts.of(item.name, item.conversation, item.tags))
        if self._pairs.add([pair.key]):
            yield pair
        for said in item.said:
            opinion = _opinion(pair, first, said, self._request)
            self._verdicts[opinion.side] += 1
            yield opinion

    def account(self, versions: dict[str, str]) -> ImportAccount:
        """Of what has come so far."""
        return ImportAccount(
            request=self._request,
            versions=versions,
            compared=self._compared,
            prompts=self._prompts.count,
            pairs=self._records[Pair],
            opinions=self._records[Opinion],
            verdicts=dict(sorted(self._verdicts.items())),
            singles=self._records[Single],
            skipped=dict(sorted(self._skipped.items())),
            principles=self._principles,
        )

    def close(self) -> None:
        """Give the temporary files back."""
        self._prompts.close()
        self._pairs.close()


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


def write_import(
    folder: Path, items: Iterable[Item], request: Request, versions: Callable[[], dict[str, str]] = dict
) -> ImportAccount:
    """Write the folder, as the items come. `versions` of the sources are asked for when all of them have been read.

    Raises StoreError if it holds anything but an earlier import, before anything is read; DataError if nothing in the
    items can be used, and whatever reading them raises. The folder's files are then what they were.
    """
    _make(folder)
    with closing(Placing(request)) as placing, ExitStack() as stack:
        streams = {kind: stack.enter_context(replacing(folder / name)) for kind, name in FILES.items()}
        for record in placing.records(items):
            line = record.model_dump_json(exclude_defaults=isinstance(record, Opinion))
            streams[type(record)].write(line.encode("utf-8") + b"\n")
        account = placing.account(versions())
        if not account.pairs and not account.singles:
            raise DataError(f"nothing could be imported: {skipped_words(account) or 'the source is empty'}")
    write_atomically(folder / ACCOUNT_FILE, account.model_dump_json(indent=2) + "\n")
    return account


def _make(folder: Path) -> None:
    """Make the folder. Raises StoreError if it cannot be made, or holds anything but an earlier import."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise StoreError(f"{harmless(str(folder))}: cannot be made or read: {error.strerror}") from error
    if strangers and ACCOUNT_FILE not in strangers:
        raise StoreError(f"{harmless(str(folder))}: holds other files; give `--out` a new folder")


def pair_source(where: str) -> RecordSource[Pair]:
    """The pairs of an import folder; of a file, a folder of files or a URL with a pair in every line or row.

    Raises DataError if there is nothing of this name, or a folder without such files.
    """
    folder = Path(where)
    if is_url(where):
        return RecordSource(where, Pair, "pairs")
    with reached(where):
        if folder.is_file():
            return RecordSource(where, Pair, "pairs")
        if (folder / PAIRS_FILE).is_file():
            return RecordSource(folder / PAIRS_FILE, Pair, "pairs")
        if folder.is_dir() and any(path.name.endswith(LINES + TABLES) for path in folder.iterdir()):
            return RecordSource(where, Pair, "pairs")
    raise DataError(
        f"{harmless(where)}: not a folder that `preceptor import` wrote: no {PAIRS_FILE} in it, nor files of pairs"
    )


def check_pairs(source: RecordSource[Pair]) -> None:
    """Raise DataError if there is no pair."""
    if not any(True for _ in source):
        raise DataError(f"{harmless(source.where)}: holds no pairs, only single responses")


def single_source(where: str) -> Iterable[Single]:
    """The single responses of an import folder; none where it has no such file."""
    path = Path(where) / SINGLES_FILE
    return RecordFile(path, Single) if not is_url(where) and path.exists() else ()


def is_import(folder: Path) -> bool:
    """Whether `preceptor import` wrote it."""
    return (folder / ACCOUNT_FILE).is_file()


def read_account(folder: Path) -> ImportAccount:
    """What the folder says of itself. Raises ConfigError where its file is damaged, DataError where there is none."""
    return read_record(folder / ACCOUNT_FILE, ImportAccount)
