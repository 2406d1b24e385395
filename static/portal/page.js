/** What every page does: theme, zone chip, menus, and times in the viewer's zone. */

import { el } from "./dom.js";
import { browserZone, isZone, offsetMinutes, offsetWords, zoneWords } from "./time.js";
import { showCountdowns, showTimes } from "./times.js";
import { _ } from "./words.js";
import { chooseZone, onZone, viewerZone } from "./zone.js";

function dressZoneMenu() {
  const menu = document.getElementById("zone-menu");
  if (!menu) return;
  const items = menu.querySelector(".menu-items");
  const show = () => {
    const zone = viewerZone();
    const now = Date.now();
    menu.querySelector("[data-zone-name]").textContent = zoneWords(zone);
    const zones = [...new Set([browserZone, document.body.dataset.timeZone, "UTC", zone])].filter((name) => name && isZone(name));
    items.replaceChildren(
      el("p", { class: "menu-note" }, _("Times on all pages are shown in this zone.")),
      ...zones.map((name) => el("button", {
        type: "button", aria: { pressed: String(name === zone) },
        onclick: () => { menu.open = false; chooseZone(name); menu.querySelector("summary").focus(); },
      }, zoneWords(name), el("span", { class: "quiet" }, name === "UTC" ? "" : `UTC${offsetWords(offsetMinutes(name, now))}`))),
    );
  };
  show();
  onZone(show);
}

function dressTheme() {
  const button = document.getElementById("theme");
  if (!button) return;
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.setAttribute("aria-label", dark() ? _("Use the light theme") : _("Use the dark theme"));
    button.title = button.getAttribute("aria-label");
    button.querySelector("use").setAttribute("href", button.querySelector("use").getAttribute("href").replace(/#.*/, dark() ? "#sun" : "#moon"));
  };
  button.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("shary.theme", theme); } catch { /* not remembered, still used */ }
    show();
  });
  show();
}

function dressMenus() {
  const menus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("pointerdown", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) { menu.open = false; menu.querySelector("summary").focus(); }
  });
}

dressTheme();
dressZoneMenu();
dressMenus();
showTimes();
showCountdowns();
setInterval(showCountdowns, 1000);
onZone(() => showTimes());
