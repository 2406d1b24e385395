/** The wait list on “My desk”: take an offer, or wait no longer. */

import { newKey, post, remove } from "../portal/api.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-take], [data-leave]");
  const wish = button?.closest("[data-wish]");
  if (!wish) return;
  button.disabled = true;
  try {
    if ("take" in button.dataset) {
      const { reservation } = await post(`waiting/${wish.dataset.wish}/take/`, {}, { key: newKey() });
      location.assign(`/reservations/${reservation}/`);
      return;
    }
    await remove(`waiting/${wish.dataset.wish}/`);
    wish.remove();
  } catch (problem) {
    button.disabled = false;
    wish.querySelector("[data-said]").textContent = problem.message;
  }
});
