/** The few things that the page does to its document. */

/** The element with this id. @throws Error if the document has none of this kind. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return element;
}

/** Makes an element with a class and what is in it. */
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

/** Sets the text if it is another, so that nothing is drawn or read again for nothing. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** What a toggle button is. */
export function press(button: HTMLButtonElement, pressed: boolean): void {
  button.setAttribute('aria-pressed', String(pressed));
}

/** A round picture for somebody: the first letters of their name on a colour of their own. Not for screen readers. */
export function paintFace(face: HTMLElement, name: string): void {
  const letters = name
    .replace(/[^\p{L}\p{N} ]/gu, '')
    .split(' ')
    .filter((word) => word !== '' && word !== 'bot')
    .map((word) => word.charAt(0).toUpperCase());
  setText(face, letters.slice(0, 2).join(''));
  // FNV-1a: names that are alike get colours that are not.
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  face.style.setProperty('--hue', String((hash >>> 8) % 360));
}

export function makeFace(name = ''): HTMLElement {
  const face = make('span', 'face');
  face.setAttribute('aria-hidden', 'true');
  paintFace(face, name);
  return face;
}
