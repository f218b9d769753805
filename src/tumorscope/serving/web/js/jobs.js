// One job a drop: its files go up, the answers come in line by line, and a bar tells both. Waits where the server is busy.

import { forget, send } from "./api.js";
import { by, h, say } from "./dom.js";
import { forgetPixels } from "./pixels.js";
import * as store from "./store.js";
import { bytes, count, percent } from "./words.js";

const MOST_WAITS = 8;
const jobs = new Set();

function makeRow(cancel) {
  const words = h("p", { role: "status" });
  const bar = h("progress", { "aria-label": "Progress", max: "1" });
  const stop = h("button", { type: "button", class: "button is-small is-quiet", text: "Cancel", onclick: cancel });
  const row = h("div", { class: "job" }, words, stop, bar);
  return { row, words, bar };
}

/** The bars lie in whichever room is open. */
function place() {
  const reading = document.documentElement.dataset.room === "reading";
  const home = by(reading ? "work" : "welcome-work");
  for (const { row } of jobs) if (row.parentElement !== home) home.append(row);
}

const sleep = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    }, { once: true });
  });

function receiver(files, job) {
  let set = null;
  let slices = 0;
  return (record) => {
    if (record.type === "accepted") {
      set = record.id;
      job.set = set;
      store.addSet(record, files);
    } else if (record.type === "slice") {
      slices += 1;
      store.addSlice(set, record);
    } else if (record.type === "case") store.addCase(set, record);
    else if (record.type === "failure") store.addFailure(record);
    job.words.textContent = slices ? `Reading: ${count(slices, "slice")} answered` : "Reading …";
  };
}

/** Send files, show how it goes, and keep what comes back. Gives the id of the set, or null where nothing was read. */
export async function run(files) {
  const stop = new AbortController();
  const job = { ...makeRow(() => stop.abort()), set: null };
  jobs.add(job);
  place();
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const sending = `Sending ${count(files.length, "file")}`;
  const before = { cases: store.cases.size, failures: store.failures.length };
  try {
    for (let waits = 0; ; waits += 1) {
      job.words.textContent = `${sending}, ${bytes(total)}`;
      try {
        await send(files, {
          signal: stop.signal,
          onLine: receiver(files, job),
          onUpload: (sent, all) => {
            if (sent < all) {
              job.bar.value = sent / all;
              job.words.textContent = `${sending}: ${percent(sent / all)} of ${bytes(all)}`;
            } else {
              job.bar.removeAttribute("value");
              job.words.textContent = "Reading …";
            }
          },
        });
        break;
      } catch (error) {
        if (![429, 503].includes(error.status) || waits >= MOST_WAITS || job.set) throw error;
        const seconds = Math.min(error.retryAfter || 2, 30);
        job.bar.removeAttribute("value");
        job.words.textContent = `The server is busy; trying again in ${count(seconds, "second")}`;
        await sleep(seconds, stop.signal);
      }
    }
    finished(before);
  } catch (error) {
    if (error.name === "AbortError") {
      if (job.set) store.dropSet(job.set); // the server has let go of a set whose answers nobody took
    } else {
      const name = files.length === 1 ? files[0].path : count(files.length, "file");
      store.addFailure({ name, title: error.message, status: error.status });
      say(`${name}: ${error.message}`);
    }
  } finally {
    jobs.delete(job);
    job.row.remove();
    if (job.set && ![...store.cases.values()].some((one) => one.set === job.set)) {
      store.sets.delete(job.set); // nothing in it could be read, or it was cancelled in time
      forget(job.set);
      job.set = null;
    }
    store.emit("list");
  }
  return job.set;
}

function finished(before) {
  const read = store.cases.size - before.cases;
  const failed = store.failures.length - before.failures;
  const parts = [count(read, "case") + " read"];
  if (failed) parts.push(`${count(failed, "file")} could not be read`);
  say(`${parts.join(", ")}.`);
}

/** Send the files of a set again that the server has forgotten, and look at the same place. */
export async function again(id) {
  const set = store.sets.get(id);
  const { name, view } = store.current() ?? {};
  if (!set) return;
  store.dropSet(id);
  forgetPixels(id);
  const renewed = await run(set.files);
  const same = [...store.cases.values()].find((one) => one.set === renewed && one.name === name);
  if (!same) return;
  Object.assign(same.view, view, { index: Math.min(view.index, same.slices.length - 1) });
  store.select(same.key);
  store.emit("show");
}

/** Listen. */
export function start() {
  new MutationObserver(place).observe(document.documentElement, { attributeFilter: ["data-room"] });
}
