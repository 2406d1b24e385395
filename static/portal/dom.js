/** Build elements without markup in strings: text stays text. */

import { _ } from "./words.js";

const ICONS = document.querySelector('meta[name="shary-icons"]')?.content ?? "/static/portal/icons.svg";

/** Return an element; `on*` props become listeners, `data`, `aria` and `class` mean what they say. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "data") { for (const [key, word] of Object.entries(value)) if (word !== undefined && word !== null) node.dataset[key] = word; }
    else if (name === "aria") for (const [key, word] of Object.entries(value)) { if (word !== undefined && word !== null) node.setAttribute(`aria-${key}`, word); }
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Return an icon from the portal's own sheet; it is decoration, the words stand beside it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Return what the server left in a `json_script`, or the fallback. */
export function readConfig(id, fallback = {}) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : fallback;
}

/** Return a button that copies a text and says so. */
export function copyButton(text, label) {
  const word = el("span", {}, _("Copy"));
  const button = el("button", { type: "button", class: "button small copy", aria: { label: _("Copy {label}", { label }) } }, icon("copy"), word);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard API; the old way still works.
      const area = el("textarea", { value: text, class: "visually-hidden" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    word.textContent = _("Copied");
    setTimeout(() => { word.textContent = _("Copy"); }, 1500);
  });
  return button;
}

/** Return the word for a count: `1 device`, `3 devices`. */
export function count(number, singular, plural = `${singular}s`) {
  return `${number} ${number === 1 ? singular : plural}`;
}
