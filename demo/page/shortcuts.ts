/** Keyboard shortcuts of one letter. */

/** Where a letter is text. */
const FIELDS = 'textarea, select, [contenteditable], input:not([type=range], [type=checkbox])';

/** Calls a function when a key is pressed, except in fields and together with Ctrl, Alt or Meta. */
export function onKey(key: string, act: () => void): void {
  window.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== key || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target instanceof Element && event.target.matches(FIELDS)) return;
    event.preventDefault();
    act();
  });
}
