// Signing in: a token, or the key that `framecache view` opens a browser with.

import { Problem, ask, onSignedOut } from './api.js';
import { button, byId, el, fill } from './dom.js';

const PATH = '/v1/session';
const KEY = '#key=';
let scope;

/** Whether more than looking is allowed. */
export const mayExtract = () => scope === 'all';

/** Uses up the key of the address, which does not stay in the browser's history, and learns what is allowed. */
export async function begin() {
  const key = location.hash.startsWith(KEY) ? location.hash.slice(KEY.length) : '';
  let refused = null;
  if (key) {
    history.replaceState(null, '', location.pathname + location.search);
    refused = await signIn({ key }).then(() => null, (problem) => problem);
  }
  const told = await ask(PATH, { quiet: true });
  stands(told);
  if (told.needed && !told.scope) await asked(refused);
}

const signIn = async (given) => { stands(await ask(PATH, { method: 'POST', body: given, quiet: true })); };

function stands(told) {
  scope = told.scope;
  byId('out').hidden = !(told.needed && told.scope);
}

byId('out').addEventListener('click', async () => {
  await ask(PATH, { method: 'DELETE', as: 'none', quiet: true }).catch(() => {});
  location.assign('/');
});

onSignedOut(() => { if (scope !== undefined) location.reload(); });

/** Ends once somebody is signed in. */
function asked(before) {
  return new Promise((done) => {
    const said = el('p', { id: 'said', class: 'bad', role: 'alert', text: before ? before.text : '' });
    const field = el('input', {
      id: 'token', type: 'password', name: 'token', required: true, autocomplete: 'current-password', 'aria-describedby': 'said token-hint', maxlength: 2048,
    });
    const send = async (event) => {
      event.preventDefault();
      said.textContent = '';
      try {
        await signIn({ token: field.value });
        field.value = '';
        done();
      } catch (problem) {
        said.textContent = problem instanceof Problem ? problem.text : String(problem);
        field.select();
      }
    };
    const form = el('form', { class: 'sign-in', on: { submit: send } },
      el('h1', { text: 'Sign in' }),
      el('label', { for: 'token', text: 'Token' }), field,
      el('p', { id: 'token-hint', class: 'hint', text: 'One that the server was started with (--tokens). It is kept in a cookie that no script reads, until you sign out or close the browser.' }),
      said, button('Sign in', () => {}, { type: 'submit' }));
    fill(byId('main'), form);
    field.focus();
  });
}
