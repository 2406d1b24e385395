/**
 * Passkeys: makes one, or proves that one has it. The page says what to ask the device for; the device's answer
 * goes into the form, which is sent as any other.
 *
 * A form with `data-passkey="make"` or `"use"` takes its options from the JSON that `data-options` names, or asks
 * the address in `data-options-at` for them.
 */

import { _ } from "../portal/words.js";

const fromText = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => (list ?? []).map((each) => ({ ...each, id: fromText(each.id) }));

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
  const answer = await fetch(form.dataset.optionsAt, { headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" } });
  if (!answer.ok) throw new Error(_("The portal gave no answer; try again in a moment."));
  return answer.json();
}

async function make(form) {
  const { publicKey } = (await optionsOf(form)).creation_options;
  const alone = form.elements.passwordless?.checked;
  const made = await navigator.credentials.create({ publicKey: {
    ...publicKey,
    challenge: fromText(publicKey.challenge),
    user: { ...publicKey.user, id: fromText(publicKey.user.id) },
    excludeCredentials: known(publicKey.excludeCredentials),
    authenticatorSelection: {
      ...publicKey.authenticatorSelection,
      residentKey: alone ? "required" : "discouraged",
      requireResidentKey: Boolean(alone),
      userVerification: alone ? "required" : "discouraged",
    },
  } });
  return {
    ...shell(made),
    response: {
      clientDataJSON: toText(made.response.clientDataJSON),
      attestationObject: toText(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
}

async function use(form) {
  const { publicKey } = (await optionsOf(form)).request_options;
  const shown = await navigator.credentials.get({ publicKey: {
    ...publicKey, challenge: fromText(publicKey.challenge), allowCredentials: known(publicKey.allowCredentials),
  } });
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  return {
    ...shell(shown),
    response: {
      clientDataJSON: toText(clientDataJSON),
      authenticatorData: toText(authenticatorData),
      signature: toText(signature),
      userHandle: userHandle ? toText(userHandle) : null,
    },
  };
}

function shell(credential) {
  return {
    type: credential.type,
    id: credential.id,
    rawId: toText(credential.rawId),
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const errors = form.querySelector(".errors");
  const button = form.querySelector("[type=submit]");
  if (!window.PublicKeyCredential) {
    button.disabled = true;
    errors.textContent = _("This browser knows no passkeys, or the page did not come by https.");
    continue;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    errors.replaceChildren();
    try {
      const answer = await (form.dataset.passkey === "make" ? make(form) : use(form));
      form.elements.credential.value = JSON.stringify(answer);
      form.submit();
    } catch (problem) {
      errors.textContent = problem.name === "NotAllowedError"
        ? _("Your device gave no passkey, or not in time. Try again, or use another way.")
        : problem.name === "InvalidStateError" ? _("This device has a passkey of yours already.") : problem.message;
      button.disabled = false;
    }
  });
}
