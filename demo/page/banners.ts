/** Lines above the people that stay for as long as something is so, such as being muted by an operator. */
import { byId, make, setText } from './dom.ts';

/** What there is a line for, the most important first. */
export type Banner = 'silenced' | 'audience' | 'deafened' | 'muted-talk' | 'silent' | 'cluster';

interface Action {
  readonly label: string;
  readonly act: () => void;
}

/** Where the focus goes when a line with the focus disappears. */
const NEXT_FOCUS = 'call-title';

export class Banners {
  private readonly list = byId('banners', HTMLDivElement);
  private readonly lines = new Map<Banner, HTMLElement>();

  /** Shows a line, or takes it away. The list is a live region, so a new line is read aloud. */
  set(which: Banner, text: string | null, action: Action | null = null): void {
    const line = this.lines.get(which);
    if (text === null) {
      if (line === undefined) return;
      if (line.contains(document.activeElement)) byId(NEXT_FOCUS, HTMLHeadingElement).focus();
      line.remove();
      this.lines.delete(which);
      return;
    }
    if (line !== undefined) return setText(line.firstElementChild!, text);
    const made = make('div', 'banner', make('p', '', text));
    made.dataset['banner'] = which;
    if (action !== null) {
      const button = make('button', 'small', action.label);
      button.type = 'button';
      button.addEventListener('click', action.act);
      made.append(button);
    }
    this.lines.set(which, made);
    this.list.append(made);
  }

  clear(): void {
    for (const which of [...this.lines.keys()]) this.set(which, null);
  }
}
