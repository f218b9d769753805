// Downloads: the PDF of a case, JSON and CSV of all. Fetched with the token, then handed to the browser as files.

import { call } from "./api.js";
import { say } from "./dom.js";
import * as store from "./store.js";

/** Hand a file to the browser. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A name without the parts of a path and the ending: `knee/a.dcm` to `a`. */
function stem(name) {
  const last = name.split(/[/\\]/).at(-1).replace(/[^\p{L}\p{N} ._-]+/gu, "-");
  return last.replace(/(\.nii)?\.[^.]{1,5}$/, "") || "case";
}

async function attempt(name, make) {
  try {
    save(await make(), name);
    say(`${name} saved`);
  } catch (error) {
    if (error.name !== "AbortError") store.addFailure({ name, title: error.message, status: error.status });
  }
}

/** One page for the case on screen. */
export function saveReport() {
  const one = store.current();
  if (!one) return;
  attempt(`${stem(one.name)}.pdf`, async () => (await call(`/v1/predictions/${one.set}/cases/${one.id}/report.pdf`)).blob());
}

async function answers(kind) {
  return Promise.all(
    [...store.sets.keys()].map(async (id) => (await call(`/v1/predictions/${id}/answers.${kind}`)).text()),
  );
}

/** All answers of all sets as one table; the first line of each names the columns. */
export function saveCsv() {
  attempt("tumorscope-answers.csv", async () => {
    const [first = "", ...others] = await answers("csv");
    const bodies = others.map((text) => text.slice(text.indexOf("\n") + 1));
    return new Blob([first, ...bodies], { type: "text/csv" });
  });
}

/** All answers as JSON: the server's document, or a list of them where files came in several drops. */
export function saveJson() {
  attempt("tumorscope-answers.json", async () => {
    const documents = await answers("json");
    return new Blob([documents.length === 1 ? documents[0] : `[${documents.join(",\n")}]`], { type: "application/json" });
  });
}
