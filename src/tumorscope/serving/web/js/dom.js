// Small helpers for elements. Text always goes in as text, never as markup: file names come from strangers.

export const by = (id) => document.getElementById(id);

/** Make an element: attributes by name, `class` and `text` as expected, `on...` as listeners, children at the end. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the drawings that index.html holds. */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  made.append(use);
  return made;
}

/** A button with a drawing and words. */
export function button(words, drawing, attributes = {}) {
  const classes = `button is-small ${attributes.class ?? ""}`.trim();
  return h("button", { type: "button", ...attributes, class: classes }, icon(drawing), h("span", { text: words }));
}

let clearing;

/** Tell a screen reader; the same words twice are told twice. */
export function say(words) {
  clearTimeout(clearing);
  by("status").textContent = "";
  clearing = setTimeout(() => {
    by("status").textContent = words;
  }, 60);
}
