// Strips as bitmaps: what is on the screen first, then what comes next; what is far away is let go.

import { ask, isAbort, of } from './api.js';
import { say } from './say.js';

const AT_ONCE = 2;
/** Of decoded pictures, four bytes a pixel. */
const KEPT_BYTES = 96 << 20;
const LEAST_KEPT = 4;
const AGAIN_MS = 2000;

export class Strips {
  /** @param {{timeline: string, profile: string}} source */
  constructor(source, height, loaded) {
    Object.assign(this, { source, height, loaded, wanted: [] });
    this.bitmaps = new Map();
    this.running = new Map();
    this.failed = new Map();
    this.stale = new Set();
    this.ended = false;
  }

  /** @returns {ImageBitmap | undefined} */
  get(page) { return this.bitmaps.get(page); }

  /** @param {number[]} wanted the nearest first; requests for any other are given up */
  want(wanted) {
    this.wanted = wanted;
    for (const [page, asked] of this.running) if (!wanted.includes(page)) asked.abort();
    for (const page of wanted) this.touch(page);
    for (const page of this.failed.keys()) if (!wanted.includes(page)) this.failed.delete(page);
    if (this.failed.size === 0) say('strips', '');
    this.fill();
  }

  touch(page) {
    const bitmap = this.bitmaps.get(page);
    if (!bitmap) return;
    this.bitmaps.delete(page);
    this.bitmaps.set(page, bitmap);
  }

  fill() {
    const now = performance.now();
    for (const page of this.wanted) {
      if (this.ended || this.running.size >= AT_ONCE) return;
      const known = this.bitmaps.has(page) && !this.stale.has(page);
      if (!known && !this.running.has(page) && (this.failed.get(page) ?? 0) <= now) this.load(page);
    }
  }

  async load(page) {
    const asked = new AbortController();
    this.running.set(page, asked);
    try {
      const query = { profile: this.source.profile, h: this.height };
      const jpeg = await ask(of(this.source.timeline, 'strips', `${page}.jpg`), { query, as: 'blob', signal: asked.signal });
      const bitmap = await createImageBitmap(jpeg);
      if (this.ended) bitmap.close();
      else this.keep(page, bitmap);
    } catch (error) {
      if (!isAbort(error)) this.fail(page, error);
    } finally {
      this.running.delete(page);
      this.fill();
    }
  }

  keep(page, bitmap) {
    this.bitmaps.get(page)?.close();
    this.bitmaps.delete(page);
    this.bitmaps.set(page, bitmap);
    this.stale.delete(page);
    this.failed.delete(page);
    if (this.failed.size === 0) say('strips', '');
    this.letGo(bitmap);
    this.loaded(page);
  }

  letGo({ width, height }) {
    const most = Math.max(LEAST_KEPT, this.wanted.length, Math.floor(KEPT_BYTES / (4 * width * height)));
    for (const [page, bitmap] of this.bitmaps) {
      if (this.bitmaps.size <= most) return;
      if (this.wanted.includes(page)) continue;
      bitmap.close();
      this.bitmaps.delete(page);
    }
  }

  /** Said, and asked for again while it is wanted. */
  fail(page, error) {
    this.failed.set(page, performance.now() + AGAIN_MS);
    if (error.status !== 0) say('strips', `Pictures could not be read: ${error.text ?? error.message}`);
    setTimeout(() => this.fill(), AGAIN_MS + 1);
  }

  /** Frames may be there that were not. */
  refresh() {
    for (const page of this.bitmaps.keys()) this.stale.add(page);
    this.fill();
  }

  end() {
    this.ended = true;
    for (const asked of this.running.values()) asked.abort();
    for (const bitmap of this.bitmaps.values()) bitmap.close();
    this.bitmaps.clear();
  }
}
