// Which frame is in which place: the n-th planned frame, its number, its time, and what is the matter with it.

import { Problem, ask, of } from './api.js';

/** Told at once. */
export const PAGE = 1000;
const KEPT = 40;
const AGAIN_MS = 2000;
/** Looks until a number or a time is found. */
const LOOKS = 12;

export class Tiles {
  /** @param {{timeline: string, profile: string}} source */
  constructor(source, height, changed) {
    Object.assign(this, { source, height, changed, count: 0, width: 0, columns: 10, rows: 10 });
    this.pages = new Map();
    this.running = new Map();
    /** Pages that were told before something changed: shown until they are told anew. */
    this.stale = new Set();
  }

  /** @returns {{seq: number, timestamp?: number, state?: string} | undefined} */
  at(place) {
    return this.pages.get(Math.floor(place / PAGE))?.[place % PAGE];
  }

  /** Asks for what of these places is not known. */
  want(first, last) {
    for (let n = Math.floor(first / PAGE); n <= Math.floor(last / PAGE); n += 1) {
      // What failed is asked for again while it is on the screen.
      if (!this.pages.has(n) || this.stale.has(n)) this.page(n).catch(() => setTimeout(this.changed, AGAIN_MS));
    }
  }

  /** One page of them, asked for once. */
  page(n) {
    const known = this.pages.get(n);
    if (known && !this.stale.has(n)) {
      this.pages.delete(n);
      this.pages.set(n, known);
      return Promise.resolve(known);
    }
    if (!this.running.has(n)) {
      const asked = this.read(n).finally(() => this.running.delete(n));
      this.running.set(n, asked);
    }
    return this.running.get(n);
  }

  async read(n) {
    const query = { profile: this.source.profile, h: this.height, first: n * PAGE, page_size: PAGE };
    const told = await ask(of(this.source.timeline, 'strips.json'), { query });
    Object.assign(this, { count: told.frames, width: told.tile_width, height: told.tile_height, columns: told.columns, rows: told.rows });
    this.pages.set(n, told.tiles);
    this.stale.delete(n);
    if (this.pages.size > KEPT) this.pages.delete(this.pages.keys().next().value);
    this.changed();
    return told.tiles;
  }

  /** Something may be there that was not. */
  refresh() {
    for (const n of this.pages.keys()) this.stale.add(n);
  }

  placeOfSeq(seq) { return this.search((tile) => tile.seq, seq, seq); }

  /** Of the frame that is shown then: the last one that begins no later. */
  placeOfTime(time, guess) { return this.search((tile) => tile.timestamp, time, guess); }

  /**
   * Numbers and times grow with the place: guessed by proportion, and narrowed down by what is found there.
   * @throws {Problem} where frames have no times
   */
  async search(value, wanted, guess = 0) {
    if (!this.count) await this.page(0);
    let [low, high] = [0, Math.max(0, Math.ceil(this.count / PAGE) - 1)];
    let n = Math.min(high, Math.max(0, Math.floor(guess / PAGE)));
    for (let look = 0; look < LOOKS && low <= high; look += 1) {
      const told = (await this.page(n)).map((tile, k) => [value(tile), n * PAGE + k]).filter(([known]) => known !== undefined);
      if (told.length === 0) throw new Problem(404, 'TIME_UNKNOWN', 'frames there have no times', 'go to one by its number, as in #12');
      if (wanted < told[0][0]) high = n - 1;
      else if (wanted > told.at(-1)[0] && n < high) low = n + 1;
      else return told.findLast(([known]) => known <= wanted)[1];
      if (low > high) return wanted < told[0][0] ? Math.max(0, told[0][1] - 1) : told.at(-1)[1];
      n = Math.floor((low + high) / 2);
    }
    return n * PAGE;
  }
}
