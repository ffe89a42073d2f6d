// What changes from frame to frame, as columns; where scenes end, and which frames are near the one before: arithmetic.

/** As the server has them (docs/similar.md): of changes within this of each other only the largest ends a scene … */
const WINDOW_SECS = 0.61;
/** … and only where it is over the threshold by so many times what the others there are on average … */
const STANDS_OUT = 2;
/** … among which one of so much is counted. */
const AROUND = 0.125;
const MAX_WINDOW = 64;

/** Bits that are set in 32. */
export function ones(word) {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Columns of numbers out of pages of lists. */
export class Column {
  constructor(Kind) { Object.assign(this, { Kind, parts: [], length: 0 }); }

  add(values, number = Number) {
    this.parts.push(this.Kind.from(values, number));
    this.length += values.length;
  }

  whole() {
    const all = new this.Kind(this.length);
    this.parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  }
}

const near = (times, a, b) => Math.abs(times[a] - times[b]) <= WINDOW_SECS;

/**
 * Places of the frames with which scenes begin.
 * @param {Float32Array} changes NaN where it is not known @param {Float64Array} times seconds
 */
export function cutsAt(changes, times, threshold) {
  const found = [];
  for (let k = 0; k < changes.length; k += 1) {
    if (changes[k] >= threshold && standsOut(changes, times, k, threshold)) found.push(k);
  }
  return found;
}

function standsOut(changes, times, k, threshold) {
  let [sum, count] = [AROUND, 1];
  for (const step of [-1, 1]) {
    for (let n = k + step, far = 0; n >= 0 && n < changes.length && far < MAX_WINDOW && near(times, k, n); n += step, far += 1) {
      const theirs = changes[n];
      if (Number.isNaN(theirs)) continue;
      if (theirs > changes[k] || (theirs === changes[k] && step < 0)) return false;
      sum += theirs;
      count += 1;
    }
  }
  return changes[k] >= threshold + (STANDS_OUT * sum) / count;
}

/** Hashes of 16 digits as two columns of 32 bits. */
export class Hashes {
  constructor() { Object.assign(this, { seqs: new Column(Float64Array), high: new Column(Uint32Array), low: new Column(Uint32Array) }); }

  add({ seqs, hashes }) {
    this.seqs.add(seqs);
    this.high.add(hashes, (hash) => Number.parseInt(hash.slice(0, 8), 16));
    this.low.add(hashes, (hash) => Number.parseInt(hash.slice(8), 16));
  }

  /** Bits in which the hashes of frames differ from the frame's before them, by number; the first has none. */
  whole() {
    const [seqs, high, low] = [this.seqs.whole(), this.high.whole(), this.low.whole()];
    const between = (a, b) => ones(high[a] ^ high[b]) + ones(low[a] ^ low[b]);
    return { seqs, between, length: seqs.length };
  }
}

/** Of each frame the bits that differ from the one before, or from one that is named by its place. */
export function distances({ between, length }, from) {
  const bits = new Float32Array(length).fill(NaN);
  for (let k = 0; k < length; k += 1) {
    const other = from ?? k - 1;
    if (other >= 0) bits[k] = between(k, other);
  }
  return bits;
}

/** Places that `--distinct` leaves out: within so many bits of the last frame kept. */
export function duplicatesAt({ between, length }, bits) {
  const found = [];
  let kept = 0;
  for (let k = 1; k < length; k += 1) {
    if (between(k, kept) <= bits) found.push(k);
    else kept = k;
  }
  return found;
}

/** Of each column of the screen the largest value in it. */
export function tallest(values, columns, [first, last]) {
  const tops = new Float32Array(columns).fill(NaN);
  const scale = columns / Math.max(1, last - first);
  for (let k = Math.max(0, Math.floor(first)); k < Math.min(values.length, last); k += 1) {
    const x = Math.min(columns - 1, Math.floor((k - first) * scale));
    if (!(tops[x] >= values[k]) && !Number.isNaN(values[k])) tops[x] = values[k];
  }
  return tops;
}
