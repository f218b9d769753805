// Pixels and heat-maps on their way from the server: a few at a time, what is looked at first, the latest kept.

import { call } from "./api.js";

const AT_ONCE = 4;
const KEPT_BYTES = 256e6;

const kept = new Map(); // url -> { value, size }, the least recently used first
const pending = new Map(); // url -> promise
let now = []; // what is looked at
let later = []; // neighbours, forgotten when something else is looked at
let running = 0;
let held = 0;

async function readPixels(slice) {
  const buffer = await (await call(slice.pixels)).arrayBuffer();
  const pixels = new Uint16Array(buffer);
  if (pixels.length !== slice.width * slice.height) throw new Error("the server sent fewer pixels than it announced");
  return { value: pixels, size: buffer.byteLength };
}

async function readPicture(url) {
  const bitmap = await createImageBitmap(await (await call(url)).blob());
  return { value: bitmap, size: bitmap.width * bitmap.height * 4 };
}

function keep(url, entry) {
  kept.set(url, entry);
  held += entry.size;
  for (const [oldest, { size }] of kept) {
    if (held <= KEPT_BYTES || oldest === url) break;
    kept.delete(oldest); // a bitmap may still be on screen, so it is left to the collector
    held -= size;
  }
}

function pump() {
  while (running < AT_ONCE) {
    const job = now.shift() ?? later.shift();
    if (!job) return;
    running += 1;
    job.read().then(
      (entry) => {
        keep(job.url, entry);
        job.resolve(entry.value);
      },
      job.reject,
    ).finally(() => {
      running -= 1;
      pending.delete(job.url);
      pump();
    });
  }
}

function want(url, read, urgent) {
  const entry = kept.get(url);
  if (entry) {
    kept.delete(url);
    kept.set(url, entry);
    return Promise.resolve(entry.value);
  }
  if (pending.has(url)) {
    const place = later.findIndex((job) => job.url === url);
    if (urgent && place >= 0) now.unshift(...later.splice(place, 1));
    return pending.get(url);
  }
  const promise = new Promise((resolve, reject) => {
    (urgent ? now : later).push({ url, read, resolve, reject });
  });
  pending.set(url, promise);
  pump();
  return promise;
}

const heatUrl = (slice, diagnosis) => {
  const url = new URL(slice.heatmap, location.href);
  url.searchParams.set("diagnosis", diagnosis);
  return url.pathname + url.search;
};

/** `Uint16Array` of a slice, row by row. */
export const pixelsOf = (slice) => want(slice.pixels, () => readPixels(slice), true);

/** The evidence for a class as a bitmap of the slice's size. */
export const heatOf = (slice, diagnosis) => {
  const url = heatUrl(slice, diagnosis);
  return want(url, () => readPicture(url), true);
};

/** A small picture of a slice in its own window. */
export const thumbnailOf = (slice, size) => {
  const url = `${slice.pixels}.png?size=${size}`;
  return want(url, () => readPicture(url), true);
};

export const keptPixels = (slice) => kept.get(slice.pixels)?.value ?? null;
export const keptHeat = (slice, diagnosis) => kept.get(heatUrl(slice, diagnosis))?.value ?? null;

function drop(jobs) {
  for (const job of jobs) {
    pending.delete(job.url);
    job.reject(new DOMException("something else is looked at", "AbortError"));
  }
}

/** Forget requests that have not begun: whoever scrolls past a slice does not wait for it. */
export function lookElsewhere() {
  const dropped = [...now.filter((job) => !job.url.includes(".png?size=")), ...later];
  now = now.filter((job) => job.url.includes(".png?size="));
  later = [];
  drop(dropped);
}

/** Fetch neighbours while nothing else is asked for; `classOf(slice)` says which map of each, if any. */
export function prefetch(slices, classOf) {
  for (const slice of slices) {
    want(slice.pixels, () => readPixels(slice), false).catch(() => {});
    if (!classOf) continue;
    const url = heatUrl(slice, classOf(slice));
    want(url, () => readPicture(url), false).catch(() => {});
  }
}

/** Let go of everything of one set, or of all. */
export function forgetPixels(id) {
  for (const [url, { size }] of kept) {
    if (id && !url.includes(`/${id}/`)) continue;
    kept.delete(url);
    held -= size;
  }
}
