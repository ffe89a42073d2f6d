// The film: tiles in a grid that scrolls, of which only those near the screen are there.

import { el, oncePerFrame, sharp } from './dom.js';
import { Scroll } from './scroll.js';
import { clock, count } from './time.js';

const GAP = 4;
const CAPTION = 18;
const STATES = { not_cached: 'not cached', missing: 'missing', damaged: 'damaged' };
/** Rows beyond the screen that are there already. */
const BEYOND = 1;

export class Film {
  /** @param {{tiles, strips, picked: (place: number) => void, marksOf: (place: number) => string[], height: number}} parts */
  constructor(parts) {
    Object.assign(this, parts, { selected: 0, across: 1, cells: new Map(), spare: [] });
    this.list = el('div', { class: 'cells', role: 'presentation' });
    this.inner = el('div', { class: 'reel', role: 'presentation' }, this.list);
    this.view = el('div', { class: 'film', role: 'listbox', tabindex: 0, id: 'film', 'aria-label': 'Frames' }, this.inner);
    this.draw = oncePerFrame(() => this.drawn());
    this.scroll = new Scroll(this.view, this.inner, () => this.draw());
    this.view.addEventListener('click', (event) => this.clicked(event));
    this.resizes = new ResizeObserver(() => this.layout());
    this.resizes.observe(this.view);
    this.direction = 1;
    this.before = 0;
  }

  /** Tiles are spread over the width. */
  get cell() {
    const width = (this.tiles.width || this.height) + GAP;
    return { width: Math.max(width, Math.floor(this.view.clientWidth / this.across)), height: this.height + CAPTION + GAP };
  }

  /** Where everything is, once the number of frames or the size of the screen is another. */
  layout() {
    const first = this.firstPlace();
    this.across = Math.max(1, Math.floor(this.view.clientWidth / ((this.tiles.width || this.height) + GAP)));
    this.scroll.resize(Math.ceil(this.tiles.count / this.across) * this.cell.height);
    if (first !== this.firstPlace()) this.scroll.to(Math.floor(first / this.across) * this.cell.height);
    this.draw();
  }

  firstPlace() { return Math.floor(this.scroll.top / this.cell.height) * this.across; }

  /** Places on the screen, and some beyond. */
  range() {
    const { height } = this.cell;
    const first = Math.max(0, Math.floor(this.scroll.top / height) - BEYOND) * this.across;
    const last = Math.ceil((this.scroll.top + this.scroll.height) / height + BEYOND) * this.across - 1;
    return [Math.min(first, Math.max(0, this.tiles.count - 1)), Math.min(last, this.tiles.count - 1)];
  }

  rowsOnScreen() { return Math.max(1, Math.floor(this.scroll.height / this.cell.height)); }

  drawn() {
    if (!this.tiles.count) return;
    const [first, last] = this.range();
    for (const [place, cell] of this.cells) if (place < first || place > last) this.letGo(place, cell);
    for (let place = first; place <= last; place += 1) this.put(place);
    this.ask(first, last);
    this.view.setAttribute('aria-activedescendant', this.cells.has(this.selected) ? `tile-${this.selected}` : '');
    this.moved?.(first, last);
  }

  letGo(place, cell) {
    this.cells.delete(place);
    cell.node.remove();
    cell.key = '';
    this.spare.push(cell);
  }

  put(place) {
    const { width, height } = this.cell;
    let cell = this.cells.get(place);
    if (!cell) {
      cell = this.spare.pop() ?? made();
      this.cells.set(place, cell);
      this.list.append(cell.node);
      cell.node.id = `tile-${place}`;
    }
    const x = (place % this.across) * width;
    const y = this.scroll.inside(Math.floor(place / this.across) * height);
    cell.node.style.transform = `translate(${x}px, ${y}px)`;
    this.paint(place, cell);
  }

  /** Only what is another than it was. */
  paint(place, cell) {
    const tile = this.tiles.at(place);
    const page = Math.floor(place / 100);
    const bitmap = this.strips.get(page);
    const marks = this.marksOf(place);
    const selected = place === this.selected;
    const key = [place, bitmap ? page : '', tile?.seq, tile?.state, marks, selected, this.tiles.width].join();
    if (cell.key === key && cell.bitmap === bitmap) return;
    Object.assign(cell, { key, bitmap });
    const there = tile?.state !== 'not_cached' && tile?.state !== 'missing';
    picture(cell.canvas, there ? bitmap : undefined, place % 100, [this.tiles.width, this.height]);
    cell.caption.textContent = tile ? clock(tile.timestamp) || `#${tile.seq}` : '';
    const state = tile && STATES[tile.state];
    cell.badges.textContent = [state, ...marks].filter(Boolean).join(' · ');
    cell.node.className = ['tile', tile?.state ?? '', ...marks.map((mark) => `is-${mark.replaceAll(' ', '-')}`)].join(' ');
    const named = tile ? [`frame ${tile.seq}`, clock(tile.timestamp), state, ...marks] : [`place ${count(place)}`, 'being read'];
    const attributes = { 'aria-label': named.filter(Boolean).join(', '), 'aria-selected': selected, 'aria-setsize': this.tiles.count, 'aria-posinset': place + 1 };
    for (const [name, value] of Object.entries(attributes)) cell.node.setAttribute(name, value);
  }

  /** What is on the screen, then the next screen in the direction in which it goes. */
  ask(first, last) {
    this.tiles.want(first, last);
    if (this.scroll.top !== this.before) this.direction = Math.sign(this.scroll.top - this.before);
    this.before = this.scroll.top;
    const middle = Math.min(this.tiles.count - 1, this.firstPlace());
    const here = pagesOf(first, last).sort((a, b) => Math.abs(a - middle / 100) - Math.abs(b - middle / 100));
    const screen = this.rowsOnScreen() * this.across * this.direction;
    const ahead = pagesOf(Math.max(0, first + screen), Math.max(0, Math.min(this.tiles.count - 1, last + screen)));
    this.strips.want([...new Set([...here, ...ahead])]);
  }

  clicked(event) {
    const node = event.target.closest('.tile');
    if (node) this.picked(Number(node.id.slice('tile-'.length)));
  }

  /** Shows which frame is looked at; scrolls no further than it must, or to the middle where it was far away. */
  select(place) {
    this.selected = place;
    const { height } = this.cell;
    const top = Math.floor(place / this.across) * height;
    const { top: seen, height: screen } = this.scroll;
    const far = top < seen - screen || top > seen + 2 * screen;
    if (far) this.scroll.to(top - (screen - height) / 2);
    else if (top < seen) this.scroll.to(top);
    else if (top + height > seen + screen) this.scroll.to(top + height - screen);
    this.draw();
  }

  end() { this.resizes.disconnect(); }
}

function pagesOf(first, last) {
  const from = Math.floor(first / 100);
  return Array.from({ length: Math.max(0, Math.floor(last / 100) - from + 1) }, (_, n) => from + n);
}

function made() {
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  const caption = el('span', { class: 'caption' });
  const badges = el('span', { class: 'badges' });
  return { canvas, caption, badges, key: '', node: el('div', { class: 'tile', role: 'option' }, canvas, badges, caption) };
}

/** One tile of a strip; what is not read yet is empty. */
export function picture(canvas, bitmap, within, [width, height]) {
  if (!width) return;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = sharp(canvas, width, height);
  context.clearRect(0, 0, width, height);
  if (!bitmap) return;
  const [wide, high] = [bitmap.width / 10, bitmap.height / 10];
  context.drawImage(bitmap, (within % 10) * wide, Math.floor(within / 10) * high, wide, high, 0, 0, width, height);
}
