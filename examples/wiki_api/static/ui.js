// Parts that every view uses: messages, dialogs, forms, lists, and how names and times are written.

import { isTemporary, nextPage, send, wordsFor } from "./api.js";

const PAGE_SIZE = 10;
const MOST = 100; // what the API returns at a time
const PASSING_MS = 6000;
const BUSY_MS = 1000;

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- names and times

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

function firstLetter(name) {
  const [first] = graphemes.segment(name.trim());
  if (first === undefined) return "?";
  const upper = first.segment.toLocaleUpperCase();
  return [...graphemes.segment(upper)].length === 1 ? upper : first.segment; // ß has two letters as a capital
}

export function nameOf(user) {
  return user?.display_name ?? user?.username ?? "Somebody";
}

export function dateOf(time) {
  return day.format(new Date(time));
}

// A date field holds a day of the reader's own calendar; access ends when that day ends.
export function endOfDay(date) {
  return date ? new Date(`${date}T23:59:59`).toISOString() : null;
}

export function dayOf(time) {
  const local = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  return `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
}

// Shows a picture that the page brings along, or the first letter of the name.
export function showFace(face, name, picture) {
  const ours = picture?.startsWith("/static/avatars/");
  if (ours && $("img", face)?.getAttribute("src") === picture) return;
  if (!ours) {
    face.textContent = firstLetter(name);
    return;
  }
  const image = new Image();
  image.src = picture;
  image.alt = "";
  face.replaceChildren(image);
}

// ---- messages

// Shows a message. One with an action stays until the next message, so that nobody has to hurry.
export function toast(text, { kind = "good", label, act } = {}) {
  const box = $("#toast-template").content.firstElementChild.cloneNode(true);
  const close = () => {
    const hadFocus = box.contains(document.activeElement);
    box.remove();
    if (hadFocus) $("#main").focus();
  };
  box.classList.add(kind);
  $(".text", box).textContent = text;
  const button = $(".act", box);
  button.hidden = act === undefined;
  button.textContent = label ?? "";
  button.addEventListener("click", () => {
    close();
    act();
  });
  $(".close", box).addEventListener("click", close);
  for (const region of $$(".toasts")) region.replaceChildren();
  $(kind === "bad" ? "#alerts" : "#news").append(box);
  if (act === undefined && kind === "good") setTimeout(() => box.contains(document.activeElement) || box.remove(), PASSING_MS);
}

// Removes a message whose action belongs to what was shown before, and a failure.
export function dismiss() {
  for (const box of $$(".toast:is(.bad, :has(.act:not([hidden])))")) box.remove();
}

// Does the work; a failure is shown, with Retry if another attempt may help. What is wrong with the fields of a form is said
// there, until somebody types.
export async function attempt(work, form) {
  try {
    return await work();
  } catch (error) {
    if (error.status === 401) return undefined; // the page asks to log in
    const again = { label: "Retry", act: () => attempt(work, form) };
    if (isTemporary(error)) toast(wordsFor(error), { kind: "bad", ...again });
    else if (form && error.status) $(".error", form).textContent = wordsFor(error);
    else toast(wordsFor(error), { kind: "bad" });
    return undefined;
  }
}

// Shows a success that can be undone; the work of undoing returns the text of its own success.
export function done(text, undo) {
  if (undo === undefined) return toast(text);
  return toast(text, { label: "Undo", act: () => attempt(async () => toast(await undo())) });
}

// ---- forms and dialogs

// Does the work once at a time: a second click while the first is under way does nothing. A button whose work takes a while
// says so.
async function busy(element, button, work) {
  if (element.ariaBusy === "true") return;
  element.ariaBusy = "true";
  const text = button?.dataset.busy ?? "Working…";
  let label;
  const timer = setTimeout(() => {
    label = [...(button?.childNodes ?? [])];
    button?.replaceChildren(text);
  }, BUSY_MS);
  try {
    await work();
  } finally {
    clearTimeout(timer);
    if (label && button?.textContent === text) button.replaceChildren(...label);
    element.ariaBusy = null;
  }
}

export function onSubmit(form, work) {
  form.addEventListener("input", () => $$(".error", form).forEach((error) => (error.textContent = "")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    $$(".error", form).forEach((error) => (error.textContent = ""));
    busy(form, event.submitter, () => work(new FormData(form), event.submitter));
  });
}

export function onClick(button, work) {
  button.addEventListener("click", () => busy(button, button, work));
}

const acts = new Map();

for (const dialog of $$("dialog")) {
  const form = $("form", dialog);
  for (const button of $$(".cancel", dialog)) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
  onSubmit(form, async (data, submitter) => {
    try {
      const then = await acts.get(dialog)?.(data, submitter);
      dialog.close(); // which gives the focus back to where it was
      then?.();
    } catch (error) {
      $(".error", dialog).textContent = wordsFor(error);
    }
  });
}

// Opens a dialog. Its submit button does the work; the dialog stays open, and says why, if the work fails. The work may
// return what to do after the dialog has closed.
export function openDialog(selector, act) {
  const dialog = $(selector);
  $(".error", dialog).textContent = "";
  acts.set(dialog, act);
  dialog.showModal();
  return dialog;
}

// Asks before something that cannot be undone. One of the texts `typed` has to be typed first. What harms nobody is `safe`.
export function confirm({ title, text, label, typed, extra, safe = false, act }) {
  const dialog = $("#confirm");
  $("form", dialog).reset();
  $("h2", dialog).textContent = title;
  $(".text", dialog).textContent = text;
  const go = $(".go", dialog);
  go.textContent = label;
  go.classList.toggle("full", !safe);
  go.classList.toggle("primary", safe);
  $(".typed", dialog).hidden = typed === undefined;
  const field = $(".typed input", dialog);
  mustBeOneOf(field, typed);
  $(".extra", dialog).hidden = extra === undefined;
  $(".extra input", dialog).required = extra !== undefined;
  $(".extra span", dialog).textContent = extra ?? "";
  openDialog("#confirm", act);
  (typed ? field : safe ? go : $(".cancel", dialog)).focus();
}

// Its label has a <b> for the texts. Without texts, nothing has to be typed.
export function mustBeOneOf(field, texts = []) {
  const choice = [...new Set(texts)].join(" or ");
  field.required = texts.length > 0;
  $("b", field.labels[0]).textContent = choice;
  const check = () => {
    const fits = !field.required || texts.includes(field.value.trim());
    field.setCustomValidity(fits ? "" : `Type ${choice}`);
  };
  field.oninput = check;
  check();
}

// Shows a secret that the server does not store.
export function showSecret({ title, text, label, value }) {
  const dialog = openDialog("#secret");
  $("h2", dialog).textContent = title;
  $(".text", dialog).textContent = text;
  $("label span", dialog).textContent = label;
  $("input", dialog).value = value;
  $(".copied", dialog).textContent = "";
  $(".copy", dialog).focus();
}

$("#secret .copy").addEventListener("click", async () => {
  const field = $("#secret input");
  field.select();
  $("#secret .copied").textContent = await copy(field.value);
});

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    return "The browser did not allow it. Select the text and copy it.";
  }
}

// ---- listings

// A list that grows page by page. It keeps the rows by key, so that a reload changes neither focus nor scroll position.
export class Listing {
  #rows = new Map();
  #next;
  #reading = Promise.resolve();

  constructor(section, { template, key, fill, onGrow = () => {} }) {
    Object.assign(this, { section, template: $(template), key, fill, onGrow, url: null, count: PAGE_SIZE });
    onClick($(".more", section), () => attempt(() => this.#inTurn(() => this.#more())));
    onClick($(".failed button", section), () => this.reload());
  }

  // Empties the list and fills it from another address, with as many rows as were shown there before.
  open(url, count = PAGE_SIZE) {
    this.url = url;
    this.#show([], undefined);
    this.count = Math.max(count, PAGE_SIZE);
    $(".empty", this.section).hidden = true; // not known yet
    return this.reload();
  }

  // Reads as many items again as are shown; with `until`, also all up to that key. A failure is shown in the list.
  async reload({ until } = {}) {
    if (this.url === null) return;
    try {
      await this.#inTurn(() => this.#read(until));
      $(".failed", this.section).hidden = true;
    } catch (error) {
      if (!isTemporary(error)) throw error;
      $(".failed span", this.section).textContent = wordsFor(error);
      $(".failed", this.section).hidden = false;
    }
  }

  row(key) {
    return this.#rows.get(key);
  }

  refill() {
    for (const row of this.#rows.values()) this.fill(row, row.item);
  }

  // Shows where the item is.
  reveal(key) {
    const row = this.row(key);
    if (row === undefined) return;
    row.scrollIntoView({ block: "nearest" });
    for (const other of $$(".new")) other.classList.remove("new", "seen");
    void row.offsetWidth; // restarts the animation
    row.classList.add("new");
    row.addEventListener("animationend", () => row.classList.add("seen"), { once: true });
  }

  // Each answer is shown before the next request is sent, so that the answer shown last is the latest.
  #inTurn(work) {
    this.#reading = this.#reading.catch(() => {}).then(work);
    return this.#reading;
  }

  async #read(until) {
    const items = [];
    const { url } = this;
    const wanted = (all) => all.length < this.count || (until !== undefined && !all.some((item) => this.key(item) === until));
    const address = new URL(url, location.href);
    const atOnce = until !== undefined || address.searchParams.has("search"); // a search has one page
    address.searchParams.set("limit", atOnce ? MOST : Math.min(this.count, MOST));
    let next = address.pathname + address.search;
    while (next && wanted(items)) {
      const answer = await send("GET", next);
      items.push(...(await answer.json()).items);
      next = nextPage(answer);
    }
    if (url === this.url) this.#show(items, next);
  }

  async #more() {
    const shown = this.items;
    const { url } = this;
    const next = new URL(this.#next, location.href);
    next.searchParams.set("limit", PAGE_SIZE);
    const answer = await send("GET", next.pathname + next.search);
    const { items } = await answer.json();
    if (url !== this.url) return;
    this.#show([...shown, ...items], nextPage(answer));
    this.onGrow(this.count);
    $("a, button", $(".rows", this.section).children[shown.length])?.focus();
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
    this.count = Math.max(items.length, PAGE_SIZE);
    $(".more", this.section).hidden = !next;
    $(".empty", this.section).hidden = items.length > 0;
  }

  #row(old, item) {
    const row = old ?? this.template.content.firstElementChild.cloneNode(true);
    row.item = item;
    this.fill(row, item);
    return row;
  }

  get items() {
    return [...this.#rows.values()].map((row) => row.item);
  }

  get isEmpty() {
    return this.#rows.size === 0;
  }
}
