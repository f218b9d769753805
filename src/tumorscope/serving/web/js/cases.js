// The list of cases and of files that could not be read. Rows are kept, so that neither focus nor thumbnails are lost.

import { forget } from "./api.js";
import { by, h, icon } from "./dom.js";
import { forgetPixels, thumbnailOf } from "./pixels.js";
import * as store from "./store.js";
import { capital, count, label, percent, verdictWord } from "./words.js";

const list = by("case-list");
const rows = new Map(); // case key or failure record -> element
let frame = 0;
let lastChosen = null;

const THUMBNAIL = 128;
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) paint(target);
  },
  { root: list, rootMargin: "400px" },
);

async function paint(row) {
  const one = store.cases.get(row.dataset.key);
  const slice = one?.slices[store.strongest(one)];
  if (!slice || row.dataset.thumbnail === slice.pixels) return;
  row.dataset.thumbnail = slice.pixels;
  try {
    const bitmap = await thumbnailOf(slice, THUMBNAIL);
    const canvas = row.querySelector("canvas");
    const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    const context = canvas.getContext("2d", { alpha: false });
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    row.dataset.painted = "";
  } catch {
    row.dataset.thumbnail = ""; // a case that has gone, or a server that has: the viewer tells
  }
}

/** What a row says of its case: the series answer where there is one, or its strongest slice. */
export function summary(one) {
  const slice = one.slices[store.strongest(one)];
  const { series } = one;
  const verdict = slice.verdict;
  if (series && verdict !== "rejected") {
    return { diagnosis: series.diagnosis, share: series.probabilities[series.diagnosis], verdict };
  }
  return { diagnosis: slice.diagnosis, share: slice.probabilities[slice.diagnosis], verdict };
}

function closeCase(key) {
  const set = store.dropCase(key);
  if (set) {
    forget(set);
    forgetPixels(set);
  }
  requestAnimationFrame(keepFocus);
}

/** Where the element that had the focus has gone, its neighbour gets it. */
function keepFocus() {
  if (document.activeElement && document.activeElement !== document.body) return;
  const row = rows.get(store.current()?.key) ?? rows.values().next().value;
  (row?.querySelector("button") ?? by("choose-files")).focus({ preventScroll: true });
}

/** Close the case on screen. */
export function closeCurrent() {
  const one = store.current();
  if (one) closeCase(one.key);
}

function makeRow(key) {
  const row = h("li", { class: "case-row", "data-key": key });
  row.append(
    h(
      "button",
      { type: "button", class: "case", onclick: () => store.select(key) },
      h("canvas", { width: THUMBNAIL, height: THUMBNAIL, "aria-hidden": "true" }),
      h("span", { class: "case-text" }, h("span", { class: "case-answer" }), h("span", { class: "case-state" }), h("span", { class: "case-name" })),
    ),
    h("button", { type: "button", class: "button is-quiet case-close", onclick: () => closeCase(key) }, icon("close")),
  );
  seen.observe(row);
  return row;
}

function fillRow(row, one) {
  const stamp = [one.name, one.slices.length, one.done, one === store.current()].join("|");
  if (row.dataset.stamp === stamp) return;
  row.dataset.stamp = stamp;
  const told = summary(one);
  const name = one.name || "A case";
  const several = one.slices.length > 1 && one.kind !== "series"; // the name of a series tells how many
  row.querySelector(".case-name").textContent = several ? `${name}, ${count(one.slices.length, "slice")}` : name;
  row.querySelector(".case-name").title = name;
  // An image that is unlike the training images gets no name in large letters.
  const named = told.verdict !== "rejected";
  row.querySelector(".case-answer").textContent = named ? capital(label(told.diagnosis)) : "Unlike training images";
  row.querySelector(".case-state").replaceChildren(
    h("span", { class: `verdict is-${told.verdict}` }, icon(told.verdict), verdictWord(told.verdict)),
    named ? h("span", { class: "percent", text: percent(told.share) }) : "",
    named && one.series ? "experimental" : "",
    one.done ? "" : "reading …",
  );
  row.querySelector(".case").setAttribute("aria-current", String(one === store.current()));
  row.querySelector(".case-close").setAttribute("aria-label", `Close ${name}`);
  if (row.dataset.thumbnail && row.dataset.thumbnail !== one.slices[store.strongest(one)].pixels && one.done) paint(row);
}

/** The reader's line begins with the file's name, which stands above it already. */
function withoutName({ name, title }) {
  const parts = [name, name.split("/").at(-1)];
  const start = parts.find((part) => title.startsWith(`${part}: `));
  return capital(start === undefined ? title : title.slice(start.length + 2));
}

function makeFailure(record) {
  return h(
    "li",
    { class: "case-row failure is-failure" },
    icon("rejected"),
    h("strong", { text: record.name }),
    h("span", { text: withoutName(record) }),
    h("button", { type: "button", class: "button is-quiet case-close", "aria-label": `Dismiss ${record.name}`, onclick: () => { store.dropFailure(record); requestAnimationFrame(keepFocus); } }, icon("close")),
  );
}

function render() {
  frame = 0;
  const wanted = new Set([...store.cases.keys(), ...store.failures]);
  for (const [key, row] of rows) {
    if (wanted.has(key)) continue;
    seen.unobserve(row);
    row.remove();
    rows.delete(key);
  }
  [...wanted].forEach((key, place) => {
    const one = store.cases.get(key);
    if (!rows.has(key)) rows.set(key, one ? makeRow(key) : makeFailure(key));
    const row = rows.get(key);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    if (one) fillRow(row, one);
  });
  by("cases-count").textContent = store.cases.size ? String(store.cases.size) : "";
  const busy = document.querySelector(".job") !== null;
  document.documentElement.dataset.room = wanted.size || (busy && store.sets.size) ? "reading" : "empty";
  for (const id of ["export-json", "export-csv"]) by(id).disabled = !store.cases.size;
  const chosen = rows.get(store.current()?.key);
  if (chosen && lastChosen !== chosen) reveal(chosen);
  lastChosen = chosen;
}

/** Scroll the list, and only the list, until a row is in sight. */
function reveal(row) {
  const [box, room] = [row.getBoundingClientRect(), list.getBoundingClientRect()];
  if (box.top < room.top) list.scrollTop += box.top - room.top;
  else if (box.bottom > room.bottom) list.scrollTop += box.bottom - room.bottom;
  if (box.left < room.left) list.scrollLeft += box.left - room.left;
  else if (box.right > room.right) list.scrollLeft += box.right - room.right;
}

/** Forget every case, here and on the server. */
export function forgetAll() {
  for (const id of store.sets.keys()) forget(id);
  store.dropAll();
  forgetPixels();
}

/** Listen. */
export function start() {
  store.on("list", () => {
    frame ||= requestAnimationFrame(render);
  });
  by("forget-all").addEventListener("click", forgetAll);
}
