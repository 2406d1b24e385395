/** A short hold on what the open form asks for: others see it, and nobody takes the devices meanwhile. */

import { el } from "../../portal/dom.js";
import { clock, MINUTE } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { dropHold, holdDevices, renewHold } from "./api.js";

/** Who only looks around keeps nothing from others: a wish is held when it has stood for a while. */
const AFTER = 4_000;

export class Hold {
  constructor(booking) {
    this.booking = booking;
    this.id = null;
  }

  /** The wish would work as it stands: hold it soon. */
  want() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.take(), AFTER);
  }

  /** The wish changed: what was held is held no longer, unless the next hold takes its place. */
  change() { clearTimeout(this.timer); }

  async take() {
    const { booking } = this;
    if (!booking.open || booking.sending) return;
    const { starts_at, ends_at, resources, connected } = booking.ask();
    await this.ask(() => holdDevices({ starts_at, ends_at, resources, ...(connected && { connected }), ...(this.id && { instead_of: this.id }) }));
    // The form may have closed while the answer was on its way.
    if (!booking.open) this.drop();
  }

  /** Whatever the portal says against a hold: one can still book. */
  async ask(call) {
    try {
      const { id, expires_at, renewals_left } = await call();
      Object.assign(this, { id, expires: Date.parse(expires_at) });
      clearTimeout(this.timer);
      if (renewals_left > 0) this.timer = setTimeout(() => { if (this.id && !document.hidden) this.ask(() => renewHold(this.id)); }, Math.max(this.expires - this.booking.board.now() - MINUTE, 30_000));
    } catch {
      Object.assign(this, { id: null, expires: null });
    }
    if (this.booking.open) this.booking.drawPart("held");
    this.booking.board.refresh();
  }

  /** Let others have it; a hold that was booked is over by itself. */
  drop({ booked = false } = {}) {
    clearTimeout(this.timer);
    const { id } = this;
    Object.assign(this, { id: null, expires: null });
    if (id && !booked) dropHold(id).then(() => this.booking.board.refresh(), () => { /* it runs out by itself */ });
  }

  draw() {
    if (!this.id) return [];
    return [el("p", { class: "help held" }, el("span", { class: "swatch", data: { state: "hold", mine: "1" }, aria: { hidden: "true" } }), _("Kept free for you until {time}.", { time: clock(this.booking.board.state.zone, this.expires) }))];
  }
}
