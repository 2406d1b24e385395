/** A button beside a text that is shown once. */

import { copyButton } from "../portal/dom.js";
import { _ } from "../portal/words.js";

for (const node of document.querySelectorAll("[data-copy]")) {
  node.after(copyButton(node.textContent, node.dataset.copy || _("the text")));
}
