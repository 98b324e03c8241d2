// The page. It shows data of the API, and reads it again when the server reports a change.

const PAGE_SIZE = 5;
const A_ROLE = { viewer: "a viewer", editor: "an editor", owner: "an owner" };
const SETTLE_MS = 2000; // an index of DynamoDB lags behind its table for about this time

const $ = (selector, root = document) => root.querySelector(selector);

class Problem extends Error {}

async function send(method, path, { body, headers } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
  if (answer.ok) return answer;
  if (answer.status === 401) show("welcome");
  throw Object.assign(new Problem((await answer.json()).detail), { status: answer.status });
}

function nextPage(answer) {
  return answer.headers.get("Link")?.match(/<([^>]*)>; rel="next"/)?.[1];
}

// ---- listings

// A list that grows page by page. It keeps the rows by key, so that a reload changes neither focus nor scroll position.
class Listing {
  #rows = new Map();
  #next;
  #reading = Promise.resolve();

  constructor(section, { template, key, fill }) {
    Object.assign(this, { section, template: $(template), key, fill, url: null });
    $(".more", section).addEventListener("click", () => report(this.#inTurn(() => this.#more())));
  }

  open(url) {
    this.url = url;
    this.#show([], undefined);
    $(".empty", this.section).hidden = true; // not known yet
    return this.reload();
  }

  // Reads as many items again as are shown.
  reload() {
    return this.#inTurn(() => this.#read(Math.max(this.#rows.size, PAGE_SIZE)));
  }

  // Each answer is shown before the next request is sent, so that the answer shown last is the latest.
  #inTurn(work) {
    this.#reading = this.#reading.catch(() => {}).then(work);
    return this.#reading;
  }

  async #read(count) {
    const items = [];
    const { url } = this;
    let next = `${url}?limit=${PAGE_SIZE}`;
    while (next && items.length < count) {
      const answer = await send("GET", next);
      items.push(...(await answer.json()).items);
      next = nextPage(answer);
    }
    if (url === this.url) this.#show(items, next);
  }

  async #more() {
    const shown = [...this.#rows.values()].map((row) => row.item);
    const { url } = this;
    const answer = await send("GET", this.#next);
    const { items } = await answer.json();
    if (url !== this.url) return;
    this.#show([...shown, ...items], nextPage(answer));
    $(".rows", this.section).children[shown.length]?.querySelector("button:not([hidden]), select")?.focus();
  }

  #show(items, next) {
    const list = $(".rows", this.section);
    const old = this.#rows;
    this.#rows = new Map(items.map((item) => [this.key(item), this.#row(old.get(this.key(item)), item)]));
    for (const [key, row] of old) if (!this.#rows.has(key)) row.remove();
    [...this.#rows.values()].forEach((row, place) => {
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
    this.#next = next;
    $(".more", this.section).hidden = !next;
    $(".empty", this.section).hidden = items.length > 0;
  }

  #row(old, item) {
    const row = old ?? this.template.content.firstElementChild.cloneNode(true);
    row.item = item;
    this.fill(row, item);
    return row;
  }
}

function nameOf(user) {
  return user?.display_name ?? user?.username ?? "Somebody";
}

function label(row, name, detail) {
  $(".face", row).textContent = name.slice(0, 1).toUpperCase();
  $(".name", row).textContent = name;
  $(".detail", row).textContent = detail;
}

function fillWiki(row, wiki, { detail, badge, owned }) {
  label(row, wiki.display_name, detail);
  $(".badge", row).textContent = badge;
  const choose = $(".choose", row);
  choose.hidden = !owned;
  choose.setAttribute("aria-label", `Members of ${wiki.display_name}`);
  choose.setAttribute("aria-pressed", String(isChosen(wiki)));
  row.classList.toggle("chosen", isChosen(wiki));
  row.wiki = wiki;
}

const mine = new Listing($("#mine"), {
  template: "#wiki-row",
  key: (wiki) => wiki.wiki_slug,
  fill: (row, wiki) => fillWiki(row, wiki, { detail: wiki.wiki_slug, badge: wiki.is_public ? "public" : "", owned: true }),
});

const shared = new Listing($("#shared"), {
  template: "#wiki-row",
  key: (share) => share.wiki_id,
  fill(row, { wiki, wiki_id, owner, role }) {
    if (wiki) return fillWiki(row, wiki, { detail: `by ${nameOf(owner)}`, badge: role, owned: role === "owner" });
    label(row, wiki_id.split(":").at(-1), "This wiki no longer exists.");
    $(".choose", row).hidden = true;
  },
});

const members = new Listing($("#chosen"), {
  template: "#member-row",
  key: (member) => member.user_id,
  fill(row, { user, role }) {
    label(row, nameOf(user), user?.username ?? "");
    $(".role", row).value = role;
    $(".role", row).setAttribute("aria-label", `Role of ${nameOf(user)}`);
    $(".revoke", row).setAttribute("aria-label", `Revoke ${nameOf(user)}`);
  },
});

// ---- the wiki whose members are shown

let chosen = null;

function isChosen(wiki) {
  return chosen !== null && wiki.owner_id === chosen.owner_id && wiki.wiki_slug === chosen.wiki_slug;
}

function pathOf(wiki) {
  return `/api/wikis/${encodeURIComponent(wiki.owner_id)}/${wiki.wiki_slug}`;
}

async function choose(wiki) {
  chosen = wiki;
  $("#members-title").textContent = wiki ? `Members of ${wiki.display_name}` : "Members";
  $("#hint").hidden = wiki !== null;
  $("#chosen").hidden = wiki === null;
  for (const row of document.querySelectorAll(".row:has(.choose)")) {
    const here = row.wiki !== undefined && isChosen(row.wiki);
    row.classList.toggle("chosen", here);
    $(".choose", row).setAttribute("aria-pressed", String(here));
  }
  listen();
  if (wiki) await members.open(`${pathOf(wiki)}/members`);
}

async function reloadMembers() {
  if (chosen === null) return;
  try {
    await members.reload();
  } catch (problem) {
    if (![403, 404].includes(problem.status)) throw problem;
    await choose(null); // this person may no longer see it
  }
}

// ---- live

const reloads = { wikis: () => mine.reload(), shared: () => shared.reload(), members: reloadMembers };
let events = null;

function listen() {
  events?.close();
  const query = chosen ? `?${new URLSearchParams({ wiki_id: `${chosen.owner_id}:${chosen.wiki_slug}` })}` : "";
  const source = (events = new EventSource(`/api/events${query}`));
  source.addEventListener("open", () => {
    setLive(true);
    for (const reload of Object.values(reloads)) report(reload()); // for changes while no stream was open
  });
  source.addEventListener("error", () => {
    setLive(false);
    // The browser reconnects by itself, but not after an answer that is not a stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => report(recover(source)), SETTLE_MS);
  });
  for (const [what, reload] of Object.entries(reloads)) {
    source.addEventListener(what, () => {
      report(reload());
      setTimeout(() => report(reload()), SETTLE_MS);
    });
  }
}

// Finds out why the stream ended: the session, this person's access to the chosen wiki, or a server that is down.
async function recover(source) {
  if (source !== events) return;
  try {
    await send("GET", "/api/me");
    await reloadMembers();
  } finally {
    if (source === events && !$("#home").hidden) listen();
  }
}

function setLive(on) {
  $("#live").textContent = on ? "live" : "reconnecting";
  $("#live").classList.toggle("on", on);
}

// ---- actions

function report(work) {
  return work.catch((problem) => {
    if (!(problem instanceof Problem)) console.error(problem);
    say(problem instanceof Problem ? problem.message : "The server cannot be reached.");
  });
}

function say(text) {
  $("#message").textContent = text;
  tell("");
}

// Announces the result to screen readers.
function tell(text = "") {
  $("#done").textContent = text;
}

function onSubmit(selector, act) {
  const form = $(selector);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    report(act(new FormData(form)).then((done) => {
      form.reset();
      tell(done);
    }));
  });
}

function onRow(list, selector, kind, act) {
  $(".rows", list.section).addEventListener(kind, (event) => {
    const control = event.target.closest(selector);
    if (control === null) return;
    say("");
    report(act(control.closest(".row"), control).then(tell));
  });
}

for (const list of [mine, shared]) {
  onRow(list, ".choose", "click", async (row) => {
    await choose(row.wiki);
    $("#members-title").focus();
  });
}

onRow(members, ".role", "change", async (row, select) => {
  try {
    await send("PUT", `${pathOf(chosen)}/members/${encodeURIComponent(row.item.user_id)}`, { body: { role: select.value } });
  } finally {
    await members.reload();
  }
  return `${nameOf(row.item.user)} is now ${A_ROLE[select.value]}.`;
});

onRow(members, ".revoke", "click", async (row) => {
  await send("DELETE", `${pathOf(chosen)}/members/${encodeURIComponent(row.item.user_id)}`);
  await members.reload();
  $("#members-title").focus();
  return `${nameOf(row.item.user)} no longer has a role.`;
});

onSubmit("#grant", async (form) => {
  const user = await (await send("GET", `/api/users/${encodeURIComponent(form.get("username").trim())}`)).json();
  await send("PUT", `${pathOf(chosen)}/members/${encodeURIComponent(user.id)}`, { body: { role: form.get("role") } });
  await members.reload();
  return `${nameOf(user)} is now ${A_ROLE[form.get("role")]}.`;
});

// Returns the slug of a name: "Café notes" becomes cafe-notes; a name without Latin letters gets a generated slug.
function slugOf(name) {
  const letters = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return letters.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "") || `wiki-${Date.now().toString(36)}`;
}

onSubmit("#create", async (form) => {
  const name = form.get("name").trim();
  const wiki = { owner_id: me.id, wiki_slug: slugOf(name) };
  const body = { display_name: name, is_public: form.get("public") !== null };
  try {
    await send("PUT", pathOf(wiki), { body, headers: { "If-None-Match": "*" } });
  } catch (problem) {
    throw problem.status === 412 ? new Problem(`You already have a wiki named ${wiki.wiki_slug}.`) : problem;
  }
  await mine.reload();
  return `${name} was created.`;
});

// ---- start

let me = null;

function show(part) {
  for (const id of ["welcome", "home"]) $(`#${id}`).hidden = id !== part;
  if (part === "welcome") events?.close();
}

async function start() {
  me = await (await send("GET", "/api/me")).json();
  $("#me").textContent = nameOf(me);
  $("#handle").textContent = me.username ?? "no username, so nobody can share with you";
  show("home");
  mine.url = "/api/wikis";
  shared.url = "/api/shared";
  listen();
}

report(start());
