// Requests to the API, and what their failures are called.

const PATIENCE_MS = 20_000;

// An answer with an error status. Its message is for people.
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// No answer: the network, the server or a proxy is down.
export class Unreachable extends Error {}

export async function send(method, path, { body, headers } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...json, ...headers },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (cause) {
    const text = navigator.onLine ? "The server cannot be reached." : "You are offline.";
    throw new Unreachable(text, { cause });
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401) document.dispatchEvent(new Event("logged-out"));
  throw new Problem(problem.detail ?? `The server answered with an error (${answer.status}).`, answer.status);
}

export async function read(path) {
  return (await send("GET", path)).json();
}

// Whether the same request may be sent again. After 504 it is not known whether the change was saved.
export function isTemporary(error) {
  return error instanceof Unreachable || (error.status >= 500 && error.status !== 504);
}

export function wordsFor(error) {
  if (error instanceof Problem || error instanceof Unreachable) return error.message;
  console.error(error);
  return "Something went wrong in this page. Reload it.";
}

export function nextPage(answer) {
  return answer.headers.get("Link")?.match(/<([^>]*)>; rel="next"/)?.[1];
}

export function wikiPath(wiki) {
  return `/api/wikis/${encodeURIComponent(wiki.owner_id)}/${wiki.wiki_slug}`;
}
