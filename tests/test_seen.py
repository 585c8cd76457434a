"""The set of keys on disk (constitution/store.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from constitution.store import SeenKeys


def test_a_key_is_new_once() -> None:
    with closing(SeenKeys()) as seen:
        assert seen.add(["a", "b", "a"]) == {"a", "b"}
        assert seen.add(["b", "c"]) == {"c"}
        assert seen.add([]) == set()


def test_an_iteration_that_was_given_up_can_be_closed_by_another_thread() -> None:
    """As the garbage collector does: a server's client has threads."""

    def going() -> Iterator[set[str]]:
        with closing(SeenKeys()) as seen:
            while True:
                yield seen.add(["a"])

    iteration = going()
    assert next(iteration) == {"a"}
    raised = list[BaseException]()

    def close() -> None:
        try:
            iteration.close()  # type: ignore[attr-defined]
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert raised == []
