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
    the checkpoint in place, so that the next call saves again.
    """
    unfinished = out / UNFINISHED
    with writing(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with quiet_transformers():
            if adapted:
                policy.model.save_pretrained(unfinished / "adapter")
                # peft's template of a card, all of it left to fill in; ours is beside the whole weights.
                (unfinished / "adapter" / "README.md").unlink(missing_ok=True)
            whole = policy.model.merge_and_unload() if adapted else policy.model
            whole.save_pretrained(unfinished)
            policy.tokenizer.save_pretrained(unfinished)
        _sync(unfinished)
        _remove_old(out)
        for entry in sorted(unfinished.iterdir()):
            os.replace(entry, out / entry.name)
        unfinished.rmdir()
        fsync_folder(out)


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        fsync_folder(path)


def _remove_old(out: Path) -> None:
    shutil.rmtree(out / "adapter", ignore_errors=True)
    for weights in out.glob("model*.safetensors*"):
        weights.unlink()
