"""From a model's name in a run file to weights that can be loaded safely: `resolve_model`.

    bundled:smollm2-135m-instruct    ships with the extra `demo`                  revision: digest of the file
    ./folder, /folder, ~/folder      a local safetensors folder                   revision: digest of its files
    organisation/model               a Hugging Face id, at one commit             revision: the commit

Nothing here loads weights, and code that comes with a model is never run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constitution.errors import ModelError
from generate.bundled import HUB_IDS, resolve_bundled
from generate.cache import content_digest
from generate.engine import ModelRef
from generate.model_config import check_numbers
from generate.quiet import first_line

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]{0,199}", re.ASCII)
COMMIT = re.compile(r"^[0-9a-f]{40}$")
PICKLED_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Whatever can change what the model says: configuration, tokenizer and chat template, weights.
MEANINGFUL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")
TRAINING = "training.json"
"""What the trainer leaves beside a policy: where it stood and what it was made from, which changes nothing that it
says. So the same weights answer alike in whatever folder the run is."""


def resolve_model(name: str, revision: str | None = None) -> ModelRef:
    """Find a model and say exactly which weights it is.

    `revision` is a branch, tag or commit of a Hugging Face model and has no meaning for the other kinds.
    Raises ModelError if the model is missing, unsafe to load or not reachable.
    """
    is_folder = name.startswith(("/", "./", "../", "~")) or os.path.isdir(name)
    if revision is not None and (is_folder or name.startswith("bundled:")):
        raise ModelError(f"`revision` is for Hugging Face models; the model `{name}` is its own revision: leave it out")
    try:
        return _resolve(name, revision, is_folder)
    except ModelError as error:
        error.about = name
        raise


def _resolve(name: str, revision: str | None, is_folder: bool) -> ModelRef:
    if name.startswith("bundled:"):
        return resolve_bundled(name)
    if is_folder:
        return _resolve_folder(name)
    return _resolve_hub(name, revision)


def hub_id(name: str) -> str | None:
    """What the model is called on the Hugging Face hub; None for a folder, which is not there."""
    if name.startswith("bundled:"):
        return HUB_IDS.get(name.removeprefix("bundled:"))
    return name if HUB_ID.fullmatch(name) and not os.path.isdir(name) else None


def public_name(name: str) -> str:
    """What the model is called where others read it: of a folder its last part, since the rest is this machine's."""
    return name if hub_id(name) else Path(name).name


def _resolve_folder(name: str) -> ModelRef:
    try:
        folder = Path(name).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a zero byte, nobody's home
        raise ModelError(f"the model `{name}` is no name of a folder ({error})") from error
    if not os.path.isdir(folder):
        raise ModelError(f"the model folder `{name}` does not exist")
    if not (folder / "config.json").is_file():
        raise ModelError(f"the model folder `{name}` has no config.json: it must be as save_pretrained writes it")
    if not any(folder.glob("*.safetensors")):
        pickled = any(any(folder.glob(pattern)) for pattern in PICKLED_WEIGHTS)
        why = (
            "has only pickled weights (.bin, .pt), and loading a pickle can run any code: save it as safetensors"
            if pickled
            else "has no *.safetensors weights"
        )
        raise ModelError(f"the model folder `{name}` {why}")
    _check_config(name, folder / "config.json")
    files = sorted({file for pattern in MEANINGFUL_FILES for file in folder.glob(pattern) if file.name != TRAINING})
    return ModelRef(name=name, path=str(folder), revision=content_digest(files))


def _check_config(name: str, config_file: Path) -> None:
    try:
        config: dict[str, Any] = json.loads(config_file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the config.json of the model `{name}` is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"the config.json of the model `{name}` is not an object of settings")
    check_numbers(name, config)
    _refuse_foreign_code(name, config)


def _refuse_foreign_code(name: str, config: Mapping[str, Any]) -> None:
    if "auto_map" not in config:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"the model `{name}` (type `{config.get('model_type')}`) only works by running code that comes with it, "
            "which is never done here: choose a model that transformers supports itself"
        )


def _resolve_hub(name: str, revision: str | None) -> ModelRef:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        known = bool(HUB_ID.fullmatch(name))
        validate_repo_id(name)
    except HFValidationError:
        known = False
    if not known:
        raise ModelError(
            f"`{name}` is neither `bundled:...`, nor an existing folder, nor a Hugging Face id like `org/name`"
        )
    if revision is not None and not REVISION.fullmatch(revision):
        raise ModelError(f"`{revision}` is no branch, tag or commit of the model `{name}`")
    commit = _cached_commit(name, revision or "main") or _remote_commit(name, revision)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of whichever HTTP client it uses

    try:
        config = hf_hub_download(name, "config.json", revision=commit)
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise _unreachable(name, revision, error) from error
    _check_config(name, Path(config))
    return ModelRef(name=name, path=name, revision=commit)


def _cached_commit(name: str, revision: str) -> str | None:
    """The commit that the local cache holds for this revision; needs no network."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str) else None


def _remote_commit(name: str, revision: str | None) -> str:
    if revision is not None and COMMIT.match(revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of whichever HTTP client it uses

    try:
        return str(HfApi().model_info(name, revision=revision, timeout=20).sha)
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise _unreachable(name, revision, error) from error


def _unreachable(name: str, revision: str | None, error: Exception) -> ModelError:
    at = f" at revision `{revision}`" if revision else ""
    return ModelError(
        f"the Hugging Face model `{name}`{at} is not in the local cache and could not be fetched "
        f"({first_line(error)}): check the name and the network, or give a local folder"
    )
