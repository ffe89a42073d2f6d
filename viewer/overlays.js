// Overlays: which jobs and stages drew some, and those of the frame that is seen, over it.

import { Problem, ask, isAbort, of, pages, withQuery } from './api.js';
import { el, fill } from './dom.js';
import { say } from './say.js';

const MOST_STAGES = 200;
const MOST_ITEMS = 24;

export class Overlays {
  constructor(source) {
    Object.assign(this, { source, stages: [], chosen: new Set(), on: true, seq: -1 });
    this.node = el('div', { class: 'overlays', 'aria-live': 'off' });
    this.list = el('div', { class: 'stages' });
    this.panel = el('fieldset', { class: 'panel', hidden: true }, el('legend', { text: 'Overlays' }), this.list);
    this.leaving = new AbortController();
  }

  /** All stages of all jobs; the first is on. */
  async read() {
    const { timeline, profile } = this.source;
    const { signal } = this.leaving;
    try {
      for await (const { jobs } of pages(of(timeline, 'overlays'), { profile }, { signal })) {
        for (const job of jobs) await this.readJob(job, signal);
      }
    } catch (error) {
      if (!isAbort(error)) say('overlays', `Overlays could not be listed: ${error.text ?? error}`);
    }
    this.draw();
  }

  async readJob(job, signal) {
    const { timeline, profile } = this.source;
    for await (const { stages } of pages(of(timeline, 'overlays', job), { profile }, { signal })) {
      for (const stage of stages) if (this.stages.length < MOST_STAGES) this.stages.push([job, stage]);
    }
  }

  draw() {
    this.panel.hidden = this.stages.length === 0;
    if (this.chosen.size === 0 && this.stages.length) this.chosen.add(0);
    fill(this.list, ...this.stages.map(([job, stage], n) => {
      const box = el('input', { type: 'checkbox', checked: this.chosen.has(n), on: { change: () => this.choose(n, box.checked) } });
      return el('label', {}, box, el('span', { text: `${job} / ${stage}` }));
    }));
    this.again();
  }

  choose(n, is) {
    if (is) this.chosen.add(n);
    else this.chosen.delete(n);
    this.on = true;
    this.again();
  }

  toggle() {
    this.on = !this.on;
    this.node.hidden = !this.on;
    if (this.on) this.again();
    return this.stages.length ? `Overlays are ${this.on ? 'shown' : 'hidden'}.` : 'There are no overlays.';
  }

  clear() {
    this.seq = -1;
    fill(this.node);
  }

  again() { if (this.seq >= 0) this.show(this.seq, this.size); }

  /** Those of one frame, over its picture of that size. */
  async show(seq, size) {
    Object.assign(this, { seq, size });
    this.node.hidden = !this.on;
    if (!this.on || this.stages.length === 0) return;
    const chosen = [...this.chosen].map((n) => this.stages[n]);
    const found = await Promise.all(chosen.map(([job, stage]) => this.items(job, stage, seq)));
    if (this.seq !== seq) return;
    fill(this.node, ...found.flat().slice(0, MOST_ITEMS).map((item) => this.picture(item)));
  }

  async items(job, stage, seq) {
    const { timeline, profile } = this.source;
    try {
      const page = await ask(of(timeline, 'overlays', job, stage, seq), { query: { profile, page_size: MOST_ITEMS }, signal: this.leaving.signal });
      return page.items;
    } catch (error) {
      if (error instanceof Problem && error.status !== 404) say('overlays', `Overlays could not be read: ${error.text}`);
      return [];
    }
  }

  picture({ job, stage, seq, name }) {
    const { timeline, profile } = this.source;
    const src = withQuery(of(timeline, 'overlays', job, stage, seq, `${name}.png`), { profile });
    const image = el('img', { alt: `Overlay ${name} of ${job} / ${stage}`, src });
    image.addEventListener('load', () => this.place(image), { once: true });
    return image;
  }

  /** Drawn over the frame as it was coded, it is turned as the frame was; otherwise it lies on it as it is. */
  place(image) {
    const quarter = this.facts && (this.facts.rotation === 90 || this.facts.rotation === 270) && this.facts.seq === this.seq;
    const [wide, high] = this.size;
    const coded = Math.abs(image.naturalWidth * wide - image.naturalHeight * high) < Math.abs(image.naturalWidth * high - image.naturalHeight * wide);
    if (!quarter || !coded) return;
    Object.assign(image.style, {
      width: `${(100 * high) / wide}%`, height: `${(100 * wide) / high}%`, left: '50%', top: '50%', transform: `translate(-50%, -50%) rotate(${this.facts.rotation}deg)`,
    });
  }

  end() { this.leaving.abort(); }
}
