/** The link that invites somebody to the room. */
import { byId, setText } from './dom.ts';
import { openAt } from './popover.ts';
import { linkTo } from './remembered.ts';

/** Addresses that mean the machine of whoever opens them. */
const OWN_MACHINE = /^(localhost|127\..*|\[::1\])$/;

/** Makes the button “Invite” work. @param room returns the room; null for none. */
export function offerInvitation(room: () => string | null): void {
  const popover = byId('invite', HTMLDivElement);
  const button = byId('invite-open', HTMLButtonElement);
  const link = byId('invite-link', HTMLInputElement);
  const said = byId('invite-said', HTMLParagraphElement);
  button.addEventListener('click', () => {
    const id = room();
    if (id === null) return;
    link.value = linkTo(id);
    setText(said, OWN_MACHINE.test(location.hostname) ? 'This link works on this computer only.' : '');
    openAt(popover, button);
    link.focus();
    link.select();
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
