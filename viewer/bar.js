// The bar: the whole timeline at a glance, a place for each frame. What is marked has a line of words, too.

import { el, fill, ink, oncePerFrame, sharp } from './dom.js';
import { clock, several } from './time.js';

const HEIGHT = 34;
const TRACK = 10;

/** Where on a bar so wide a place is, and back. */
export const xOf = (place, count, width) => ((place + 0.5) / Math.max(1, count)) * width;
export const placeAt = (x, count, width) => Math.max(0, Math.min(count - 1, Math.floor((x / Math.max(1, width)) * count)));

/** [name, what it is called, whether it is a line over the whole height] */
const KINDS = [
  ['chunks', 'chunk', true],
  ['pauses', 'pause', true],
  ['breaks', 'clock break', true],
  ['gaps', 'span without frames', false],
  ['failed', 'failed chunk', false],
  ['damaged', 'damaged frame', false],
  ['missing', 'missing frame', false],
  ['cuts', 'cut', false],
];

export class Bar {
  constructor({ marks, tiles, jumped }) {
    Object.assign(this, { marks, tiles, jumped, selected: 0, seen: [0, 0], cuts: [] });
    this.canvas = el('canvas', { 'aria-hidden': 'true' });
    this.legend = el('p', { class: 'legend' });
    this.inks = Object.fromEntries(['played', 'seen', ...KINDS.map(([name]) => name)].map((name) => [name, el('span', { class: `ink-${name}`, hidden: true })]));
    this.slider = el('div', { class: 'bar', role: 'slider', tabindex: 0, 'aria-label': 'Place on the timeline', 'aria-orientation': 'horizontal' }, this.canvas);
    this.node = el('div', { class: 'bars' }, this.slider, this.legend, ...Object.values(this.inks));
    this.draw = oncePerFrame(() => this.drawn());
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(this.slider);
    dragged(this.slider, (x, width) => this.jumped(placeAt(x, this.tiles.count, width)));
    window.addEventListener('themed', this.draw);
  }

  select(place) {
    this.selected = place;
    const tile = this.tiles.at(place);
    const words = [tile ? `frame ${tile.seq}` : `place ${place + 1}`, clock(tile?.timestamp ?? this.marks.timeOf(place))];
    const told = { 'aria-valuemin': 0, 'aria-valuemax': Math.max(0, this.tiles.count - 1), 'aria-valuenow': place, 'aria-valuetext': words.filter(Boolean).join(', ') };
    for (const [name, value] of Object.entries(told)) this.slider.setAttribute(name, value);
    this.draw();
  }

  drawn() {
    const width = this.slider.clientWidth;
    const { count } = this.tiles;
    if (!width || !count) return;
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${HEIGHT}px` });
    const context = sharp(this.canvas, width, HEIGHT);
    context.clearRect(0, 0, width, HEIGHT);
    const x = (place) => xOf(place, count, width);
    const line = (name, place, [top, high], wide = 1) => {
      context.fillStyle = ink(this.inks[name]);
      context.fillRect(x(place) - wide / 2, top, wide, high);
    };
    context.fillStyle = ink(this.inks.seen);
    const [first, last] = this.seen;
    context.fillRect(x(first - 0.5), TRACK, Math.max(2, x(last + 0.5) - x(first - 0.5)), HEIGHT - 2 * TRACK);
    this.gaps(context, x);
    for (const { place } of this.marks.chunks.slice(0, 4096)) line('chunks', place - 0.5, [0, HEIGHT], 1);
    for (const { place, count: many } of this.marks.failed) line('failed', place + many / 2, [TRACK, HEIGHT - 2 * TRACK], 6);
    for (const { place } of this.marks.pauses) line('pauses', place, [0, HEIGHT], 2);
    for (const { place } of this.marks.breaks) line('breaks', place, [0, HEIGHT], 2);
    each(this.cuts, x, (place) => line('cuts', place, [0, TRACK - 2]));
    each(this.marks.damaged, x, (place) => line('damaged', place, [HEIGHT - TRACK + 2, TRACK - 2], 2));
    each(this.marks.missing, x, (place) => line('missing', place, [HEIGHT - TRACK + 2, TRACK - 2], 3));
    line('played', this.selected, [0, HEIGHT], 3);
    this.words();
  }

  gaps(context, x) {
    context.fillStyle = ink(this.inks.gaps);
    for (const { place, count } of this.marks.gaps) {
      for (let at = x(place - 0.5); at < x(place + count - 0.5); at += 4) context.fillRect(at, TRACK, 2, HEIGHT - 2 * TRACK);
    }
  }

  words() {
    const all = { ...this.marks, cuts: this.cuts };
    const some = KINDS.filter(([name]) => all[name].length > 0);
    const text = some.map(([name, word]) => `${name} ${several(all[name].length, word)}`).join();
    if (text === this.told) return;
    this.told = text;
    this.slider.title = this.marks.failed.slice(0, 5).map(({ id, error }) => `chunk ${id}: ${error}`).join('\n');
    fill(this.legend, ...some.map(([name, word]) => el('span', { class: `mark ink-${name}`, data: { marks: name } }, el('span', { class: 'words', text: several(all[name].length, word) }))));
  }

  end() {
    this.resizes.disconnect();
    window.removeEventListener('themed', this.draw);
  }
}

/** Of many places on one pixel only the first is drawn. */
export function each(places, x, draw) {
  let last = -1;
  for (const place of places) {
    const at = Math.round(x(place));
    if (at !== last) draw(place);
    last = at;
  }
}

/** Calls it with where the pointer is, from its press on until it is let go. */
export function dragged(node, moved) {
  let held = false;
  const tell = (event) => {
    const box = node.getBoundingClientRect();
    moved(event.clientX - box.left, box.width, event.clientY - box.top, box.height);
  };
  node.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    held = true;
    node.setPointerCapture(event.pointerId);
    tell(event);
  });
  node.addEventListener('pointermove', (event) => { if (held) tell(event); });
  for (const over of ['pointerup', 'pointercancel']) node.addEventListener(over, () => { held = false; });
}
