// What is said beside the pictures: that a server is slow or gone, that something was refused.

import { byId, el, fill } from './dom.js';

/** What is the matter now, by what it is about. */
const matters = new Map();

/** Says it until it is taken back with an empty text. */
export function say(about, text, kind = 'bad') {
  const before = matters.get(about)?.text ?? '';
  if (before === (text ?? '')) return;
  if (text) matters.set(about, { text, kind });
  else matters.delete(about);
  const lines = [...matters.values()].map((matter) => el('p', { class: matter.kind, text: matter.text }));
  fill(byId('notice'), ...lines);
}

let fading;

/** Says it for a moment. */
export function mention(text) {
  say('moment', text, 'good');
  clearTimeout(fading);
  fading = setTimeout(() => say('moment', ''), 3000);
}

/** Nothing of what was said of a page that is left. */
export function hush() {
  for (const about of [...matters.keys()]) if (about !== 'server') say(about, '');
}
