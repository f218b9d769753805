// Puts the reading room together: who listens to whom, and what happens when the page is left.

import { forget, onTokenNeeded } from "./api.js";
import * as cases from "./cases.js";
import * as dialogs from "./dialogs.js";
import { by, h, icon } from "./dom.js";
import * as drop from "./drop.js";
import { saveCsv, saveJson, saveReport } from "./exports.js";
import * as findings from "./findings.js";
import * as gestures from "./gestures.js";
import * as jobs from "./jobs.js";
import * as keys from "./keys.js";
import { showModel } from "./model.js";
import * as store from "./store.js";
import * as strip from "./strip.js";
import { redraw, whenGone } from "./viewer.js";

const stage = by("stage");

const actions = {
  open: () => by("pick-files").click(),
  report: saveReport,
  close: cases.closeCurrent,
  model: showModel,
  invert: () => store.changeView({ invert: !store.current()?.view.invert }),
  peak: () => {
    const one = store.current();
    if (one) store.goTo(store.strongest(one));
  },
  full: () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen?.();
  },
};

const VIEW_TOOLS = [
  ["invert", "Invert", "invert", actions.invert],
  ["reset", "Reset window, zoom and place", "reset", store.resetView],
  ["peak", "Slice with the most evidence", "peak", actions.peak],
  ["full", "Whole screen", "full", actions.full],
];

function putUpViewTools() {
  by("view-tools").append(
    ...VIEW_TOOLS.map(([id, words, drawing, action]) =>
      h("button", { type: "button", class: "tool", id: `tool-${id}`, title: words, "aria-label": words, onclick: action }, icon(drawing)),
    ),
  );
  by("tool-full").hidden = !document.fullscreenEnabled;
}

function wireHeat() {
  by("heat-on").addEventListener("change", (event) => store.setHeat({ on: event.target.checked }));
  by("heat-opacity").addEventListener("input", (event) => store.setHeat({ on: true, opacity: Number(event.target.value) / 100 }));
}

/** The tools show what is in use, whoever changed it. */
function reflect() {
  const { on, opacity } = store.heat;
  by("heat-on").checked = on;
  by("heat-opacity").value = String(Math.round(opacity * 100));
  by("heat-percent").textContent = `${Math.round(opacity * 100)}\u00a0%`;
  by("heat-opacity").setAttribute("aria-valuetext", `${Math.round(opacity * 100)} per cent`);
  by("tool-invert").setAttribute("aria-pressed", String(store.current()?.view.invert ?? false));
  by("tool-peak").disabled = (store.current()?.slices.length ?? 0) < 2;
}

/** Whoever has just opened a scan and holds no focus can scroll at once. */
function focusStage() {
  if (store.current() && [document.body, null].includes(document.activeElement)) stage.focus({ preventScroll: true });
}

/** Nothing is kept: the server forgets every set when the page is left. */
function leave() {
  for (const id of store.sets.keys()) forget(id);
}

/** Whoever chose a tool or a class with the mouse goes on to scroll with the keys; the keyboard stays where it is. */
function backToStage(event) {
  if (event.detail > 0 && store.current() && event.target.closest(".tools, .bars") && event.target.id !== "heat-opacity") {
    setTimeout(() => stage.focus({ preventScroll: true }));
  }
}

onTokenNeeded(dialogs.askToken);
dialogs.start();
cases.start();
findings.start(actions);
gestures.start();
jobs.start();
keys.start(actions);
strip.start();
putUpViewTools();
wireHeat();
drop.start(
  async (files) => {
    await jobs.run(files);
    requestAnimationFrame(focusStage);
  },
  () => store.addFailure({ name: "What was dropped", title: "The browser could not read it. Choose the files instead." }),
);
store.on("view", reflect);
store.on("show", () => {
  reflect();
  gestures.suitTool();
});
by("show-model").addEventListener("click", showModel);
document.addEventListener("click", backToStage);
by("export-json").addEventListener("click", saveJson);
by("export-csv").addEventListener("click", saveCsv);
by("stage-action").addEventListener("click", () => jobs.again(store.current()?.set));
whenGone(() => by("stage-action").focus());
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => {
  if (event.persisted) store.dropAll(); // the browser kept the page, the server kept nothing
});
document.addEventListener("fullscreenchange", redraw);
reflect();
document.documentElement.dataset.ready = "";
