// Every keyboard shortcut, once: what it does, and how the dialog names it. Single keys can be switched off there.

import { by, h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import * as store from "./store.js";
import { panBy, windowBy, zoomBy } from "./viewer.js";
import { CLASSES, label } from "./words.js";

let singleKeys = true;

const slices = () => store.current()?.slices.length ?? 0;
const step = (by_) => () => store.goTo((store.current()?.view.index ?? 0) + by_);

function stepOpacity(change) {
  store.setHeat({ on: true, opacity: Math.min(Math.max(Math.round((store.heat.opacity + change) * 100) / 100, 0), 1) });
}

/** Rows of [keys as `event.key`, how they are written, what they do, function]. */
function table(actions) {
  return [
    ["Slices", [
      [["ArrowUp", "ArrowLeft"], "↑ ←", "Previous slice", step(-1)],
      [["ArrowDown", "ArrowRight"], "↓ →", "Next slice", step(1)],
      [["PageUp"], "Page up", "Ten slices back", step(-10)],
      [["PageDown"], "Page down", "Ten slices on", step(10)],
      [["Home"], "Home", "First slice", () => store.goTo(0)],
      [["End"], "End", "Last slice", () => store.goTo(slices() - 1)],
      [["g"], "G", "Slice with the most evidence", actions.peak],
    ]],
    ["Window and place", [
      [["Shift+ArrowUp"], "Shift ↑", "Brighter", () => windowBy(0, -12)],
      [["Shift+ArrowDown"], "Shift ↓", "Darker", () => windowBy(0, 12)],
      [["Shift+ArrowRight"], "Shift →", "Wider window", () => windowBy(14, 0)],
      [["Shift+ArrowLeft"], "Shift ←", "Narrower window", () => windowBy(-14, 0)],
      [["+", "="], "+", "Enlarge", () => zoomBy(1.25)],
      [["-"], "−", "Reduce", () => zoomBy(0.8)],
      [["w"], "W", "Move the view up", () => panBy(0, 40)],
      [["s"], "S", "Move the view down", () => panBy(0, -40)],
      [["a"], "A", "Move the view left", () => panBy(40, 0)],
      [["d"], "D", "Move the view right", () => panBy(-40, 0)],
      [["i"], "I", "Invert", actions.invert],
      [["r"], "R", "Reset the view", store.resetView],
      [["f"], "F", "Whole screen", actions.full],
    ]],
    ["Heat-map", [
      [["h"], "H", "Show or hide the heat-map", () => store.setHeat({ on: !store.heat.on })],
      [["["], "[", "Fainter heat-map", () => stepOpacity(-0.1)],
      [["]"], "]", "Stronger heat-map", () => stepOpacity(0.1)],
      ...CLASSES.map((key, place) => [[String(place + 1)], String(place + 1), `Evidence for ${label(key)}`, () => store.chooseClass(key)]),
    ]],
    ["Cases", [
      [["j"], "J", "Next case", () => store.stepCase(1)],
      [["k"], "K", "Previous case", () => store.stepCase(-1)],
      [["o"], "O", "Open scans", actions.open],
      [["e"], "E", "Save this case as PDF", actions.report],
      [["Delete"], "Delete", "Close this case", actions.close],
      [["m"], "M", "Model card", actions.model],
      [["?"], "?", "These shortcuts", () => showKeys()],
    ]],
  ];
}

let groups = [];

/** Open the dialog with all shortcuts. */
export function showKeys() {
  openDialog("keys-dialog");
}

function fillDialog() {
  by("keys-body").replaceChildren(
    h("p", { class: "small", text: "In every slider and list the keys of your browser work as well. The mouse: wheel to scroll (Ctrl and wheel to zoom), drag for the chosen tool, right button to zoom, middle button or Shift to move, double click to fit. Fingers: two to zoom and move." }),
    h(
      "label",
      { class: "switch" },
      h("input", { type: "checkbox", id: "single-keys", checked: true, onchange: (event) => { singleKeys = event.target.checked; } }),
      h("span", { class: "switch-face", "aria-hidden": "true" }),
      h("span", { text: "Shortcuts of a single key" }),
    ),
    ...groups.map(([title, rows]) =>
      h(
        "section",
        {},
        h("h3", { text: title }),
        h("dl", { class: "keys" }, ...rows.map(([, written, what]) => h("div", {}, h("dt", { text: what }), h("dd", {}, h("kbd", { text: written }))))),
      ),
    ),
  );
}

/** Whether the element has its own use for the key. */
function takes(target, key) {
  const own = target.closest?.("input, textarea, select");
  if (!own) return (key === "Delete" || key.startsWith("Arrow")) && target.closest?.(".dialog-body");
  if (own.type === "range") return key.includes("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(key);
  if (own.type === "radio") return key.includes("Arrow");
  return own.type !== "checkbox";
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const key = event.shiftKey && name.startsWith("Arrow") ? `Shift+${name}` : name;
  if (takes(event.target, name) || (!singleKeys && event.key.length === 1)) return;
  if (event.target.closest?.("#case-list") && name.startsWith("Arrow")) {
    store.stepCase(["ArrowDown", "ArrowRight"].includes(name) ? 1 : -1);
    document.querySelector(`[data-key="${CSS.escape(store.current().key)}"] .case`)?.focus();
    event.preventDefault();
    return;
  }
  for (const [, rows] of groups) {
    const row = rows.find(([keys]) => keys.includes(key));
    if (!row) continue;
    event.preventDefault();
    row[3]();
    return;
  }
}

/** Listen. `actions` are those that belong to other modules. */
export function start(actions) {
  groups = table(actions);
  fillDialog();
  document.addEventListener("keydown", pressed);
  by("show-keys").addEventListener("click", showKeys);
}
