"""Items as DynamoDB writes them."""

from typing import Any

MOMENT = "2026-01-02T03:04:05.000006Z"


def wiki_item(wiki_slug: str = "notes", *, version: int = 1, display_name: str = "Notes") -> dict[str, Any]:
    """Return a wiki of u-1."""
    return {
        "owner_id": {"S": "u-1"},
        "wiki_slug": {"S": wiki_slug},
        "uid": {"S": "0f"},
        "display_name": {"S": display_name},
        "repo_path": {"S": "/srv/notes.git"},
        "is_public": {"BOOL": False},
        "status": {"S": "active"},
        "page_count": {"N": "0"},
        "disk_usage_bytes": {"N": "0"},
        "created_at": {"S": MOMENT},
        "updated_at": {"S": MOMENT},
        "version": {"N": str(version)},
        "write_id": {"S": "0" * 24},
    }


def wiki_key(wiki_slug: str = "notes") -> dict[str, Any]:
    """Return the key of a wiki of u-1."""
    return {"owner_id": {"S": "u-1"}, "wiki_slug": {"S": wiki_slug}}
