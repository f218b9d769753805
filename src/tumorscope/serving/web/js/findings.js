// The right-hand panel: the answer in words, the four probabilities (each chooses its evidence), and what is known.

import { by, h, icon, button, say } from "./dom.js";
import * as store from "./store.js";
import { CLASSES, capital, clock, count, headline, label, percent, setInWords, short, verdictWord } from "./words.js";

const rows = new Map(); // diagnosis -> { row, input, fill, value, tag }
let actions = {};

function makeBars() {
  for (const diagnosis of CLASSES) {
    const input = h("input", { type: "radio", name: "evidence", value: diagnosis, onchange: () => store.chooseClass(diagnosis) });
    const fill = h("span", { class: "bar-fill" });
    const value = h("span", { class: "bar-value" });
    const tag = h("span", { class: "in-set", text: "in set" });
    const name = h("span", { class: "bar-name" }, capital(label(diagnosis)), tag);
    const row = h("label", { class: `bar-row class-${diagnosis}` }, input, name, value, h("span", { class: "bar-track", "aria-hidden": "true" }, fill));
    rows.set(diagnosis, { row, input, fill, value, tag });
    by("bars").append(row);
  }
  by("bars").append(
    h("div", { class: "heat-scale" }, h("span", { text: "less" }), h("i", { "aria-hidden": "true" }), h("span", { text: "more evidence" })),
  );
}

function answer(one, slice) {
  const several = one.slices.length > 1;
  const rejected = slice.verdict === "rejected";
  const alone = !rejected && (slice.verdict === "answered" || slice.prediction_set.length < 2);
  const share = percent(slice.probabilities[slice.diagnosis]);
  by("answer").replaceChildren(
    h("p", { class: `verdict is-${slice.verdict}` }, icon(slice.verdict), capital(verdictWord(slice.verdict))),
    ...(several ? [h("p", { class: "small", text: `Slice ${one.view.index + 1} of ${one.slices.length}` })] : []),
    h("p", { class: `answer-title${alone ? "" : " is-long"}`, id: "answer-title" }, headline(slice), alone ? h("span", { class: "percent", text: ` ${share}` }) : ""),
    ...(rejected ? [warning(slice, share)] : []),
    h("p", { class: "set" }, "Prediction set: ", h("strong", { id: "set-words", text: setInWords(slice) })),
    ...(slice.verdict === "uncertain" ? [h("p", { class: "small", text: unsure(slice) })] : []),
  );
}

function unsure(slice) {
  if (slice.prediction_set.length < 2) return "Not even the most probable class reaches the limit for this coverage.";
  return "The model cannot tell these apart with the coverage that is asked for.";
}

function warning(slice, share) {
  return h(
    "div",
    { class: "warning is-rejected", id: "novelty-warning" },
    icon("rejected"),
    h(
      "p",
      {},
      h("strong", { text: "Do not rely on an answer here. " }),
      `Novelty ${short(slice.novelty)} is above the limit of ${short(slice.novelty_limit)}: the image looks unlike what the `,
      `model learnt from. Its nearest answer would be ${label(slice.diagnosis)} (${share}).`,
    ),
  );
}

function bars(slice) {
  for (const [diagnosis, { input, fill, value, tag }] of rows) {
    const share = slice.probabilities[diagnosis];
    input.checked = store.shownClass() === diagnosis;
    fill.style.width = `${share * 100}%`;
    value.textContent = percent(share);
    tag.hidden = !slice.prediction_set.includes(diagnosis);
  }
}

function novelty(slice) {
  const ratio = slice.novelty / slice.novelty_limit;
  const fill = h("span", { class: "novelty-fill" });
  fill.style.width = `${Math.min(ratio / 1.5, 1) * 100}%`; // the mark of the limit stands at two thirds
  return h(
    "section",
    { class: `novelty ${ratio > 1 ? "is-rejected" : "is-answered"}` },
    h("h3", { text: "Novelty" }),
    h("div", { class: "novelty-track", "aria-hidden": "true" }, fill, h("span", { class: "novelty-limit" })),
    h("p", { text: `${short(slice.novelty)}, ${ratio > 1 ? "above" : "below"} the limit of ${short(slice.novelty_limit)}` }),
  );
}

function seriesAnswer({ series, slices }) {
  const share = percent(series.probabilities[series.diagnosis]);
  const [first, last] = series.slices_used;
  return h(
    "section",
    { class: "series-answer", id: "series-answer" },
    h("h3", { text: `All ${slices.length} slices, experimental` }),
    h("strong", { text: `${capital(label(series.diagnosis))} ${share}` }),
    h("p", { class: "small", text: `It rests on slices ${first + 1} to ${last + 1}, and tends to find a tumour somewhere in a healthy head.` }),
  );
}

function facts(one, slice) {
  const rows_ = [
    ["Name", one.name],
    ["Size", `${slice.width} × ${slice.height} pixels${one.slices.length > 1 ? `, ${count(one.slices.length, "slice")}` : ""}`],
    ["Plane", one.plane],
    ["Pixels", slice.spacing && `${short(slice.spacing[0])} × ${short(slice.spacing[1])} mm`],
    ["Window", `centre ${short(slice.window.center)}, width ${short(slice.window.width)}`],
    ["Model", store.sets.get(one.set)?.model],
  ].filter(([, value]) => value);
  const list = h("dl", { class: "facts" });
  for (const [name, value] of rows_) list.append(h("dt", { text: name }), h("dd", { text: value }));
  return h("section", {}, h("h3", { text: "File" }), list);
}

function keeping(one) {
  const expires = store.sets.get(one.set)?.expires;
  const until = expires ? ` until ${clock(expires)} at the latest, or` : "";
  return h(
    "section",
    { class: "keeping" },
    h(
      "div",
      { class: "actions" },
      button("PDF of this case", "down", { id: "export-pdf", onclick: () => actions.report(), "aria-keyshortcuts": "E" }),
      button("Close case", "close", { id: "close-case", class: "is-quiet", onclick: () => actions.close() }),
    ),
    h("p", { class: "small", text: `In the server's memory only,${until} until this page closes.` }),
  );
}

let detailsOf = "";

function show() {
  const one = store.current();
  const slice = store.currentSlice();
  by("bars").hidden = by("details").hidden = !slice;
  if (!slice) {
    detailsOf = "";
    by("answer").replaceChildren(h("p", { class: "small", text: "What the model says of a scan stands here." }));
    return;
  }
  answer(one, slice);
  bars(slice);
  // Rebuilt only where it says something else, so that the focus stays on its buttons.
  const stamp = JSON.stringify([one.key, one.done, one.slices.length, slice.novelty, slice.window, slice.width, slice.height]);
  if (stamp === detailsOf) return;
  detailsOf = stamp;
  const focus = document.activeElement?.closest("#details") && document.activeElement.id;
  by("details").replaceChildren(...[one.series ? seriesAnswer(one) : "", novelty(slice), facts(one, slice), keeping(one)].filter(Boolean));
  if (focus) by(focus)?.focus();
}

let told = null;

/** Tell a screen reader of another case; slices are told by the slider and the stage. */
function tell() {
  const one = store.current();
  if (!one || told === one.key || !one.slices.length) return;
  if (told !== null) say(`${one.name}: ${headline(store.currentSlice())}. ${setInWords(store.currentSlice())}`);
  told = one.key;
}

/** Put up the bars and listen. */
export function start(given) {
  actions = given;
  makeBars();
  show();
  store.on("show", () => {
    show();
    tell();
  });
}
