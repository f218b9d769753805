// The strip below a series: for each slice a column of tumour probability, a line of verdicts, and the slider on top.

import { by, h } from "./dom.js";
import * as store from "./store.js";
import { CLASSES, capital, count, label, sliceSentence, verdictWord } from "./words.js";

const TUMOURS = CLASSES.filter((key) => key !== "notumor");
const FOOT = 7; // css pixels for the verdicts
const canvas = by("strip-canvas");
const slider = by("strip-slice");
let frame = 0;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ...Object.fromEntries(TUMOURS.map((key) => [key, read(key)])),
    answered: read("good"),
    uncertain: read("notice"),
    rejected: read("problem"),
    line: read("line"),
    wash: read("faint"),
  };
}

function draw() {
  frame = 0;
  const one = store.current();
  const several = (one?.slices.length ?? 0) > 1;
  by("strip").hidden = by("strip-legend").hidden = !several;
  if (!several) return;
  const { slices, view } = one;
  slider.max = String(slices.length);
  slider.value = String(view.index + 1);
  slider.setAttribute("aria-valuetext", sliceSentence(slices[view.index], view.index, slices.length));
  by("strip").dataset.slices = String(slices.length);

  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const paint = colours();
  const pitch = width / slices.length;
  const column = Math.max(Math.min(pitch * 0.8, 26), 1);
  const leftOf = (place) => (place + 0.5) * pitch - column / 2;
  const room = height - FOOT - 6;
  const inset = Math.max(pitch / 2 - 2, 0); // the slider's thumb, 4 px wide, stands in the middle of a column
  slider.style.left = `${inset}px`;
  slider.style.width = `${width - 2 * inset}px`;
  if (one.series?.slices_used) {
    const [first, last] = one.series.slices_used;
    context.fillStyle = paint.wash;
    context.fillRect(first * pitch, 0, (last - first + 1) * pitch, height);
  }
  slices.forEach((slice, place) => {
    const left = leftOf(place);
    let base = height - FOOT - 2;
    context.globalAlpha = slice.verdict === "rejected" ? 0.3 : 1;
    for (const key of TUMOURS) {
      const high = slice.probabilities[key] * room;
      context.fillStyle = paint[key];
      context.fillRect(left, base - high, column, high);
      base -= high;
    }
    context.globalAlpha = 1;
    context.fillStyle = paint[slice.verdict];
    const foot = { answered: 2, uncertain: 4, rejected: 6 }[slice.verdict] ?? 2; // told by height as well as by colour
    context.fillRect(left, height - foot, column, foot);
  });
}

function legend() {
  const one = store.current();
  if ((one?.slices.length ?? 0) < 2) return;
  const tally = (verdict) => one.slices.filter((slice) => slice.verdict === verdict).length;
  by("strip-legend").replaceChildren(
    ...TUMOURS.map((key) => h("span", { class: `key class-${key}`, text: label(key) })),
    ...["answered", "uncertain", "rejected"]
      .filter(tally)
      .map((verdict) => h("span", { class: `key is-box is-${verdict}`, text: `${count(tally(verdict), "slice")} ${verdictWord(verdict)}` })),
    one.series?.slices_used ? h("span", { text: `${capital("shaded")}: the slices that the series answer rests on` }) : "",
  );
}

function redraw() {
  if (!frame) frame = requestAnimationFrame(draw);
}

/** Go to the slice under the pointer; columns reach from edge to edge, which the slider's own thumb does not. */
function seek(event) {
  const box = canvas.getBoundingClientRect();
  store.goTo(Math.floor(((event.clientX - box.left) / box.width) * store.current().slices.length));
}

/** Listen. */
export function start() {
  slider.addEventListener("input", () => store.goTo(Number(slider.value) - 1));
  by("strip").addEventListener("pointerdown", (event) => {
    by("strip").setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    event.preventDefault();
    seek(event);
  });
  by("strip").addEventListener("pointermove", (event) => {
    if (by("strip").hasPointerCapture(event.pointerId)) seek(event);
  });
  store.on("show", () => {
    redraw();
    legend();
  });
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", redraw);
}
