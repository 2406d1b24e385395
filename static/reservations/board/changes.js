/** Changes of one's own bookings: asked of the server, taken back by their reverse. */

import { newKey } from "../../portal/api.js";
import { iso, windowWords } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { _ } from "../../portal/words.js";
import { act, createReservation, moveReservation } from "./api.js";

/** Choose the verb: a window that has not begun is moved; a running one ends later or earlier. */
function ask(entry, from, to, now) {
  if (entry.starts_at > now && ["requested", "scheduled"].includes(entry.state)) return moveReservation(entry.reservation, from, to);
  return act(entry.reservation, to > entry.ends_at ? "extend" : "shorten", { ends_at: iso(to) });
}

/** Return the devices of an entry's reservation that are known; they change together. */
export function siblings(board, entry) {
  const rows = [];
  for (const [row, list] of board.calendar.entries) if (list.some((one) => one.reservation === entry.reservation && !one.via)) rows.push(row);
  return rows;
}

/** Ask the server for another window: the ghost stays until it has answered. */
export async function changeWindow(board, entry, from, to) {
  const id = entry.reservation;
  const was = { from: entry.starts_at, to: entry.ends_at };
  board.state.settling.add(id);
  board.setGhosts(siblings(board, entry).map((row) => ({ row, from, to, kind: "moving" })));
  try {
    await ask(entry, from, to, board.now());
    await board.refresh();
    toast(_("Now {window}.", { window: windowWords(board.state.zone, from, to) }), {
      undo: () => takeBack(board, () => ask({ ...entry, starts_at: from, ends_at: to }, was.from, was.to, board.now())),
    });
    if (board.details.showing?.reservation === id) board.details.reload();
  } catch (problem) {
    board.details.refused(entry, problem, { from, to });
  } finally {
    board.state.settling.delete(id);
    board.setGhosts([]);
  }
}

/** Cancel a reservation; while nothing of it had begun, it can be booked again as it was. */
export async function cancelReservation(board, reservation) {
  await act(reservation.id, "cancel");
  const begun = Date.parse(reservation.starts_at) <= board.now() || reservation.leases.some((lease) => !["REQUESTED", "SCHEDULED"].includes(lease.status));
  const again = {
    project: reservation.project, purpose: reservation.purpose, starts_at: reservation.starts_at, ends_at: reservation.ends_at,
    resources: reservation.leases.map((lease) => ({ resource: lease.resource, parameters: lease.parameters ?? {}, artefacts: filesOf(lease) })),
  };
  toast(_("Cancelled. The devices are free for others."), begun ? {} : { undo: () => takeBack(board, () => createReservation(again, newKey())) });
}

const filesOf = (lease) => Object.fromEntries((lease.files ?? []).filter((file) => file.id).map((file) => [file.name, file.id]));

/** Do the reverse of a change; somebody may have been quicker. */
export async function takeBack(board, reverse) {
  try {
    await reverse();
    toast(_("Taken back."));
  } catch (problem) {
    const why = problem.more?.refusals?.[0]?.message ?? problem.message;
    toast(_("It could not be taken back. {why}", { why }), { seconds: 10 });
  }
  await board.refresh();
}
