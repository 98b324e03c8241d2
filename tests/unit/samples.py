"""One item of each model, with a value in every attribute."""

from datetime import UTC, datetime

from wikibot_store import Acl, Role, User, UserStatus, Wiki, WikiStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

USER = User(
    id="u-1",
    oauth_provider="github",
    oauth_provider_sub="4711",
    username="ada",
    email="ada@example.org",
    display_name="Ada L.",
    avatar_url="https://example.org/ada.png",
    tier="pro",
    status=UserStatus.SUSPENDED,
    wiki_count=3,
    created_at=NOW,
    updated_at=NOW,
    last_login_at=NOW,
    version=7,
)
WIKI = Wiki(
    owner_id="u-1",
    wiki_slug="notes",
    uid="0f",
    display_name="My notes",
    repo_path="/srv/wikis/notes.git",
    mcp_token_hash="5e" * 32,
    is_public=True,
    status=WikiStatus.DELETING,
    page_count=12,
    disk_usage_bytes=34_567,
    created_at=NOW,
    updated_at=NOW,
    last_accessed=NOW,
    version=2,
)
ACL = Acl(
    wiki_id="u-1:notes",
    grantee_id="u-2",
    role=Role.EDITOR,
    granted_by="u-1",
    granted_at=NOW,
    expires_at=NOW.replace(microsecond=0),
    wiki_uid="0f",
)
