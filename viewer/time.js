// Numbers as people read them, and times as they write them.

const DIGITS = 3;

/** Seconds as h:mm:ss.mmm, without what is not needed. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return '';
  const millis = Math.round(Math.abs(seconds) * 10 ** DIGITS);
  const pad = (n, digits) => String(n).padStart(digits, '0');
  const [hours, minutes] = [Math.floor(millis / 3600000), Math.floor(millis / 60000) % 60];
  const rest = `${pad(Math.floor(millis / 1000) % 60, 2)}.${pad(millis % 1000, DIGITS)}`;
  const sign = seconds < 0 && millis > 0 ? '-' : '';
  return hours ? `${sign}${hours}:${pad(minutes, 2)}:${rest}` : `${sign}${minutes}:${rest}`;
}

/** Seconds of "12.5", "1:02", "1:02:03.5"; undefined for anything else. */
export function seconds(text) {
  const parts = text.trim().split(':');
  const wrong = parts.length > 3 || !parts.every((part, n) => (n === parts.length - 1 ? /^\d+([.,]\d+)?$/ : /^\d+$/).test(part));
  if (wrong) return undefined;
  return parts.reduce((sum, part) => 60 * sum + Number(part.replace(',', '.')), 0);
}

export const count = (n) => Number(n).toLocaleString('en');

/** Of a few: 1 frame, 2 frames. */
export const several = (n, word) => `${count(n)} ${word}${Number(n) === 1 ? '' : 's'}`;

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [Number(n), 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Whole number of digits; undefined for anything else. */
export const whole = (text) => (/^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined);
