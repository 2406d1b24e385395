/** The address holds the whole view, so that it can be sent to a colleague. */

import { fromInput, isZone, startOfDay, toDateInput } from "../../portal/time.js";
import { GROUPINGS } from "./lines.js";

export const VIEWS = ["day", "week", "month", "agenda"];
const FILTERS = ["site", "kind", "model", "search"];

/** Return what the address asks for; what it does not say is left to the defaults. */
export function readAddress(zone, { now, view }) {
  const search = new URLSearchParams(location.search);
  const asked = search.get("zone");
  const used = asked && isZone(asked) ? asked : zone;
  const date = fromInput(used, search.get("date") ?? "");
  return {
    zone: used,
    view: VIEWS.includes(search.get("view")) ? search.get("view") : view,
    date: Number.isNaN(date) ? startOfDay(used, now) : date,
    group: GROUPINGS.includes(search.get("group")) ? search.get("group") : "site",
    ...Object.fromEntries(FILTERS.map((name) => [name, search.get(name) ?? ""])),
    free: search.get("free") === "1",
    zoom: [1, 2, 4].includes(Number(search.get("zoom"))) ? Number(search.get("zoom")) : 1,
    closed: new Set((search.get("closed") ?? "").split(",").filter(Boolean)),
  };
}

/** Write the view into the address; `push` makes a step that Back returns from. */
export function writeAddress(state, { now, push = false }) {
  const search = new URLSearchParams();
  search.set("view", state.view);
  if (state.date !== startOfDay(state.zone, now)) search.set("date", toDateInput(state.zone, state.date));
  if (state.group !== "site") search.set("group", state.group);
  for (const name of FILTERS) if (state[name]) search.set(name, state[name]);
  if (state.free) search.set("free", "1");
  if (state.zoom !== 1) search.set("zoom", state.zoom);
  if (state.closed.size) search.set("closed", [...state.closed].join(","));
  search.set("zone", state.zone);
  const address = `?${search.toString().replaceAll("%2F", "/").replaceAll("%2C", ",")}`;
  if (address !== location.search) history[push ? "pushState" : "replaceState"](null, "", address);
}
