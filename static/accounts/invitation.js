/**
 * Takes the secret of an invitation out of the address, where it stands behind the #: browsers send that to
 * nobody. It waits in this tab while one signs in.
 */

const KEPT = "shary-invitation";
const part = (name) => document.querySelector(`[data-part="${name}"]`);

const given = location.hash.slice(1);
if (given) {
  sessionStorage.setItem(KEPT, given);
  history.replaceState(null, "", location.pathname);
}
const secret = sessionStorage.getItem(KEPT);
const form = part("answer");
if (form) {
  part("words").hidden = true;
  if (secret) {
    sessionStorage.removeItem(KEPT);
    form.elements.secret.value = secret;
    form.hidden = false;
    form.requestSubmit();
  } else {
    part("none").hidden = false;
  }
}
