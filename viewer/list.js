// The list of timelines: which there are, how each stands, how much it holds.

import { Problem, isAbort, pages } from './api.js';
import { button, el, fill } from './dom.js';
import { say } from './say.js';
import { bytes, count, several } from './time.js';

const PAGE = 100;
/** Of what is in the page at once; a search shows the rest. */
const MOST_ROWS = 1000;

export const STATES = {
  PROFILE_STATE_ABSENT: ['empty', 'Neither plan nor frames.'],
  PROFILE_STATE_LEGACY: ['without plan', 'Frames that others wrote.'],
  PROFILE_STATE_PARTIAL: ['partial', 'Some spans are missing or failed.'],
  PROFILE_STATE_COMPLETE: ['complete', 'Every span has its frames.'],
};

export const address = (timeline, profile = 'default') => {
  const query = profile === 'default' ? '' : `?profile=${encodeURIComponent(profile)}`;
  return `/view/${encodeURIComponent(timeline)}${query}`;
};

/** Shows it in `main`. */
export function list(main, { search }) {
  const leaving = new AbortController();
  const { signal } = leaving;
  const found = [];
  const told = el('p', { class: 'told', role: 'status' });
  const rows = el('tbody', {});
  const more = button('Show more', () => { limit += MOST_ROWS; draw(); }, { hidden: true });
  let limit = MOST_ROWS;
  let state = 'reading';

  const heads = ['Timeline', 'State', 'Frames', 'Bytes', 'Profiles'].map((text, n) => el('th', { scope: 'col', text, class: n === 2 || n === 3 ? 'number' : '' }));
  const table = el('table', { class: 'timelines' }, el('thead', {}, el('tr', {}, ...heads)), rows);
  fill(main, el('h1', { text: 'Timelines' }), told, el('div', { class: 'scrolled' }, table), more);

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const fits = wanted ? found.filter((each) => each.timeline.toLowerCase().includes(wanted)) : found;
    fill(rows, ...fits.slice(0, limit).map(row));
    table.hidden = fits.length === 0;
    more.hidden = fits.length <= limit;
    told.textContent = words(fits.length, wanted);
  }

  function words(fits, wanted) {
    if (state === 'failed') return 'The list could not be read.';
    const reading = state === 'reading' ? ', and more are being read…' : '.';
    if (found.length === 0) return state === 'reading' ? 'Reading…' : 'There are no timelines yet: framecache extract makes one.';
    return wanted ? `${count(fits)} of ${several(found.length, 'timeline')} have “${search.value.trim()}” in their name${reading}` : `${several(found.length, 'timeline')}${reading}`;
  }

  async function read() {
    found.length = 0;
    state = 'reading';
    say('list', '');
    try {
      for await (const page of pages('/v1/timelines', { page_size: PAGE }, { signal })) {
        found.push(...page.timelines);
        draw();
      }
      state = 'read';
    } catch (error) {
      if (isAbort(error)) return;
      state = 'failed';
      say('list', error instanceof Problem ? error.text : String(error));
    }
    draw();
  }

  search.addEventListener('input', draw, { signal });
  draw();
  read();
  return { end: () => leaving.abort(), back: () => { if (state === 'failed') read(); }, keys: [] };
}

function row({ timeline, state, counts, profiles }) {
  const [word, why] = STATES[state] ?? [state, ''];
  const part = counts && counts.frames < counts.planned ? `${count(counts.frames)} of ${count(counts.planned)}` : count(counts?.frames ?? 0);
  const others = (profiles ?? []).filter((name) => name !== 'default');
  const links = others.flatMap((name, n) => [n ? ', ' : '', el('a', { href: address(timeline, name), text: name })]);
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: address(timeline), text: timeline })),
    el('td', {}, el('span', { class: `state ${word}`, title: why, text: word })),
    el('td', { class: 'number', text: counts ? part : '' }),
    el('td', { class: 'number', text: counts ? bytes(counts.bytes) : '' }),
    el('td', {}, ...links));
}
