// A ranking: cards in order, moved by keys, buttons or dragging. Equal numbers are a tie.

import { digit } from "./choices.js";
import { announce, say } from "./text.js";

export function ranking(root, { told, changed }) {
  const list = root.querySelector("[data-cards]");
  const cards = [...list.querySelectorAll("[data-card]")];
  let places = cards.map(() => null); // by card: the number a person gave it, or null

  // ------------------------------------------------------------------------------------------- places and groups
  const groups = () => {
    const numbers = [...new Set(places.filter((place) => place !== null))].sort((one, other) => one - other);
    return numbers.map((number) => cards.map((_, index) => index).filter((index) => places[index] === number));
  };
  const placed = (made) => {
    places = cards.map(() => null);
    made.filter((group) => group.length).forEach((group, place) => group.forEach((index) => (places[index] = place + 1)));
  };
  const without = (index) => groups().map((group) => group.filter((each) => each !== index));

  function move(index, step) {
    const all = groups();
    const from = all.findIndex((group) => group.includes(index));
    if (from < 0) return placed([...all, [index]]);
    const alone = all[from].length === 1;
    const rest = without(index);
    const to = alone ? from + step : from + (step > 0 ? 1 : 0);
    if (alone) rest.splice(from, 1);
    rest.splice(Math.max(0, Math.min(to, rest.length)), 0, [index]);
    placed(rest);
  }

  function tie(index) {
    const all = groups();
    const from = all.findIndex((group) => group.includes(index));
    const above = from < 0 ? all.length - 1 : from - 1;
    if (above < 0) return;
    const rest = without(index);
    rest[above].push(index);
    placed(rest);
  }

  /** A dragged card stands at a place of its own, or in the group it was dropped into; what it was dropped under is
      better than it, and so has a place too. */
  function drop(index) {
    const order = [...list.children].map((card) => Number(card.dataset.card));
    const at = order.indexOf(index);
    const made = [];
    for (const [position, card] of order.entries()) {
      const tied = made.length > 0 && places[card] !== null && card !== index && places[made.at(-1).at(-1)] === places[card];
      if (card !== index && places[card] === null && position > at) continue;
      if (tied) made.at(-1).push(card);
      else made.push([card]);
    }
    const [before, after] = [order[at - 1], order[at + 1]].map((card) => made.find((group) => group.includes(card)));
    const within = before && after && places[order[at - 1]] !== null && places[order[at - 1]] === places[order[at + 1]];
    placed(within ? merged(made, before, index, after) : made);
  }

  const merged = (made, before, index, after) =>
    made.filter((group) => group !== after && !(group.length === 1 && group[0] === index)).map((group) =>
      group === before ? [...before, index, ...after] : group,
    );

  // ------------------------------------------------------------------------------------------------------ showing
  function show() {
    const focused = document.activeElement;
    const all = groups();
    const order = [...all.flat(), ...cards.map((_, index) => index).filter((index) => places[index] === null)];
    for (const index of order) {
      const card = cards[index];
      if (list.children[order.indexOf(index)] !== card) list.insertBefore(card, list.children[order.indexOf(index)]);
      const group = all.findIndex((each) => each.includes(index));
      card.querySelector("[data-place]").textContent = places[index] === null ? "–" : String(places[index]);
      card.classList.toggle("tied", group >= 0 && all[group].length > 1);
      card.setAttribute("aria-label", described(index, all, group));
    }
    if (list.contains(focused)) focused.focus();
  }

  function described(index, all, group) {
    const letter = told.letters[index];
    if (group < 0) return `${say("place", { letter, place: "–", places: cards.length })}, ${say("unplaced")}`;
    const others = all[group].filter((each) => each !== index).map((each) => told.letters[each]);
    const tied = others.length ? `, ${say("tied", { letters: others.join(", ") })}` : "";
    return say("place", { letter, place: group + 1, places: all.length }) + tied;
  }

  /** Show what was done to a card, and go on to the next one that has no place yet. */
  function done(index, next = -1) {
    show();
    focus(cards[next < 0 ? index : next]);
    announce(cards[index].getAttribute("aria-label"));
    changed();
  }

  function focus(card) {
    for (const each of cards) each.tabIndex = each === card ? 0 : -1;
    card.focus({ preventScroll: false });
  }

  const focused = () => cards.find((card) => card.contains(document.activeElement));

  // ---------------------------------------------------------------------------------------------- mouse and touch
  list.addEventListener("click", (event) => {
    const card = event.target.closest("[data-card]");
    const button = event.target.closest("button");
    if (!card) return;
    const index = cards.indexOf(card);
    if (!button) return focus(card);
    if ("tie" in button.dataset) tie(index);
    else move(index, Number(button.dataset.move));
    done(index);
    button.focus();
  });

  list.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".handle")?.closest("[data-card]");
    if (!card) return;
    event.preventDefault();
    card.classList.add("dragged");
    list.setPointerCapture(event.pointerId); // the list, since a card that changes its place loses the pointer
    const over = (moved) => {
      const below = [...list.children].find((other) => {
        const box = other.getBoundingClientRect();
        return other !== card && moved.clientY < box.top + box.height / 2;
      });
      if (card.nextElementSibling !== (below ?? null)) list.insertBefore(card, below ?? null);
    };
    const end = () => {
      card.classList.remove("dragged");
      list.removeEventListener("pointermove", over);
      drop(cards.indexOf(card));
      done(cards.indexOf(card));
    };
    list.addEventListener("pointermove", over);
    list.addEventListener("lostpointercapture", end, { once: true });
  });

  show();
  return {
    state: () => (groups().length ? { ranking: groups() } : null),
    complete: () => places.every((place) => place !== null) && groups().length > 1,
    restore(state) {
      placed(state.ranking);
      show();
    },
    key(event) {
      const card = focused() ?? [...list.children].find((each) => places[cards.indexOf(each)] === null) ?? list.children[0];
      const index = cards.indexOf(card);
      const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
      if (event.altKey && step) move(index, step);
      else if (event.key === "=") tie(index);
      else if (!event.altKey && !event.shiftKey && digit(event) > 0 && digit(event) <= cards.length) {
        places[index] = digit(event);
        return done(index, cards.findIndex((_, other) => places[other] === null)), true;
      }
      else if (step && !event.altKey) {
        const next = focused() ? list.children[[...list.children].indexOf(card) + step] : card;
        if (next) focus(next);
        return Boolean(next);
      } else return false;
      done(index);
      return true;
    },
    alt: true,
    help: [["j", "k", "↑", "↓", "key_card"], ["1 … 9", "key_place"], ["Alt ↑", "Alt ↓", "key_move"], ["=", "key_tie_above"]],
  };
}
