// Dialogs: opened over the room, closed by their button, Escape or a click beside them. And the one for the token.

import { by } from "./dom.js";

/** Open a dialog of index.html over everything else. */
export function openDialog(id) {
  const dialog = by(id);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

/** Ask for the token; gives null where the person would not. */
export function askToken(again) {
  const dialog = by("token-dialog");
  by("token-why").textContent = again
    ? "The server does not take this token. Whoever started the server has the right one."
    : "Whoever started the server has it. It stays in the memory of this page.";
  by("token").value = "";
  openDialog("token-dialog");
  by("token").focus();
  return new Promise((resolve) => {
    let given = null;
    by("token-form").onsubmit = (event) => {
      event.preventDefault();
      given = by("token").value.trim();
      dialog.close();
    };
    by("token-cancel").onclick = () => dialog.close();
    dialog.addEventListener(
      "close",
      () => {
        by("token").value = "";
        resolve(given);
      },
      { once: true },
    );
  });
}

/** Wire the buttons that close, and clicks beside a dialog. */
export function start() {
  for (const dialog of document.querySelectorAll("dialog")) {
    for (const closer of dialog.querySelectorAll("[data-close]")) closer.addEventListener("click", () => dialog.close());
    dialog.addEventListener("pointerdown", (event) => {
      if (event.target === dialog && dialog.id !== "token-dialog") dialog.close();
    });
  }
}
