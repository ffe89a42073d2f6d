// Keys, and the page that lists them.

import { button, el } from './dom.js';

const NAMES = { ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Home: 'Home', End: 'End', PageUp: 'Page ↑', PageDown: 'Page ↓', Escape: 'Esc' };

/** A key that a field or a button wants is its own. */
function isTaken(event) {
  const node = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  if (document.querySelector('dialog[open]')) return true;
  if (!(node instanceof Element)) return false;
  if (node.closest('textarea, select, [contenteditable]')) return true;
  const field = node.closest('input');
  if (!field) return false;
  if (field.type === 'checkbox') return event.key === ' ';
  return field.type !== 'range' || event.key.length > 1;
}

/** @param {() => {keys: string[], does: string, run: (event: KeyboardEvent) => void}[]} all of the page that is shown */
export function listen(all) {
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && event.target instanceof HTMLInputElement) event.target.blur();
    if (isTaken(event)) return;
    const found = all().find((one) => one.keys.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}

/** A dialog that goes when it is closed. */
export function dialog(title, ...children) {
  const close = button('Close', () => node.close(), { class: 'close' });
  const node = el('dialog', { 'aria-label': title, on: { close: () => node.remove() } }, el('h2', { text: title }), ...children, close);
  document.body.append(node);
  node.showModal();
  return node;
}

export function help(all) {
  const rows = all.map(({ keys, does }) => {
    const names = keys.map((key) => el('kbd', { text: NAMES[key] ?? key }));
    return el('tr', {}, el('th', { scope: 'row' }, ...names.flatMap((name, n) => (n ? [' ', name] : [name]))), el('td', { text: does }));
  });
  dialog('Keys', el('table', { class: 'keys' }, el('tbody', {}, ...rows)));
}
