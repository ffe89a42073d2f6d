// Frames that look like the one that is seen: in this timeline, or in all.

import { ask, isAbort, of, withQuery } from './api.js';
import { button, el, fill } from './dom.js';
import { address } from './list.js';
import { clock, count, several } from './time.js';

const SHOWN = 60;

export class Similar {
  constructor(source, jumped) {
    Object.assign(this, { source, jumped, seq: 0 });
    this.distance = el('input', { id: 'near', type: 'number', min: 0, max: 64, value: 8, on: { change: () => this.search() } });
    this.everywhere = el('input', { id: 'everywhere', type: 'checkbox', on: { change: () => this.search() } });
    this.told = el('p', { class: 'told', role: 'status' });
    this.list = el('ul', { class: 'alike' });
    const controls = el('div', { class: 'controls' },
      el('label', { for: 'near', text: 'Bits that may differ' }), this.distance,
      el('label', { for: 'everywhere' }, this.everywhere, el('span', { text: 'in all timelines' })),
      button('Close', () => this.toggle(this.seq)));
    this.node = el('section', { class: 'similar', hidden: true, 'aria-labelledby': 'similar' }, el('h2', { id: 'similar', text: 'Similar frames' }), controls, this.told, this.list);
  }

  toggle(seq) {
    this.seq = seq;
    this.node.hidden = !this.node.hidden;
    if (this.node.hidden) { this.asked?.abort(); return; }
    this.node.scrollIntoView({ block: 'nearest' });
    this.search();
  }

  /** Follows the frame that is seen. */
  select(seq) {
    this.seq = seq;
    clearTimeout(this.timer);
    if (!this.node.hidden) this.timer = setTimeout(() => this.search(), 250);
  }

  async search() {
    this.asked?.abort();
    this.asked = new AbortController();
    const { timeline, profile } = this.source;
    const everywhere = this.everywhere.checked ? 1 : '';
    const query = { timeline, profile, seq: this.seq, distance: Number(this.distance.value) || 0, everywhere, page_size: SHOWN };
    this.told.textContent = `Looking for frames like ${this.seq}…`;
    try {
      this.show(await ask('/v1/similar', { query, signal: this.asked.signal }));
    } catch (error) {
      if (isAbort(error)) return;
      fill(this.list);
      const unknown = error.reason === 'ADDRESS_UNKNOWN';
      this.told.textContent = unknown ? 'This server does not look for similar frames: it is of an older release.' : (error.text ?? String(error));
    }
  }

  show({ frames, flat, searched, next_page_token: more }) {
    const many = `${several(frames.length, 'frame')}${more ? ', the nearest,' : ''} of ${count(searched)} that were looked at`;
    this.told.textContent = flat ? 'This frame is flat: it is like nothing.' : `Like frame ${this.seq}: ${many}.`;
    fill(this.list, ...frames.map((frame) => this.item(frame)));
  }

  item({ timeline, seq, timestamp, distance, mirrored }) {
    const { profile } = this.source;
    const src = withQuery(of(timeline, 'frames', `${seq}.jpg`), { profile, h: 90, on_miss: 'fail' });
    const words = [timeline === this.source.timeline ? '' : timeline, `#${seq}`, clock(timestamp), several(distance, 'bit'), mirrored ? 'mirrored' : ''].filter(Boolean).join(' · ');
    const inside = [el('img', { src, alt: '', loading: 'lazy', height: 90 }), el('span', { text: words })];
    if (timeline === this.source.timeline) return el('li', {}, el('button', { type: 'button', on: { click: () => this.jumped(seq) } }, ...inside));
    const there = `${address(timeline, profile)}${profile === 'default' ? '?' : '&'}frame=${seq}`;
    return el('li', {}, el('a', { href: there }, ...inside));
  }

  end() {
    clearTimeout(this.timer);
    this.asked?.abort();
  }
}
