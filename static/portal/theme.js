/* Classic and blocking on purpose: the remembered theme is set before the first paint. */
(function () {
  let theme = null;
  try { theme = localStorage.getItem("shary.theme"); } catch { /* storage refused: follow the system */ }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
