// Talking to the server, and not losing anything when it cannot be reached.
// An answer that could not be sent waits in localStorage with its idempotency key: sent again, it is stored once.

const csrf = document.querySelector("meta[name=csrf]").content;
const QUEUE = `burnish-unsent:${document.querySelector("meta[name=person]").content}`; // each person's own
const DRAFT = "burnish-draft:";
const SECONDS = "burnish-seconds:";
const LONGEST_WAIT = 30_000; // ms between tries while the server stays away

/** The server answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? "");
    this.status = status;
    this.field = error?.field ?? "";
  }
}

/** Whether trying again later may help: no connection, or a server that is busy or broken. */
export const mayPass = (failure) => !(failure instanceof Refused) || failure.status === 429 || failure.status >= 500;

export const isSignedOut = (failure) => failure instanceof Refused && [401, 403].includes(failure.status);

/** Post JSON and return the reply. Throws `Refused` when the server declines, TypeError when it cannot be reached. */
export async function post(address, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": csrf },
    body: JSON.stringify(body),
  });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, reply.error);
  return reply;
}

/** Get a page's part as text. */
export async function get(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Refused(response.status);
  return response.text();
}

// ---------------------------------------------------------------------------------------------------- drafts

/** Keep a draft on this device until the server has it. */
export function keepDraft(assignment, draft) {
  localStorage.setItem(DRAFT + assignment, JSON.stringify(draft));
}

export function dropDraft(assignment) {
  localStorage.removeItem(DRAFT + assignment);
}

/** The draft that the server may not have yet; null otherwise. */
export function keptDraft(assignment) {
  return JSON.parse(localStorage.getItem(DRAFT + assignment));
}

/** How long an item was in sight before this page was loaded. */
export const activeSeconds = (assignment) => Number(sessionStorage.getItem(SECONDS + assignment) ?? 0);

export function keepActiveSeconds(assignment, seconds) {
  sessionStorage.setItem(SECONDS + assignment, String(seconds));
}

// ------------------------------------------------------------------------------------------- unsent answers

/** All that waits for the connection, oldest first: {address, body}. */
function waiting() {
  return JSON.parse(localStorage.getItem(QUEUE)) ?? [];
}

export function isWaiting() {
  return waiting().length > 0;
}

/** Put an answer behind those that wait. */
export function keep(address, body) {
  const others = waiting().filter((each) => each.body.key !== body.key);
  localStorage.setItem(QUEUE, JSON.stringify([...others, { address, body }]));
}

/** Send what waits, in order. True when all was taken, false when the server declined something for good (it is given
 *  up), null while it cannot be sent. */
export async function sendWaiting() {
  let taken = true;
  for (const each of waiting()) {
    try {
      await post(each.address, each.body);
    } catch (failure) {
      if (mayPass(failure) || isSignedOut(failure)) return null;
      taken = false;
    }
    localStorage.setItem(QUEUE, JSON.stringify(waiting().filter((other) => other.body.key !== each.body.key)));
  }
  return taken;
}

/** Try again, ever more slowly and at once when the browser says it is online, until nothing waits; then call
 *  `sent`, saying whether all was taken. */
export function retry(sent) {
  let wait = 1000;
  let timer = 0;
  const go = async () => {
    clearTimeout(timer);
    const taken = await sendWaiting();
    if (taken !== null) {
      removeEventListener("online", go);
      sent(taken);
    } else {
      timer = setTimeout(go, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  };
  addEventListener("online", go);
  timer = setTimeout(go, wait);
}
