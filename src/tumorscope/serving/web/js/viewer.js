// The slice on the canvas: its window, its place, the heat-map over it, and what is written at its edges.

import { by, h } from "./dom.js";
import * as pixels from "./pixels.js";
import * as store from "./store.js";
import { dragged, grayTable, leastWidth } from "./window.js";
import { capital, label, short, sliceSentence } from "./words.js";

const MOST_ZOOM = 24;
const MARGIN = 6; // css pixels between the slice and the edge of the stage
const BAR_LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200];

const stage = by("stage");
const canvas = by("canvas");
const context = canvas.getContext("2d", { alpha: false });
const gray = document.createElement("canvas");
const grayContext = gray.getContext("2d", { alpha: false });
const table = new Uint32Array(65536);

const shown = { slice: null, data: null, heat: null, heatClass: null, painted: "" };
let size = { width: 1, height: 1, ratio: 1 };
let frame = 0;
let heatTimer = 0;
let onGone = () => {};

/** Give the function that is called with the set that the server has forgotten. */
export function whenGone(listener) {
  onGone = listener;
}

/** The window in use: the person's, or that of the slice. */
export function windowNow() {
  return store.current()?.view.window ?? shown.slice?.window ?? { center: 128, width: 256 };
}

/** Where the slice lies on the stage, in css pixels. Pixels that are not square are drawn in their true shape. */
function placement() {
  const { slice } = shown;
  const { zoom, x, y } = store.current().view;
  const [row, column] = slice.spacing ?? [1, 1];
  const least = Math.min(row, column);
  const wide = (slice.width * column) / least;
  const high = (slice.height * row) / least;
  const fit = Math.min((size.width - 2 * MARGIN) / wide, (size.height - 2 * MARGIN) / high);
  const [width, height] = [wide * fit * zoom, high * fit * zoom];
  return { left: (size.width - width) / 2 + x, top: (size.height - height) / 2 + y, width, height };
}

/** Take up what is looked at now: fetch it, then draw it. */
export async function show() {
  const slice = store.currentSlice();
  if (!slice) {
    Object.assign(shown, { slice: null, data: null, heat: null, heatClass: null });
    redraw();
    return;
  }
  if (slice.pixels !== shown.slice?.pixels || !shown.data) await showSlice(slice);
  else {
    shown.slice = slice;
    wantHeat();
    redraw();
  }
}

async function showSlice(slice) {
  const ready = pixels.keptPixels(slice);
  if (!ready) pixels.lookElsewhere();
  const slow = setTimeout(() => note("Fetching the slice …"), 250);
  try {
    const data = ready ?? (await pixels.pixelsOf(slice));
    const now = store.currentSlice(); // another record of the same slice, where its case has become complete
    if (now?.pixels !== slice.pixels) return; // something else is looked at by now
    const heatClass = store.shownClass();
    const heat = store.heat.on ? pixels.keptHeat(now, heatClass) : null;
    Object.assign(shown, { slice: now, data, heat, heatClass: heat ? heatClass : null, painted: "" });
    note("");
    wantHeat();
    redraw();
  } catch (error) {
    failed(error, slice);
  } finally {
    clearTimeout(slow);
  }
}

function failed(error, slice) {
  if (error.name === "AbortError" || store.currentSlice()?.pixels !== slice.pixels) return;
  shown.data = null;
  redraw();
  if (error.gone) {
    note("The server has forgotten this scan.", true);
    onGone(store.current().set);
  } else note(error.message);
}

/** Words on the stage in place of a slice; an empty text takes them away. */
function note(words, withAction = false) {
  by("stage-note").textContent = words;
  by("stage-note").hidden = !words;
  by("stage-action").hidden = !withAction;
}

function wantHeat() {
  clearTimeout(heatTimer);
  const { slice } = shown;
  const diagnosis = store.shownClass();
  if (!store.heat.on || !slice) return;
  const ready = pixels.keptHeat(slice, diagnosis);
  if (ready) {
    Object.assign(shown, { heat: ready, heatClass: diagnosis });
    prefetch();
    return;
  }
  if (shown.heatClass !== diagnosis) Object.assign(shown, { heat: null, heatClass: null });
  heatTimer = setTimeout(async () => {
    try {
      const heat = await pixels.heatOf(slice, diagnosis);
      if (shown.slice !== slice || store.shownClass() !== diagnosis) return;
      Object.assign(shown, { heat, heatClass: diagnosis });
      redraw();
      prefetch();
    } catch (error) {
      if (error.gone) failed(error, slice); // without a map the slice can still be looked at
    }
  }, 40); // who scrolls fast is spared the maps of slices that fly by
}

function prefetch() {
  const { slices, view } = store.current() ?? {};
  if (!slices || slices.length < 2) return;
  const around = [1, -1, 2, -2, 3, -3].map((step) => slices[view.index + step]).filter(Boolean);
  pixels.prefetch(around, store.heat.on ? (slice) => view.diagnosis ?? slice.diagnosis : null);
}

/** Draw with the next frame. */
export function redraw() {
  if (!frame) frame = requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const ready = shown.data !== null && store.current() !== null;
  if (ready) {
    paintGray();
    const place = placement();
    context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(gray, place.left, place.top, place.width, place.height);
    if (store.heat.on && shown.heat) {
      context.globalAlpha = store.heat.opacity;
      context.drawImage(shown.heat, place.left, place.top, place.width, place.height);
    }
  }
  write(ready);
}

/** The slice through its window, at its own resolution; done again only where the slice or the window changed. */
function paintGray() {
  const { slice, data } = shown;
  const { invert } = store.current().view;
  const window = windowNow();
  const painted = [slice.pixels, window.center, window.width, invert].join();
  if (painted === shown.painted) return;
  shown.painted = painted;
  if (gray.width !== slice.width || gray.height !== slice.height) [gray.width, gray.height] = [slice.width, slice.height];
  grayTable(slice.rescale, window, invert, table);
  const image = grayContext.createImageData(slice.width, slice.height);
  const colours = new Uint32Array(image.data.buffer);
  for (let place = 0; place < data.length; place += 1) colours[place] = table[data[place]];
  grayContext.putImageData(image, 0, 0);
}

function write(ready) {
  const one = store.current();
  const { slice } = shown;
  stage.dataset.shown = ready ? String(slice.number ?? slice.index) : "";
  stage.dataset.heat = ready && store.heat.on && shown.heat ? shown.heatClass : "";
  for (const side of ["left", "right", "top", "bottom"]) {
    by(`letter-${side}`).textContent = (ready && slice.orientation?.[side]) || "";
  }
  by("scale").hidden = !ready || !slice.spacing;
  if (!ready) {
    for (const corner of ["name", "slice", "window"]) by(`corner-${corner}`).textContent = "";
    canvas.setAttribute("aria-label", "No slice");
    return;
  }
  const window = windowNow();
  const index = one.slices.indexOf(slice);
  by("corner-name").textContent = one.name;
  by("corner-slice").textContent = one.slices.length > 1 ? `${index + 1} / ${one.slices.length}` : "";
  by("corner-window").replaceChildren(
    `C ${short(window.center)}  W ${short(window.width)}${one.view.invert ? "  inverted" : ""}`,
    h("span", { class: "dim", text: `\nzoom ${Math.round(one.view.zoom * 100)}\u00a0%` }),
    h("span", { class: "dim", id: "readout" }),
  );
  const evidence = stage.dataset.heat ? `, with the evidence for ${label(shown.heatClass)}` : "";
  canvas.setAttribute("aria-label", `${capital(sliceSentence(slice, index, one.slices.length))}${evidence}`);
  if (slice.spacing) scaleBar(slice);
}

function scaleBar(slice) {
  const perMillimetre = placement().width / (slice.width * slice.spacing[1]);
  const length = BAR_LENGTHS.findLast((one) => one * perMillimetre <= size.width / 5) ?? BAR_LENGTHS[0];
  by("scale-bar").style.width = `${length * perMillimetre}px`;
  by("scale-text").textContent = length >= 10 ? `${length / 10}\u00a0cm` : `${length}\u00a0mm`;
}

/** The pixel under a place on the stage, or null beside the slice. */
function pixelAt(x, y) {
  if (!shown.data) return null;
  const place = placement();
  const column = Math.floor(((x - place.left) / place.width) * shown.slice.width);
  const row = Math.floor(((y - place.top) / place.height) * shown.slice.height);
  const inside = column >= 0 && row >= 0 && column < shown.slice.width && row < shown.slice.height;
  return inside ? { row, column } : null;
}

/** Write the value under the pointer. */
export function readOut(x, y) {
  const pixel = pixelAt(x, y);
  const readout = document.getElementById("readout");
  if (!readout) return;
  const { slope, intercept } = shown.slice?.rescale ?? {};
  readout.textContent = pixel
    ? `\n${pixel.column}, ${pixel.row}: ${short(slope * shown.data[pixel.row * shown.slice.width + pixel.column] + intercept)}`
    : "";
}

/** Zoom by a factor; the place (css pixels on the stage) stays where it is. */
export function zoomBy(factor, x = size.width / 2, y = size.height / 2) {
  const view = store.current()?.view;
  if (!view) return;
  const zoom = Math.min(Math.max(view.zoom * factor, 0.5), MOST_ZOOM);
  const ratio = zoom / view.zoom;
  const [left, top] = [x - size.width / 2, y - size.height / 2];
  store.changeView({ zoom, x: left - (left - view.x) * ratio, y: top - (top - view.y) * ratio });
}

export function panBy(right, down) {
  const view = store.current()?.view;
  if (view) store.changeView({ x: view.x + right, y: view.y + down });
}

/** Widen or brighten by a drag of so many css pixels. */
export function windowBy(right, down) {
  if (shown.slice) store.changeView({ window: dragged(windowNow(), shown.slice.rescale, right, down) });
}

/** Set the window by numbers. */
export function setWindow(center, width) {
  if (shown.slice) store.changeView({ window: { center, width: Math.max(width, leastWidth(shown.slice.rescale)) } });
}

function resize() {
  const { width, height } = stage.getBoundingClientRect();
  const [inner, high] = [Math.max(stage.clientWidth, 1), Math.max(stage.clientHeight, 1)];
  if (!width || !height) return;
  size = { width: inner, height: high, ratio: window.devicePixelRatio || 1 };
  canvas.width = Math.round(inner * size.ratio);
  canvas.height = Math.round(high * size.ratio);
  draw();
}

new ResizeObserver(resize).observe(stage);
store.on("show", show);
store.on("view", () => {
  if (shown.slice && store.heat.on && shown.heatClass !== store.shownClass()) wantHeat();
  redraw();
});
