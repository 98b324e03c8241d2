"""Exports as DynamoDB makes them to S3, written by hand."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ID = "01604474914028-a1b2c3d4"


def md5(content: bytes) -> str:
    """Return a checksum as AWS writes it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def line(item: dict[str, Any]) -> bytes:
    """Return the line of an item."""
    return json.dumps({"Item": item}).encode() + b"\n"


def a_user(user_id: str = "ada", **attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - attribute values
    """Return an item of the users table."""
    return {"id": {"S": user_id}, "oauth_provider": {"S": "github"}, "oauth_provider_sub": {"S": "1"}} | attributes


def write_export(
    folder: Path, *files: Sequence[bytes] | bytes, counts: Sequence[int] | None = None, **summary: object
) -> Path:
    """Write an export of one table; each file is a list of lines, or what it holds. Return its folder.

    The S3 keys have a prefix that the local copy does not have, as after `aws s3 cp --recursive`.
    """
    export = folder / "AWSDynamoDB" / ID
    (export / "data").mkdir(parents=True)
    (export / "_started").touch()
    entries = []
    for number, file in enumerate(files):
        content = file if isinstance(file, bytes) else gzip.compress(b"".join(file))
        (export / "data" / f"file{number}.json.gz").write_bytes(content)
        entries.append(
            {
                "itemCount": counts[number] if counts else 0 if isinstance(file, bytes) else len(file),
                "md5Checksum": md5(content),
                "etag": "8d777f385d3dfec8815d20f7496026dc-1",
                "dataFileS3Key": f"2020-Nov/AWSDynamoDB/{ID}/data/file{number}.json.gz",
            }
        )
    members = {
        "version": "2020-06-30",
        "exportArn": f"arn:aws:dynamodb:us-east-1:123456789012:table/users/export/{ID}",
        "startTime": "2020-11-04T07:28:34.028Z",
        "endTime": "2020-11-04T07:33:43.897Z",
        "tableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/users",
        "tableId": "12345a12-abcd-123a-ab12-1234abc12345",
        "exportTime": "2020-11-04T07:28:34.028Z",
        "s3Bucket": "exports",
        "s3Prefix": "2020-Nov",
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"2020-Nov/AWSDynamoDB/{ID}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": sum(int(str(entry["itemCount"])) for entry in entries),
        "outputFormat": "DYNAMODB_JSON",
    }
    manifests = {
        "manifest-files": "".join(f"{json.dumps(entry)}\n" for entry in entries).encode(),
        "manifest-summary": json.dumps(members | summary).encode(),
    }
    for name, content in manifests.items():
        (export / f"{name}.json").write_bytes(content)
        (export / f"{name}.checksum").write_text(md5(content))
    return export
