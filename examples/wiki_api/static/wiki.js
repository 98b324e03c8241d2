// One wiki: what it is, who may do what in it, and its settings.

import { read, send, wikiPath, wordsFor } from "./api.js";
import {
  $, $$, attempt, confirm, copy, dateOf, dayOf, dismiss, done, endOfDay, Listing, mustBeOneOf, nameOf, onClick, onSubmit, openDialog,
  showFace, showSecret, toast,
} from "./ui.js";

export const ROLES = {
  viewer: { name: "Viewer", phrase: "a viewer", may: "Can read all pages." },
  editor: { name: "Editor", phrase: "an editor", may: "Can also edit pages and change the name of the wiki." },
  owner: { name: "Co-owner", phrase: "a co-owner", may: "Can also share, change the settings and delete the wiki." },
};
const INVITATION_DAYS = 7;
const DAY_MS = 86_400_000;

let app;
let me;
let wanted = null; // the id of the wiki that the address names
let access = null; // what the API says of it: wiki, owner, role, is_mine
let etag = null;
let edited = {}; // the name that somebody is changing, and its version
let lastUid = null; // of the wiki that was open last
let opening = null;
let missing = false;
let answered = 0; // how many changes were answered

export function connect(parts) {
  app = parts;
}

// ---- the lists of people

const members = new Listing($("#members"), {
  template: "#member-row",
  key: (member) => member.user_id,
  fill(row, { user, role, expires_at, user_id }) {
    const name = nameOf(user);
    showFace($(".face", row), name, user?.avatar_url);
    $(".name", row).textContent = user_id === me.id ? `${name} (you)` : name;
    $(".detail", row).textContent = [user?.username, expires_at && `until ${dateOf(expires_at)}`].filter(Boolean).join(" · ");
    $(".edit .role", row).textContent = ROLES[role].name;
    $(".edit", row).setAttribute("aria-label", `Access of ${name}: ${ROLES[role].name}`);
  },
});

const invitations = new Listing($("#invitations"), {
  template: "#invitation-row",
  key: (invitation) => invitation.id,
  fill(row, { email, role, expires_at }) {
    showFace($(".face", row), email);
    $(".name", row).textContent = email;
    $(".detail", row).textContent = `${ROLES[role].name} · open until ${dateOf(expires_at)}`;
    $(".revoke", row).setAttribute("aria-label", `Revoke the invitation of ${email}`);
  },
});

// ---- opening, reading again, closing

// Whether this person may read the wiki that the address names.
export function isMissing() {
  return missing;
}

// Whether this is the wiki that was open here and is no longer under its address.
export function isMoved(other) {
  return missing && other.uid === lastUid;
}

export function close() {
  wanted = access = lastUid = null;
  for (const form of [$("#name"), $("#slug")]) delete form.dataset.of;
  missing = false;
  members.url = invitations.url = null;
}

export async function open(id, { me: person, focus: goThere }) {
  me = person;
  close();
  wanted = opening = id;
  show("loading");
  document.title = "Wikis";
  try {
    const found = await readAccess(id);
    if (wanted !== id) return;
    access = found;
    const lists = found.role === "owner" ? [members.open(`${path()}/members`), openInvitations()] : [];
    await Promise.all(lists);
  } catch (error) {
    if (wanted !== id) return;
    if (![403, 404, 422].includes(error.status)) {
      $("#wiki .unread .text").textContent = wordsFor(error);
      $("#wiki .unread button").onclick = () => attempt(() => open(id, { me, focus: goThere }));
      show("unread");
      return;
    }
    access = null;
    show("missing");
    return;
  } finally {
    if (opening === id) opening = null;
  }
  if (wanted !== id) return;
  fill();
  show("opened");
  if (goThere) focus();
}

// Where a screen reader goes on after a wiki was opened; until it is there, opening it does the same.
export function focus() {
  $("#wiki .opened h1").focus();
}

function show(part) {
  const wasMissing = missing;
  missing = part === "missing";
  if (wasMissing && part === "opened") app.listen();
  for (const name of ["loading", "unread", "missing", "opened"]) $(`#wiki .${name}`).hidden = name !== part;
}

async function readAccess(id) {
  const colon = id.lastIndexOf(":");
  const slug = id.slice(colon + 1);
  const before = answered;
  const answer = await send("GET", `/api/wikis/${encodeURIComponent(id.slice(0, colon))}/${encodeURIComponent(slug)}/access`);
  if (before !== answered) return readAccess(id); // it may show the wiki as it was before a change
  if (id === wanted) etag = answer.headers.get("ETag");
  return answer.json();
}

export async function reload() {
  const id = wanted;
  if (id === null || id === opening) return;
  try {
    const found = await readAccess(id);
    if (id !== wanted) return;
    const wasOwner = access?.role === "owner";
    if (access === null || (found.role === "owner") !== wasOwner) {
      await open(id, { me, focus: false });
      return;
    }
    access = found;
    fill();
  } catch (error) {
    if (![403, 404].includes(error.status)) throw error;
    if (id !== wanted) return;
    access = null;
    dismiss();
    show("missing"); // this person may no longer see it
  }
}

export async function reloadPeople() {
  if (access?.role !== "owner") return;
  try {
    await Promise.all([members.reload(), invitations.reload()]);
    showInvitations();
  } catch (error) {
    if (![403, 404].includes(error.status)) throw error;
    await reload();
  }
}

async function openInvitations() {
  await invitations.open(`${path()}/invitations`);
  showInvitations();
}

function showInvitations() {
  $("#invitations").hidden = invitations.isEmpty;
}

function path() {
  return wikiPath(access.wiki);
}

function fill() {
  const { wiki, owner, role, is_mine } = access;
  const owns = role === "owner";
  lastUid = wiki.uid;
  document.title = `${wiki.display_name} · Wikis`;
  showFace($("#wiki .top .face"), wiki.display_name);
  $("#wiki .opened h1").textContent = wiki.display_name;
  $("#wiki .by").textContent = `${wiki.wiki_slug} · by ${is_mine ? "you" : nameOf(owner)}`;
  $("#wiki .visibility").textContent = wiki.is_public ? "Public" : "Private";
  $("#wiki .pages").textContent = wiki.page_count;
  $("#wiki .size").textContent = sizeOf(wiki.disk_usage_bytes);
  $("#wiki .created").textContent = dateOf(wiki.created_at);
  $("#wiki .my-role").textContent = is_mine ? "Owner" : ROLES[role].name;
  for (const part of $$("#wiki [data-for]")) {
    const needs = part.dataset.for;
    part.hidden = !{ owner: owns, editor: role !== "viewer", self: is_mine, member: !is_mine, tabs: owns }[needs];
  }
  $("#wiki .your-role").textContent = `You are ${ROLES[role].phrase}. ${ROLES[role].may}`;
  $("#owner .name").textContent = is_mine ? `${nameOf(owner)} (you)` : nameOf(owner);
  $("#owner .detail").textContent = owner.username ?? "";
  showFace($("#owner .face"), nameOf(owner), owner.avatar_url);
  const isTyping = keepTyping($("#name [name=name]"), wiki.display_name);
  if (!isTyping || wiki.display_name === edited.name) edited = { name: wiki.display_name, etag };
  keepTyping($("#slug [name=slug]"), wiki.wiki_slug);
  if ($("#public").ariaBusy !== "true") $("#public").checked = wiki.is_public;
  $("#token .state").textContent = wiki.has_mcp_token
    ? "This wiki has a token. It was shown once, when it was made."
    : "This wiki has no token.";
  $("#token .make").textContent = wiki.has_mcp_token ? "Replace the token" : "Create a token";
  $("#token .revoke").hidden = !wiki.has_mcp_token;
  showTab(tab);
}

// Does not overwrite what somebody is typing. Returns whether somebody is.
function keepTyping(field, value) {
  if (field.value === field.defaultValue || field.form.dataset.of !== wanted) field.value = value;
  field.defaultValue = value;
  field.form.dataset.of = wanted;
  return field.value !== value;
}

function sizeOf(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return new Intl.NumberFormat(undefined, {
    style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: 1,
  }).format(bytes / 1000 ** step);
}

let tab = "";

export function showTab(name) {
  tab = name;
  if (access === null) return;
  const owns = access.role === "owner";
  const settings = owns ? name === "settings" : true;
  $("#people").hidden = !owns || settings;
  $("#settings").hidden = !settings || access.role === "viewer";
  for (const link of $$("#wiki .tabs a")) {
    const id = new URLSearchParams({ wiki: wanted, ...(link.dataset.tab && { tab: link.dataset.tab }) });
    link.href = `?${id}`;
    if ((link.dataset.tab === "settings") === settings) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// ---- sharing

const shareForm = $("#share");
const isEmail = (who) => who.includes("@");

function showChoice() {
  $(".may", shareForm).textContent = ROLES[shareForm.role.value].may;
  const byEmail = isEmail(shareForm.who.value);
  $(".until", shareForm).hidden = byEmail;
  $(".by-email", shareForm).hidden = !byEmail;
  $(".primary", shareForm).textContent = byEmail ? "Invite" : "Share";
}

shareForm.addEventListener("input", showChoice);
shareForm.addEventListener("reset", () => setTimeout(showChoice));
for (const field of $$("input[type=date]")) field.addEventListener("focus", () => (field.min = dayOf(Date.now())));

onSubmit(shareForm, (form) =>
  attempt(async () => {
    const who = form.get("who").trim();
    if (isEmail(who)) await invite(path(), who, form.get("role"));
    else await share(path(), who.toLowerCase(), form.get("role"), endOfDay(form.get("until")));
    shareForm.reset();
  }, shareForm),
);

// The functions below take the path of the wiki that they were called for: while one waits for an answer, this person may
// open another wiki.

async function share(at, username, role, expires_at) {
  const user = await read(`/api/users/${encodeURIComponent(username)}`);
  const before = access && at === path() ? members.row(user.id)?.item : undefined;
  const undo = await grant(at, user, role, expires_at, before);
  done(`${nameOf(user)} is now ${ROLES[role].phrase}.`, undo);
}

// Grants a role and shows the member; returns the work that restores what was there before.
async function grant(at, user, role, expires_at, before) {
  const address = `${at}/members/${encodeURIComponent(user.id)}`;
  await send("PUT", address, { body: { role, expires_at } });
  await members.reload({ until: user.id });
  members.reveal(user.id);
  if (user.id === me.id) {
    await reload(); // it may be the last change that this person may make
    if (access?.role !== "owner") return undefined;
  }
  return async () => {
    if (before) await send("PUT", address, { body: { role: before.role, expires_at: before.expires_at } });
    else await send("DELETE", address);
    await members.reload();
    return before ? `${nameOf(user)} is ${ROLES[before.role].phrase} again.` : `${nameOf(user)} no longer has access.`;
  };
}

async function invite(at, email, role) {
  const name = access.wiki.display_name;
  const expires_at = new Date(Date.now() + INVITATION_DAYS * DAY_MS).toISOString();
  const answer = await send("POST", `${at}/invitations`, { body: { email, role, expires_at } });
  const { invitation, token } = await answer.json();
  await invitations.reload({ until: invitation.id });
  showInvitations();
  invitations.reveal(invitation.id);
  toast(`${email} was invited.`);
  showSecret({
    title: `Invitation for ${email}`,
    text: `Send this link. It works once, for whoever opens it, until ${dateOf(expires_at)}. It is shown only now.`,
    label: "Link",
    value: `${location.origin}/#${new URLSearchParams({ invite: token, wiki: name, by: nameOf(me) })}`,
  });
}

$("#invitations .rows").addEventListener("click", (event) => {
  if (!event.target.closest(".revoke")) return;
  const { id, email } = event.target.closest(".row").item;
  const at = path();
  confirm({
    title: "Revoke the invitation?",
    text: `The link that you sent to ${email} will no longer work.`,
    label: "Revoke",
    async act() {
      await send("DELETE", `${at}/invitations/${id}`);
      await invitations.reload();
      showInvitations();
      toast(`The invitation of ${email} was revoked.`);
      return () => $("#people h2").focus();
    },
  });
});

$("#members .rows").addEventListener("click", (event) => {
  if (!event.target.closest(".edit")) return;
  const member = event.target.closest(".row").item;
  const { wiki } = access;
  const at = path();
  const name = nameOf(member.user);
  const isMe = member.user_id === me.id;
  const form = $("#access form");
  form.reset();
  $("h2", form).textContent = isMe ? "Your access" : `Access of ${name}`;
  form.role.value = member.role;
  form.until.value = member.expires_at ? dayOf(member.expires_at) : "";
  $(".remove", form).textContent = isMe ? "Leave the wiki" : "Remove access";
  $(".own", form).hidden = !isMe;
  openDialog("#access", async (data, submitter) => {
    if (submitter?.value === "remove") return isMe ? leave(wiki) : revoke(at, member);
    const until = data.get("until");
    const same = member.expires_at && until === dayOf(member.expires_at);
    const user = member.user ?? { id: member.user_id };
    const undo = await grant(at, user, data.get("role"), same ? member.expires_at : endOfDay(until), member);
    return done(`${name} is now ${ROLES[data.get("role")].phrase}.`, undo);
  });
  $("input:checked", form).focus();
});

async function revoke(at, member) {
  const name = nameOf(member.user);
  const address = `${at}/members/${encodeURIComponent(member.user_id)}`;
  await send("DELETE", address);
  await members.reload();
  done(`${name} no longer has access.`, async () => {
    await send("PUT", address, { body: { role: member.role, expires_at: member.expires_at } });
    await members.reload({ until: member.user_id });
    members.reveal(member.user_id);
    return `${name} is ${ROLES[member.role].phrase} again.`;
  });
  return () => $("#people h2").focus();
}

async function leave(wiki) {
  await send("DELETE", `${wikiPath(wiki)}/members/${encodeURIComponent(me.id)}`);
  const stays = wiki.is_public;
  leaveTo({ wiki: stays ? wanted : "" });
  await app.lists.shared.reload();
  if (stays) await reload();
  toast(`You left ${wiki.display_name}.`);
}

// Goes elsewhere before the server reports that the wiki is gone from here.
function leaveTo(place) {
  app.go({ tab: "", ...place });
}

onClick($("#wiki .leave"), async () => {
  const { wiki } = access;
  confirm({
    title: `Leave ${wiki.display_name}?`,
    text: "You lose your role in this wiki. Only an owner can give it back.",
    label: "Leave the wiki",
    act: () => leave(wiki),
  });
});

onClick($("#wiki .copy-link"), async () => {
  const text = await copy(`${location.origin}/?${new URLSearchParams({ wiki: wanted })}`);
  toast(text === "Copied." ? "The link was copied. It opens for everybody who has access." : text);
});

// ---- settings

// Changes the wiki if nobody else has changed it since it was shown here. Returns what a change back needs: the wiki may no
// longer be the open one then.
async function change(body, at = { id: wanted, path: path(), etag }) {
  try {
    const answer = await send("PATCH", at.path, { body, headers: { "If-Match": at.etag } });
    answered += 1;
    const changed = { ...at, etag: answer.headers.get("ETag") };
    const wiki = await answer.json();
    if (at.id === wanted && access !== null) {
      etag = changed.etag;
      access = { ...access, wiki };
      fill();
    }
    return changed;
  } catch (error) {
    if (error.status !== 412) throw error;
    await reload();
    // Perhaps it was this very change, whose answer was lost.
    if (at.id === wanted && access && Object.entries(body).every(([field, value]) => access.wiki[field] === value)) {
      return { ...at, etag };
    }
    error.message = "Somebody else has just changed this wiki. The page now shows the latest version.";
    throw error;
  } finally {
    app.lists.mine.reload().catch(() => {});
  }
}

onSubmit($("#name"), (form) =>
  attempt(async () => {
    const before = edited.name;
    const name = form.get("name").trim();
    $("#name [name=name]").value = name;
    let changed;
    try {
      changed = await change({ display_name: name }, { id: wanted, path: path(), etag: edited.etag });
    } catch (error) {
      if (error.status === 412 && access && access.wiki.display_name !== before) {
        const now = access.wiki.display_name;
        edited = { name: now, etag };
        error.message = `Somebody else has changed the name to ${now} in the meantime. Save again to replace it.`;
      }
      throw error;
    }
    done("The name was saved.", async () => {
      await change({ display_name: before }, changed);
      return "The old name is back.";
    });
  }, $("#name")),
);

$("#public").addEventListener("change", async ({ target }) => {
  const is_public = target.checked;
  if (target.ariaBusy === "true") {
    target.checked = !is_public;
    return;
  }
  target.ariaBusy = "true";
  const say = (isPublic) => (isPublic ? "The wiki is now public." : "The wiki is now private.");
  await attempt(async () => {
    const changed = await change({ is_public });
    done(say(is_public), async () => {
      await change({ is_public: !is_public }, changed);
      return say(!is_public);
    });
  });
  target.ariaBusy = null;
  if (access) target.checked = access.wiki.is_public;
});

onSubmit($("#slug"), async (form) => {
  const slug = form.get("slug").trim().toLowerCase();
  const { wiki } = access;
  const at = path();
  if (slug === wiki.wiki_slug) return toast("This is the address already.");
  return confirm({
    title: `Change the address to ${slug}?`,
    text: "Links to the old address stop working, and open invitations become invalid. Members keep their roles.",
    label: "Change the address",
    async act() {
      await send("POST", `${at}/rename`, { body: { wiki_slug: slug }, takesAway: true });
      const id = `${wiki.owner_id}:${slug}`;
      app.go({ wiki: id }, { replace: true });
      await attempt(() => app.lists.mine.reload({ until: id }));
      app.lists.mine.refill();
      app.lists.mine.reveal(id);
      toast(`The address is now ${slug}.`);
    },
  });
});

onClick($("#token .make"), async () => {
  const replaces = access.wiki.has_mcp_token;
  const at = path();
  const make = async () => {
    const { token } = await (await send("POST", `${at}/mcp-token`)).json();
    await reload();
    toast("The token was created.");
    return () =>
      showSecret({
        title: "The MCP token",
        text: "Copy it now. It is not stored and cannot be shown again. Whoever has it can edit this wiki.",
        label: "Token",
        value: token,
      });
  };
  if (!replaces) return (await attempt(make))?.();
  return confirm({
    title: "Replace the token?",
    text: "Programs that use the present token lose access at once.",
    label: "Replace the token",
    act: make,
  });
});

onClick($("#token .revoke"), async () => {
  const at = path();
  confirm({
    title: "Revoke the token?",
    text: "Programs that use it lose access at once.",
    label: "Revoke the token",
    async act() {
      await send("DELETE", `${at}/mcp-token`);
      await reload();
      toast("The token was revoked.");
    },
  });
});

onClick($("#danger .transfer"), async () => {
  const { wiki } = access;
  const at = path();
  const form = $("#transfer form");
  form.reset();
  $("h2", form).textContent = `Transfer ${wiki.display_name}`;
  mustBeOneOf(form.typed, [wiki.wiki_slug, wiki.display_name]);
  openDialog("#transfer", async (data) => {
    const user = await read(`/api/users/${encodeURIComponent(data.get("username").trim().toLowerCase())}`);
    await send("POST", `${at}/transfer`, { body: { owner_id: user.id }, takesAway: true });
    leaveTo({ wiki: "" });
    await app.lists.mine.reload();
    toast(`${wiki.display_name} now belongs to ${nameOf(user)}.`);
  });
});

onClick($("#danger .delete"), async () => {
  const { wiki, is_mine } = access;
  confirm({
    title: `Delete ${wiki.display_name}?`,
    text: "The wiki, all roles in it and all invitations to it are deleted. This cannot be undone.",
    label: "Delete the wiki",
    typed: [wiki.wiki_slug, wiki.display_name],
    async act() {
      await send("DELETE", wikiPath(wiki));
      leaveTo({ wiki: "" });
      await app.lists[is_mine ? "mine" : "shared"].reload();
      toast(`${wiki.display_name} was deleted.`);
    },
  });
});
