/** Unmutes a client for as long as a key or a button is held down. */

/** What is told to be muted, such as a VoiceClient. */
interface Mutable {
  mute(muted: boolean): void;
}

export interface PushToTalkOptions {
  /** The `code` of the key (https://www.w3.org/TR/uievents-code/), such as `Space` or `KeyV`. */
  readonly key?: string;
  /** Where the key is listened to. */
  readonly target?: EventTarget;
  /** How long to go on sending after the release, milliseconds: people let go with the last syllable. */
  readonly release?: number;
}

/** Ends push-to-talk when called; the client stays muted. */
export interface PushToTalk {
  (): void;
  /** For a button: `button.onpointerdown = talk.press`. */
  press(): void;
  /** Likewise for `onpointerup` and `onpointercancel`. */
  release(): void;
}

/** Where people type. */
const FIELDS =
  'textarea,select,[role=textbox],input:not([type=button],[type=checkbox],[type=radio],[type=range],[type=submit])';
/** What the space bar presses. */
const CONTROLS = 'a,button,summary,input,[role][tabindex="0"]';

/**
 * Mutes a client, and unmutes it for as long as a key is held down.
 *
 * The key does nothing in fields in which people type, together with Ctrl, Alt or Meta, and while the space bar belongs
 * to a control that was reached by keyboard. It is released when the page loses the focus or is hidden.
 *
 * @returns a function that ends it, with `press` and `release` for a button.
 */
export function pushToTalk(
  client: Mutable,
  { key = 'Space', target = window, release = 150 }: PushToTalkOptions = {},
): PushToTalk {
  const aborter = new AbortController();
  const { signal } = aborter;
  let held = false;
  /** What was last pointed at, with all that contains it: it has the focus, but nobody chose it for the space bar. */
  let pointed: readonly EventTarget[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const press = (): void => {
    if (held || signal.aborted) return;
    held = true;
    clearTimeout(timer);
    client.mute(false);
  };
  const letGo = (): void => {
    if (!held) return;
    held = false;
    timer = setTimeout(() => client.mute(true), release);
  };
  const down = (event: KeyboardEvent): void => {
    if (event.code === 'Tab') pointed = [];
    if (event.code !== key || event.defaultPrevented || (!held && isForOthers(event, pointed))) return;
    // The space bar would scroll the page, and press the button that was clicked last.
    event.preventDefault();
    if (!event.repeat) press();
  };
  const up = (event: KeyboardEvent): void => {
    if (held && event.code === key) event.preventDefault();
    // While Meta is down, macOS tells of no other key that is released.
    if (event.code === key || event.key === 'Meta') letGo();
  };
  const listen = (on: EventTarget, name: string, listener: (event: never) => void): void =>
    on.addEventListener(name, listener as EventListener, { signal });
  listen(target, 'keydown', down);
  listen(target, 'pointerdown', (event: PointerEvent) => {
    pointed = event.composedPath();
  });
  listen(target, 'keyup', up);
  listen(window, 'blur', letGo);
  listen(document, 'visibilitychange', letGo);
  client.mute(true);
  const end = (): void => {
    aborter.abort();
    letGo();
  };
  return Object.assign(end, { press, release: letGo });
}

/** Whether a key is meant for what has the focus, or is part of a shortcut. @param pointed what has it by a click. */
function isForOthers(event: KeyboardEvent, pointed: readonly EventTarget[]): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey) return true;
  const [element] = event.composedPath();
  if (!(element instanceof HTMLElement)) return false;
  if (element.isContentEditable || element.matches(FIELDS)) return true;
  return event.code === 'Space' && element.matches(CONTROLS) && !pointed.includes(element);
}
