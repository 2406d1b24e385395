/** Short words at the bottom of the page, with a way back. */

import { el, icon } from "./dom.js";
import { _ } from "./words.js";

const region = el("div", { class: "toasts", role: "status", aria: { live: "polite" } });
document.body.append(region);

/** Show a sentence for some seconds; with `undo`, a button that takes the change back. */
export function toast(words, { undo, seconds = undo ? 10 : 5 } = {}) {
  const close = () => node.remove();
  const node = el("div", { class: "toast" }, el("span", {}, words),
    undo && el("button", { type: "button", class: "button", onclick: () => { close(); undo(); } }, _("Undo")),
    el("button", { type: "button", class: "button", aria: { label: _("Dismiss") }, onclick: close }, icon("close")));
  region.replaceChildren(node);
  let timer = setTimeout(close, seconds * 1000);
  // Nobody should have to race a clock with the pointer or the keyboard on the button.
  for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, () => { timer = setTimeout(close, 4000); });
}
