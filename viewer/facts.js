// Facts of the frame that is seen, and how to get it elsewhere.

import { ask, isAbort, of } from './api.js';
import { button, el, fill } from './dom.js';
import { clock, bytes as size } from './time.js';
import { copy, snippets } from './copy.js';

/** In this order; what is not known is absent. */
const SHOWN = [
  ['timestamp', 'Time', (value) => `${clock(value)} (${value} s)`],
  ['duration', 'Shown for', (value) => `${value} s`],
  ['chunk_id', 'Chunk', String],
  ['width', 'Size', (value, { height }) => `${value} × ${height}`],
  ['source_width', 'Source size', (value, { source_height: height }) => `${value} × ${height}`],
  ['rotation', 'Turned by', (value) => (value ? `${value}°` : '')],
  ['mirrored', 'Mirrored', yes],
  ['interlaced', 'Interlaced', yes],
  ['sample_aspect_ratio', 'Pixel aspect', (value) => (value === '1/1' || value === '1:1' ? '' : value)],
  ['bytes', 'Bytes', size],
  ['quality', 'Quality', String],
  ['keyframe', 'Cut point', yes],
  ['damaged', 'Damaged', yes],
  ['missing', 'Missing', yes],
  ['repeats', 'Repeats frame', String],
  ['backend', 'Decoded by', String],
  ['fallback_reason', 'Not by the GPU', String],
  ['pts', 'pts', (value, { time_base: base }) => `${value}${base ? ` × ${base} s` : ''}`],
  ['phash', 'phash', String],
  ['dhash', 'dhash', String],
  ['average_hash', 'average_hash', String],
  ['flatness', 'Flatness', (value) => value.toFixed(3)],
  ['colour', 'Colour', ({ matrix, range, primaries, transfer }) => [matrix, range, primaries, transfer].filter(Boolean).join(', ')],
  ['sha256', 'sha256', String],
];

function yes(value) { return value ? 'yes' : ''; }

export class Facts {
  constructor(source) {
    this.source = source;
    this.title = el('h2', { id: 'seen' });
    this.list = el('dl', { class: 'facts' });
    this.copies = el('div', { class: 'copies', role: 'group', 'aria-label': 'Copy' });
    const more = el('details', { class: 'more', open: matchMedia('(min-width: 60rem)').matches }, el('summary', { text: 'Facts' }), this.list);
    this.node = el('section', { class: 'seen', 'aria-labelledby': 'seen' }, this.title, this.copies, more);
  }

  /** What is known at once. */
  begin(tile, place, count) {
    this.known = null;
    this.title.textContent = [`Frame ${tile.seq}`, clock(tile.timestamp)].filter(Boolean).join(' · ');
    this.node.dataset.seq = tile.seq;
    fill(this.list, ...row('Place', `${place + 1} of ${count}`));
    const texts = snippets({ ...this.source, seq: tile.seq, origin: location.origin });
    fill(this.copies, ...texts.map(({ name, text }) => button(`Copy ${name}`, () => copy(text, name), { title: text, data: { copies: name } })));
  }

  /** All that the server knows; nothing for a frame that is no longer seen. */
  async read(seq, place, count) {
    this.asked?.abort();
    this.asked = new AbortController();
    const { timeline, profile } = this.source;
    try {
      const facts = await ask(of(timeline, 'frames', `${seq}.json`), { query: { profile, on_miss: 'fail' }, signal: this.asked.signal });
      this.known = facts;
      fill(this.list, ...row('Place', `${place + 1} of ${count}`), ...SHOWN.flatMap((line) => told(facts, line)));
      return facts;
    } catch (error) {
      if (!isAbort(error)) fill(this.list, ...row('Facts', error.text ?? String(error)));
      return null;
    }
  }

  end() { this.asked?.abort(); }
}

const row = (name, text) => [el('dt', { text: name }), el('dd', { text })];

function told(facts, [name, title, words]) {
  const value = facts[name];
  const text = value === undefined || value === null ? '' : words(value, facts);
  return text ? row(title, text) : [];
}
