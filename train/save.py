"""The trained policy on disk, as any program reads it: whole weights in safetensors, configuration, tokenizer with chat
template; an adapter alone in `adapter/`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from constitution.files import fsync_folder
from generate.quiet import quiet_transformers
from generate.weights import writing
from train.policy import Policy

UNFINISHED = ".policy.tmp"


def save_policy(policy: Policy, out: Path, adapted: bool) -> None:
    """Write into `out`, replacing a policy that is there. An adapter is merged into `policy.model`, which ends its
    training.

    Everything is written and synced in a folder inside `out` first, then renamed. A crash between two renames leaves
    the checkpoint in place, so that the next call saves again. Raises StoreError if it cannot be written; the folder
    inside is removed then.
    """
    unfinished = out / UNFINISHED
    with writing(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            _save(policy, unfinished, adapted)
            _sync(unfinished)
            _remove_old(out)
            for entry in sorted(unfinished.iterdir()):
                os.replace(entry, out / entry.name)
            fsync_folder(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _save(policy: Policy, folder: Path, adapted: bool) -> None:
    with quiet_transformers():
        if adapted:
            policy.model.save_pretrained(folder / "adapter")
            # peft's template of a card, all of it left to fill in; ours is beside the whole weights.
            (folder / "adapter" / "README.md").unlink(missing_ok=True)
        whole = policy.model.merge_and_unload() if adapted else policy.model
        whole.save_pretrained(folder)
        policy.tokenizer.save_pretrained(folder)


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        fsync_folder(path)


def _remove_old(out: Path) -> None:
    shutil.rmtree(out / "adapter", ignore_errors=True)
    for weights in out.glob("model*.safetensors*"):
        weights.unlink()
