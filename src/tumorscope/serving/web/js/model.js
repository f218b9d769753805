// The model card as a dialog: what it is for, its limits, and the figures on patients it has not seen. From /v1/model.

import { call, hasToken, model } from "./api.js";
import { openDialog } from "./dialogs.js";
import { by, h } from "./dom.js";
import { save } from "./exports.js";
import { CLASSES, capital, count, label, percent } from "./words.js";

const HEADLINES = [["accuracy", "accuracy"], ["balanced_accuracy", "balanced accuracy"], ["macro_f1", "macro-F1"]];
const COLUMNS = [["sensitivity", "Sensitivity"], ["specificity", "Specificity"], ["ppv", "PPV"], ["auroc", "AUROC"]];
const RATES = new Set(["accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv"]);

const PAGE = "/v1/model/card.html";
let card = null;

const written = (name, value) => (RATES.has(name) ? percent(value, 1) : value.toFixed(3));
const interval = (name, { low, high }) => `${written(name, low)} to ${written(name, high)}`;

function section(title, ...children) {
  return h("section", {}, h("h3", { text: title }), ...children);
}

const bullets = (lines) => h("ul", { class: "bullets" }, ...lines.map((text) => h("li", { text })));

function headlineFigures(figures) {
  const list = h("dl", { class: "figures" });
  for (const [name, words] of HEADLINES) {
    const figure = figures[name];
    if (!figure) continue;
    list.append(h("div", {}, h("dt", { text: `${words} (${interval(name, figure)})` }), h("dd", { text: written(name, figure.value) })));
  }
  return list;
}

function classTable(figures, caption) {
  const columns = COLUMNS.filter(([name]) => CLASSES.some((key) => figures[`${name}_${key}`]));
  if (!columns.length) return null;
  const cell = (name, key) => {
    const figure = figures[`${name}_${key}`];
    return h("td", { text: figure ? written(name, figure.value) : "not measured", title: figure && interval(name, figure) });
  };
  const head = h("tr", {}, h("th", { scope: "col", text: "Class" }), ...columns.map(([, words]) => h("th", { scope: "col", text: words })));
  const body = CLASSES.map((key) =>
    h("tr", {}, h("th", { scope: "row", text: capital(label(key)) }), ...columns.map(([name]) => cell(name, key))),
  );
  return h(
    "div",
    { class: "scroll-x", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { text: caption }), h("thead", {}, head), h("tbody", {}, ...body)),
  );
}

function measured(one) {
  const unseen = one.protocol === "patient-wise";
  const title = unseen ? "On patients it has not seen" : `Figures, protocol ${one.protocol}`;
  const of = [count(one.images, "image"), count(one.slices, "slice"), one.patients ? count(one.patients, "patient") : "", count(one.groups, "group")];
  const leaks = Object.values(one.leaks ?? {}).some((number) => number > 0);
  return section(
    title,
    h("p", { class: "small", text: `Protocol ${one.protocol}: ${of.filter(Boolean).join(", ")}; copies of a picture count once; 95 % intervals in brackets.` }),
    leaks ? h("p", { class: "verdict is-rejected", text: "Leaky split: these figures are too good to be quoted." }) : null,
    headlineFigures(one.figures),
    classTable(one.figures, "By class"),
  );
}

function fill() {
  const { data, thresholds } = card;
  const byClass = CLASSES.map((key) => `${label(key)} ${count(data.images_by_class[key] ?? 0, "image")}`).join(", ");
  const coverages = Object.keys(thresholds.conformal).map((key) => percent(Number(key))).join(", ");
  by("model-title").textContent = `${card.name} ${card.version}`;
  const parts = [
    section("What it is for", h("p", { text: card.intended_use })),
    section("Limits", bullets(card.limits)),
    ...card.evaluation.map(measured),
    card.evaluation.length ? null : section("Figures", h("p", { text: "Not measured: any figure." })),
    section(
      "Training data",
      h("p", { text: `${count(data.images, "image")} of ${count(data.slices, "slice")} in ${count(data.groups, "group")}${data.patients ? `, ${count(data.patients, "patient")}` : ""}: ${byClass}.` }),
      h("p", { class: "small", text: data.licence }),
    ),
    section(
      "How it answers",
      h("p", { text: `Prediction sets for a coverage of ${coverages}; a novelty above ${thresholds.novelty_limit.toPrecision(3)} turns a slice away. Input ${card.input_size} × ${card.input_size} pixels, ${card.preprocessing}; heat-map: ${card.heatmap_kind}, stride ${card.heatmap_stride}.` }),
      h("p", { class: "small", text: `Architecture ${card.architecture}, recipe ${card.recipe}, made ${card.created.slice(0, 10)}. Initial weights: ${card.initial_weights}.` }),
      h("div", { class: "actions" }, h("button", { type: "button", class: "button is-small", id: "whole-card", text: "The whole card", onclick: wholeCard })),
    ),
  ];
  by("model-body").replaceChildren(...parts.filter(Boolean));
}

/** The card's own page in another tab; where there is a token, which a tab cannot carry, as a file. */
async function wholeCard() {
  if (!hasToken()) {
    window.open(PAGE, "_blank", "noopener");
    return;
  }
  try {
    save(await (await call(PAGE)).blob(), `${card.name}-${card.version}.html`);
  } catch (error) {
    by("model-body").prepend(h("p", { class: "verdict is-rejected", text: error.message }));
  }
}

/** Open the dialog; the card is fetched when it is first wanted, for it is longer than the page. */
export async function showModel() {
  openDialog("model-dialog");
  try {
    card ??= await model();
    fill();
  } catch (error) {
    by("model-body").replaceChildren(h("p", { text: `The model card cannot be had: ${error.message}` }));
  }
}
