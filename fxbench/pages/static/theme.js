// Light or dark: as the system says, until the reader says otherwise.
(() => {
  "use strict";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const keep = (value) => {
    // A page that is opened from a disk may have no storage.
    try { localStorage.setItem("fxbench-theme", value); } catch (error) { return; }
  };
  const tell = () => {
    button.textContent = dark() ? "Light colours" : "Dark colours";
    document.dispatchEvent(new Event("themechange"));
  };
  try {
    const kept = localStorage.getItem("fxbench-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch (error) { /* no storage: the system decides */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    tell();
  });
  system.addEventListener("change", tell);
  button.hidden = false;
  tell();
  // Paper is light.
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    tell();
  });
})();
