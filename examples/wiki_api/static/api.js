// Requests to the API, and what their failures are called.

const PATIENCE_MS = 20_000;
const SLOW_MS = 3000;
const lost = new Set(); // requests that may have been carried out although no answer arrived

// An answer with an error status. Its message is for people.
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// No answer: the network, the server or a proxy is down.
export class Unreachable extends Error {}

// A request that takes something away from its path, as DELETE does, finds nothing there if it is sent again.
export async function send(method, path, { body, headers, takesAway = method === "DELETE" } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const request = [method, path, JSON.stringify(body)].join(" ");
  const isSecond = lost.delete(request);
  const slow = setTimeout(() => document.dispatchEvent(new Event("slow")), SLOW_MS);
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...json, ...headers },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (cause) {
    lost.add(request);
    if (!navigator.onLine) throw new Unreachable("You are offline.", { cause });
    const text = cause.name === "TimeoutError" ? "The server did not answer." : "The server cannot be reached.";
    throw new Unreachable(text, { cause });
  } finally {
    clearTimeout(slow);
    document.dispatchEvent(new Event("settled"));
  }
  if (answer.ok || (answer.status === 404 && isSecond && takesAway)) return answer;
  if (answer.status === 504) lost.add(request);
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401) document.dispatchEvent(new Event("logged-out"));
  throw new Problem(problem.detail ?? `The server answered with an error (${answer.status}).`, answer.status);
}

export async function read(path) {
  return (await send("GET", path)).json();
}

// Whether the change may have been saved although no answer says so.
export function isUnsure(error) {
  return error instanceof Unreachable || error.status === 504;
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
