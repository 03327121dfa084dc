/** Loss of the packets of participants who are connected to another instance. */
import { WorstListener } from './loss.ts';

/** What the reports of this instance's listeners say of a source of another instance. */
export class RelayedLoss {
  /** The highest loss that a listener of this instance reports. */
  readonly worst = new WorstListener();
  /** The source's own loss on its way to its own instance, 0 … 255, as that instance says with each packet. */
  readonly uplink = { fraction: 0 };
}

/** A participant of another instance, as reports see it. */
export interface RelayedSource {
  /** Its connection id in this process' workers; -1 while no worker knows it. */
  readonly id: number;
  readonly rtcp: RelayedLoss;
  /** `current` is the conversation; null once it has left. */
  readonly seat: { readonly current: object | null };
}
