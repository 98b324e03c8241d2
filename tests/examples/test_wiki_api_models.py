"""Pydantic reads the library's values: response models are made of them by their attributes."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from examples.wiki_api.models import PageOut, UserOut, WikiOut
from wikibot_store import Acl, Page, Role, User, UserStatus, Wiki

NOW = datetime.now(UTC)
WIKI = Wiki(
    owner_id="ada",
    wiki_slug="notes",
    uid="1",
    display_name="Notes",
    repo_path="/srv/secret",
    mcp_token_hash="secret",
    created_at=NOW,
    updated_at=NOW,
)
USER = User(id="ada", oauth_provider="github", oauth_provider_sub="secret", created_at=NOW, updated_at=NOW)


def test_model_takes_what_it_declares_and_no_secret() -> None:
    """A response model leaves out the token hash, the path on disk and the identity at the provider."""
    answers = [WikiOut.model_validate(WIKI).model_dump_json(), UserOut.model_validate(USER).model_dump_json()]

    assert '"wiki_slug":"notes"' in answers[0]
    assert '"id":"ada"' in answers[1]
    assert not [answer for answer in answers if "secret" in answer]


def test_page_of_values_becomes_a_page_of_models() -> None:
    """A page validates with its items, each by its attributes."""
    page = PageOut[WikiOut].model_validate(Page([WIKI], "cursor"))

    assert page == PageOut(items=[WikiOut.model_validate(WIKI)], cursor="cursor")


def test_enums_and_times_keep_their_types() -> None:
    """Roles, statuses and times arrive as what they are, and leave as JSON's strings."""

    class Grant(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        role: Role
        granted_at: datetime
        expires_at: datetime | None

    class Account(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        status: UserStatus

    acl = Acl(wiki_id="ada:notes", grantee_id="bob", role=Role.EDITOR, granted_by="ada", granted_at=NOW)
    grant = Grant.model_validate(acl)

    assert grant == Grant(role=Role.EDITOR, granted_at=NOW, expires_at=None)
    assert Grant.model_validate_json(grant.model_dump_json()) == grant
    assert Account.model_validate(USER).model_dump(mode="json") == {"status": "active"}
