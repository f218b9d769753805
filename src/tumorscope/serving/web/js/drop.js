// How files get in: dropped (folders too), chosen, pasted. Gives `{ file, path }` lists and knows nothing of servers.

import { by } from "./dom.js";

const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$|__MACOSX$)/i;

function readEntries(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** All files below a dropped entry, with their paths; a folder gives its entries a hundred at a time. */
async function walk(entry, found) {
  if (HIDDEN.test(entry.name)) return;
  if (entry.isFile) {
    found.push({ file: await fileOf(entry), path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (let batch = await readEntries(reader); batch.length; batch = await readEntries(reader)) {
    for (const child of batch) await walk(child, found);
  }
}

async function fromTransfer(transfer) {
  // The entries must be taken before the first await: the transfer is emptied after the event.
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of entries) {
    if (entry) await walk(entry, found);
    else if (file) found.push({ file, path: file.name });
  }
  return found;
}

function fromInput(input) {
  const found = [...input.files]
    .filter((file) => !HIDDEN.test(file.name))
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  input.value = "";
  return found;
}

const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Listen; `take(files)` gets every list that is not empty, `failed(error)` what the browser could not read. */
export function start(take, failed) {
  const give = async (files) => {
    try {
      const found = await files;
      if (found.length) take(found);
    } catch (error) {
      failed(error);
    }
  };
  let depth = 0;
  const over = (held) => {
    depth = held;
    document.documentElement.toggleAttribute("data-over", held > 0);
    by("curtain").hidden = held === 0;
  };
  document.addEventListener("dragenter", (event) => {
    if (holdsFiles(event)) over(depth + 1);
  });
  document.addEventListener("dragleave", (event) => {
    if (holdsFiles(event)) over(Math.max(depth - 1, 0));
  });
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over(0);
    give(fromTransfer(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    give(fromTransfer(event.clipboardData));
  });
  for (const [opener, input] of [["open-files", "pick-files"], ["choose-files", "pick-files"], ["choose-folder", "pick-folder"]]) {
    by(opener).addEventListener("click", () => by(input).click());
  }
  for (const input of [by("pick-files"), by("pick-folder")]) input.addEventListener("change", () => give(fromInput(input)));
}
