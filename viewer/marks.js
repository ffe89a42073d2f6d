// What is to be marked on the bar: where chunks begin, pauses, damage, frames that are missing or not there yet.

import { ask, isAbort, of, pages, pause } from './api.js';
import { say } from './say.js';

const PAGE = 1000;
/** Between two pages of facts, which are looked through while somebody looks on. */
const PAUSE_MS = 30;
const MOST = 50000;
/** Chunks of a timeline: 20,000 at most. */
const CHUNK_PAGES = 20;

export class Marks {
  constructor(source, places, changed) {
    Object.assign(this, { source, places, changed, chunks: [], pauses: [], breaks: [], damaged: [], missing: [], gaps: [], failed: [], counts: null });
    this.leaving = new AbortController();
  }

  /** How the timeline stands; its chunks, and where they lie. */
  async read() {
    const { signal } = this.leaving;
    const { timeline, profile } = this.source;
    let [stands, token] = [null, ''];
    const chunks = [];
    for (let n = 0; n < CHUNK_PAGES; n += 1) {
      const page = await ask(of(timeline), { query: { profile, page_token: token }, signal });
      stands ??= page;
      chunks.push(...page.chunks);
      token = page.next_page_token;
      if (!token) break;
    }
    this.take(stands, chunks);
    return stands;
  }

  take(stands, chunks) {
    let place = 0;
    const [placed, pauses, breaks] = [[], [], []];
    for (const chunk of chunks) {
      const span = { place, count: chunk.planned, id: chunk.chunk?.chunk_id ?? '', begin: chunk.begin, end: chunk.end, error: chunk.error?.message, cached: chunk.cached };
      placed.push(span);
      pauses.push(...chunk.pauses.map((each) => ({ ...each, place: within(span, each.from) })));
      breaks.push(...chunk.clock_breaks.map((each) => ({ ...each, place: within(span, each.at) })));
      place += chunk.planned;
    }
    const failed = placed.filter((chunk) => chunk.error);
    Object.assign(this, { chunks: placed, failed, pauses, breaks, counts: stands.counts });
    this.changed();
  }

  /** Looks for what the counts say is somewhere, and no longer than until all of it is found. */
  async search() {
    const left = (counts) => (counts ? (counts.damaged + counts.missing > this.damaged.length + this.missing.length) || counts.frames < counts.planned : false);
    Object.assign(this, { damaged: [], missing: [], gaps: [] });
    if (!left(this.counts)) return;
    const { timeline, profile } = this.source;
    const { signal } = this.leaving;
    try {
      for await (const page of pages(of(timeline, 'frames'), { profile, fields: 'damaged,missing', page_size: PAGE }, { signal, most: 4000 })) {
        this.add(page);
        if (!left(this.counts) || this.damaged.length > MOST) break;
        await pause(PAUSE_MS, signal);
      }
    } catch (error) {
      if (!isAbort(error)) say('marks', `Damage could not be looked for: ${error.text ?? error}`);
    }
  }

  add({ frames, without }) {
    for (const { seq, damaged, missing } of frames) {
      if (missing) this.missing.push(this.places.of(seq));
      else if (damaged) this.damaged.push(this.places.of(seq));
    }
    for (const { first, count, why } of without) this.gaps.push({ place: this.places.of(first), count, why: why?.message ?? '' });
    this.changed();
  }

  /** Why the frame in a place is not there, where that is known. */
  whyNot(place) {
    const within = (each) => each.place <= place && place < each.place + each.count;
    return this.gaps.find(within)?.why || this.failed.find(within)?.error;
  }

  /** The time of a place, as near as the chunks tell. */
  timeOf(place) {
    const chunk = this.chunks.findLast((each) => each.place <= place && each.count > 0);
    if (!chunk) return undefined;
    return chunk.begin + (chunk.end - chunk.begin) * Math.min(1, (place - chunk.place) / chunk.count);
  }

  /** The place of a time, as near as the chunks tell. */
  placeOf(time) {
    const chunk = this.chunks.findLast((each) => each.begin <= time && each.count > 0) ?? this.chunks[0];
    return chunk ? within(chunk, time) : 0;
  }

  end() { this.leaving.abort(); }
}

function within({ place, count, begin, end }, time) {
  const part = end > begin ? (time - begin) / (end - begin) : 0;
  return place + Math.max(0, Math.min(count - 1, Math.floor(part * count)));
}
