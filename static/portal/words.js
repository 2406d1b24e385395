/** Words for people, in their language. Every page loads the catalogue before its modules. */

const fill = (text, values = {}) => text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);

/** Translate a sentence; `{name}` in it becomes `values.name`. */
export const _ = (text, values) => fill(window.gettext?.(text) ?? text, values);

/** Translate a sentence that depends on a count; `{count}` in it becomes the count. */
export const ngettext = (one, many, count, values) =>
  fill(window.ngettext?.(one, many, count) ?? (count === 1 ? one : many), { count, ...values });

/** The language of the page, for dates and numbers. */
export const language = document.documentElement.lang || "en";
