// Spans: what is selected in a completion becomes a mark with a label, a severity and a note.

import { digit } from "./choices.js";
import { announce, say, shortened, toPoints, toUnits } from "./text.js";

export function span(root, { surface, changed }) {
  const labels = [...root.querySelectorAll("[data-label]")];
  const severities = [...root.querySelectorAll("[data-severity]")];
  const list = root.querySelector("[data-marks]");
  const nothing = root.querySelector("[data-nothing]");
  let marks = []; // {start, end} in UTF-16 units, label, severity, note
  let current = null;

  surface.add(() => marks.map((mark) => ({ ...mark, current: mark === current })));

  function add(label) {
    const taken = surface.taken();
    if (!taken) return announce(say("select_first"));
    current = { start: taken[0], end: taken[1], label, severity: null, note: "" };
    marks = [...marks, current].sort((one, other) => one.start - other.start || one.end - other.end);
    surface.forget();
    if (nothing) nothing.checked = false;
    announce(say("marked", { label, text: shortened(surface.text.slice(...taken)) }));
    done();
  }

  function grade(severity) {
    if (!current) return;
    current.severity = current.severity === severity ? null : severity;
    done();
  }

  function remove(mark) {
    marks = marks.filter((other) => other !== mark);
    if (current === mark) current = marks.at(-1) ?? null;
    announce(say("removed"));
    done();
  }

  function done() {
    show();
    changed();
  }

  function show() {
    surface.draw();
    list.replaceChildren(...marks.map(row));
    root.querySelector("[data-none]").hidden = marks.length > 0;
    for (const button of severities) {
      button.disabled = !current;
      button.setAttribute("aria-pressed", String(current?.severity === Number(button.dataset.severity)));
    }
  }

  function row(mark) {
    const made = document.createElement("li");
    const words = shortened(surface.text.slice(mark.start, mark.end), 60);
    const severity = severities.find((button) => Number(button.dataset.severity) === mark.severity);
    made.classList.toggle("current", mark === current);
    const chosen = Object.assign(document.createElement("button"), { type: "button", className: "quiet passage", dir: "auto" });
    const label = Object.assign(document.createElement("b"), { textContent: mark.label });
    const grade = Object.assign(document.createElement("i"), { textContent: severity?.querySelector("span").textContent ?? "" });
    chosen.append(label, " ", grade, ` “${words}”`);
    chosen.addEventListener("click", () => {
      current = mark;
      show();
    });
    const note = Object.assign(document.createElement("input"), { type: "text", value: mark.note, placeholder: say("note"), dir: "auto" });
    note.setAttribute("aria-label", `${say("note")}: ${words}`);
    note.addEventListener("input", () => {
      mark.note = note.value;
      changed();
    });
    const gone = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "×" });
    gone.setAttribute("aria-label", say("remove", { text: words }));
    gone.addEventListener("click", () => remove(mark));
    made.append(chosen, note, gone);
    return made;
  }

  for (const button of [...labels, ...severities]) {
    button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps what is selected
  }
  for (const button of labels) button.addEventListener("click", () => add(button.dataset.label));
  for (const button of severities) button.addEventListener("click", () => grade(Number(button.dataset.severity)));
  nothing?.addEventListener("change", () => {
    if (nothing.checked) marks = [];
    current = null;
    done();
  });
  show();

  return {
    state() {
      if (nothing?.checked) return { spans: [] };
      if (!marks.length) return null;
      const spans = marks.map((mark) => ({
        start: toPoints(surface.text, mark.start),
        end: toPoints(surface.text, mark.end),
        label: mark.label,
        ...(mark.severity === null ? {} : { severity: mark.severity }),
        ...(mark.note.trim() ? { note: mark.note.trim() } : {}),
      }));
      return { spans };
    },
    complete: () => marks.length > 0 || Boolean(nothing?.checked),
    restore(state) {
      if (nothing) nothing.checked = state.spans.length === 0;
      marks = state.spans.map((given) => ({
        start: toUnits(surface.text, given.start),
        end: toUnits(surface.text, given.end),
        label: given.label,
        severity: given.severity ?? null,
        note: given.note ?? "",
      }));
      show();
    },
    key(event) {
      if (event.key === "v") {
        surface.enter();
        announce(say("caret"));
        return true;
      }
      if (["Delete", "Backspace"].includes(event.key) && current) return remove(current), true;
      if (digit(event) > 0 && digit(event) <= labels.length && !event.shiftKey) return add(labels[digit(event) - 1].dataset.label), true;
      const severity = "qwe".indexOf(event.key) + 1;
      if (severity > 0 && severity <= severities.length && current) return grade(severity), true;
      return false;
    },
    help: [["v", "key_caret"], ["1 … 9", "key_label"], ["q", "w", "e", "key_severity"], ["Del", "key_remove"]],
  };
}
