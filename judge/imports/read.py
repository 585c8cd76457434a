"""One function for all formats: from a Request to an import folder."""

from __future__ import annotations

from pathlib import Path

from constitution.identity import digest, file_digest, stream_digest
from generate.record_files import Place, is_url, opened_at, places
from judge.imports.account import ImportAccount
from judge.imports.annotated_pairs import read_annotated_pairs
from judge.imports.exported import read_exported
from judge.imports.folder import write_import
from judge.imports.found import ImportFormat, Reader, Request
from judge.imports.hh_rlhf import read_hh_rlhf
from judge.imports.llmbar import read_llmbar, read_llmbar_verdicts
from judge.imports.rows import ROWS
from judge.imports.thumbs import read_thumbs
from judge.imports.trl import read_trl
from judge.imports.xstest import read_xstest

READERS: dict[ImportFormat, Reader] = {
    "trl": read_trl,
    "hh-rlhf": read_hh_rlhf,
    "annotated-pairs": read_annotated_pairs,
    "datasets": read_exported,
    "thumbs": read_thumbs,
    "llmbar": read_llmbar,
    "llmbar-verdicts": read_llmbar_verdicts,
    "xstest": read_xstest,
}


def import_preferences(request: Request, folder: Path) -> ImportAccount:
    """Read every source into the folder.

    Raises ConfigError at the first row that has not the format's shape; DataError as files do; StoreError if the
    folder holds other files.
    """
    items = READERS[request.format](request)
    return write_import(folder, items, request, lambda: {source: _version(source) for source in request.sources})


def _version(source: str) -> str:
    """A file's or URL's digest; of a folder, of its files together; of a hub data set, its newest commit."""
    if is_url(source):
        return digest("folder", files=[[place.name, _digest_at(place)] for place in places(source, ROWS)])
    path = Path(source)
    if path.is_file():
        return file_digest(path)
    if path.is_dir():
        return digest("folder", files=[[p.name, file_digest(p)] for p in sorted(path.rglob("*")) if p.is_file()])
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(source).sha)


def _digest_at(place: Place) -> str:
    with opened_at(place) as stream:
        return stream_digest(stream)
