// How to get at what is seen from elsewhere: a command, Python, a URL. Names are other people's: they are quoted.

import { of, withQuery } from './api.js';
import { dialog } from './keys.js';
import { el } from './dom.js';
import { mention } from './say.js';

/** A word of a POSIX shell (2.2.2): in single quotes unless none of it means anything to one. */
export const shell = (word) => (/^[A-Za-z0-9_@%+=:,./][A-Za-z0-9_@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A Python string: JSON's escapes are Python's, too. */
export const python = (text) => JSON.stringify(text).replace(/[\u007f-\u{10ffff}]/gu, (character) => {
  const point = character.codePointAt(0);
  return point > 0xffff ? `\\U${point.toString(16).padStart(8, '0')}` : `\\u${point.toString(16).padStart(4, '0')}`;
});

/** @returns {{name: string, text: string}[]} */
export function snippets({ timeline, profile, seq, origin }) {
  const named = profile === 'default';
  const cli = ['framecache', 'get', shell(timeline), '--seq', String(seq), '--out', shell(`frames-${timeline}`), ...(named ? [] : ['--profile', shell(profile)])];
  const call = [python(timeline), `sequences=[${seq}]`, ...(named ? [] : [`profile=${python(profile)}`])];
  const path = withQuery(of(timeline, 'frames', `${seq}.jpg`), named ? {} : { profile });
  return [
    { name: 'CLI', text: cli.join(' ') },
    { name: 'Python', text: `frame, = framecache.Client().frames(${call.join(', ')})` },
    { name: 'URL', text: `${origin}${path}` },
  ];
}

export async function copy(text, name) {
  try {
    // Browsers have it on pages that they trust alone: https, and this machine.
    await navigator.clipboard.writeText(text);
    mention(`${name} copied.`);
  } catch {
    const field = el('textarea', { readonly: true, rows: 3, 'aria-label': `${name}, to be copied` });
    field.value = text;
    dialog('Copy it by hand', field);
    field.select();
  }
}
