// Numbers of frames as places on the bar. Plans number their frames one after the other, but for windows and holes.

export class Places {
  constructor(tiles) { Object.assign(this, { tiles, first: 0, last: 0, known: false }); }

  /** Learns the first and the last number. */
  async learn() {
    const { tiles } = this;
    if (!tiles.count) return;
    await Promise.all([tiles.page(0), tiles.page(Math.floor((tiles.count - 1) / 1000))]);
    Object.assign(this, { first: tiles.at(0)?.seq ?? 0, last: tiles.at(tiles.count - 1)?.seq ?? tiles.count - 1, known: true });
  }

  /** Exact where numbers have no holes, otherwise near. */
  of(seq) {
    const { count } = this.tiles;
    const scale = this.last > this.first ? (count - 1) / (this.last - this.first) : 1;
    return Math.max(0, Math.min(count - 1, Math.round((seq - this.first) * scale)));
  }
}
