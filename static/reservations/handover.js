/** On the page of a reservation: hand it over, answer an offer, keep it as a template, book it again. */

import { get, newKey, post } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { toast } from "../portal/toast.js";
import { _ } from "../portal/words.js";
import { drawKeep } from "./keep.js";

const OVER = ["over", "cancelled", "rejected"];

/** What can be done with a reservation beyond its window; the node stays while the page draws the rest anew. */
export class Passing {
  constructor({ id, reload }) {
    Object.assign(this, { id, reload });
    this.offer = el("div", { class: "stack" });
    this.status = el("p", { class: "errors", role: "status" });
    this.more = el("div", { class: "stack" });
    this.node = el("section", { class: "block", aria: { label: _("Pass on and repeat") } }, el("div", { class: "block-body stack" }, this.offer, this.status, this.more));
  }

  /** Show it for the reservation as it is now. */
  async show(reservation, username) {
    const state = `${reservation.version}`;
    if (this.state === state) return;
    this.state = state;
    this.reservation = reservation;
    this.username = username;
    if (!this.more.childElementCount) {
      this.more.replaceChildren(
        el("div", { class: "actions" },
          el("a", { class: "button", href: `/?again=${this.id}` }, _("Book again")),
          reservation.series && el("a", { class: "button", href: `/series/${reservation.series}/` }, _("To its series"))),
        drawKeep({ id: "keep", suggested: reservation.purpose.slice(0, 80), ask: () => ({ path: "templates/from-reservation/", reservation: this.id }) }));
    }
    if (OVER.includes(reservation.phase)) { this.offer.replaceChildren(); return; }
    try {
      this.choices = await get(`handovers/choices/?reservation=${this.id}`);
      if (!this.asking) this.draw();
    } catch { this.offer.replaceChildren(); /* the rest of the page says what is wrong */ }
  }

  draw() {
    const { waiting, may_give: mayGive } = this.choices;
    this.asking = false;
    const button = (words, onclick, kind = "") => el("button", { type: "button", class: `button ${kind}`, onclick }, words);
    if (waiting && waiting.receiver === this.username) {
      this.offer.replaceChildren(el("div", { class: "note warn" }, el("span", {}, _("{giver} offers you this reservation.", { giver: waiting.giver_name }))),
        el("div", { class: "actions" }, button(_("Take it over"), () => this.answer(waiting, "accept", _("You hold it now.")), "primary"), button(_("Decline"), () => this.answer(waiting, "decline", _("Declined.")))));
    } else if (waiting) {
      this.offer.replaceChildren(el("p", {}, _("Offered to {receiver}; it waits for an answer.", { receiver: waiting.receiver_name })),
        mayGive ? el("div", { class: "actions" }, button(_("Withdraw the offer"), () => this.answer(waiting, "withdraw", _("Withdrawn.")))) : "");
    } else if (mayGive) {
      this.offer.replaceChildren(el("div", { class: "actions" }, button(_("Hand over…"), () => this.ask())));
    } else this.offer.replaceChildren();
  }

  ask() {
    const { colleagues, may_assign: mayAssign } = this.choices;
    this.asking = true;
    if (!colleagues.length) {
      this.offer.replaceChildren(el("p", {}, _("Nobody else is in {project}. Its leader can add people.", { project: this.reservation.project_name })));
      this.asking = false;
      return;
    }
    const to = el("select", { id: "handover-to" }, colleagues.map((one) => el("option", { value: one.username }, one.name === one.username ? one.name : `${one.name} (${one.username})`)));
    const send = (atOnce) => this.send({ reservation: this.id, to: to.value, ...(atOnce && { at_once: true }) }, atOnce ? _("Handed over.") : _("Offered; it waits for an answer."));
    this.offer.replaceChildren(el("form", { class: "stack end-form", onsubmit: (event) => { event.preventDefault(); send(false); } },
      el("div", { class: "field" }, el("label", { for: to.id }, _("To whom in {project}", { project: this.reservation.project_name })), to),
      el("p", { class: "help" }, _("Their ssh keys are put on the devices and yours are taken off. Sessions that are open go on until they are closed.")),
      el("div", { class: "actions" },
        el("button", { type: "submit", class: "button primary" }, _("Offer it")),
        mayAssign && el("button", { type: "button", class: "button", onclick: () => send(true) }, _("Assign it at once")),
        el("button", { type: "button", class: "button", onclick: () => this.draw() }, _("Keep it")))));
    to.focus();
  }

  answer(waiting, verb, done) { return this.act(`handovers/${waiting.id}/${verb}/`, {}, done); }
  send(body, done) { return this.act("handovers/", body, done); }

  async act(path, body, done) {
    this.status.textContent = "";
    try {
      await post(path, body, { key: newKey() });
      toast(done);
      this.asking = false;
      this.state = null;
      this.reload();
    } catch (problem) {
      this.status.textContent = Object.values(problem.errors ?? {}).flat().join(" ") || problem.message;
    }
  }
}
