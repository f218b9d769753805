// What things are called and how numbers are written. Knows nothing of elements, servers or pixels.

export const CLASSES = ["glioma", "meningioma", "notumor", "pituitary"];

const LABELS = { glioma: "glioma", meningioma: "meningioma", notumor: "no tumour", pituitary: "pituitary tumour" };
const VERDICTS = { answered: "answered", uncertain: "uncertain", rejected: "rejected" };
const GAP = "\u00a0"; // keeps a number and its unit on one line

export const label = (diagnosis) => LABELS[diagnosis] ?? diagnosis;
export const verdictWord = (verdict) => VERDICTS[verdict] ?? verdict;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A share in per cent; never 100 % or 0 % for what is only close to it. */
export function percent(share, digits = 0) {
  const shown = Math.min(Math.max(share * 100, 0), 100);
  if (digits === 0 && shown > 99 && shown < 100) return `${Math.min(Math.floor(shown * 10) / 10, 99.9).toFixed(1)}${GAP}%`;
  if (digits === 0 && shown > 0 && shown < 0.95) return shown < 0.1 ? `<${GAP}0.1${GAP}%` : `${shown.toFixed(1)}${GAP}%`;
  return `${shown.toFixed(digits)}${GAP}%`;
}

/** `glioma, meningioma or no tumour`. */
export function either(diagnoses) {
  const names = diagnoses.map(label);
  if (names.length === 0) return "no class";
  if (names.length === 1) return names[0];
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** `glioma or meningioma, 95 % coverage`. */
export const setInWords = (slice) => `${either(slice.prediction_set)}, ${percent(slice.coverage)} coverage`;

/** The first line of an answer: no single name where the model does not give one. */
export function headline(slice) {
  if (slice.verdict === "rejected") return "Unlike the training images";
  if (slice.verdict === "answered" || slice.prediction_set.length === 0) return capital(label(slice.diagnosis));
  return capital(either(slice.prediction_set));
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export function bytes(size) {
  if (size < 1e6) return `${Math.max(size / 1e3, 0.1).toFixed(size < 1e4 ? 1 : 0)}${GAP}kB`;
  return `${(size / 1e6).toFixed(1)}${GAP}MB`;
}

/** Three digits that matter, for values, windows and novelty. */
export function short(value) {
  if (!Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en", { useGrouping: false });
  return String(Number(value.toPrecision(3)));
}

/** A time of day, from an ISO time. */
export const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** What one slice says, in one sentence, for a screen reader. */
export function sliceSentence(one, position, of) {
  const where = of > 1 ? `Slice ${position + 1} of ${of}: ` : "";
  return `${where}${verdictWord(one.verdict)}, ${label(one.diagnosis)} ${percent(one.probabilities[one.diagnosis])}`;
}
