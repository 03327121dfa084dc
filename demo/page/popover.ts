/** Places a small window beside the button that opens it. */

import { byId } from './dom.ts';

/** Space to the edges of the window, CSS pixels. */
const EDGE = 8;

/** Opens a popover at a button, or closes it if it is open there. */
export function openAt(popover: HTMLElement, button: HTMLElement): void {
  // The focus returns to where it was, and in Safari a click does not move it to the button.
  button.focus();
  popover.showPopover();
  button.setAttribute('aria-expanded', 'true');
  popover.addEventListener(
    'toggle',
    () => {
      if (!popover.matches(':popover-open')) button.setAttribute('aria-expanded', 'false');
    },
    { signal: closingOf(popover) },
  );
  const at = button.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const below = at.bottom + height + EDGE <= barTop();
  const top = below ? at.bottom + 4 : Math.max(EDGE, at.top - height - 4);
  popover.style.setProperty('top', `${top}px`);
  popover.style.setProperty('left', `${Math.max(EDGE, Math.min(at.right - width, innerWidth - width - EDGE))}px`);
}

/** Returns where the controls begin, which stay in reach. */
function barTop(): number {
  const { height } = byId('bar', HTMLElement).getBoundingClientRect();
  return innerHeight - height;
}

/** Returns a signal that aborts once the popover has closed. */
function closingOf(popover: HTMLElement): AbortSignal {
  const aborter = new AbortController();
  popover.addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState === 'closed') setTimeout(() => aborter.abort());
  });
  return aborter.signal;
}
