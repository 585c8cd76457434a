"""What may hold a key is neither shown nor written down, and looking for it takes no time to speak of."""

from __future__ import annotations

import time

import pytest
from pydantic import TypeAdapter, ValidationError

from constitution.errors import DataError
from constitution.secret import may_be_shown
from generate.address import Address

SECRET = "hunter2"
KEYED = (
    f"https://me:{SECRET}@host/x",
    f"Https://{SECRET}@host/x",
    f"https://host/x#{SECRET}",
    f"https://u:p@{SECRET}@host/x",
    f"s3://AKIA:ab/{SECRET}@bucket/x",
    f"s3://bucket/x?token={SECRET}",
    f"abfs://c@account.example/x?se=1&sig={SECRET}",
    f"simplecache::https://{SECRET}@host/x",
    f"zip://a.jsonl::s3://k:{SECRET}@bucket/x.zip",
    f"ssh://u:{SECRET}@host/x",
)
KEYLESS = (
    "github://org:repo@v1/x",
    "http://localhost:8000/x@y",
    "https://host/@user/x",
    "zip://train.parquet::prompts@2.zip",
    "s3://bucket/x?versionId=3",
    "abfs://c@account.example/x",
)


@pytest.mark.parametrize("address", KEYED)
def test_an_address_with_a_key_is_refused_and_no_message_repeats_it(address: str) -> None:
    with pytest.raises(ValidationError, match="must not hold a user"):
        TypeAdapter(Address).validate_python(address)
    assert not may_be_shown(address)
    assert SECRET not in str(DataError(f"{address}: cannot be read (no `{address}`)"))


@pytest.mark.parametrize("address", KEYLESS)
def test_an_address_without_one_is_left_as_it_is(address: str) -> None:
    assert TypeAdapter(Address).validate_python(address) == address
    assert str(DataError(f"{address}: cannot be read")) == f"{address}: cannot be read"


@pytest.mark.parametrize("part", ["http://", "://::", "http://a:", "s3://b?", "https://a?sig", "http://u:p", "token "])
def test_a_strangers_line_is_looked_through_in_time_that_grows_with_its_length(part: str) -> None:
    line = part * (1_000_000 // len(part))
    started = time.perf_counter()
    may_be_shown(line)
    DataError(line)
    assert time.perf_counter() - started < 10, "a quarter of this line took minutes"
