/** The portal's own REST interface, as any client would call it. */

import { _ } from "./words.js";

export class Problem extends Error {
  /** A refusal or failure in words for people; `code` is stable, `more` holds what came with it. */
  constructor({ status = 0, code = "unreachable", detail = "", errors = {}, ...more }) {
    super(detail || _("The portal could not be reached."));
    Object.assign(this, { status, code, errors, more });
  }
}

function csrfToken() {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1]
    ?? document.querySelector('meta[name="shary-csrf"]')?.content ?? "";
}

/** Call the API and return its JSON; throw a `Problem` otherwise. */
export async function call(path, { method = "GET", body, form, key, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method, headers, signal, credentials: "same-origin",
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: _("The portal could not be reached. Check your connection, then try again.") });
  }
  const text = await response.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { /* not ours: a proxy's page */ }
  if (response.ok) return answer;
  if ((response.status === 401 || response.status === 403) && answer?.code !== "policy" && !document.body.dataset.user) location.reload();
  const fallback = response.status === 401 ? _("You are signed out. Sign in again in another tab, then try again.")
    : response.status >= 500 ? _("The portal had an error of its own. Nothing was changed; try again in a moment.")
    : _("The portal answered {status}.", { status: response.status });
  throw new Problem({ detail: fallback, ...(answer ?? {}), status: response.status });
}

export const get = (path, options) => call(path, options);
export const post = (path, body = {}, options = {}) => call(path, { method: "POST", body, ...options });
export const remove = (path) => call(path, { method: "DELETE" });
export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

/** Return `a=1&b=2` without what is empty. */
export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== "" && value !== null && value !== undefined && value !== false) search.set(name, value);
  return search.toString();
}
