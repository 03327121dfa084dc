/** Panels that slide in beside the people: the settings, and what developers look at. One is open at a time. */
import { byId } from './dom.ts';

type Name = 'settings' | 'drawer';
const NAMES: readonly Name[] = ['settings', 'drawer'];

const openerOf = (name: Name): HTMLButtonElement => byId(`${name}-open`, HTMLButtonElement);
const panelOf = (name: Name): HTMLElement => byId(name, HTMLElement);

export class Panels {
  constructor() {
    for (const name of NAMES) {
      openerOf(name).addEventListener('click', () => (panelOf(name).hidden ? this.open(name) : this.close(name)));
      byId(`${name}-close`, HTMLButtonElement).addEventListener('click', () => this.close(name));
      panelOf(name).addEventListener('keydown', ({ key }) => {
        if (key === 'Escape') this.close(name);
      });
    }
  }

  open(name: Name): void {
    for (const other of NAMES) show(other, other === name);
    byId(`${name}-title`, HTMLHeadingElement).focus();
  }

  /** Closes a panel, and takes the focus back to the button that opened it. */
  close(name: Name): void {
    const held = panelOf(name).contains(document.activeElement);
    show(name, false);
    if (held) openerOf(name).focus();
  }

  closeAll(): void {
    for (const name of NAMES) show(name, false);
  }
}

function show(name: Name, on: boolean): void {
  panelOf(name).hidden = !on;
  openerOf(name).setAttribute('aria-expanded', String(on));
}
