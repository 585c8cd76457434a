"""Open an engine by its settings. Importing this is light; the engine's library is imported when one is opened."""

from __future__ import annotations

from generate.engine import Engine, ModelRef
from generate.settings import EngineSettings, OpenAiEngine, TransformersEngine


def open_engine(name: str, settings: EngineSettings, model: ModelRef) -> Engine:
    """Load `model` into the engine that `settings` describe; `name` is what the run file calls it.

    Raises ModelError if the engine is not installed, the model cannot be loaded or the server's key is missing.
    """
    if isinstance(settings, TransformersEngine):
        from generate.engine_transformers import TransformersRunner

        return TransformersRunner(name, settings, model)
    if isinstance(settings, OpenAiEngine):
        from generate.engine_openai import OpenAiRunner

        return OpenAiRunner(name, settings, model)
    from generate.engine_vllm import VllmRunner

    return VllmRunner(name, settings, model)
