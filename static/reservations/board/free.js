/** How many devices of a group are free over time: a strip in the group's line. */

import { el } from "../../portal/dom.js";
import { HOUR, MINUTE } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { fetchFree } from "./api.js";
import { groupKey } from "./lines.js";

/** How long a step is in each view. */
const STEPS = { day: 30 * MINUTE, week: 2 * HOUR, month: 12 * HOUR };
/** Numbers are for looking over, not for booking by: they need not be of this second. */
const GOOD_FOR = 30_000;

export class FreeOverTime {
  constructor(board) {
    this.board = board;
    this.groups = new Map();
  }

  /** Ask for the numbers of what is shown, if those there are belong to something else or are old. */
  async want() {
    const { board } = this;
    const { view } = board.state;
    if (board.only || !STEPS[view] || board.calendar.empty) return;
    const asked = { ...board.asked(), step: STEPS[view] };
    const signature = JSON.stringify(asked);
    if (this.asking === signature || (this.signature === signature && Date.now() - this.at < GOOD_FOR)) return;
    this.request?.abort();
    this.request = new AbortController();
    this.asking = signature;
    try {
      const { groups } = await fetchFree({ ...asked, signal: this.request.signal });
      Object.assign(this, { signature, at: Date.now(), from: asked.from, step: asked.step, groups: new Map(groups.map((group) => [groupKey(group), group])) });
      board.redraw();
    } catch (error) {
      // The strip is an extra; the board stands without it.
      if (error.name === "AbortError") return;
      this.at = Date.now();
      this.signature = signature;
      this.groups = new Map();
    } finally {
      if (this.asking === signature) this.asking = null;
    }
  }

  /** Return the numbers of several groups together, or null while there are none. */
  of(groups) {
    const found = groups.map((group) => this.groups.get(groupKey(group))).filter((one) => one?.free);
    if (!found.length || this.from !== this.board.range.from) return null;
    return { usable: found.reduce((sum, one) => sum + one.usable, 0), free: found[0].free.map((_none, i) => found.reduce((sum, one) => sum + one.free[i], 0)) };
  }
}

/** Draw the strip of a group; where there is room, the number stands in it. */
export function drawFree(lane, line, board, scale, { numbers }) {
  const known = board.freeOverTime.of(line.groups);
  if (!known?.usable) return;
  const { from, step } = board.freeOverTime;
  let begin = 0;
  for (let i = 1; i <= known.free.length; i += 1) {
    if (known.free[i] === known.free[begin]) continue;
    const left = Math.max(scale.x(from + begin * step), 0);
    const right = Math.min(scale.x(from + i * step), scale.width);
    const many = known.free[begin];
    const share = many / known.usable;
    const node = el("span", { class: "free-step", data: { level: many === 0 ? "none" : share < 0.25 ? "few" : share < 0.75 ? "some" : "most" }, title: _("{free} of {usable} free", { free: many, usable: known.usable }), aria: { hidden: "true" } },
      numbers && right - left > 16 + 7 * String(many).length ? el("span", {}, String(many)) : "");
    node.style.left = `${left}px`;
    node.style.width = `${Math.max(right - left - 1, 1)}px`;
    lane.append(node);
    begin = i;
  }
}
