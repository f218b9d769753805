// Mouse, touch and wheel on the stage, turned into moves of the viewer.

import { by, h, icon } from "./dom.js";
import * as store from "./store.js";
import { panBy, readOut, windowBy, zoomBy } from "./viewer.js";

const TOOLS = [
  ["window", "Window: drag right to widen, up to brighten"],
  ["scroll", "Scroll through the slices"],
  ["pan", "Move the slice"],
  ["zoom", "Zoom: drag up to enlarge"],
];
const STEP = 14; // css pixels of a drag for one slice
const WHEEL_STEP = 40; // of a wheel or a track pad

const stage = by("stage");
const pointers = new Map(); // id -> { x, y }
let tool = "window";
let dragging = null; // the tool of the drag that is going on
let left = 0; // what remains of a drag or a wheel between two slices
let pinch = null;
let chosen = false;

/** Choose what dragging does. */
export function useTool(name, byPerson = true) {
  tool = name;
  chosen ||= byPerson;
  stage.dataset.tool = name;
  const radio = document.querySelector(`#drag-tools input[value="${name}"]`);
  if (radio) radio.checked = true;
}

/** On a touch screen a finger scrolls a series until the person chooses otherwise. */
export function suitTool() {
  if (chosen || !matchMedia("(pointer: coarse)").matches) return;
  useTool((store.current()?.slices.length ?? 0) > 1 ? "scroll" : "window", false);
}

function place(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
}

function toolFor(event) {
  if (event.button === 1 || event.shiftKey) return "pan";
  if (event.button === 2 || event.ctrlKey || event.metaKey) return "zoom";
  return tool;
}

function stepBy(amount, per) {
  left += amount;
  const steps = Math.trunc(left / per);
  left -= steps * per;
  if (steps) store.goTo(store.current().view.index + steps);
}

function spread() {
  const [one, other] = [...pointers.values()];
  return { distance: Math.hypot(one.x - other.x, one.y - other.y) || 1, x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

function down(event) {
  if (!store.current() || event.target.closest("button")) return;
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, place(event));
  left = 0;
  if (pointers.size === 2) pinch = spread();
  else dragging = toolFor(event);
}

function move(event) {
  const now = place(event);
  const before = pointers.get(event.pointerId);
  if (!before) {
    readOut(now.x, now.y);
    return;
  }
  pointers.set(event.pointerId, now);
  if (pinch && pointers.size >= 2) {
    const next = spread();
    panBy(next.x - pinch.x, next.y - pinch.y);
    zoomBy(next.distance / pinch.distance, next.x, next.y);
    pinch = next;
    return;
  }
  const [right, downwards] = [now.x - before.x, now.y - before.y];
  if (dragging === "window") windowBy(right, downwards);
  else if (dragging === "pan") panBy(right, downwards);
  else if (dragging === "zoom") zoomBy(Math.exp(-downwards / 150));
  else if (dragging === "scroll") stepBy(downwards, STEP);
}

function up(event) {
  pointers.delete(event.pointerId);
  if (pointers.size < 2) pinch = null;
  if (pointers.size === 0) dragging = null;
}

function wheel(event) {
  const one = store.current();
  if (!one) return;
  event.preventDefault();
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_STEP;
  const { x, y } = place(event);
  if (event.ctrlKey || event.metaKey || one.slices.length < 2) zoomBy(Math.exp((-event.deltaY * lines) / 400), x, y);
  else stepBy(event.deltaY * lines, WHEEL_STEP);
}

/** Put up the tools and listen. */
export function start() {
  by("drag-tools").append(
    ...TOOLS.map(([name, words]) =>
      h(
        "label",
        { class: "tool", title: words },
        h("input", { type: "radio", name: "drag", value: name, "aria-label": words, onchange: () => useTool(name) }),
        icon(name),
      ),
    ),
  );
  useTool("window", false);
  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => readOut(-1e9, 0));
  stage.addEventListener("wheel", wheel, { passive: false });
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => store.changeView({ zoom: 1, x: 0, y: 0 }));
}
