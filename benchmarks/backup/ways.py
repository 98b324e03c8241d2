"""The ways to export a table into a gzipped file, and to import it again, that the benchmark compares.

    python -m benchmarks.backup.ways WAY URL FOLDER

It prints the number of items, the seconds, the CPU seconds of all threads, and the largest memory in MB.
"""

import asyncio
import gzip
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.backup import export_tables, import_tables
from wikibot_store.local import local_session

Way = Callable[[str, Path], int]
_BATCH_WRITE = 25


def _with_store(url: str, work: Callable[[WikibotStore], Awaitable[int]]) -> int:
    async def opened() -> int:
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=local_session()) as store:
            return await work(store)

    return asyncio.run(opened())


def store_export(url: str, folder: Path) -> int:
    """Call export_tables."""

    async def work(store: WikibotStore) -> int:
        (exported,) = await export_tables(store, folder, tables=["users"])
        return exported.items

    return _with_store(url, work)


def store_import(url: str, folder: Path) -> int:
    """Call import_tables, which checks everything before it writes."""

    async def work(store: WikibotStore) -> int:
        (imported,) = await import_tables(store, folder, tables=["users"])
        return imported.items

    return _with_store(url, work)


def _boto3(url: str) -> Any:  # noqa: ANN401 - boto3 has no type hints
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    return boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1", config=Config(), **keys)


def boto3_export(url: str, folder: Path, level: int = 9) -> int:
    """Write each item of a paginator as a line, compressed as gzip.open does it without a level."""
    items = 0
    with gzip.open(folder / "boto3.json.gz", "wt", compresslevel=level) as file:
        for page in _boto3(url).get_paginator("scan").paginate(TableName="users"):
            for item in page["Items"]:
                file.write(json.dumps({"Item": item}) + "\n")
            items += page["Count"]
    return items


def boto3_fast_export(url: str, folder: Path) -> int:
    """The same, compressed as our export is."""
    return boto3_export(url, folder, level=1)


def boto3_import(url: str, folder: Path) -> int:
    """Write the lines in batches of 25, without checking anything."""
    client, items = _boto3(url), 0
    with gzip.open(folder / "boto3.json.gz", "rt") as file:
        for batch in _batches(file):
            pending: Any = {"users": [{"PutRequest": {"Item": json.loads(line)["Item"]}} for line in batch]}
            while pending:
                pending = client.batch_write_item(RequestItems=pending)["UnprocessedItems"]
            items += len(batch)
    return items


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(lines, _BATCH_WRITE)):
        yield batch


def pynamodb_export(url: str, folder: Path) -> int:
    """Write each item of Model.scan() as JSON. PynamoDB 5 removed Model.dump, which did this."""
    from pynamodb.attributes import NumberAttribute, UnicodeAttribute  # noqa: PLC0415 - it may not be there
    from pynamodb.models import Model  # noqa: PLC0415

    texts = [
        "oauth_provider",
        "oauth_provider_sub",
        "username",
        "email",
        "display_name",
        "avatar_url",
        "tier",
        "status",
    ]
    texts += ["created_at", "updated_at", "write_id", "about"]
    meta = {"table_name": "users", "host": url, "region": "us-east-1"}
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    attributes = {
        "Meta": type("Meta", (), meta | keys),
        "id": UnicodeAttribute(hash_key=True),
        **{name: UnicodeAttribute(null=True) for name in texts},
        **{name: NumberAttribute(null=True) for name in ("wiki_count", "version")},
    }
    user: Any = type("User", (Model,), attributes)
    items = 0
    with gzip.open(folder / "pynamodb.json.gz", "wt") as file:
        for each in user.scan():
            file.write(json.dumps(each.to_dynamodb_dict()) + "\n")
            items += 1
    return items


WAYS: dict[str, Way] = {
    "wikibot_store export": store_export,
    "boto3 export": boto3_export,
    "boto3 export, level 1": boto3_fast_export,
    "PynamoDB export": pynamodb_export,
    "wikibot_store import": store_import,
    "boto3 import": boto3_import,
}


def main() -> None:
    """Go one way and print what it took."""
    way, url, folder = WAYS[sys.argv[1]], sys.argv[2], Path(sys.argv[3])
    begun = time.perf_counter()
    items = way(url, folder)
    seconds = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"items": items, "seconds": seconds, "cpu": time.process_time(), "memory": memory}))


if __name__ == "__main__":
    main()
