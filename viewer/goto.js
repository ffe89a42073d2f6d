// Going to a time, or to a frame by its number.

import { button, el } from './dom.js';
import { dialog } from './keys.js';
import { seconds, whole } from './time.js';

/** @param {{time: (seconds: number) => Promise<void>, seq: (seq: number) => Promise<void>}} to */
export function goTo(to) {
  const field = el('input', { id: 'where', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-describedby': 'where-hint where-said' });
  const said = el('p', { id: 'where-said', class: 'bad', role: 'alert' });
  const send = async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    const [seq, time] = [text.startsWith('#') ? whole(text.slice(1)) : undefined, seconds(text)];
    if (seq === undefined && time === undefined) {
      said.textContent = 'That is neither a time nor #number.';
      return;
    }
    try {
      await (seq === undefined ? to.time(time) : to.seq(seq));
      shown.close();
    } catch (error) {
      said.textContent = error.text ?? String(error);
    }
  };
  const form = el('form', { on: { submit: send } }, el('label', { for: 'where', text: 'Time, or #number of a frame' }), field,
    el('p', { id: 'where-hint', class: 'hint', text: '12.5 · 1:02 · 1:02:03.5 · #42' }), said, button('Go', () => {}, { type: 'submit' }));
  const shown = dialog('Go to', form);
  field.focus();
}
