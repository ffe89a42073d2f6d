// A scroll bar for more than browsers can scroll: elements end at some 16 to 33 million pixels. Near moves are as they
// are; far ones, by the bar, in proportion.

const MOST = 4_000_000;
/** Closer to an end of the bar than this it is set anew, so that there is room to go on. */
const MARGIN = 200_000;

export class Scroll {
  /** @param {HTMLElement} view what scrolls @param {HTMLElement} inner what is as high as can be scrolled */
  constructor(view, inner, moved) {
    Object.assign(this, { view, inner, moved, top: 0, total: 0, seen: 0 });
    view.addEventListener('scroll', () => this.scrolled(), { passive: true });
  }

  get height() { return this.view.clientHeight; }

  get most() { return Math.max(0, this.total - this.height); }

  get physical() { return Math.max(0, Math.min(this.total, MOST) - this.height); }

  /** How high all of it is. */
  resize(total) {
    this.total = total;
    this.inner.style.height = `${Math.min(total, MOST)}px`;
    this.to(Math.min(this.top, this.most));
  }

  to(top) {
    this.top = Math.max(0, Math.min(top, this.most));
    this.settle();
    this.moved();
  }

  scrolled() {
    const at = this.view.scrollTop;
    if (at === this.seen) return;
    const by = at - this.seen;
    const near = this.total <= MOST || Math.abs(by) <= 2 * this.height;
    const top = near ? this.top + by : (at / Math.max(1, this.physical)) * this.most;
    this.seen = at;
    this.top = this.total <= MOST ? at : Math.max(0, Math.min(top, this.most));
    if (this.total > MOST && this.isAtAnEnd(at)) this.settle();
    this.moved();
  }

  isAtAnEnd(at) {
    const lacks = (room, left) => room < MARGIN && room < left;
    return lacks(at, this.top) || lacks(this.physical - at, this.most - this.top);
  }

  settle() {
    const at = this.total <= MOST ? this.top : Math.round((this.top / Math.max(1, this.most)) * this.physical);
    this.view.scrollTop = at;
    this.seen = this.view.scrollTop;
  }

  /** Where in the inner element a place of the whole is. */
  inside(y) { return y - this.top + this.seen; }
}
