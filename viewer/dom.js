// Elements by hand. Text is always text: names of timelines, chunks and overlays are other people's.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] attributes; `text`, `class`, `on` (listeners) and `data` mean what they say.
 *   An attribute of `true` is set without a value, of `false`, `null` or `undefined` left out.
 * @param {...(Node|string|null|undefined)} children
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) set(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function set(node, name, value) {
  if (name === 'text') node.textContent = value;
  else if (name === 'class') node.className = value;
  else if (name === 'data') Object.assign(node.dataset, value);
  else if (name === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  else if (value === true) node.setAttribute(name, '');
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
}

export const button = (text, click, props = {}) => el('button', { type: 'button', text, on: { click }, ...props });

export const byId = (id) => document.getElementById(id);

/** Puts these in place of what is in there. */
export const fill = (node, ...children) => { node.replaceChildren(...children.filter((child) => child !== null && child !== undefined)); return node; };

/** The work, at most once a frame of the screen. */
export function oncePerFrame(work) {
  let asked = 0;
  return () => { asked ||= requestAnimationFrame(() => { asked = 0; work(); }); };
}

/** A canvas as sharp as the screen is, and its context in CSS pixels. */
export function sharp(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext('2d');
  context.setTransform(wide / Math.max(1, width), 0, 0, high / Math.max(1, height), 0, 0);
  return context;
}

/** The colour that a style sheet gives an element's text: canvases take theirs from legends. */
export const ink = (node) => getComputedStyle(node).color;
