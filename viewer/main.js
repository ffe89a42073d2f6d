// Which page it is, and what all pages have: search, theme, keys.

import { onBack, Problem } from './api.js';
import { byId, el, fill } from './dom.js';
import { help, listen } from './keys.js';
import { list } from './list.js';
import { hush } from './say.js';
import { begin } from './session.js';
import { view } from './view.js';

const VIEW = '/view/';
const search = byId('search');

/** What is there of the page that is shown: it ends when another is. */
let shown = { end() {}, back() {}, keys: [] };

const COMMON = [
  { keys: ['/'], does: 'search timelines', run: () => { search.focus(); search.select(); } },
  { keys: ['?'], does: 'this help', run: () => help(keys()) },
];
const keys = () => [...shown.keys, ...COMMON];

function show() {
  shown.end();
  hush();
  const at = new URL(location.href);
  search.value = at.searchParams.get('q') ?? '';
  if (at.pathname.startsWith(VIEW)) {
    const timeline = named(at.pathname.slice(VIEW.length));
    document.title = `${timeline} – framecache`;
    shown = view(byId('main'), { timeline, profile: at.searchParams.get('profile') || 'default', frame: at.searchParams.get('frame') });
  } else {
    document.title = 'framecache';
    shown = list(byId('main'), { search });
  }
}

function named(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

/** To another page, without loading the scripts again. */
function go(address) {
  history.pushState(null, '', address);
  show();
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href]');
  const plain = !event.defaultPrevented && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname !== '/' && !link.pathname.startsWith(VIEW)) return;
  if (link.hash) return;
  event.preventDefault();
  go(link.href);
});

window.addEventListener('popstate', show);
onBack(() => shown.back());

search.form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (location.pathname.startsWith(VIEW)) go(`/?q=${encodeURIComponent(search.value)}`);
  search.focus();
});

byId('help').addEventListener('click', () => help(keys()));

// ---- dark and light

const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
const theme = byId('theme');

function themed() {
  theme.textContent = isDark() ? 'Light' : 'Dark';
  theme.setAttribute('aria-label', isDark() ? 'Light colours' : 'Dark colours');
  window.dispatchEvent(new Event('themed'));
}

theme.addEventListener('click', () => {
  const chosen = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = chosen;
  try { localStorage.setItem('theme', chosen); } catch { /* It counts until the page is left. */ }
  themed();
});
dark.addEventListener('change', themed);
themed();

listen(keys);
try {
  await begin();
  show();
} catch (error) {
  const text = error instanceof Problem ? error.text : String(error);
  fill(byId('main'), el('h1', { text: 'framecache' }), el('p', { class: 'bad', text: `The viewer could not begin: ${text}` }));
}
