/** The sign-in page: finds one's institution, and remembers it; fills in a demonstration account. */

import { _, ngettext } from "../portal/words.js";

const REMEMBERED = "shary.home";
const SEARCH_FROM = 6;

const list = document.getElementById("homes");
const homes = list ? [...list.children] : [];

const remembered = () => {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null; // storage is switched off: nothing is remembered
  }
};

const remember = (home) => {
  try {
    localStorage.setItem(REMEMBERED, home);
  } catch {
    // storage is switched off
  }
};

const lastTime = homes.find((home) => home.dataset.home === remembered());
if (lastTime) {
  const note = document.createElement("span");
  note.className = "quiet";
  note.textContent = _("Last time");
  lastTime.querySelector("button").append(note);
  lastTime.querySelector("button").classList.add("primary");
  list.prepend(lastTime);
}

for (const home of homes) {
  home.querySelector("form").addEventListener("submit", () => remember(home.dataset.home));
}

if (homes.length >= SEARCH_FROM) {
  const box = document.getElementById("homes-search");
  const words = document.getElementById("homes-words");
  box.hidden = false;
  words.placeholder = _("Search for your institution");
  const plain = (text) => text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
  words.addEventListener("input", () => {
    const wanted = plain(words.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const home of homes) {
      const name = plain(home.dataset.foundBy);
      home.hidden = !wanted.every((word) => name.includes(word));
      shown += home.hidden ? 0 : 1;
    }
    document.getElementById("homes-none").hidden = shown > 0;
    document.getElementById("homes-count").textContent = ngettext(
      "{count} institution",
      "{count} institutions",
      shown,
    );
  });
  const visible = () => [...list.children].filter((home) => !home.hidden);
  const move = (event) => {
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    const stops = [words, ...visible().map((home) => home.querySelector("button"))];
    const next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  };
  words.addEventListener("keydown", move);
  list.addEventListener("keydown", move);
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const found = visible();
    if (found.length === 1) found[0].querySelector("form").requestSubmit();
  });
}

const form = document.getElementById("local");

for (const button of document.querySelectorAll("[data-account]")) {
  button.addEventListener("click", () => {
    form.elements.login.value = button.dataset.account;
    form.elements.password.value = button.dataset.password;
    form.querySelector("[type=submit]").focus();
  });
}
