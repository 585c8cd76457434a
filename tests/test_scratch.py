"""Sets, names and orders on disk (constitution/scratch.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from constitution.scratch import FirstValues, Grouped, SeenKeys


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


@given(st.lists(st.tuples(st.text(max_size=2), st.text(max_size=2)), max_size=20))
def test_names_and_groups_are_those_of_a_dictionary(rows: list[tuple[str, str]]) -> None:
    names, groups = dict[str, str](), dict[str, list[str]]()
    with FirstValues() as first, Grouped() as grouped:
        for key, value in rows:
            assert first.get(key) == names.get(key)
            assert first.setdefault(key, value) == names.setdefault(key, value)
            groups.setdefault(key, []).append(value)
            grouped.add(key, value)
        assert len(first) == len(names)
        assert list(grouped) == list(grouped) == [value for values in groups.values() for value in values]
