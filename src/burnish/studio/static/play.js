// The playground: sends what was written, shows the answers as they come, sends opinions of them.
const csrf = document.querySelector("meta[name=csrf]").content;
const say = document.getElementById("say").dataset;
const setup = document.getElementById("setup");
const turns = document.getElementById("turns");
const composer = document.getElementById("composer");
const text = document.getElementById("text");
const stop = document.getElementById("stop");
const names = document.getElementById("names");
const trouble = document.getElementById("trouble");
const told = document.getElementById("told");

let talk = null; // id of the conversation; none before the first message
let sides = 1;
let underway = null; // AbortController of the answer that is being made

const shown = (element, visible) => { element.hidden = !visible; };
const from = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

function complain(message) {
  trouble.textContent = message;
  shown(trouble, Boolean(message));
}

async function post(path, body, signal) {
  const headers = { "content-type": "application/json", "x-csrf": csrf };
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(say.lost);
  }
  if (!answer.ok) {
    const found = await answer.json().catch(() => ({}));
    const fault = new Error(found.error?.message ?? say.lost);
    fault.status = answer.status;
    throw fault;
  }
  return answer;
}

// ------------------------------------------------------------------------------------------------ beginning

function chosenSides() {
  return Number(setup.elements.sides.value);
}

function showSides() {
  for (const each of setup.querySelectorAll("[data-when]")) shown(each, Number(each.dataset.when) === chosenSides());
}

async function begin() {
  const models = [setup.elements.first.value];
  if (chosenSides() === 2) models.push(setup.elements.second.value);
  const body = {
    models,
    temperature: Number(setup.elements.temperature.value),
    max_new_tokens: Number(setup.elements.max_new_tokens.value),
  };
  const begun = await (await post("/api/talks", body)).json();
  talk = begun.talk;
  sides = begun.sides;
  sessionStorage.setItem("talk", talk); // of this tab alone
}

async function resume() {
  const kept = new URLSearchParams(location.search).get("talk") ?? sessionStorage.getItem("talk");
  const answer = kept && await fetch(`/api/talks/${encodeURIComponent(kept)}`).catch(() => null);
  if (!answer?.ok) return;
  const found = await answer.json();
  talk = kept;
  sessionStorage.setItem("talk", talk);
  sides = found.sides;
  setup.elements.sides.value = String(sides);
  showSides();
  found.turns.forEach((each, number) => {
    const turn = newTurn(each.asked);
    each.answers.forEach((said, side) => {
      take(turn, { side, text: said.text });
      take(turn, { side, done: true, cut: said.cut, empty: said.empty });
    });
    settle(turn, { turn: number, differ: each.differ });
    for (const side of each.stored) shown(turn.querySelectorAll(".stored")[side], true);
    if (each.preferred !== null) prefer(turn, each.preferred);
  });
  if (found.names) showNames(found.names);
}

function forget() {
  underway?.abort();
  talk = null;
  sessionStorage.removeItem("talk");
  history.replaceState(null, "", location.pathname);
  turns.replaceChildren();
  shown(names, false);
  complain("");
}

setup.addEventListener("change", showSides);
setup.addEventListener("submit", (event) => {
  event.preventDefault();
  forget();
  text.focus();
});

// ------------------------------------------------------------------------------------------------- speaking

function newTurn(words) {
  const turn = from("turn-template");
  turn.querySelector(".asked .text").textContent = words;
  const label = turn.querySelector(".choice .label");
  label.id = `choice-${turns.children.length}`;
  turn.querySelector("[role=group]").setAttribute("aria-labelledby", label.id);
  for (let side = 0; side < sides; side += 1) {
    const answer = from("answer-template");
    answer.querySelector("h2").textContent = sides === 1 ? say.answer : [say.a, say.b][side];
    shown(answer.querySelector(".wait"), side === 0);
    turn.querySelector(".answers").append(answer);
  }
  turns.append(turn);
  turn.scrollIntoView({ block: "nearest" });
  return turn;
}

async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const whole = rest.split("\n");
    rest = whole.pop();
    for (const line of whole) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

function take(turn, event) {
  if (event.error) throw new Error(event.error);
  const answer = turn.querySelectorAll(".answer")[event.side];
  if (event.text !== undefined) {
    const place = answer.querySelector(".text");
    place.querySelector(".wait")?.remove();
    place.append(event.text);
  } else if (event.done) {
    answer.removeAttribute("aria-busy");
    answer.querySelector(".wait")?.remove();
    shown(answer.querySelector(".cut"), event.cut);
    if (event.empty) answer.querySelector(".text").textContent = say.nothing;
    answer.dataset.empty = event.empty ? "yes" : "";
  } else if (event.turn !== undefined) {
    finish(turn, event);
  }
}

function settle(turn, event) {
  turn.dataset.turn = event.turn;
  const answers = [...turn.querySelectorAll(".answer")];
  for (const answer of answers) shown(answer.querySelector(".opinions"), !answer.dataset.empty);
  if (sides < 2) return;
  shown(turn.querySelector(".choice"), event.differ && answers.every((answer) => !answer.dataset.empty));
  shown(turn.querySelector(".alike"), !event.differ);
  shown(names, true);
}

function finish(turn, event) {
  settle(turn, event);
  const answers = [...turn.querySelectorAll(".answer")];
  const spoken = answers.map((answer) => `${answer.querySelector("h2").textContent}: ${answer.querySelector(".text").textContent}`);
  told.textContent = `${say.told} ${spoken.join(" — ")}`;
  if (!turn.querySelector(".choice").hidden) turn.querySelector("[data-choice]").focus();
}

async function send() {
  const words = text.value;
  if (!words.trim() || underway) return;
  complain("");
  underway = new AbortController();
  shown(stop, true);
  let turn = null;
  try {
    if (!talk) await begin();
    turn = newTurn(words);
    const answer = await post(`/api/talks/${talk}/say`, { text: words }, underway.signal);
    text.value = "";
    for await (const event of lines(answer)) take(turn, event);
    if (turn.dataset.turn === undefined) throw new Error(say.lost);
  } catch (error) {
    if (turn && turn.dataset.turn === undefined) turn.remove();
    if (!text.value) text.value = words;
    if (error.status === 404) talk = null;
    complain(error.name === "AbortError" ? say.stopped : error.message);
  } finally {
    underway = null;
    shown(stop, false);
  }
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // Enter also ends an input method's word
  event.preventDefault();
  send();
});
stop.addEventListener("click", () => underway?.abort());

// ------------------------------------------------------------------------------------------------- opinions

const place = (answer) => [...answer.parentElement.children].indexOf(answer);

async function give(turn, kind, fields, side = null) {
  const body = { turn: Number(turn.dataset.turn), kind, side, fields };
  await post(`/api/talks/${talk}/feedback`, body);
  complain("");
  told.textContent = say.saved;
}

async function thumb(answer, up) {
  await give(answer.closest(".turn"), "thumb", { thumb: up }, place(answer));
  for (const each of answer.querySelectorAll("[data-thumb]")) {
    each.setAttribute("aria-pressed", String(each.dataset.thumb === String(up)));
  }
  shown(answer.querySelector(".stored"), true);
}

function openWords(answer, kind) {
  const form = answer.querySelector(".words");
  const area = form.querySelector("textarea");
  form.dataset.kind = kind;
  form.querySelector("label span").textContent = say[kind];
  area.value = kind === "correction" ? answer.querySelector(".text").textContent : "";
  shown(form.querySelector(".field-error"), false);
  shown(form, true);
  for (const each of answer.querySelectorAll("[data-words]")) {
    each.setAttribute("aria-expanded", String(each.dataset.words === kind));
  }
  area.focus();
}

function closeWords(answer) {
  const button = answer.querySelector("[data-words][aria-expanded=true]");
  shown(answer.querySelector(".words"), false);
  button?.setAttribute("aria-expanded", "false");
  button?.focus();
}

async function words(answer, form) {
  const kind = form.dataset.kind;
  try {
    await give(answer.closest(".turn"), kind, { [kind]: form.querySelector("textarea").value }, place(answer));
  } catch (error) {
    const fault = form.querySelector(".field-error");
    fault.textContent = error.message;
    shown(fault, true);
    return;
  }
  shown(answer.querySelector(".stored"), true);
  closeWords(answer);
}

const CHOICES = { a: { chosen: 0 }, b: { chosen: 1 }, good: { tie: "good" }, bad: { tie: "bad" } };

const CHOICE_KEYS = { a: "a", b: "b", t: "good", n: "bad" }; // those of the work screens

async function choose(turn, choice) {
  await give(turn, "comparison", CHOICES[choice]);
  for (const each of turn.querySelectorAll("[data-choice]")) {
    each.setAttribute("aria-pressed", String(each.dataset.choice === choice));
  }
  prefer(turn, CHOICES[choice].chosen ?? 0);
  text.focus();
}

function prefer(turn, goesOn) {
  turn.querySelectorAll(".answer").forEach((answer, side) => {
    answer.classList.toggle("chosen", side === goesOn);
    shown(answer.querySelector(".goes-on"), side === goesOn);
  });
}

const guarded = (work) => work.catch((error) => complain(error.message));

turns.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const answer = button?.closest(".answer");
  if (!button || button.type === "submit") return;
  if (button.dataset.thumb) guarded(thumb(answer, button.dataset.thumb === "true"));
  if (button.dataset.words) openWords(answer, button.dataset.words);
  if (button.dataset.cancel !== undefined) closeWords(answer);
  if (button.dataset.choice) guarded(choose(button.closest(".turn"), button.dataset.choice));
});
turns.addEventListener("submit", (event) => {
  event.preventDefault();
  words(event.target.closest(".answer"), event.target);
});
names.addEventListener("click", () => guarded((async () => {
  showNames((await (await post(`/api/talks/${talk}/names`, {})).json()).names);
})()));

function showNames(known) {
  turns.querySelectorAll(".turn").forEach((turn, number) => {
    turn.querySelectorAll(".answer .name").forEach((badge, side) => {
      badge.textContent = known[number]?.[side] ?? "";
      shown(badge, Boolean(badge.textContent));
    });
  });
}

// ----------------------------------------------------------------------------------------------------- keys

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && event.target.closest(".words")) closeWords(event.target.closest(".answer"));
  if (event.target.closest("input, textarea, select")) return;
  const turn = turns.lastElementChild;
  if (event.key === "/") text.focus();
  else if (!turn || turn.dataset.turn === undefined) return;
  else if (event.key in CHOICE_KEYS && !turn.querySelector(".choice").hidden) {
    guarded(choose(turn, CHOICE_KEYS[event.key]));
  } else if (sides === 1 && "gbec".includes(event.key) && !turn.querySelector(".opinions").hidden) {
    const answer = turn.querySelector(".answer");
    if (event.key === "g" || event.key === "b") guarded(thumb(answer, event.key === "g"));
    else openWords(answer, event.key === "e" ? "correction" : "comment");
  } else return;
  event.preventDefault();
});

showSides();
resume();
