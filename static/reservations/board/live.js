/** Keeps the board fresh: by the portal's word that something changed, and by asking where that word cannot be had. */

/** Many changes in one moment are one reason to look. */
const CALM = 2_000;
/** How often to ask while nobody tells: often without the stream, rarely beside it. */
const POLL = 15_000;
const BESIDE = 90_000;
/** The stream gives a sign of life every 15 seconds. */
const SILENT = 40_000;

export class Live {
  /** `look()` is called when there may be something new. */
  constructor(look) {
    this.look = look;
    this.lookedAt = Date.now();
    this.heardAt = 0;
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.stop(); else { this.listen(); this.now(); } });
    setInterval(() => this.tick(), 5_000);
    // The board comes first: a stream takes one of the browser's few connections.
    setTimeout(() => this.listen(), 1_500);
  }

  get told() { return Date.now() - this.heardAt < SILENT; }

  listen() {
    if (this.stream || document.hidden || !window.EventSource) return;
    const stream = new EventSource("/calendar/stream/");
    const heard = () => { this.heardAt = Date.now(); };
    stream.addEventListener("open", heard);
    stream.addEventListener("alive", heard);
    stream.addEventListener("change", () => { heard(); this.soon(); });
    stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) { this.stop(); setTimeout(() => this.listen(), BESIDE); } });
    this.stream = stream;
  }

  /** A page that nobody looks at holds no connection. */
  stop() {
    this.stream?.close();
    this.stream = null;
    this.heardAt = 0;
  }

  soon() {
    if (this.timer) return;
    this.timer = setTimeout(() => this.now(), Math.max(CALM - (Date.now() - this.lookedAt), 100 + Math.random() * 300));
  }

  now() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.lookedAt = Date.now();
    this.look();
  }

  tick() {
    if (document.hidden) return;
    if (Date.now() - this.lookedAt > (this.told ? BESIDE : POLL)) this.now();
  }
}
