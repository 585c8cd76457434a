"""A folder -> a repository on the Hugging Face hub. The key comes from the environment variable HF_TOKEN and goes
nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from constitution.errors import DataError, harmless

KEY = "HF_TOKEN"
PREFIX = "hub:"
REASON_CHARS = 200


def hub_key(out: str) -> str:
    """The key. Raises DataError without one."""
    key = os.environ.get(KEY)
    if not key:
        raise DataError(f"--out {harmless(out)}: no key for the hub: set the environment variable {KEY}")
    return key


def push(folder: Path, name: str, kind: Literal["dataset", "model"], *, public: bool) -> str:
    """Upload the folder's files in one commit; a repository that is not there is made, private unless `public`.

    Returns the commit's address. Raises DataError without a key, or with the hub's reason.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    key = hub_key(PREFIX + name)
    api = HfApi(token=key)
    try:
        api.create_repo(name, repo_type=kind, private=not public, exist_ok=True)
        done = api.upload_folder(repo_id=name, repo_type=kind, folder_path=folder, commit_message="Preceptor's export")
    except (OSError, HFValidationError) as error:  # huggingface_hub's HTTP errors are OSErrors
        reason = str(error).replace(key, "[key]").split("\n")[0][:REASON_CHARS]
        raise DataError(f"--out {PREFIX}{harmless(name)}: the hub did not take it: {harmless(reason)}") from None
    return str(done.commit_url)
