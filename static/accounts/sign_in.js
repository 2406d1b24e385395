/** One click fills the form with an account of the demonstration. */

const form = document.querySelector(".entrance form");

for (const button of document.querySelectorAll("[data-account]")) {
  button.addEventListener("click", () => {
    form.elements.login.value = button.dataset.account;
    form.elements.password.value = button.dataset.password;
    form.querySelector("[type=submit]").focus();
  });
}
