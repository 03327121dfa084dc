/** All fuzz targets, in the order in which they run. */
import { natsPrograms } from '../support/nats.ts';
import { asks } from './asks.ts';
import { bucket, bus } from './bus.ts';
import { channel } from './channel.ts';
import { connect } from './connect.ts';
import { headers } from './headers.ts';
import { heartbeats } from './heartbeats.ts';
import { messages } from './messages.ts';
import { plans } from './offers.ts';
import { packets } from './packets.ts';
import { presence } from './presence.ts';
import { records } from './records.ts';
import { relayed } from './relayed.ts';
import { requests } from './requests.ts';
import { rings } from './rings.ts';
import { rtcp } from './rtcp.ts';
import type { FuzzTarget } from './target.ts';
import { worker } from './worker.ts';

const inProcess = [packets, worker, headers, rtcp, rings, plans, messages];
const fromTheBus = [relayed, heartbeats, presence, records, asks];
const againstAServer = [connect, requests, channel];
/** Where nats-server is installed. */
const againstACluster = natsPrograms().length > 0 ? [bus, bucket] : [];

export const targets: readonly FuzzTarget[] = [...inProcess, ...fromTheBus, ...againstAServer, ...againstACluster];
