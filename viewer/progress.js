// How much of a timeline is there; what is being extracted is looked at again, and can be asked for.

import { Problem, isAbort, of, open } from './api.js';
import { button, el, fill } from './dom.js';
import { STATES } from './list.js';
import { say } from './say.js';
import { mayExtract } from './session.js';
import { bytes, clock, count } from './time.js';

const LOOK_MS = 2000;

export class Progress {
  /** @param {{source, look: () => Promise<object>, changed: () => void}} parts */
  constructor(parts) {
    Object.assign(this, parts, { frames: -1 });
    this.meter = el('progress', { 'aria-label': 'Frames that are there', hidden: true });
    this.words = el('p', { class: 'stands' });
    this.button = button('', () => (this.running ? this.stop() : this.start()), { hidden: true });
    this.node = el('div', { class: 'progress' }, this.words, this.meter, this.button);
  }

  /** Shows how it stands; looks again while more is to come. */
  show(stands) {
    const { counts, state } = stands;
    const [word] = STATES[state] ?? [state];
    const some = counts && counts.frames < counts.planned;
    const many = !counts ? '' : some ? `${count(counts.frames)} of ${count(counts.planned)} frames` : `${count(counts.frames)} frames`;
    fill(this.words, el('span', { class: `state ${word}`, text: word }), ` ${[many, counts ? bytes(counts.bytes) : ''].filter(Boolean).join(', ')}`);
    this.bar(counts?.frames, counts?.planned, some);
    this.button.hidden = !(some && mayExtract()) && !this.running;
    if (!this.running) this.button.textContent = 'Extract what is missing';
    if (this.frames >= 0 && counts && counts.frames !== this.frames) this.changed();
    this.frames = counts?.frames ?? -1;
    clearTimeout(this.timer);
    if (some) this.timer = setTimeout(() => this.again(), LOOK_MS);
  }

  bar(value, most, is) {
    this.meter.hidden = !is;
    if (is) Object.assign(this.meter, { max: most, value });
  }

  /** Somebody else may be extracting. A page that nobody looks at asks nothing. */
  async again() {
    if (this.ended) return;
    if (document.hidden) { this.timer = setTimeout(() => this.again(), LOOK_MS); return; }
    try {
      this.show(await this.look());
    } catch (error) {
      if (!isAbort(error) && !this.ended) this.timer = setTimeout(() => this.again(), 2 * LOOK_MS);
    }
  }

  stop() { this.running?.abort(); }

  async start() {
    this.running = new AbortController();
    this.button.textContent = 'Stop';
    say('extract', 'Extracting…', 'good');
    try {
      const { timeline, profile } = this.source;
      const answer = await open(of(timeline, 'extract'), { method: 'POST', body: { profile, retry_failed: true }, signal: this.running.signal });
      for await (const [name, told] of events(answer.body)) this.told(name, told);
    } catch (error) {
      const text = error instanceof Problem ? error.text : String(error);
      say('extract', isAbort(error) ? 'Stopped; what is there stays.' : `It was not extracted: ${text}`, isAbort(error) ? 'good' : 'bad');
    }
    this.running = null;
    if (!this.ended) await this.again();
  }

  told(name, told) {
    if (name === 'progress') {
      const eta = told.eta ? `, ${clock(told.eta)} to go` : '';
      say('extract', `Extracting: ${count(told.done)} of ${count(told.total)} frames${eta}.`, 'good');
    }
    if (name === 'committed') this.changed();
    if (name === 'chunk' && told.error) say('chunk', `Chunk ${told.chunk_id} failed: ${told.error.message}`);
    if (name === 'error') say('extract', `It was not extracted: ${told.detail}`);
    if (name === 'summary') say('extract', `Extracted: ${count(told.written)} frames written, ${count(told.reused)} were there.`, 'good');
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.running?.abort();
  }
}

/** [name, data] of an event stream (HTML, 9.2.6), as it comes. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split('\n').filter((line) => !line.startsWith(':'));
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field('event')) yield [field('event'), JSON.parse(field('data') ?? 'null')];
    }
  }
}
