/** Small helpers for the document. */

/** Returns the element with this id. @throws Error if the document has no element of this kind with it. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return element;
}

/** Makes an element with a class and its content. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...inside);
  return element;
}

/** Returns a number with its noun: `1 room`, `2 rooms`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Sets the text if it differs, so that an unchanged one is not drawn or read aloud again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a toggle button as pressed or not. */
export function press(button: HTMLButtonElement, pressed: boolean): void {
  button.setAttribute('aria-pressed', String(pressed));
}

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an icon of those in index.html, hidden from screen readers. */
export function makeIcon(name: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Changes the icon in an element. */
export function setIcon(inside: Element, name: string): void {
  const use = inside.querySelector('use');
  if (use?.getAttribute('href') !== `#i-${name}`) use?.setAttribute('href', `#i-${name}`);
}

/** Shows a user in a round picture: the initials of the name on a colour that depends on the name. */
export function paintFace(face: HTMLElement, name: string): void {
  const letters = name
    .replace(/[^\p{L}\p{N} ]/gu, '')
    .split(' ')
    .filter((word) => word !== '' && word !== 'bot')
    .map((word) => word.charAt(0).toUpperCase());
  setText(face, letters.slice(0, 2).join(''));
  // FNV-1a gives similar names different colours.
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  face.style.setProperty('--hue', String((hash >>> 8) % 360));
}

/** Makes a round picture, which is hidden from screen readers. */
export function makeFace(name = ''): HTMLElement {
  const face = make('span', 'face');
  face.setAttribute('aria-hidden', 'true');
  paintFace(face, name);
  return face;
}
