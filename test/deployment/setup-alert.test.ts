/**
 * The alert for failing set-ups, with clients that give up before the server does, as the shipped client does. The
 * samples come from a real server whose minute takes three seconds: its time-outs and its clients' are a twentieth.
 */
import { is, ok } from 'uvu/assert';
import { type Scrape, scrape } from '../support/metrics.ts';
import { createNativeClient } from '../support/native-client.ts';
import { prng } from '../support/prng.ts';
import { alertRules, tryAlerts, withPromtool } from '../support/promtool.ts';
import { Relay } from '../support/relay.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { HANG_MS, pause } from '../support/waiting.ts';
import { WebrtcClient } from '../support/webrtc.ts';

const test = scenarios('alert of failing set-ups');
/** A twentieth of the defaults, 10 s and 20 s, and of the 15 s after which the shipped client tries again. */
const SCALED = { ICE_TIMEOUT_MS: '500', CONNECT_TIMEOUT_MS: '1000' };
const GIVE_UP_MS = 750;
/** Minutes of samples: the rule looks back ten minutes and waits five. */
const MINUTES = 17;
const ALERT = 'SfuSetupFailing';

/** One attempt of a client, which connects or gives up after its time-out. */
type Attempt = (url: string, relay: Relay, clientid: string) => Promise<void>;

/**
 * Returns an attempt through a relay.
 *
 * @param network impairs the relay.
 * @param timeout time until the client gives up, milliseconds.
 */
function throughRelay(network: (relay: Relay) => void, timeout = GIVE_UP_MS): Attempt {
  return async (url, relay, clientid) => {
    network(relay);
    const client = new WebrtcClient({
      url,
      claim: { userid: 'ann', clientid },
      slots: 1,
      publishes: true,
      payloadType: 111,
      ssrc: 4711,
      data: true,
      relay: relay.port,
    });
    const giveUp = setTimeout(() => client.end(), timeout);
    await client.connect();
    clearTimeout(giveUp);
    client.end();
  };
}

const attempts: Readonly<Record<string, { readonly attempt: Attempt; readonly cause: string | null }>> = {
  'no-stun': {
    attempt: throughRelay((relay) => {
      relay.blackhole = true;
    }),
    cause: 'no-ice',
  },
  'no-dtls': {
    attempt: throughRelay((relay) => {
      relay.stunOnly = true;
    }),
    cause: 'no-dtls',
  },
  'answer-rejected': {
    async attempt(url, _, clientid) {
      const client = await createNativeClient(clientid);
      const { socket, next } = await openSocket(url, 'ann', clientid);
      socket.send(client.offer);
      for (const candidate of client.candidates) socket.send(candidate);
      await next();
      // The client does nothing until it gives up.
      await pause(GIVE_UP_MS);
      socket.terminate();
      await client.close();
    },
    // The client's ICE still answers the server's checks.
    cause: 'no-dtls',
  },
  // The time-out is long enough for a busy machine.
  'all-well': { attempt: throughRelay(() => undefined, HANG_MS), cause: null },
};

/** Lets two clients try once a minute. @returns a scrape of each minute. */
async function history(attempt: Attempt, env: Record<string, string>): Promise<Scrape[]> {
  const media = await freeUdpPort();
  const server = await startServer({ ...env, MEDIA_PORTS: String(media) });
  const relays = [await Relay.open(prng(1), media), await Relay.open(prng(2), media)];
  const minutes: Scrape[] = [];
  try {
    for (let minute = 0; minute < MINUTES; minute++) {
      minutes.push(await scrape(server.adminUrl));
      await Promise.all(relays.map((relay, i) => attempt(server.url, relay, `tab ${i}`)));
    }
  } finally {
    for (const relay of relays) relay.close();
    await server.stop();
  }
  return minutes;
}

/**
 * Returns the series that Prometheus would have: each sample with the labels that it adds, and a value for each minute.
 */
function seriesOf(minutes: readonly Scrape[], instance: string): object[] {
  const series = new Map<string, string[]>();
  for (const [minute, { text }] of minutes.entries()) {
    for (const [, name, labels = '', value] of text.matchAll(/^(sfu_\w+)(?:\{(.*)\})? (\S+)$/gm)) {
      const all = [`job="webrtc"`, `instance="${instance}"`, ...(labels === '' ? [] : [labels])];
      const key = `${name}{${all.join()}}`;
      const values = series.get(key) ?? Array(minute).fill('_');
      series.set(key, values);
      values.push(value!);
    }
  }
  return [...series].map(([key, values]) => ({ series: key, values: values.join(' ') }));
}

withPromtool(
  test,
  `${ALERT} fires where clients fail that give up early, whatever they fail at, and only there`,
  async () => {
    const kinds = Object.entries(attempts);
    const histories = await Promise.all(
      kinds.map(([, { attempt, cause }]) => history(attempt, cause === null ? {} : SCALED)),
    );
    const failing = kinds.filter(([, { cause }]) => cause !== null).map(([kind]) => kind);
    for (const [i, [kind, { cause }]] of kinds.entries()) {
      const last = histories[i]!.at(-1)!;
      const failed = last.sum('sfu_connection_setup_failures_total');
      if (cause === null) is(failed, 0, kind);
      else {
        // Attempts of the last minute may still count as under way.
        ok(failed >= 2 * (MINUTES - 2), `${kind}: ${failed}`);
        // In a twentieth of the time a busy machine may now and then not start ICE.
        const told = last.value('sfu_connection_setup_failures_total', { cause })!;
        ok(told > 0.8 * failed, `${kind}: ${told} of ${failed}`);
      }
    }
    const { severity } = alertRules().find(({ alert }) => alert === ALERT)!.labels;
    const alert_rule_test = [
      {
        eval_time: `${MINUTES - 1}m`,
        alertname: ALERT,
        exp_alerts: failing.map((instance) => ({ exp_labels: { severity, job: 'webrtc', instance } })),
      },
    ];
    const input_series = kinds.flatMap(([kind], i) => seriesOf(histories[i]!, kind));
    const { code, text } = tryAlerts([{ input_series, alert_rule_test }]);
    is(code, 0, text);
  },
);

test.run();
