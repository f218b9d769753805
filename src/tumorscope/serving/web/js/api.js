// The server, and nothing else: requests with the token, problems, uploads that report both ways, forgetting.
// The token lives in this module's memory only.

let token = "";
let askForToken = async () => false;
let asking = null;

/** What a server answers in place of a result (RFC 9457), or what went wrong on the way to it. */
export class Problem extends Error {
  constructor(status, title, detail = "", retryAfter = 0) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.retryAfter = retryAfter;
  }

  get gone() {
    return this.status === 404 || this.status === 410;
  }
}

const BROKEN = "The server cannot be reached. It may have stopped, or closed the connection on too large a request.";

/** Give the function that asks a person for the token: `(again) => Promise<string | null>`. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export const hasToken = () => token !== "";

function authorised() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Ask once, however many requests are turned away at the same time. */
async function obtainToken(used) {
  if (token !== used) return true; // another request has asked meanwhile
  asking ??= askForToken(Boolean(used)).finally(() => {
    asking = null;
  });
  const given = await asking;
  if (!given) return false;
  token = given;
  return true;
}

function parseProblem(status, text, headers) {
  let document = {};
  try {
    document = JSON.parse(text);
  } catch {
    // a proxy in between may answer in its own words
  }
  const title = document.title ?? `The server answered with status ${status}.`;
  return new Problem(status, title, document.detail, Number(headers.get("Retry-After")) || 0);
}

/** Fetch; a 401 asks for the token and tries again, everything else that is not a success is thrown. */
export async function call(path, options = {}) {
  for (;;) {
    const used = token;
    let response;
    try {
      response = await fetch(path, { ...options, headers: { ...options.headers, ...authorised() } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, BROKEN);
    }
    if (response.ok) return response;
    if (response.status === 401 && (await obtainToken(used))) continue;
    throw parseProblem(response.status, await response.text(), response.headers);
  }
}

/**
 * Send files and read the answers as they come.
 * `onUpload(sent, total)` while they go, `onLine(record)` for each line of the answer. Rejects with a Problem, or with
 * an AbortError when `signal` fires.
 */
export async function send(files, callbacks) {
  for (;;) {
    const used = token;
    try {
      return await sendOnce(files, callbacks);
    } catch (error) {
      if (error.status !== 401 || !(await obtainToken(used))) throw error;
    }
  }
}

function sendOnce(files, { onUpload, onLine, signal }) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const { file, path } of files) form.append("files", file, path);
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/predictions");
    request.setRequestHeader("Accept", "application/x-ndjson");
    for (const [name, value] of Object.entries(authorised())) request.setRequestHeader(name, value);

    let read = 0;
    let done = false;
    const drain = () => {
      if (request.status !== 200) return;
      const text = request.responseText;
      for (let end = text.indexOf("\n", read); end >= 0; end = text.indexOf("\n", read)) {
        const line = text.slice(read, end).trim();
        read = end + 1;
        if (!line) continue;
        const record = JSON.parse(line);
        done ||= record.type === "done";
        onLine(record);
      }
    };
    request.upload.onprogress = (event) => onUpload(event.loaded, event.total);
    request.upload.onload = (event) => onUpload(event.loaded, event.loaded);
    request.onprogress = drain;
    request.onload = () => {
      drain();
      if (request.status === 200 && done) resolve();
      else if (request.status === 200) reject(new Problem(0, "The answer broke off; what had arrived is shown."));
      else {
        const headers = new Headers();
        const wait = request.getResponseHeader("Retry-After");
        if (wait) headers.set("Retry-After", wait);
        reject(parseProblem(request.status, request.responseText, headers));
      }
    };
    request.onerror = () => reject(new Problem(0, BROKEN));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

/** Have the server forget a set; the request outlives the page. */
export function forget(id) {
  const path = `/v1/predictions/${encodeURIComponent(id)}`;
  if ("keepalive" in Request.prototype) {
    fetch(path, { method: "DELETE", headers: authorised(), keepalive: true }).catch(() => {}); // it expires by itself
  } else {
    navigator.sendBeacon(`${path}/close`);
  }
}

export const model = async () => (await call("/v1/model", { headers: { Accept: "application/json" } })).json();
