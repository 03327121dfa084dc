/** The link that invites somebody to the room. */
import { byId, setText } from './dom.ts';
import { openAt } from './popover.ts';
import { drawCode } from './qr.ts';
import { linkTo } from './remembered.ts';

/** Addresses that mean the machine of whoever opens them. */
const OWN_MACHINE = /^(localhost|127\..*|\[::1\])$/;

const onThisMachineOnly = (link: string): boolean => OWN_MACHINE.test(new URL(link).hostname);

/**
 * Makes the button “Invite” work.
 *
 * @param room returns the room; null for none.
 * @param origin returns the page's origin for others in the network; null if they do not reach it.
 */
export function offerInvitation(room: () => string | null, origin: () => string | null): void {
  const popover = byId('invite', HTMLDivElement);
  const button = byId('invite-open', HTMLButtonElement);
  const link = byId('invite-link', HTMLInputElement);
  const code = byId('invite-code', HTMLDivElement);
  const said = byId('invite-said', HTMLParagraphElement);
  button.addEventListener('click', () => {
    const id = room();
    if (id === null) return;
    const forOthers = origin();
    link.value = linkForOthers(linkTo(id), forOthers);
    setText(said, onThisMachineOnly(link.value) ? 'This link works on this computer only.' : '');
    code.replaceChildren(...(forOthers === null ? [] : [drawCode(link.value)]));
    openAt(popover, button);
    link.focus();
    link.select();
    link.scrollLeft = 0;
  });
  byId('invite-copy', HTMLButtonElement).addEventListener('click', () => {
    navigator.clipboard.writeText(link.value).then(
      () => setText(said, 'Copied.'),
      () => {
        link.focus();
        link.select();
        setText(said, 'The browser does not let this page copy. Press Ctrl+C.');
      },
    );
  });
}

/** Returns the link as others can open it: whoever opened the page by this machine's own name leads them elsewhere. */
function linkForOthers(link: string, origin: string | null): string {
  if (origin === null || !onThisMachineOnly(link)) return link;
  const { pathname, search } = new URL(link);
  return `${origin}${pathname}${search}`;
}
