// From stored 16-bit values to gray: the window, as a table of 65,536 entries. Pure arithmetic.

const LITTLE_ENDIAN_OPAQUE = 0xff000000;

/**
 * Gray for each stored value, as RGBA in one number.
 * A value is `slope * stored + intercept`; black is at `center - width / 2`, white at `center + width / 2`.
 */
export function grayTable(rescale, window, invert, table = new Uint32Array(65536)) {
  const low = window.center - window.width / 2;
  const perStored = (rescale.slope * 255) / window.width;
  const first = ((rescale.intercept - low) * 255) / window.width;
  const flip = invert ? 255 : 0;
  for (let stored = 0; stored < 65536; stored += 1) {
    const gray = Math.min(Math.max(Math.round(first + perStored * stored), 0), 255) ^ flip;
    table[stored] = LITTLE_ENDIAN_OPAQUE | (gray << 16) | (gray << 8) | gray;
  }
  return table;
}

/** The narrowest window that still means something: one step of the stored values. */
export const leastWidth = (rescale) => Math.max(Math.abs(rescale.slope), 1e-6);

/** The window after a drag by so many pixels: to the right is wider, up is brighter. */
export function dragged(window, rescale, right, down) {
  const width = Math.max(window.width * Math.exp(right / 220), leastWidth(rescale));
  return { center: window.center + (down * window.width) / 350, width };
}
