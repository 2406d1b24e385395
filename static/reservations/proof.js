/** That a device was clean: what was checked, by what, and the digest to compare. */

import { copyButton, el, icon } from "../portal/dom.js";
import { momentWords, utcWords } from "../portal/time.js";

const words = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

export function drawProof(proof, zone) {
  const at = Date.parse(proof.verified_at);
  const clean = proof.is_clean !== false;
  return el("div", { class: "proof" },
    el("p", { class: `proof-head${clean ? "" : " failed"}` }, icon(clean ? "check" : "warning"), el("span", {}, `${clean ? "Proven clean" : "Not proven clean"} ${momentWords(zone, at)}`, el("span", { class: "quiet", title: utcWords(at) }, `, ${proof.checks.length} ${proof.checks.length === 1 ? "check" : "checks"}`))),
    el("div", { class: "scroll-x", tabindex: "0", role: "group", aria: { label: "Checks" } }, el("table", {},
      el("thead", {}, el("tr", {}, ["Check", "Expected", "Found", "By", "Result"].map((word) => el("th", { scope: "col" }, word)))),
      el("tbody", {}, proof.checks.map((check) => el("tr", {}, el("td", {}, check.name.replaceAll("_", " ")), el("td", {}, words(check.expected)), el("td", {}, words(check.found)), el("td", {}, check.method),
        el("td", { class: check.passed ? "passed" : "failed" }, check.passed ? "passed" : "failed")))))),
    el("p", { class: "copy-line" }, el("span", { class: "quiet" }, "Digest"), el("code", { class: "break" }, proof.digest), copyButton(proof.digest, "the digest")));
}
