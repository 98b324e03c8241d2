"""The example's API behind the settings of a wiki and of an account, and its page about itself."""

import secrets
from datetime import datetime
from http import HTTPStatus

import httpx
import pytest

from tests.examples.serving import Person, client, cookie, serve, store_on
from wikibot_store import Role
from wikibot_store.local import local_engine

LATER = "2999-01-01T00:00:00+00:00"


async def invite(owner: Person, wiki: str, role: str = "viewer") -> tuple[str, str]:
    """Invite somebody and return the invitation's id and its token."""
    body = {"email": "new@example.org", "role": role, "expires_at": LATER}
    answer = (await owner.send("POST", f"{wiki}/invitations", body)).raise_for_status().json()
    return answer["invitation"]["id"], answer["token"]


async def test_search_finds_names_and_slugs(ada: Person, bob: Person) -> None:
    """A search finds wikis by any part of the name or slug, whatever the case, among mine and those shared with me."""
    for slug, name in (("field", "Field Notes"), ("notes-2", "Other"), ("garden", "Garten ÄÖ"), ("x", "X")):
        await ada.grant(await ada.create_wiki(slug, display_name=name), bob, "viewer")

    async def found(person: Person, path: str, text: str) -> list[str]:
        items = (await person.send("GET", path, search=text)).json()["items"]
        return [(item.get("wiki") or item)["wiki_slug"] for item in items]

    for person, path in ((ada, "/api/wikis"), (bob, "/api/shared")):
        assert await found(person, path, "NOTES") == ["field", "notes-2"]
        assert await found(person, path, "äö") == ["garden"]
        assert await found(person, path, "nothing") == []


async def test_search_returns_one_page(ada: Person, bob: Person) -> None:
    """A search returns the first matches up to the limit, without a link to more."""
    for number in range(3):
        await ada.grant(await ada.create_wiki(f"wiki-{number}"), bob, "viewer")

    answers = [
        await ada.send("GET", "/api/wikis", search="wiki", limit=2),
        await bob.send("GET", "/api/shared", search="wiki", limit=2),
    ]

    assert [len(answer.json()["items"]) for answer in answers] == [2, 2]
    assert not any(answer.links for answer in answers)


async def test_search_reads_all_pages_of_shared_wikis(ada: Person) -> None:
    """A shared wiki beyond the first page of grants is found, and a deleted one is not."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            owner, reader = await Person.log_in(http), await Person.log_in(http)
            for number in range(502):
                key = f"{owner.id}:wiki-{number:03}"
                if number == 501:
                    await owner.create_wiki("wiki-501")
                    await store.acls.create(key, reader.id, Role.VIEWER, granted_by=owner.id)
                else:
                    item = {"wiki_id": key, "grantee_id": reader.id, "role": "viewer", "granted_by": owner.id}
                    values = {name: {"S": value} for name, value in item.items()}
                    values["granted_at"] = {"S": "2026-01-01T00:00:00.000000+00:00"}
                    await (await store.client()).put_item(TableName=store.config.acls_table, Item=values)
            answer = await reader.send("GET", "/api/shared", search="wiki")

    assert [item["wiki"]["wiki_slug"] for item in answer.json()["items"]] == ["wiki-501"]
    assert ada.id


async def test_access_names_role_and_owner(ada: Person, bob: Person, http: httpx.AsyncClient) -> None:
    """Whoever opens a wiki gets it with its owner, the own role, and whether it is the own wiki."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "owner")
    stranger = await Person.log_in(http)

    mine, shared, missing = [await person.send("GET", f"{wiki}/access") for person in (ada, bob, stranger)]

    assert mine.json() | {"role": "owner", "is_mine": True} == mine.json()
    assert shared.json() | {"role": "owner", "is_mine": False} == shared.json()
    assert shared.json()["owner"]["username"] == ada.username
    assert mine.json()["wiki"] == (await ada.send("GET", wiki)).json()
    assert mine.headers["etag"] == (await ada.send("GET", wiki)).headers["etag"]
    assert missing.status_code == HTTPStatus.NOT_FOUND


async def test_rename_keeps_the_members(ada: Person, bob: Person) -> None:
    """A renamed wiki has its new address and its members, and no longer its old address."""
    old = await ada.create_wiki()
    await ada.grant(old, bob, "editor")

    renamed = await ada.send("POST", f"{old}/rename", {"wiki_slug": "field-notes"})

    new = renamed.headers["content-location"]
    assert new == f"/api/wikis/{ada.id}/field-notes"
    assert renamed.json()["wiki_slug"] == "field-notes"
    assert renamed.headers["etag"] == (await bob.send("GET", new)).headers["etag"]
    assert (await bob.send("GET", old)).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("slug", "status"),
    [("taken", HTTPStatus.CONFLICT), ("No Slug", HTTPStatus.UNPROCESSABLE_ENTITY), ("notes", HTTPStatus.OK)],
)
async def test_rename_that_is_not_possible(ada: Person, slug: str, status: HTTPStatus) -> None:
    """A taken slug and one that breaks the rule are refused; the same slug changes nothing."""
    wiki = await ada.create_wiki()
    await ada.create_wiki("taken")

    answer = await ada.send("POST", f"{wiki}/rename", {"wiki_slug": slug})

    assert answer.status_code == status
    assert (await ada.send("GET", wiki)).status_code == HTTPStatus.OK


async def test_transfer_gives_the_wiki_away(ada: Person, bob: Person, http: httpx.AsyncClient) -> None:
    """After a transfer the wiki belongs to the new owner, its members keep their roles, the old owner has none."""
    carol = await Person.log_in(http)
    old = await ada.create_wiki()
    for person, role in ((bob, "viewer"), (carol, "editor")):
        await ada.grant(old, person, role)

    answer = await ada.send("POST", f"{old}/transfer", {"owner_id": bob.id})

    new = answer.headers["content-location"]
    assert new == f"/api/wikis/{bob.id}/notes"
    statuses = [(await person.send("GET", new)).status_code for person in (bob, carol, ada)]
    assert statuses == [HTTPStatus.OK, HTTPStatus.OK, HTTPStatus.NOT_FOUND]
    assert (await bob.send("GET", "/api/shared")).json()["items"] == []


async def test_transfer_that_is_not_possible(ada: Person, bob: Person) -> None:
    """A wiki cannot be transferred by a co-owner, to nobody, or to somebody who has a wiki with its slug."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "owner")
    await bob.create_wiki()

    by_co_owner = await bob.send("POST", f"{wiki}/transfer", {"owner_id": bob.id})
    to_nobody = await ada.send("POST", f"{wiki}/transfer", {"owner_id": "nobody"})
    to_bob = await ada.send("POST", f"{wiki}/transfer", {"owner_id": bob.id})

    assert by_co_owner.status_code == HTTPStatus.FORBIDDEN
    assert to_nobody.status_code == HTTPStatus.NOT_FOUND
    assert to_bob.status_code == HTTPStatus.CONFLICT
    assert (await ada.send("GET", wiki)).status_code == HTTPStatus.OK


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_settings_are_for_owners(ada: Person, bob: Person, role: str) -> None:
    """Renaming, transferring, deleting, tokens, invitations and the public switch require the role of an owner."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, role)
    invitation = {"email": "x@example.org", "role": "owner", "expires_at": LATER}
    requests: list[tuple[str, str, object]] = [
        ("POST", f"{wiki}/rename", {"wiki_slug": "mine"}),
        ("POST", f"{wiki}/transfer", {"owner_id": bob.id}),
        ("DELETE", wiki, None),
        ("POST", f"{wiki}/mcp-token", None),
        ("DELETE", f"{wiki}/mcp-token", None),
        ("POST", f"{wiki}/invitations", invitation),
        ("GET", f"{wiki}/invitations", None),
        ("DELETE", f"{wiki}/invitations/{'0' * 64}", None),
        ("DELETE", f"{wiki}/members/{ada.id}", None),
        ("PATCH", wiki, {"is_public": True}),
    ]

    answers = [await bob.send(method, path, body) for method, path, body in requests]

    assert [answer.status_code for answer in answers] == [HTTPStatus.FORBIDDEN] * len(requests)
    assert (await ada.send("GET", wiki)).json()["is_public"] is False


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rename", {"wiki_slug": "other"}),
        ("POST", "/transfer", {"owner_id": "bob"}),
        ("POST", "/mcp-token", None),
        ("DELETE", "/mcp-token", None),
    ],
)
async def test_settings_of_another_version_are_412(ada: Person, method: str, path: str, body: object) -> None:
    """Every change of a wiki can be bound to the version that its user saw."""
    wiki = await ada.create_wiki()

    answer = await ada.send(method, wiki + path, body, headers={"If-Match": '"another"'})

    assert answer.status_code == HTTPStatus.PRECONDITION_FAILED


async def test_members_leave(ada: Person, bob: Person) -> None:
    """A member gives up the own role, whatever it is; a co-owner too."""
    wiki = await ada.create_wiki()
    for role in ("viewer", "editor", "owner"):
        await ada.grant(wiki, bob, role)
        left = await bob.send("DELETE", f"{wiki}/members/{bob.id}")

        assert left.status_code == HTTPStatus.NO_CONTENT
        assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND


async def test_owner_cannot_be_removed(ada: Person) -> None:
    """The owner of a wiki has no grant that could be revoked."""
    wiki = await ada.create_wiki()

    assert (await ada.send("DELETE", f"{wiki}/members/{ada.id}")).status_code == HTTPStatus.CONFLICT


async def test_grant_until(ada: Person, bob: Person) -> None:
    """A grant may end at a time, which the listing shows; granting again without one removes the end."""
    wiki = await ada.create_wiki()
    member = f"{wiki}/members/{bob.id}"
    for ends in (LATER, None):
        await ada.send("PUT", member, {"role": "viewer", "expires_at": ends})

        (listed,) = (await ada.send("GET", f"{wiki}/members")).json()["items"]
        assert (listed["expires_at"] and datetime.fromisoformat(listed["expires_at"])) == (
            ends and datetime.fromisoformat(ends)
        )


@pytest.mark.parametrize("ends", ["2026-01-01T00:00:00Z", "2999-01-01T00:00:00", "soon"])
async def test_grant_until_a_bad_time_is_422(ada: Person, bob: Person, ends: str) -> None:
    """A time that is over, has no time zone or is no time at all is refused, for grants and invitations."""
    wiki = await ada.create_wiki()

    answers = [
        await ada.send("PUT", f"{wiki}/members/{bob.id}", {"role": "viewer", "expires_at": ends}),
        await ada.send("POST", f"{wiki}/invitations", {"email": "a@b", "role": "viewer", "expires_at": ends}),
    ]

    assert [answer.status_code for answer in answers] == [HTTPStatus.UNPROCESSABLE_ENTITY] * 2
    assert all("expires_at" in answer.json()["detail"] for answer in answers)


async def test_invitation_life(ada: Person, bob: Person) -> None:
    """An invitation is pending until it is accepted, once; then its wiki is shared."""
    wiki = await ada.create_wiki()
    invitation, token = await invite(ada, wiki, "editor")
    (pending,) = (await ada.send("GET", f"{wiki}/invitations")).json()["items"]

    accepted, again = [await bob.send("POST", "/api/invitations/accept", {"token": token}) for _ in range(2)]

    assert pending | {"id": invitation, "email": "new@example.org", "role": "editor"} == pending
    assert token not in str(pending)
    assert accepted.json()["wiki"]["wiki_slug"] == "notes"
    assert accepted.json()["role"] == "editor"
    assert again.status_code == HTTPStatus.GONE
    assert (await ada.send("GET", f"{wiki}/invitations")).json()["items"] == []
    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.OK


async def test_invitations_page_by_link(ada: Person) -> None:
    """Pending invitations are paged like everything else."""
    wiki = await ada.create_wiki()
    expected = sorted([(await invite(ada, wiki))[0] for _ in range(3)])

    first = await ada.send("GET", f"{wiki}/invitations", limit=2)
    second = await ada.send("GET", first.links["next"]["url"])

    assert [item["id"] for page in (first, second) for item in page.json()["items"]] == expected
    assert not second.links


async def test_revoked_invitation_opens_nothing(ada: Person, bob: Person) -> None:
    """A revoked invitation cannot be accepted, and revoking it twice is no error."""
    wiki = await ada.create_wiki()
    invitation, token = await invite(ada, wiki)

    revoked = [await ada.send("DELETE", f"{wiki}/invitations/{invitation}") for _ in range(2)]
    accepted = await bob.send("POST", "/api/invitations/accept", {"token": token})

    assert [answer.status_code for answer in revoked] == [HTTPStatus.NO_CONTENT] * 2
    assert accepted.status_code == HTTPStatus.GONE


async def test_revoking_an_invitation_revokes_no_member(ada: Person, bob: Person) -> None:
    """The id of a member is not the id of an invitation."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")

    answer = await ada.send("DELETE", f"{wiki}/invitations/{bob.id}")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.OK


async def test_own_invitation_and_made_up_one_are_refused(ada: Person) -> None:
    """The owner cannot accept an invitation, and a made-up token is not one."""
    _, token = await invite(ada, await ada.create_wiki())

    own, made_up = [await ada.send("POST", "/api/invitations/accept", {"token": text}) for text in (token, "x")]

    assert own.status_code == HTTPStatus.CONFLICT
    assert made_up.status_code == HTTPStatus.GONE


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "a b@c", "@", "a" * 254 + "@b"])
async def test_bad_email_is_422(ada: Person, email: str) -> None:
    """An invitation needs something that looks like an email address."""
    wiki = await ada.create_wiki()
    body = {"email": email, "role": "viewer", "expires_at": LATER}

    assert (await ada.send("POST", f"{wiki}/invitations", body)).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_mcp_token_is_shown_once_and_checked() -> None:
    """A token opens its wiki until a new one or a revocation; answers and caches do not keep it."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            ada = await Person.log_in(http)
            wiki = await ada.create_wiki()
            answers = [await ada.send("POST", f"{wiki}/mcp-token") for _ in range(2)]
            first, second = [answer.json()["token"] for answer in answers]
            before = (await ada.send("GET", wiki)).json()
            opened = [(await store.authorize_token(ada.id, "notes", token)).role for token in (first, second)]
            revoked = await ada.send("DELETE", f"{wiki}/mcp-token")
            after = (await ada.send("GET", wiki)).json()
            closed = (await store.authorize_token(ada.id, "notes", second)).role

    assert [answer.status_code for answer in answers] == [HTTPStatus.CREATED] * 2
    assert {answer.headers["cache-control"] for answer in answers} == {"private, no-store"}
    assert opened == [None, Role.EDITOR]
    assert (before["has_mcp_token"], after["has_mcp_token"]) == (True, False)
    assert second not in str(before)
    assert revoked.status_code == HTTPStatus.NO_CONTENT
    assert closed is None


async def test_username_can_be_changed_and_removed(ada: Person, bob: Person) -> None:
    """A free username can be taken, one of somebody else cannot, and null removes it."""
    name = f"p-{secrets.token_hex(8)}"

    taken = await ada.send("PUT", "/api/me/username", {"username": bob.username})
    changed = await ada.send("PUT", "/api/me/username", {"username": name})
    bad = await ada.send("PUT", "/api/me/username", {"username": "No Name"})
    found = await bob.send("GET", f"/api/users/{name}")
    removed = await ada.send("PUT", "/api/me/username", {"username": None})

    assert taken.status_code == HTTPStatus.CONFLICT
    assert changed.json()["username"] == name
    assert found.json()["id"] == ada.id
    assert bad.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert removed.json()["username"] is None
    assert changed.headers["etag"] != removed.headers["etag"]


@pytest.mark.parametrize(
    ("picture", "status"),
    [
        ("/static/avatars/fox.svg", HTTPStatus.OK),
        ("https://example.org/a.png", HTTPStatus.OK),
        ("/static/avatars/../app.js", HTTPStatus.UNPROCESSABLE_ENTITY),
        ("//evil.example/a.svg", HTTPStatus.UNPROCESSABLE_ENTITY),
        ("/logout", HTTPStatus.UNPROCESSABLE_ENTITY),
    ],
)
async def test_picture_is_one_of_ours_or_on_the_web(ada: Person, picture: str, status: HTTPStatus) -> None:
    """The picture of a profile is a file of the page or an HTTPS address."""
    assert (await ada.send("PATCH", "/api/me", {"avatar_url": picture})).status_code == status


async def test_account_with_wikis_is_deleted_on_demand_only(ada: Person, bob: Person) -> None:
    """An account that owns wikis is kept, unless the request says that the wikis go too; the session ends with it."""
    wiki = await ada.create_wiki(is_public=True)

    refused = await ada.send("DELETE", "/api/me")
    kept = await bob.send("GET", wiki)
    deleted = await ada.send("DELETE", "/api/me?wikis=delete")

    assert refused.status_code == HTTPStatus.CONFLICT
    assert "owns 1 wikis" in refused.json()["detail"]
    assert kept.status_code == HTTPStatus.OK
    assert deleted.status_code == HTTPStatus.NO_CONTENT
    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND
    for headers in (ada.headers, cookie(deleted)):
        assert (await ada.http.get("/api/me", headers=headers)).status_code == HTTPStatus.UNAUTHORIZED


async def test_page_about_the_api_lists_every_operation(http: httpx.AsyncClient) -> None:
    """The page at /docs names each path with its methods, and has a description of each."""
    page = await http.get("/docs")
    paths = (await http.get("/openapi.json")).json()["paths"]

    assert page.status_code == HTTPStatus.OK
    assert page.headers["content-type"].startswith("text/html")
    for path, methods in paths.items():
        assert page.text.count(f"<code>{path}</code>") == len(methods)
    assert "<p></p>" not in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/static/app.js", "/healthz", "/readyz", "/login", "/api/me", "/api/events"]
)
async def test_head_is_answered_like_get(ada: Person, path: str) -> None:
    """HEAD has the status and type of GET and no body, also where a GET would never end."""
    head = await ada.send("HEAD", path)

    assert head.status_code == (HTTPStatus.SEE_OTHER if path == "/login" else HTTPStatus.OK)
    assert head.content == b""
    if path != "/api/events":
        got = await ada.send("GET", path)
        assert (head.status_code, head.headers.get("content-type")) == (
            got.status_code,
            got.headers.get("content-type"),
        )


async def test_head_of_nothing_is_404(http: httpx.AsyncClient) -> None:
    """HEAD of an unknown address says that there is nothing."""
    assert (await http.head("/nowhere")).status_code == HTTPStatus.NOT_FOUND
