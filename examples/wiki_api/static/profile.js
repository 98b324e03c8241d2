// My profile: name, picture, username, logins, and the end of the account.

import { read, send, wordsFor } from "./api.js";
import { $, attempt, confirm, done, nameOf, onClick, onSubmit, toast } from "./ui.js";

const LOGIN_RESULTS = {
  added: "The login was added.",
  taken: "This login opens another account, so it was not added.",
  "too-many": "You have as many logins as an account can have. Remove one first.",
};

let app;
let me;
const form = $("#profile-form");

export function connect(parts) {
  app = parts;
}

export function tellLogin(result) {
  if (result in LOGIN_RESULTS) toast(LOGIN_RESULTS[result], { kind: result === "added" ? "good" : "bad" });
}

export async function open(person, { focus }) {
  document.title = "Profile · Wikis";
  form.reset();
  fill(person);
  if (focus) $("#profile h1").focus();
  await readLogins();
}

export function update(person) {
  fill(person);
  attempt(readLogins);
}

function fill(person) {
  me = person;
  for (const [field, value] of [[form.name, me.display_name ?? ""], [form.username, me.username ?? ""]]) {
    if (field.value === field.defaultValue) field.value = value;
    field.defaultValue = value;
  }
  const picture = form.querySelector(`[name=picture][value="${CSS.escape(me.avatar_url ?? "")}"]`);
  if (picture) picture.checked = true;
}

// ---- name, picture, username

onSubmit(form, (data) =>
  attempt(async () => {
    const before = { display_name: me.display_name, avatar_url: me.avatar_url, username: me.username };
    const after = {
      display_name: data.get("name").trim() || null,
      avatar_url: data.get("picture") ?? me.avatar_url,
      username: data.get("username").trim().toLowerCase() || null,
    };
    after.avatar_url ||= null;
    await save(after);
    done("Your profile was saved.", async () => {
      await save(before);
      return "Your old profile is back.";
    });
  }, form),
);

async function save({ username, ...others }) {
  if (username !== me.username) await send("PUT", "/api/me/username", { body: { username } });
  const changed = await (await send("PATCH", "/api/me", { body: others })).json();
  form.name.defaultValue = form.name.value = changed.display_name ?? "";
  form.username.defaultValue = form.username.value = changed.username ?? "";
  app.changed(changed);
}

// ---- logins

async function readLogins() {
  const failed = $("#logins .failed");
  let identities;
  try {
    identities = await read("/api/me/identities");
  } catch (error) {
    $("span", failed).textContent = wordsFor(error);
    failed.hidden = false;
    return;
  }
  failed.hidden = true;
  const rows = identities.map((identity) => {
    const row = $("#login-row").content.firstElementChild.cloneNode(true);
    row.identity = identity;
    $(".name", row).textContent = identity.sub;
    $(".detail", row).textContent = identity.provider;
    const remove = $("button", row);
    remove.hidden = identities.length === 1;
    remove.setAttribute("aria-label", `Remove the login ${identity.sub}`);
    return row;
  });
  $("#logins .rows").replaceChildren(...rows);
}

onClick($("#logins .failed button"), readLogins);

$("#logins .rows").addEventListener("click", (event) => {
  if (!event.target.closest("button")) return;
  const { identity } = event.target.closest(".row");
  confirm({
    title: `Remove the login ${identity.sub}?`,
    text: "You can no longer log in with it. It can be added again, here or to another account.",
    label: "Remove the login",
    async act() {
      await send("DELETE", `/api/me/identities?${new URLSearchParams(identity)}`);
      await readLogins();
      toast(`The login ${identity.sub} was removed.`);
      return () => $("#logins h2").focus();
    },
  });
});

// ---- the end of the account

onClick($("#delete-account"), () =>
  attempt(async () => {
    const owned = (await read("/api/wikis?limit=100")).items.length;
    const wikis = { 0: "", 1: "your wiki" }[owned] ?? (owned === 100 ? "all your wikis" : `your ${owned} wikis`);
    confirm({
      title: "Delete your account?",
      text: wikis
        ? `Your profile, your logins, your username and ${wikis} are deleted. This cannot be undone. To keep a wiki, transfer it first.`
        : "Your profile, your logins and your username are deleted. This cannot be undone.",
      label: "Delete my account",
      typed: [me.username ?? nameOf(me)],
      extra: wikis ? `Yes, delete ${wikis} too (required)` : undefined,
      async act() {
        await send("DELETE", `/api/me${wikis ? "?wikis=delete" : ""}`);
        history.replaceState(null, "", location.pathname);
        app.leave();
        toast("Your account was deleted.");
      },
    });
  }),
);
