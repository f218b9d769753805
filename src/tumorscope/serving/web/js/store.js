// What the page knows: the sets the server keeps for it, their cases and slices, and what is looked at. Draws nothing.

const listeners = new Map();

/** Cases by key, in the order they came; a key is `set/case`. */
export const cases = new Map();
/** Sets by id: `{ id, expires, model, files }`. */
export const sets = new Map();
/** Files without an answer: `{ name, title }`. */
export const failures = [];
/** What the heat-map looks like in every case. */
export const heat = { on: true, opacity: 0.55 };

let currentKey = null;

/** `list`: cases or failures changed; `show`: another case, slice or answer is on screen; `view`: only its looks. */
export function on(type, listener) {
  listeners.set(type, [...(listeners.get(type) ?? []), listener]);
}

export function emit(type) {
  for (const listener of listeners.get(type) ?? []) listener();
}

export const current = () => cases.get(currentKey) ?? null;
export const currentSlice = () => current()?.slices[current().view.index] ?? null;
/** The class whose evidence is shown: the chosen one, or the answer of the slice. */
export const shownClass = () => current()?.view.diagnosis ?? currentSlice()?.diagnosis ?? null;

function freshView() {
  return { index: 0, moved: false, window: null, invert: false, zoom: 1, x: 0, y: 0, diagnosis: null };
}

function obtain(set, id, name) {
  const key = `${set}/${id}`;
  let one = cases.get(key);
  if (!one) {
    one = { key, set, id, name: name ?? "", kind: "image", slices: [], series: null, plane: null, done: false, view: freshView() };
    cases.set(key, one);
  }
  return one;
}

export function addSet(record, files) {
  sets.set(record.id, { id: record.id, expires: record.expires, model: record.model, files });
}

/** A slice that is answered before its case is complete. */
export function addSlice(set, record) {
  const one = obtain(set, record.case, record.name);
  const place = one.slices.findIndex((slice) => slice.index >= record.index);
  if (place < 0) one.slices.push(record);
  else if (one.slices[place].index === record.index) one.slices[place] = record;
  else {
    one.slices.splice(place, 0, record);
    if (one.view.index >= place && one.slices.length > 1 && one.view.moved) one.view.index += 1;
  }
  settle(one);
}

export function addCase(set, record) {
  const one = obtain(set, record.id, record.name);
  const { name, kind, slices, series, plane } = record;
  Object.assign(one, { name, kind, slices, series, plane, done: true });
  if (!one.view.moved) one.view.index = strongest(one);
  settle(one);
}

function settle(one) {
  if (currentKey === null && one.slices.length) currentKey = one.key;
  emit("list");
  if (one.key === currentKey) emit("show");
}

export function addFailure(record) {
  failures.push(record);
  emit("list");
}

/** The slice with the most evidence of a tumour among those that are like the training images. */
export function strongest(one) {
  const weight = (slice) => (slice.verdict === "rejected" ? -1 : 0) + 1 - slice.probabilities.notumor;
  return one.slices.reduce((best, slice, place) => (weight(slice) > weight(one.slices[best]) ? place : best), 0);
}

export function select(key) {
  if (!cases.has(key) || key === currentKey) return;
  currentKey = key;
  emit("list");
  emit("show");
}

/** Move to another case, `step` places on. */
export function stepCase(step) {
  const keys = [...cases.keys()];
  const place = Math.min(Math.max(keys.indexOf(currentKey) + step, 0), keys.length - 1);
  if (keys[place]) select(keys[place]);
}

export function goTo(index) {
  const one = current();
  if (!one) return;
  const bounded = Math.min(Math.max(index, 0), one.slices.length - 1);
  one.view.moved = true;
  if (bounded === one.view.index) return;
  one.view.index = bounded;
  emit("show");
}

export function chooseClass(diagnosis) {
  const one = current();
  if (!one) return;
  one.view.diagnosis = diagnosis;
  heat.on = true;
  emit("show");
}

export function setHeat(changes) {
  Object.assign(heat, changes);
  emit("view");
}

export function changeView(changes) {
  const one = current();
  if (!one) return;
  Object.assign(one.view, changes);
  emit("view");
}

export function resetView() {
  changeView({ window: null, invert: false, zoom: 1, x: 0, y: 0 });
}

/** Take a case away; gives back the id of its set when that was its last case. */
export function dropCase(key) {
  const keys = [...cases.keys()];
  const next = keys[keys.indexOf(key) + 1] ?? keys[keys.indexOf(key) - 1] ?? null;
  const one = cases.get(key);
  if (!one) return null;
  cases.delete(key);
  if (currentKey === key) currentKey = next;
  emit("list");
  emit("show");
  if ([...cases.values()].some((other) => other.set === one.set)) return null;
  sets.delete(one.set);
  return one.set;
}

export function dropFailure(record) {
  failures.splice(failures.indexOf(record), 1);
  emit("list");
}

/** Take a whole set away. */
export function dropSet(id) {
  sets.delete(id);
  for (const [key, one] of cases) if (one.set === id) cases.delete(key);
  if (!cases.has(currentKey)) currentKey = cases.keys().next().value ?? null;
  emit("list");
  emit("show");
}

export function dropAll() {
  sets.clear();
  cases.clear();
  failures.length = 0;
  currentKey = null;
  emit("list");
  emit("show");
}
