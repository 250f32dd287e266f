// Sentences and characters: filling placeholders, code points (what the server counts) and UTF-16 units (what we get).

const words = JSON.parse(document.getElementById("words").textContent);

/** A sentence of the page's language with its {placeholders} filled. */
export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** How many code points stand before a UTF-16 offset. */
export function toPoints(text, units) {
  return [...text.slice(0, units)].length;
}

/** The UTF-16 offset behind so many code points. */
export function toUnits(text, points) {
  return [...text].slice(0, points).join("").length;
}

/** A text cut to about `most` characters. */
export function shortened(text, most = 40) {
  const points = [...text.trim()];
  return points.length > most ? `${points.slice(0, most).join("")}…` : points.join("");
}

/** Read aloud by screen readers; shown nowhere. */
export function announce(sentence) {
  document.getElementById("said").textContent = sentence;
}
