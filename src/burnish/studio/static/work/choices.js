// Kinds that are answered by choosing: thumb, rating, comparison, rubric, best and worst.
// A kind is made from its fieldset and gives {state, complete, restore, key, help}; states have the shape of a row.

const radios = (root, name) => [...root.querySelectorAll(`input[type=radio][name="${CSS.escape(name)}"]`)];
const chosen = (root, name) => radios(root, name).find((each) => each.checked)?.value ?? null;

/** Check a radio as a person's key does, and say so to whoever listens. */
function choose(root, name, value) {
  const found = radios(root, name).find((each) => each.value === String(value));
  if (!found) return false;
  found.checked = true;
  found.dispatchEvent(new Event("input", { bubbles: true }));
  found.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function set(root, name, value) {
  for (const each of radios(root, name)) each.checked = value !== null && each.value === String(value);
}

/** The digit of a key, also with Shift and on layouts where digits need it; -1 for other keys. */
export function digit(event) {
  return /^(Digit|Numpad)\d$/.test(event.code) ? Number(event.code.at(-1)) : -1;
}

export function thumb(root) {
  const name = root.dataset.field;
  const values = { g: true, ArrowUp: true, b: false, ArrowDown: false };
  return {
    state: () => (chosen(root, name) === null ? null : { thumb: chosen(root, name) === "true" }),
    complete: () => chosen(root, name) !== null,
    restore: (state) => set(root, name, state.thumb),
    key: (event) => event.key in values && choose(root, name, values[event.key]),
    decides: true,
    help: [["g", "↑", "key_good"], ["b", "↓", "key_bad"]],
  };
}

export function rating(root) {
  const name = root.dataset.field;
  const box = root.querySelector("input[type=number]");
  const value = () => (box ? box.value : chosen(root, name));
  return {
    state: () => (value() === null || value() === "" ? null : { rating: Number(value()) }),
    complete: () => Boolean(value()) && (!box || box.checkValidity()),
    restore: (state) => (box ? (box.value = state.rating) : set(root, name, state.rating)),
    key: (event) => !box && !event.shiftKey && digit(event) >= 0 && choose(root, name, digit(event)),
    write: box ?? undefined,
    decides: !box,
    help: box ? [["c", "key_write"]] : [["1 … 9", "key_grade"]],
  };
}

export function comparison(root) {
  const name = root.dataset.field;
  const strength = root.querySelector(".strength");
  const letters = { a: "a", b: "b", t: "t", n: "n", u: "u" };
  const preferred = () => ["a", "b"].includes(chosen(root, name));
  const show = () => strength && (strength.hidden = !preferred());
  root.addEventListener("change", show);
  const state = () => {
    const value = chosen(root, name);
    const fixed = { t: { tie: "good" }, n: { tie: "bad" }, u: { cannot_judge: true } };
    if (value === null) return null;
    if (value in fixed) return fixed[value];
    const much = strength && chosen(root, `${name}-strength`);
    return { chosen: value === "b" ? 1 : 0, ...(much ? { strength: Number(much) } : {}) };
  };
  return {
    state,
    complete: () => chosen(root, name) !== null,
    restore(given) {
      const value = given.cannot_judge ? "u" : given.tie ? { good: "t", bad: "n" }[given.tie] : "ab"[given.chosen];
      set(root, name, value);
      if (strength) set(root, `${name}-strength`, given.strength ?? null);
      show();
    },
    key(event) {
      const letter = event.key.toLowerCase();
      if (strength && preferred() && digit(event) > 0) return choose(root, `${name}-strength`, digit(event));
      if (!(letter in letters) || !choose(root, name, letters[letter])) return false;
      if (strength) set(root, `${name}-strength`, event.shiftKey && preferred() ? 3 : null);
      return true;
    },
    decides: !strength,
    help: [
      ["a", "b", "key_better"],
      ...(strength ? [["⇧ a", "⇧ b", "key_much"], ["1 … 3", "key_strength"]] : []),
      ["t", "key_tie"],
      ["n", "key_neither"],
      ...(root.querySelector("input[value=u]") ? [["u", "key_cannot"]] : []),
    ],
  };
}

export function rubric(root, { question }) {
  const points = [...root.querySelectorAll(".point")];
  const nameOf = (point) => point.querySelector("input[type=radio]").name;
  const values = { y: "true", n: "false", u: "null" };
  let at = 0;
  const go = (index) => {
    at = index;
    for (const point of points) point.classList.toggle("current", point === points[at]);
  };
  root.addEventListener("focusin", (event) => {
    const point = event.target.closest(".point");
    if (point) go(points.indexOf(point));
  });
  const answer = (point) => chosen(point, nameOf(point));
  const move = (step) => {
    if (!(at + step in points)) return false;
    go(at + step);
    points[at].scrollIntoView({ block: "nearest" });
    return true;
  };
  return {
    state() {
      const answered = points.flatMap((point, index) => {
        const evidence = point.querySelector("[data-evidence]").value.trim();
        if (answer(point) === null) return [];
        return [{ criterion: question.criteria[index], answer: JSON.parse(answer(point)), ...(evidence ? { evidence } : {}) }];
      });
      if (answered.length === points.length && answered.every((each) => each.answer === null)) return { cannot_judge: true };
      return answered.length ? { rubric: answered } : null;
    },
    complete: () => points.every((point) => answer(point) !== null),
    restore(state) {
      if (state.cannot_judge) for (const point of points) set(point, nameOf(point), "null");
      for (const given of state.rubric ?? []) {
        const point = points[question.criteria.indexOf(given.criterion)];
        if (!point) continue;
        set(point, nameOf(point), given.answer);
        point.querySelector("[data-evidence]").value = given.evidence ?? "";
        point.querySelector(".evidence").open = Boolean(given.evidence);
      }
    },
    key(event) {
      if (event.key === "j" || event.key === "ArrowDown") return move(1);
      if (event.key === "k" || event.key === "ArrowUp") return move(-1);
      if (!(event.key in values)) return false;
      choose(points[at], nameOf(points[at]), values[event.key]);
      move(1);
      return true;
    },
    entered: () => go(Math.max(0, points.findIndex((point) => answer(point) === null))),
    left: () => points.forEach((point) => point.classList.remove("current")),
    decides: true,
    help: [["y", "n", "u", "key_point"], ["j", "k", "↑", "↓", "key_points"]],
  };
}

export function bestWorst(root) {
  const name = root.dataset.field;
  const ends = ["best", "worst"];
  root.addEventListener("change", (event) => {
    // What is the best cannot be the worst as well: the later choice counts.
    const other = ends.find((end) => event.target.name !== `${name}-${end}`);
    if (chosen(root, `${name}-${other}`) === event.target.value) set(root, `${name}-${other}`, null);
  });
  const state = () => {
    const found = ends.flatMap((end) => {
      const value = chosen(root, `${name}-${end}`);
      return value === null ? [] : [[end, Number(value)]];
    });
    return found.length ? Object.fromEntries(found) : null;
  };
  return {
    state,
    complete: () => ends.every((end) => chosen(root, `${name}-${end}`) !== null),
    restore: (given) => ends.forEach((end) => set(root, `${name}-${end}`, given[end] ?? null)),
    key: (event) => digit(event) > 0 && choose(root, `${name}-${event.shiftKey ? "worst" : "best"}`, digit(event) - 1),
    decides: true,
    help: [["1 … 9", "key_best"], ["⇧ 1 … 9", "key_worst"]],
  };
}
