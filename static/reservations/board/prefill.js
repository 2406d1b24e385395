/** A booking that somebody brings along: a template, or a reservation to book again. */

import { get } from "../../portal/api.js";
import { HOUR } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { fetchAdapters, fetchResource } from "./api.js";

// Read before the board writes its own view into the address.
const search = new URLSearchParams(location.search);
const [template, again] = [search.get("template"), search.get("again")];

/** Open the booking form with what the address names. */
export async function prefill(board) {
  if (!template && !again) return;
  try {
    const kept = await get(template ? `templates/${template}/` : `templates/like/?reservation=${again}`);
    const named = kept.resources.filter((line) => line.resource);
    const wishes = kept.resources.filter((line) => !line.resource);
    const given = await givenBy(named, wishes);
    const order = [...named, ...wishes].map((line) => kept.resources.indexOf(line));
    const from = Math.ceil((board.now() + HOUR / 4) / HOUR) * HOUR;
    board.booking.begin({
      rows: named.map((line) => line.resource), from, to: from + kept.duration_s * 1000, focus: true,
      given: {
        settings: given,
        purpose: kept.purpose,
        project: kept.project,
        connected: kept.links.length > 0,
        wishes: wishes.map(({ parameters, artefacts, same_site_as: tied, ...line }) => ({ model: "", site: "", count: 1, ...line, ...(tied !== undefined && { same_site_as: order.indexOf(tied) }) })),
        names: kept.names,
      },
    });
  } catch (problem) {
    toast(problem.message, { seconds: 10 });
  }
}

/** Return the parameters and files that the form of each adapter begins with. */
async function givenBy(named, wishes) {
  const adapters = await fetchAdapters();
  const found = new Map();
  const resources = await Promise.all(named.map((line) => fetchResource(line.resource).catch(() => null)));
  named.forEach((line, i) => { if (resources[i]) found.set(resources[i].adapter, line); });
  for (const line of wishes) {
    const adapter = adapters.find((one) => one.kinds.includes(line.kind));
    if (adapter && !found.has(adapter.name)) found.set(adapter.name, line);
  }
  return found;
}
