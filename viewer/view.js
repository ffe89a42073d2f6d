// One timeline: film, large frame, bar and plot, which all show the same place.

import { Problem, isAbort, pause } from './api.js';
import { Bar } from './bar.js';
import { button, el, fill } from './dom.js';
import { Facts } from './facts.js';
import { Film } from './film.js';
import { goTo } from './goto.js';
import { address } from './list.js';
import { Marks } from './marks.js';
import { Overlays } from './overlays.js';
import { Places } from './places.js';
import { Plot } from './plot.js';
import { Progress } from './progress.js';
import { mention, say } from './say.js';
import { Similar } from './similar.js';
import { Stage } from './stage.js';
import { Strips } from './strips.js';
import { Tiles } from './tiles.js';
import { whole } from './time.js';

/** Of a tile, in CSS pixels; on large screens fewer and larger ones, so that a screen is a few strips. */
const HEIGHTS = [[2600, 160], [1700, 120], [0, 90]];
const REFRESH_MS = 1000;
/** How a timeline stands is asked for once there is a picture, or after so long: all of its records are read for it. */
const PICTURED_MS = 1000;
/** A frame that is looked at for so long is in the address, and its facts are read. */
const SETTLED_MS = 120;

export function view(main, { timeline, profile, frame }) {
  const shown = new View(main, { timeline, profile });
  shown.begin(whole(frame ?? '')).catch((error) => { if (!isAbort(error)) shown.fail(error); });
  return { end: () => shown.end(), back: () => shown.back(), keys: shown.keys() };
}

class View {
  constructor(main, source) {
    Object.assign(this, { main, source, place: 0, near: new Set(), cuts: new Set(), refreshed: 0 });
    const height = HEIGHTS.find(([width]) => innerWidth >= width)[1];
    const sharp = (window.devicePixelRatio || 1) > 1.3 ? 2 : 1;
    const first = new Promise((done) => { this.pictured = done; });
    this.first = () => Promise.race([first, pause(PICTURED_MS)]);
    this.tiles = new Tiles(source, height, () => this.told());
    this.strips = new Strips(source, sharp * height, () => { this.pictured(); this.film.draw(); this.stage.showTile(); });
    this.places = new Places(this.tiles);
    this.marks = new Marks(source, this.places, () => this.bar.draw());
    this.overlays = new Overlays(source);
    this.stage = new Stage(source, { strips: this.strips, tiles: this.tiles, overlays: this.overlays });
    this.facts = new Facts(source);
    const jumped = (place) => this.go(place);
    this.bar = new Bar({ marks: this.marks, tiles: this.tiles, jumped });
    this.plot = new Plot({ source, tiles: this.tiles, places: this.places, jumped, marked: (...found) => this.marked(...found) });
    this.similar = new Similar(source, (seq) => this.goToSeq(seq));
    this.film = new Film({ tiles: this.tiles, strips: this.strips, height, picked: jumped, marksOf: (place) => this.marksOf(place) });
    this.film.moved = (first, last) => { this.bar.seen = [first, last]; this.bar.draw(); };
    this.progress = new Progress({ source, look: () => this.look(), changed: () => this.refresh() });
    this.leaving = new AbortController();
    // Others may have changed something while nobody looked.
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refresh(); }, { signal: this.leaving.signal });
    this.draw();
  }

  draw() {
    const { timeline } = this.source;
    this.profiles = el('span', { class: 'profiles' });
    const head = el('div', { class: 'head' }, el('h1', { text: timeline }), this.profiles, this.progress.node, el('span', { class: 'grow' }), this.tools());
    const side = el('div', { class: 'side' }, this.facts.node, this.overlays.panel, this.similar.node);
    this.said = el('p', { class: 'told', role: 'status', text: 'Reading…' });
    fill(this.main, el('div', { class: 'view' }, head, this.said, this.stage.node, side, el('div', { class: 'scrub' }, this.plot.node, this.bar.node), this.film.view));
  }

  /** What has a name among the keys has a button, too. */
  tools() {
    const named = this.keys().filter(({ name }) => name);
    const buttons = named.map(({ keys, name, does, run }) => button(name, run, { 'aria-keyshortcuts': keys[0], title: `${does} (key ${keys[0]})`, 'aria-label': name.length > 1 ? null : does }));
    return el('div', { class: 'tools', role: 'group', 'aria-label': 'The frame' }, ...buttons);
  }

  /** The first picture waits for nothing but its strip, and where frames lie. */
  async begin(seq) {
    this.begunAt = seq;
    const guess = seq ?? 0;
    this.strips.want([Math.floor(guess / 100)]);
    await this.tiles.page(Math.floor(guess / 1000));
    if (this.ended) return;
    if (this.tiles.count) {
      this.film.layout();
      await (seq === undefined ? this.go(0) : this.goToSeq(seq));
    }
    await this.first();
    if (this.ended) return;
    this.overlays.read();
    const stands = await this.look();
    if (!this.ended) await this.stands(stands);
  }

  async look() { return this.marks.read(); }

  async stands(stands) {
    const empty = stands.state === 'PROFILE_STATE_ABSENT' ? 'There is no such timeline, or nothing of this profile.' : 'No frames are planned.';
    this.said.textContent = this.tiles.count ? '' : empty;
    this.progress.show(stands);
    this.showProfiles(stands.profiles);
    await this.places.learn();
    this.bar.select(this.place);
    await this.marks.search();
  }

  showProfiles(all) {
    const { timeline, profile } = this.source;
    const links = all.filter((name) => name !== profile).map((name) => el('a', { href: address(timeline, name), text: name === 'default' ? 'default profile' : `profile ${name}` }));
    fill(this.profiles, profile === 'default' ? '' : `profile ${profile}`, ...links.flatMap((link) => [' ', link]));
  }

  fail(error) {
    const text = error instanceof Problem ? error.text : String(error);
    this.said.textContent = text;
    if (error.status === 0 && !this.ended) setTimeout(() => { if (!this.ended) this.begin(this.begunAt).catch((again) => this.fail(again)); }, 2000);
  }

  /** Where frames lie came. */
  told() {
    if (this.ended) return;
    this.said.textContent = '';
    const other = this.tiles.width !== this.laidOut?.[0] || this.tiles.count !== this.laidOut?.[1];
    this.laidOut = [this.tiles.width, this.tiles.count];
    if (other) this.film.layout();
    this.film.draw();
    const tile = this.tiles.at(this.place);
    if (tile && (this.shown?.seq !== tile.seq || this.shown.state !== tile.state)) this.show(tile);
  }

  /** Looks at the frame in this place. */
  async go(place) {
    this.place = Math.max(0, Math.min(this.tiles.count - 1, place));
    this.film.select(this.place);
    this.bar.select(this.place);
    const tile = this.tiles.at(this.place);
    if (tile) this.show(tile);
    else this.tiles.want(this.place, this.place);
  }

  show(tile) {
    this.shown = { ...tile };
    const { place } = this;
    this.facts.begin(tile, place, this.tiles.count);
    this.stage.show(place, { ...tile, why: this.marks.whyNot(place) });
    this.bar.select(place);
    this.plot.select(tile.seq);
    this.similar.select(tile.seq);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(tile, place), SETTLED_MS);
  }

  /** What is only for a frame that is looked at for a moment. */
  async settle({ seq }, place) {
    const at = new URL(location.href);
    at.searchParams.set('frame', seq);
    history.replaceState(history.state, '', at);
    if (this.shown?.state === 'not_cached') return;
    const facts = await this.facts.read(seq, place, this.tiles.count);
    if (!facts || this.shown?.seq !== seq) return;
    this.overlays.facts = facts;
    if (facts.rotation) this.overlays.again();
  }

  /** What could not be read of the frame that is seen is read again; its pictures ask for themselves. */
  back() { if (this.shown) this.settle(this.shown, this.place); }

  async goToSeq(seq) { await this.go(await this.tiles.placeOfSeq(seq)); }

  async goToTime(time) {
    const guess = this.marks.placeOf(time);
    await this.go(await this.tiles.placeOfTime(time, guess));
  }

  ask() { goTo({ time: (time) => this.goToTime(time), seq: (seq) => this.goToSeq(seq) }); }

  likeThis() { if (this.shown) this.similar.toggle(this.shown.seq); }

  marked(cuts, duplicates) {
    this.cuts = new Set(cuts);
    this.near = new Set(duplicates);
    if (!this.bar) return;
    this.bar.cuts = cuts.map((seq) => this.places.of(seq));
    this.bar.draw();
    this.film?.draw();
  }

  marksOf(place) {
    const seq = this.tiles.at(place)?.seq;
    return [this.cuts.has(seq) && 'cut', this.near.has(seq) && 'near'].filter(Boolean);
  }

  /** More may be there than was, or other frames: looked at again, and no more often than is of use. */
  refresh() {
    const rest = this.refreshed + REFRESH_MS - performance.now();
    clearTimeout(this.refreshing);
    if (rest > 0) {
      this.refreshing = setTimeout(() => this.refresh(), rest);
      return;
    }
    this.refreshed = performance.now();
    this.tiles.refresh();
    this.strips.refresh();
    this.film.draw();
  }

  keys() {
    const by = (step) => () => this.go(this.place + step);
    const row = (rows) => () => this.go(this.place + rows * this.film.across);
    const screen = (way) => () => this.go(this.place + way * this.film.across * this.film.rowsOnScreen());
    return [
      { keys: ['ArrowLeft'], does: 'the frame before', run: by(-1) },
      { keys: ['ArrowRight'], does: 'the next frame', run: by(1) },
      { keys: ['ArrowUp'], does: 'a row up', run: row(-1) },
      { keys: ['ArrowDown'], does: 'a row down', run: row(1) },
      { keys: ['PageUp'], does: 'a screen up', run: screen(-1) },
      { keys: ['PageDown'], does: 'a screen down', run: screen(1) },
      { keys: ['Home'], does: 'the first frame', run: () => this.go(0) },
      { keys: ['End'], does: 'the last frame', run: () => this.go(this.tiles.count - 1) },
      { keys: ['t'], name: 'Time', does: 'go to a time, or to a frame by its number', run: () => this.ask() },
      { keys: ['o'], name: 'Overlays', does: 'overlays on or off', run: () => mention(this.overlays.toggle()) },
      { keys: ['s'], name: 'Similar', does: 'frames that look like this one', run: () => this.likeThis() },
      { keys: ['p'], name: 'Plot', does: 'the plot of what changes', run: () => this.plot.toggle() },
      { keys: ['r'], name: 'Turn', does: 'turn the frame', run: () => this.stage.turnOn() },
      { keys: ['+', '='], name: '+', does: 'larger', run: () => this.stage.scaleBy(1) },
      { keys: ['-'], name: '−', does: 'smaller', run: () => this.stage.scaleBy(-1) },
      { keys: ['0'], name: 'Fit', does: 'as large as there is room', run: () => this.stage.scaleTo(0) },
    ];
  }

  end() {
    this.ended = true;
    this.leaving.abort();
    clearTimeout(this.timer);
    clearTimeout(this.refreshing);
    for (const part of [this.strips, this.marks, this.overlays, this.stage, this.facts, this.bar, this.plot, this.similar, this.film, this.progress]) part.end();
    say('extract', '');
  }
}
