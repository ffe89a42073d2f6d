// The plot: what changes with each frame, and how many bits of hashes differ, each with a threshold to drag. What is over
// the one is a cut, what is under the other a near duplicate.

import { ask, isAbort, of, pages } from './api.js';
import { dragged, placeAt, xOf } from './bar.js';
import { el, ink, oncePerFrame, sharp } from './dom.js';
import { Column, Hashes, cutsAt, distances, duplicatesAt, tallest } from './series.js';
import { count, several } from './time.js';

const HEIGHT = 120;
const BITS = 64;
/** Near the line of a threshold a press takes hold of it. */
const GRIP = 8;
const MOST_PAGES = 100;

export class Plot {
  /** @param {{tiles, places, source, marked: (cuts: number[], duplicates: number[]) => void, jumped: (place: number) => void}} parts */
  constructor(parts) {
    Object.assign(this, parts, { changes: null, hashes: null, bits: null, cuts: [], duplicates: [], wanted: '' });
    this.leaving = new AbortController();
    this.canvas = el('canvas', { 'aria-hidden': 'true' });
    this.area = el('div', { class: 'area' }, this.canvas);
    this.threshold = range('threshold', { min: 0, max: 1, step: 0.01, value: 0.15 }, () => this.mark());
    this.distance = range('bits', { min: 0, max: BITS, step: 1, value: 8 }, () => this.mark());
    this.than = el('select', { id: 'than', on: { change: () => this.measure() } }, el('option', { value: 'before', text: 'the frame before' }), el('option', { value: 'seen', text: 'the frame seen' }));
    this.told = el('p', { class: 'told', role: 'status' });
    this.inks = Object.fromEntries(['change', 'bits', 'played'].map((name) => [name, el('span', { class: `ink-${name}`, hidden: true })]));
    const lines = [
      el('label', { for: 'threshold', class: 'ink-change' }, el('span', { class: 'words', text: 'Cut where over ' }), this.threshold.shown), this.threshold.field,
      el('label', { for: 'bits', class: 'ink-bits' }, el('span', { class: 'words', text: 'Near where within ' }), this.distance.shown), this.distance.field,
      el('label', { for: 'than', text: 'bits of' }), this.than];
    this.node = el('section', { class: 'plot', hidden: true, 'aria-label': 'What changes' }, el('div', { class: 'controls' }, ...lines), this.area, this.told, ...Object.values(this.inks));
    this.draw = oncePerFrame(() => this.drawn());
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(this.area);
    window.addEventListener('themed', this.draw);
    this.grip = null;
    this.area.addEventListener('pointerdown', (event) => { this.grip = this.gripAt(event); });
    dragged(this.area, (x, width, y, height) => this.dragged({ x, width, y, height }));
  }

  toggle() {
    this.node.hidden = !this.node.hidden;
    if (!this.node.hidden && !this.wanted) this.read();
    this.draw();
    this.mark();
    return !this.node.hidden;
  }

  /** Both columns of the whole timeline, a page after the other. */
  async read() {
    this.wanted = 'reading';
    this.unknown = [];
    this.told.textContent = 'Reading…';
    const { timeline } = this.source;
    await Promise.all([
      this.try('changes', async () => { this.changes = await this.readChanges(of(timeline, 'cuts')); }),
      this.try('hashes', async () => { this.hashes = await this.readHashes(of(timeline, 'hashes')); }),
    ]);
    this.wanted = 'read';
    this.measure();
  }

  async try(what, work) {
    try {
      await work();
    } catch (error) {
      if (isAbort(error)) return;
      const unknown = error.reason === 'ADDRESS_UNKNOWN' || error.status === 405;
      this.unknown.push(unknown ? `This server does not tell ${what} of frames.` : `The ${what} of frames could not be read: ${error.text ?? error}`);
    }
  }

  async readChanges(path) {
    const [seqs, times, changes] = [new Column(Float64Array), new Column(Float64Array), new Column(Float32Array)];
    for await (const page of this.pages(path)) {
      const told = page.changes ?? page;
      seqs.add(told.sequences);
      times.add(told.timestamps);
      changes.add(told.changes);
    }
    return { seqs: seqs.whole(), times: times.whole(), changes: changes.whole() };
  }

  async readHashes(path) {
    const hashes = new Hashes();
    for await (const page of this.pages(path, { kind: 'phash' })) hashes.add(page);
    return hashes.whole();
  }

  pages(path, more = {}) {
    return pages(path, { profile: this.source.profile, ...more }, { signal: this.leaving.signal, most: MOST_PAGES });
  }

  select(seq) {
    this.seq = seq;
    if (this.than.value === 'seen' && !this.node.hidden) this.measure();
    this.draw();
  }

  /** Distances anew: of the frame before, or of the one that is seen. */
  measure() {
    if (this.hashes) {
      const from = this.than.value === 'seen' ? this.hashes.seqs.indexOf(this.seq) : undefined;
      this.bits = from === -1 ? null : distances(this.hashes, from);
    }
    this.mark();
  }

  mark() {
    const [threshold, bits] = [Number(this.threshold.field.value), Number(this.distance.field.value)];
    this.threshold.shown.textContent = threshold.toFixed(2);
    this.distance.shown.textContent = count(bits);
    const shown = !this.node.hidden;
    const { changes, hashes } = this;
    this.cuts = shown && changes ? cutsAt(changes.changes, changes.times, threshold).map((k) => changes.seqs[k]) : [];
    this.duplicates = shown && hashes ? this.nearAt(bits).map((k) => hashes.seqs[k]) : [];
    if (this.wanted !== 'reading') this.told.textContent = this.words();
    this.marked(this.cuts, this.duplicates);
    this.draw();
  }

  nearAt(bits) {
    if (this.than.value === 'before') return duplicatesAt(this.hashes, bits);
    const found = [];
    this.bits?.forEach((distance, k) => { if (distance <= bits && this.hashes.seqs[k] !== this.seq) found.push(k); });
    return found;
  }

  words() {
    const cuts = this.changes ? several(this.cuts.length, 'cut') : '';
    const near = this.hashes ? several(this.duplicates.length, 'near duplicate') : '';
    return [[cuts, near].filter(Boolean).join(', '), ...(this.unknown ?? [])].filter(Boolean).join(' ');
  }

  drawn() {
    const width = this.area.clientWidth;
    if (this.node.hidden || !width) return;
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${HEIGHT}px` });
    const context = sharp(this.canvas, width, HEIGHT);
    context.clearRect(0, 0, width, HEIGHT);
    if (this.changes) this.curve(context, width, { ...this.changes, values: this.changes.changes, most: 1, name: 'change' });
    if (this.bits) this.curve(context, width, { seqs: this.hashes.seqs, values: this.bits, most: BITS, name: 'bits' });
    for (const [name, y] of this.lines()) {
      context.fillStyle = ink(this.inks[name]);
      for (let x = 0; x < width; x += 8) context.fillRect(x, y - 1, 5, 2);
    }
    context.fillStyle = ink(this.inks.played);
    context.fillRect(xOf(this.places.of(this.seq ?? 0), this.tiles.count, width) - 1, 0, 2, HEIGHT);
  }

  curve(context, width, { seqs, values, most, name }) {
    if (seqs.length === 0) return;
    const [first, last] = [this.places.of(seqs[0]), this.places.of(seqs.at(-1))];
    const [from, to] = [xOf(first - 0.5, this.tiles.count, width), xOf(last + 0.5, this.tiles.count, width)];
    const columns = Math.max(1, Math.min(values.length, Math.round(to - from)));
    const tops = tallest(values, columns, [0, values.length]);
    context.strokeStyle = ink(this.inks[name]);
    context.lineWidth = 1;
    context.beginPath();
    let open = false;
    tops.forEach((value, k) => {
      const [x, y] = [from + ((k + 0.5) * (to - from)) / columns, HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / most)];
      if (Number.isNaN(value)) open = false;
      else if (open) context.lineTo(x, y);
      else { context.moveTo(x, y); context.lineTo(x + 1, y); open = true; }
    });
    context.stroke();
  }

  /** Where the thresholds are. */
  lines() {
    const y = (part) => HEIGHT - 1 - (HEIGHT - 2) * part;
    return [['change', y(Number(this.threshold.field.value))], ['bits', y(Number(this.distance.field.value) / BITS)]];
  }

  gripAt(event) {
    const y = event.clientY - this.area.getBoundingClientRect().top;
    const close = this.lines().map(([name, at]) => [Math.abs(at - y), name]).filter(([far]) => far <= GRIP).sort((a, b) => a[0] - b[0]);
    return close.length ? close[0][1] : '';
  }

  /** A threshold that was taken hold of follows; elsewhere the frame there is shown. */
  dragged({ x, width, y, height }) {
    if (!this.grip) return this.jumped(placeAt(x, this.tiles.count, width));
    const part = Math.max(0, Math.min(1, 1 - y / height));
    const { field } = this.grip === 'change' ? this.threshold : this.distance;
    field.value = this.grip === 'change' ? part.toFixed(2) : Math.round(part * BITS);
    return this.mark();
  }

  end() {
    this.leaving.abort();
    this.resizes.disconnect();
    window.removeEventListener('themed', this.draw);
  }
}

function range(id, limits, input) {
  const shown = el('output', { for: id });
  return { shown, field: el('input', { id, type: 'range', ...limits, on: { input } }) };
}
