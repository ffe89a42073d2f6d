// The large frame: its picture, with overlays over it, as large as there is room, turned and scaled as one.

import { Problem, ask, of, withQuery } from './api.js';
import { button, el, fill } from './dom.js';
import { picture } from './film.js';
import { mayExtract } from './session.js';

const ZOOMS = [0.25, 0.5, 1, 2, 4, 8];
/** Frames that are passed this fast are shown as their tile alone. */
const PASSING_MS = 70;
const AGAIN_MS = 2000;

export class Stage {
  constructor(source, { strips, tiles, overlays }) {
    Object.assign(this, { source, strips, tiles, overlays, zoom: 0, turn: 0, size: [16, 9], place: -1, last: 0 });
    this.tile = el('canvas', { class: 'placeholder', 'aria-hidden': 'true' });
    this.image = el('img', { alt: '', hidden: true });
    this.layers = el('div', { class: 'layers' }, this.tile, this.image, overlays.node);
    this.box = el('div', { class: 'box' }, this.layers);
    this.said = el('div', { class: 'said', role: 'status' });
    this.room = el('div', { class: 'room', tabindex: 0, role: 'region', 'aria-label': 'The frame, large' }, this.box);
    this.node = el('div', { class: 'stage' }, this.room, this.said);
    this.resizes = new ResizeObserver(() => this.fit());
    this.resizes.observe(this.room);
  }

  address(seq, more = {}) {
    return withQuery(of(this.source.timeline, 'frames', `${seq}.jpg`), { profile: this.source.profile, on_miss: 'fail', ...more });
  }

  /** @param {number} place @param {{seq: number, state?: string}} tile */
  show(place, tile) {
    const now = performance.now();
    const passing = now - this.last < PASSING_MS;
    Object.assign(this, { place, seq: tile.seq, last: now, loaded: false });
    clearTimeout(this.timer);
    this.image.hidden = true;
    this.image.alt = `Frame ${tile.seq}`;
    this.say();
    this.overlays.clear();
    this.showTile();
    if (tile.state === 'missing') this.say('The decoder did not deliver this frame.');
    else if (tile.state === 'not_cached') this.offer(tile.why || 'It is planned, and not there yet.', place, tile.seq);
    else this.timer = setTimeout(() => this.load(place, tile.seq), passing ? PASSING_MS : 0);
  }

  /** The film's own picture of it, until the large one is there. */
  showTile() {
    if (this.loaded || this.place < 0) return;
    const { width, height } = this.tiles;
    if (width) this.setSize([width, height]);
    picture(this.tile, this.strips.get(Math.floor(this.place / 100)), this.place % 100, [width, height]);
    this.tile.style.width = '';
    this.tile.style.height = '';
  }

  async load(place, seq, more) {
    const next = new Image();
    next.src = this.address(seq, more);
    try {
      await next.decode();
    } catch {
      if (this.seq === seq && this.place === place) await this.explain(place, seq, next.src);
      return;
    }
    if (this.seq !== seq || this.place !== place) return;
    next.alt = this.image.alt;
    this.image.replaceWith(next);
    this.image = next;
    this.loaded = true;
    this.say();
    this.setSize([next.naturalWidth, next.naturalHeight]);
    this.overlays.show(seq, this.size);
    this.shown?.(seq);
  }

  /** A picture element does not say why: the address does. */
  async explain(place, seq, address) {
    const problem = await ask(address.slice(location.origin.length), { as: 'blob' }).then(() => null, (error) => error);
    if (this.seq !== seq || this.place !== place || !problem) return;
    const text = problem instanceof Problem ? problem.text : String(problem);
    if (problem.reason === 'FRAME_NOT_CACHED') this.offer(text, place, seq);
    else this.say(text);
    if (problem.status === 0) this.timer = setTimeout(() => this.load(place, seq), AGAIN_MS);
  }

  /** A frame that is not there is extracted when that is asked for. */
  offer(text, place, seq) {
    this.say(text);
    if (!mayExtract()) return;
    this.said.append(button('Extract it now', () => {
      this.say('Extracting…');
      this.load(place, seq, { on_miss: 'extract', wait: 120 });
    }));
  }

  say(text = '') {
    fill(this.said, text ? el('span', { text }) : null);
  }

  setSize(size) {
    this.size = size;
    this.fit();
  }

  /** Turned by a quarter, width and height change places. */
  fit() {
    const [wide, high] = this.turn % 2 ? [this.size[1], this.size[0]] : this.size;
    const room = [this.room.clientWidth, this.room.clientHeight];
    const fits = Math.min(room[0] / wide, room[1] / high);
    const scale = this.zoom ? this.zoom / (window.devicePixelRatio || 1) : fits;
    const px = (n) => `${Math.max(1, n * scale)}px`;
    Object.assign(this.box.style, { width: px(wide), height: px(high) });
    Object.assign(this.layers.style, { width: px(this.size[0]), height: px(this.size[1]), transform: `translate(-50%, -50%) rotate(${90 * this.turn}deg)` });
    this.layers.classList.toggle('large', scale * (window.devicePixelRatio || 1) > 2);
  }

  /** 0: as large as there is room. */
  scaleTo(zoom) { this.zoom = zoom; this.fit(); }

  scaleBy(step) {
    const now = this.zoom || this.box.clientWidth * (window.devicePixelRatio || 1) / (this.turn % 2 ? this.size[1] : this.size[0]);
    const larger = ZOOMS.filter((zoom) => (step > 0 ? zoom > now * 1.01 : zoom < now * 0.99));
    if (larger.length) this.scaleTo(step > 0 ? larger[0] : larger.at(-1));
  }

  turnOn() { this.turn = (this.turn + 1) % 4; this.fit(); }

  end() {
    clearTimeout(this.timer);
    this.resizes.disconnect();
    this.place = -1;
  }
}
