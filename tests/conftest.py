"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from constitution.store import Store
from generate.engine import Engine, ModelRef
from generate.models import resolve_model
from generate.open import open_engine
from generate.settings import VllmEngine
from judge.records import Vote
from tests.serving import CANARY
from tests.tiny import smollm_of_two_layers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background has SIGINT ignored in them and in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test come first, then those with most tests: so that processes that share them end together."""
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public test data, kept in `shared/data` next to the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data next to the repository, which this machine does not have")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch in this process, until the module's tests are done: on matrices this small more of them cost
    more than they bring, and another number rounds differently."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store[Vote]]:
    """An empty store of votes."""
    with Store(tmp_path / "votes.sqlite", Vote) as opened:
        yield opened


@pytest.fixture
def canary_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that may turn up nowhere, in its environment variable."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)


@pytest.fixture(scope="session")
def bundled_model() -> ModelRef:
    """SmolLM2-135M-Instruct, converted on first use and kept in the cache folder."""
    return resolve_model("bundled:smollm2-135m-instruct")


@pytest.fixture(scope="session")
def tiny_model(bundled_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """A Llama of two layers with random weights, the same on every machine, and SmolLM2's tokenizer."""
    return smollm_of_two_layers(bundled_model, tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def vllm_engine(bundled_model: ModelRef) -> Iterator[Engine]:
    """The real vLLM engine with the real small model, started once for all tests."""
    settings = VllmEngine(type="vllm", max_model_len=2048, kv_cache_gib=0.5, enforce_eager=True)
    engine = open_engine("fast", settings, bundled_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. One a module: playwright keeps an event loop running in this thread as long as it is open,
    and other modules' tests start loops of their own."""
    from playwright.sync_api import sync_playwright

    from benchmarks.opening import find_browser

    with sync_playwright() as playwright:
        path = find_browser(playwright)
        if path is None:
            pytest.skip(
                "needs a Chromium: none of chromium, chromium-browser, google-chrome, or playwright's own is here"
            )
        # Chromium's sandbox refuses to work for root, and only pages of ours are opened.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield started
        started.close()
