// Before anything is drawn, so that a dark page never flashes white. Not a module: those run after the page is parsed.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser may refuse storage; then the colours are those of the system.
}
