/** One's own SSH keys and API tokens, over the REST interface. */

import { get, post, remove } from "../portal/api.js";
import { copyButton, el } from "../portal/dom.js";
import { DAY, dayWords, iso, momentWords, utcWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { _ } from "../portal/words.js";
import { onZone, viewerZone } from "../portal/zone.js";

const part = (name) => document.querySelector(`[data-part="${name}"]`);

function moment(text, words = momentWords) {
  const ms = Date.parse(text);
  return el("time", { datetime: text, title: utcWords(ms) }, words(viewerZone(), ms));
}

function removeButton(path, label, verb, reload) {
  const line = el("span", { class: "confirm" });
  const calm = () => line.replaceChildren(el("button", { type: "button", class: "button small", aria: { label: `${verb} ${label}` }, onclick: ask }, verb));
  const ask = () => {
    line.replaceChildren(
      el("button", { type: "button", class: "button small danger", onclick: async () => {
        try { await remove(path); toast(_("{name} is gone.", { name: label })); reload(); } catch (problem) { toast(problem.message); calm(); }
      } }, _("{verb} it", { verb })),
      el("button", { type: "button", class: "button small", onclick: calm }, _("Keep")));
    line.querySelector("button").focus();
  };
  calm();
  return line;
}

function showProblem(form, node, problem) {
  for (const field of form.elements) if (field.name) field.toggleAttribute("aria-invalid", false);
  const errors = Object.entries(problem.errors ?? {});
  for (const [name] of errors) form.elements[name]?.setAttribute("aria-invalid", "true");
  const words = errors.flatMap(([, messages]) => [messages].flat());
  node.replaceChildren(...(words.length ? words : [problem.message]).map((line) => el("p", {}, line)));
  form.elements[errors[0]?.[0]]?.focus?.();
}

async function load(path, node, draw, empty) {
  try {
    const answer = await get(path);
    const items = answer.results ?? answer;
    node.replaceChildren(items.length ? draw(items) : el("p", { class: "quiet" }, empty));
  } catch (problem) {
    node.replaceChildren(el("p", { class: "note bad" }, problem.message));
  }
}

const loadKeys = () => load("ssh-keys/", part("ssh-list"), (keys) => el("div", { class: "scroll-x" }, el("table", {},
  el("thead", {}, el("tr", {}, [_("Name"), _("Fingerprint"), _("Added"), ""].map((word) => el("th", { scope: "col" }, word || el("span", { class: "visually-hidden" }, _("Actions")))))),
  el("tbody", {}, keys.map((key) => el("tr", {},
    el("td", {}, key.name || "–"), el("td", {}, el("code", { class: "break" }, key.fingerprint ?? `${key.public_key.slice(0, 32)}…`)),
    el("td", { class: "nowrap" }, key.created_at ? moment(key.created_at, dayWords) : ""),
    el("td", {}, removeButton(`ssh-keys/${key.id}/`, key.name || _("The key"), _("Remove"), loadKeys))))))),
_("No key yet. Without one, devices that are reached by SSH cannot let you in."));

const loadTokens = () => load("tokens/", part("token-list"), (tokens) => el("div", { class: "scroll-x" }, el("table", {},
  el("thead", {}, el("tr", {}, [_("Name"), _("May"), _("Last used"), _("Expires"), ""].map((word) => el("th", { scope: "col" }, word || el("span", { class: "visually-hidden" }, _("Actions")))))),
  el("tbody", {}, tokens.map((token) => el("tr", {},
    el("td", {}, token.name), el("td", {}, token.scopes.join(", ")), el("td", { class: "nowrap" }, token.last_used_at ? moment(token.last_used_at) : _("never")),
    el("td", { class: "nowrap" }, token.expires_at ? moment(token.expires_at, dayWords) : _("never")),
    el("td", {}, removeButton(`tokens/${token.id}/`, token.name, _("Revoke"), loadTokens))))))), _("No token yet."));

function dressForm(form, errors, send) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    errors.replaceChildren();
    try { await send(Object.fromEntries(new FormData(form)), form); form.reset(); } catch (problem) { showProblem(form, errors, problem); }
    button.disabled = false;
  });
}

dressForm(part("ssh-form"), part("ssh-errors"), async ({ name, public_key }) => {
  await post("ssh-keys/", { name: name.trim(), public_key: public_key.trim() });
  toast(_("The key is added."));
  loadKeys();
});
dressForm(part("token-form"), part("token-errors"), async ({ name, days }, form) => {
  const scopes = new FormData(form).getAll("scopes");
  const made = await post("tokens/", { name: name.trim(), expires_at: iso(Date.now() + Number(days) * DAY), scopes });
  part("token-new").hidden = false;
  part("token-new").replaceChildren(el("div", { class: "note good", role: "status" }, el("div", {},
    el("p", {}, el("strong", {}, _("Token “{name}” is shown this once. Copy it now.", { name: made.name }))),
    el("p", { class: "copy-line" }, el("code", { class: "break" }, made.token), copyButton(made.token, _("the token"))))));
  loadTokens();
});

loadKeys();
loadTokens();
onZone(() => { loadKeys(); loadTokens(); });
