// The page: what is shown is in the address, and the data is read again when the server reports a change.

import { isTemporary, isUnsure, read, send, wikiPath, wordsFor } from "./api.js";
import * as profile from "./profile.js";
import { $, $$, attempt, confirm, dismiss, done, Listing, nameOf, onSubmit, openDialog, showFace, toast } from "./ui.js";
import * as wiki from "./wiki.js";

const SETTLE_MS = 2000; // an index of DynamoDB lags behind its table for about this time
const TYPING_MS = 200;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const RETURN_TO = "return-to";
const INVITATION = "invitation";

let me = null;

// ---- the lists

function fillWiki(row, item, { detail, badge }) {
  const link = $("a", row);
  const id = `${item.owner_id}:${item.wiki_slug}`;
  link.href = `?${new URLSearchParams({ wiki: id })}`;
  link.toggleAttribute("aria-current", id === address().wiki);
  showFace($(".face", row), item.display_name);
  $(".name", row).textContent = item.display_name;
  $(".detail", row).textContent = detail;
  $(".badge", row).textContent = badge;
}

const mine = new Listing($("#mine"), {
  template: "#wiki-row",
  key: (item) => `${item.owner_id}:${item.wiki_slug}`,
  fill: (row, item) => fillWiki(row, item, { detail: item.wiki_slug, badge: item.is_public ? "Public" : "" }),
  onGrow: (count) => go({ mine: count }, { replace: true }),
});

const shared = new Listing($("#shared"), {
  template: "#wiki-row",
  key: (share) => share.wiki_id,
  fill(row, share) {
    if (share.wiki) {
      fillWiki(row, share.wiki, { detail: `by ${nameOf(share.owner)}`, badge: wiki.ROLES[share.role].name });
      return;
    }
    const slug = share.wiki_id.split(":").at(-1);
    $("a", row).removeAttribute("href");
    showFace($(".face", row), slug);
    $(".name", row).textContent = slug;
    $(".detail", row).textContent = "This wiki no longer exists.";
  },
  onGrow: (count) => go({ shared: count }, { replace: true }),
});

async function openLists() {
  const { q, mine: own, shared: others } = address();
  const search = q ? `?${new URLSearchParams({ search: q })}` : "";
  $("#mine .none").hidden = q !== "";
  $("#shared .none").hidden = q !== "";
  for (const hint of $$(".no-match")) hint.hidden = q === "";
  await Promise.all([mine.open(`/api/wikis${search}`, own), shared.open(`/api/shared${search}`, others)]);
}

// ---- the address

function address() {
  const query = new URLSearchParams(location.search);
  return {
    wiki: query.get("wiki") ?? "",
    view: query.get("view") ?? "",
    tab: query.get("tab") ?? "",
    q: query.get("q") ?? "",
    mine: Number(query.get("mine")) || 0,
    shared: Number(query.get("shared")) || 0,
  };
}

export function go(changes, { replace = false } = {}) {
  const query = Object.entries({ ...address(), ...changes }).filter(([, value]) => value);
  const url = query.length ? `?${new URLSearchParams(query)}` : location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  render({ focus: !replace });
}

let shown = null;

function render({ focus = false } = {}) {
  const now = address();
  const before = shown;
  shown = now;
  if (now.q !== before?.q) {
    if ($("#search input").value.trim() !== now.q) $("#search input").value = now.q;
    if (before) attempt(openLists);
  }
  const place = now.wiki ? "wiki" : now.view === "profile" ? "profile" : "nothing";
  document.body.dataset.place = place;
  for (const id of ["wiki", "profile", "nothing"]) $(`#${id}`).hidden = id !== place;
  mine.refill();
  shared.refill();
  const moved = before === null || now.wiki !== before.wiki || now.view !== before.view;
  const other = before === null || now.wiki !== before.wiki;
  if (moved && before !== null) dismiss();
  if (place === "wiki") {
    // Listens once it is known whether this person may: a refused stream looks like a broken one.
    const opened = moved && attempt(() => wiki.open(now.wiki, { me, focus }));
    if (other) opened.then(() => address().wiki === now.wiki && me && listen());
    wiki.showTab(now.tab);
  } else {
    wiki.close();
    if (other) listen();
  }
  if (place === "profile" && moved) attempt(() => profile.open(me, { focus }));
  if (place === "nothing") document.title = "Wikis";
}

addEventListener("popstate", () => {
  if (me === null) return;
  for (const dialog of $$("dialog[open]")) dialog.close();
  render({ focus: true });
});

// Links within the page keep the search and the length of the lists.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="?"]');
  if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const query = new URLSearchParams(link.getAttribute("href"));
  go({ wiki: query.get("wiki"), view: query.get("view"), tab: query.get("tab") });
});

// ---- live

const reloads = {
  wikis: () => mine.reload().then(followWiki),
  shared: () => Promise.all([shared.reload(), wiki.reload()]).then(followWiki),
  wiki: wiki.reload,
  members: wiki.reloadPeople,
  me: async () => welcomeMe(await read("/api/me")),
};
let events = null;

// Opens the wiki that was open under its new address, if it has moved and is in a list.
function followWiki() {
  const found = [...mine.items, ...shared.items.map((share) => share.wiki)].find((item) => item && wiki.isMoved(item));
  if (found === undefined) return;
  go({ wiki: `${found.owner_id}:${found.wiki_slug}` }, { replace: true });
  toast(`${found.display_name} has moved. This is its new address.`);
}

function reloadAll() {
  return Promise.all(Object.values(reloads).map((reload) => attempt(reload)));
}

function listen() {
  events?.close();
  const id = wiki.isMissing() ? "" : address().wiki;
  const source = (events = new EventSource(`/api/events${id ? `?${new URLSearchParams({ wiki_id: id })}` : ""}`));
  source.addEventListener("open", () => {
    setLive("live");
    reloadAll(); // for changes while no stream was open
  });
  source.addEventListener("error", () => {
    setLive("reconnecting");
    // The browser reconnects by itself, but not after an answer that is not a stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => recover(source), SETTLE_MS);
  });
  for (const [what, reload] of Object.entries(reloads)) {
    source.addEventListener(what, () => {
      attempt(reload);
      setTimeout(() => me && attempt(reload), SETTLE_MS);
    });
  }
}

// Finds out why the stream ended: the session, this person's access to the wiki, or a server that is down.
async function recover(source) {
  if (source !== events || me === null) return;
  try {
    await send("GET", "/api/me");
    await wiki.reload();
  } catch {
    // The badge says it, and the next attempt follows.
  }
  if (source === events && me !== null) listen();
}

// A stream may open, or seem to be open, although the network has just gone.
function setLive(state) {
  const known = navigator.onLine ? state : "offline";
  $("#live").textContent = known;
  $("#live").classList.toggle("on", known === "live");
}

// The stream stays open while a server hangs.
document.addEventListener("slow", () => me && setLive("waiting"));
document.addEventListener("settled", () => {
  if ($("#live").textContent === "waiting") setLive(events?.readyState === EventSource.OPEN ? "live" : "reconnecting");
});

addEventListener("offline", () => me && setLive("offline"));
addEventListener("online", () => {
  if (me === null) return;
  setLive("reconnecting");
  listen();
});

// ---- creating a wiki

const LONGEST_SLUG = 63;
let generated; // one slug for each time that the dialog is opened, so that a repeated request creates no second wiki
let unsure = null; // the path of a wiki that may have been created although no answer says so

// Returns the slug of a name: "Café notes" becomes cafe-notes; a name without Latin letters gets a generated slug.
function slugOf(name) {
  const letters = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = letters.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "");
  return words.slice(0, LONGEST_SLUG).replace(/-$/, "") || generated;
}

for (const button of $$(".create")) {
  button.addEventListener("click", () => {
    generated = `wiki-${Date.now().toString(36)}`;
    $("#create form").reset();
    openDialog("#create", create);
    $("#create [name=name]").focus();
  });
}

async function create(form) {
  const name = form.get("name").trim();
  const created = { owner_id: me.id, wiki_slug: slugOf(name) };
  const body = { display_name: name, is_public: form.get("visibility") === "public" };
  const path = wikiPath(created);
  const isSecond = unsure === path;
  unsure = null;
  let answer;
  try {
    answer = await send("PUT", path, { body, headers: { "If-None-Match": "*" } });
  } catch (problem) {
    if (isUnsure(problem)) unsure = path;
    if (problem.status === 412) problem.message = `You already have a wiki with the address ${created.wiki_slug}.`;
    const found = problem.status === 412 && isSecond ? await read(path) : {};
    if (found.display_name !== name || found.is_public !== body.is_public) throw problem;
  }
  const id = `${created.owner_id}:${created.wiki_slug}`;
  go({ wiki: id, view: "", tab: "", q: "" });
  await attempt(() => mine.reload({ until: id }));
  mine.refill();
  mine.reveal(id);
  const undo = async () => {
    await send("DELETE", path, { headers: { "If-Match": answer.headers.get("ETag") } });
    go({ wiki: "" });
    await mine.reload();
    return `${name} was removed again.`;
  };
  // Without an answer it may be an older wiki of the same name, which must not be deleted.
  done(`${name} was created.`, answer && undo);
  return wiki.focus;
}

// ---- searching

let typing;

$("#search input").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => go({ q: event.target.value.trim(), mine: 0, shared: 0 }, { replace: true }), TYPING_MS);
});
onSubmit($("#search"), async (form) => go({ q: form.get("q").trim(), mine: 0, shared: 0 }, { replace: true }));

// ---- invitations by link

function takeInvitation() {
  const link = location.hash.slice(1);
  if (new URLSearchParams(link).has("invite")) {
    sessionStorage.setItem(INVITATION, link);
    history.replaceState(null, "", location.pathname + location.search);
  }
  const taken = sessionStorage.getItem(INVITATION);
  return taken === null ? null : new URLSearchParams(taken);
}

// After Cancel the invitation is kept: it is offered again when the page is loaded again.
function offerInvitation() {
  const link = takeInvitation();
  if (link === null) return;
  const to = link.get("wiki") ?? "a wiki";
  const said = link.has("by") ? `${link.get("by")} invites you to ${to}.` : `You have been invited to ${to}.`;
  let isSecond = false;
  confirm({
    title: "Accept the invitation?",
    text: `${said} The wiki will appear in the list of ${nameOf(me)}.`,
    label: "Accept",
    safe: true,
    async act() {
      let joined;
      try {
        joined = await (await send("POST", "/api/invitations/accept", { body: { token: link.get("invite") } })).json();
      } catch (error) {
        const isOver = error.status >= 400 && error.status < 500 && error.status !== 401;
        if (isOver) sessionStorage.removeItem(INVITATION);
        if (isOver && isSecond) {
          await shared.reload();
          error.message = "The invitation was used, perhaps by the first attempt: look whether the wiki is in the list.";
        }
        isSecond = isUnsure(error);
        throw error;
      }
      sessionStorage.removeItem(INVITATION);
      const id = `${joined.wiki.owner_id}:${joined.wiki.wiki_slug}`;
      go({ wiki: id, view: "", tab: "", q: "" });
      await attempt(() => shared.reload({ until: id }));
      shared.refill();
      shared.reveal(id);
      toast(`You are now ${wiki.ROLES[joined.role].phrase} of ${joined.wiki.display_name}.`);
      return wiki.focus;
    },
  });
}

addEventListener("hashchange", () => (me ? offerInvitation() : takeInvitation()));

// ---- start

function showPart(part) {
  for (const id of ["loading", "welcome", "failed", "home"]) $(`#${id}`).hidden = id !== part;
}

function welcomeMe(user) {
  me = user;
  $("#me .name").textContent = nameOf(me);
  $("#me .detail").textContent = me.username ?? "no username yet";
  showFace($("#me .face"), nameOf(me), me.avatar_url);
  if (document.body.dataset.place === "profile") profile.update(me);
}

document.addEventListener("logged-out", () => {
  const hadSession = me !== null;
  me = null;
  events?.close();
  for (const dialog of $$("dialog[open]")) dialog.close();
  if (location.search) sessionStorage.setItem(RETURN_TO, location.search);
  if (hadSession) $("#welcome .ended").hidden = false;
  $("#welcome .invited").hidden = takeInvitation() === null;
  document.title = "Wikis";
  showPart("welcome");
});

async function start() {
  welcomeMe(await read("/api/me"));
  const returnTo = sessionStorage.getItem(RETURN_TO);
  sessionStorage.removeItem(RETURN_TO);
  if (returnTo && !location.search) history.replaceState(null, "", location.pathname + returnTo);
  const result = new URLSearchParams(location.search).get("login");
  if (result) history.replaceState(null, "", "?view=profile");
  render();
  await openLists();
  showPart("home");
  if (result) profile.tellLogin(result);
  offerInvitation();
}

// Tries until the page is there. Meanwhile it says what is wrong.
async function startWithPatience(wait = FIRST_WAIT_MS) {
  try {
    await start();
  } catch (error) {
    if (error.status === 401) return;
    $("#failed .text").textContent = wordsFor(error);
    $("#failed .again").hidden = !isTemporary(error);
    showPart("failed");
    if (!isTemporary(error)) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      const now = () => (clearTimeout(timer), resolve());
      $("#failed .retry").onclick = now;
      addEventListener("online", now, { once: true });
    });
    await startWithPatience(Math.min(wait * 2, LONGEST_WAIT_MS));
  }
}

wiki.connect({ go, listen, lists: { mine, shared } });
profile.connect({
  changed: welcomeMe,
  leave() {
    me = null; // so that the welcome does not speak of a session that has ended
    document.dispatchEvent(new Event("logged-out"));
  },
});
startWithPatience();
