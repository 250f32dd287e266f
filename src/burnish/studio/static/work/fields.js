// All questions on a screen: each made by its kind, put together to what is sent, with one of them the current one.

import { bestWorst, comparison, rating, rubric, thumb } from "./choices.js";
import { ranking } from "./ranking.js";
import { span } from "./span.js";
import { surface } from "./surface.js";
import { comment, correction, suggestion } from "./writing.js";

const KINDS = { thumb, rating, comparison, rubric, best_worst: bestWorst, ranking, span, correction, comment, suggestion };

/** A kind that may also be answered by "cannot judge". */
function orCannot(root, box, made) {
  root.addEventListener("input", (event) => {
    if (event.target !== box) box.checked = false;
  });
  return {
    ...made,
    state: () => (box.checked ? { cannot_judge: true } : made.state()),
    complete: () => box.checked || made.complete(),
    restore(state) {
      box.checked = Boolean(state.cannot_judge);
      if (!box.checked) made.restore(state);
    },
    key(event) {
      if (made.key(event)) return true;
      if (event.key !== "u" || event.altKey) return false;
      box.checked = !box.checked;
      box.dispatchEvent(new Event("change", { bubbles: true }));
      return true;
    },
    help: [...made.help, ["u", "key_cannot"]],
  };
}

export function fieldsOf(form, { told, links, changed, decided, signal }) {
  const surfaces = [...form.querySelectorAll(".side")].map((side, index) =>
    side.querySelector("[data-surface]") ? surface(side, told.texts[index], side.querySelector("h3").textContent, signal) : null,
  );
  const fields = [...form.querySelectorAll(".field")].map((root) => {
    const question = told.questions.find((each) => each.name === root.dataset.question);
    const target = root.dataset.target === undefined ? null : Number(root.dataset.target);
    const cannot = root.querySelector("[data-cannot]");
    const answered = () => {
      if (cannot) cannot.checked = false;
      changed();
    };
    const made = KINDS[question.kind](root, { told, links, question, changed: answered, surface: surfaces[target ?? 0] });
    return { ...(cannot ? orCannot(root, cannot, made) : made), root, question, target };
  });
  let current = null;

  function enter(field) {
    if (field === current) return;
    current?.root.classList.remove("current");
    current?.left?.();
    current = field;
    current?.root.classList.add("current");
    current?.entered?.();
  }

  form.addEventListener("focusin", (event) => {
    const root = event.target.closest(".field");
    if (root) enter(fields.find((field) => field.root === root));
  });
  form.addEventListener("change", (event) => {
    const field = fields.find((each) => each.root === event.target.closest(".field"));
    if (!field) return;
    changed();
    if (field.decides && field.complete()) {
      const open = fields.find((each) => !each.complete() && each.question.required);
      if (open) enter(open);
    }
  });
  form.addEventListener("input", () => changed());
  form.addEventListener("click", (event) => {
    // A finger or a mouse on a choice, not the arrow keys that walk through a group of radio buttons.
    const field = fields.find((each) => each.root === event.target.closest(".field"));
    if (field?.decides && event.detail > 0 && event.target.closest(".choice")) setTimeout(decided, 0, field);
  });

  /** By question: a row's fields, or a list with one for each completion; questions without an answer are left out. */
  function gathered(of) {
    const answers = {};
    for (const question of told.questions) {
      const own = fields.filter((field) => field.question === question);
      const given = own.map((field) => of(field));
      if (given.every((each) => each === null)) continue;
      answers[question.name] = question.shared || given.length === 1 ? given[0] : given;
    }
    return answers;
  }

  return {
    all: fields,
    get current() {
      return current;
    },
    enter,
    draft: () => gathered((field) => field.state()),
    answers: () => gathered((field) => (field.complete() ? field.state() : null)),
    restore(answers) {
      for (const field of fields) {
        const given = answers[field.question.name];
        const own = Array.isArray(given) ? given[field.target] : given;
        if (own) field.restore(own);
      }
    },
    /** The first question that must be answered and is not, or was begun and not ended. */
    missing: () => fields.find((field) => !field.complete() && (field.question.required || field.state() !== null)),
    /** Go to a question, into its text field if it has one. */
    go(field) {
      enter(field);
      (field.write ?? field.root).focus();
      field.root.scrollIntoView({ block: "nearest" });
    },
    step(by) {
      const next = fields[fields.indexOf(current) + by];
      if (next) {
        enter(next);
        next.root.focus();
        next.root.scrollIntoView({ block: "nearest" });
      }
      return Boolean(next);
    },
    /** Let the questions take a key, the current one first. */
    key(event) {
      const asked = [current, ...fields.filter((field) => !field.complete()), ...fields];
      for (const field of new Set(asked.filter(Boolean))) {
        if (event.altKey && !field.alt) continue;
        if (!field.key(event)) continue;
        if (field.decides) decided(field);
        return true;
      }
      if (event.key !== "c" || event.altKey) return false;
      const box = (current?.write && current) || fields.find((field) => field.write);
      if (box) this.go(box);
      return Boolean(box);
    },
    help: () => fields.flatMap((field) => field.help),
  };
}
