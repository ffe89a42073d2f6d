// The server's addresses: what is asked, what is refused, and how long it takes.

import { say } from './say.js';

const SLOW_MS = 3000;
const LOOK_MS = 500;
const TRIES = 4;
const AGAIN_MS = 1000;
const SMALLEST = '/viewer/icon.svg';

/** A refusal (RFC 9457), or that there was no answer: then its status is 0. */
export class Problem extends Error {
  constructor(status, reason, detail, hint) {
    super(detail);
    Object.assign(this, { status, reason, hint });
  }

  get text() { return this.hint ? `${this.message}: ${this.hint}` : this.message; }
}

export const isAbort = (error) => error?.name === 'AbortError';

/** An address of a timeline, or below it; parts are escaped. */
export const of = (timeline, ...parts) => ['/v1/timelines', ...[timeline, ...parts].map(encodeURIComponent)].join('/');

/** An address with what is asked of it; what is empty is left out. */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** Requests that wait for their answer, and since when. */
const waiting = new Map();
let next = 0;
let signedOut = () => {};

/** What is done when a token is asked for. */
export const onSignedOut = (listener) => { signedOut = listener; };

setInterval(() => {
  const longest = performance.now() - Math.min(...waiting.values());
  const slow = waiting.size > 0 && longest > SLOW_MS;
  say('slow', slow ? `The server has not answered for ${Math.round(longest / 1000)} s.` : '', 'slow');
}, LOOK_MS);

/**
 * One answer, in whole.
 * @param {string} path
 * @param {{as?: 'json'|'blob'|'none', method?: string, body?: unknown, signal?: AbortSignal, query?: object, quiet?: boolean}} [how]
 * @throws {Problem}
 */
export async function ask(path, how = {}) {
  for (let n = 1; ; n += 1) {
    const answer = await answered(withQuery(path, how.query ?? {}), how);
    if (answer.status === 503 && n < TRIES && (how.method ?? 'GET') === 'GET') {
      await pause(1000 * Number(answer.headers.get('retry-after') || 1), how.signal);
      continue;
    }
    if (!answer.ok) throw await refused(answer, how);
    if (how.as === 'none') return null;
    return how.as === 'blob' ? answer.blob() : answer.json();
  }
}

/** An answer that goes on: its body is read by whoever asks. */
export async function open(path, how = {}) {
  const answer = await answered(path, how);
  if (!answer.ok) throw await refused(answer, how);
  return answer;
}

async function answered(path, { method = 'GET', body, signal }) {
  const mine = next++;
  waiting.set(mine, performance.now());
  try {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await fetch(path, { method, signal, credentials: 'same-origin', ...json });
    here();
    return answer;
  } catch (error) {
    if (isAbort(error)) throw error;
    gone();
    throw new Problem(0, 'NO_ANSWER', 'the server does not answer');
  } finally {
    waiting.delete(mine);
  }
}

/** The next look whether the server is back, while it is gone. */
let looking;
let back = () => {};

/** What is done when a server that was gone answers again. */
export const onBack = (listener) => { back = listener; };

/** It is asked until it answers, since all that a page needs may be here, and then nothing else would ask. */
function gone() {
  say('server', 'The server does not answer. What is here stays; it is asked again.');
  clearTimeout(looking);
  looking = setTimeout(() => fetch(SMALLEST, { cache: 'no-store' }).then(here, gone), AGAIN_MS);
}

function here() {
  if (looking === undefined) return;
  clearTimeout(looking);
  looking = undefined;
  say('server', '');
  back();
}

async function refused(answer, { quiet }) {
  const told = await answer.json().catch(() => ({}));
  const problem = new Problem(answer.status, told.reason ?? 'UNKNOWN', told.detail ?? `the server answered ${answer.status}`, told.hint);
  if (answer.status === 401 && !quiet) signedOut(problem);
  return problem;
}

/** Waits, unless it is ended before. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** All pages of a list, one after the other; `most` at most. */
export async function* pages(path, query, { signal, most = 1000 } = {}) {
  let token = '';
  for (let n = 0; n < most; n += 1) {
    const page = await ask(path, { query: { ...query, page_token: token }, signal });
    yield page;
    token = page.next_page_token;
    if (!token) return;
  }
}
