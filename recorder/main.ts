/** `npm run record`: records a conversation by a tap. It is a program of its own, beside the service. */
import { mix } from './mix.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { Recording } from './recording.ts';
import { TapClient } from './tap-client.ts';

/** How often packets are written, and how often the manifest is; milliseconds. */
const TICK_MS = 250;
const MANIFEST_MS = 10_000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function options(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    say(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** Records until a signal comes or nothing more can be written. @returns the exit code. */
async function record({ conversation, out, url, token, rotate, mix: mixes }: Options): Promise<number> {
  let finish: (error: string | null) => void = () => undefined;
  const finished = new Promise<string | null>((resolve) => {
    finish = resolve;
  });
  const failed = (error: NodeJS.ErrnoException): void => {
    finish(error.code === 'ENOSPC' ? `the disk is full (${out})` : error.message);
  };
  const recording = new Recording({ conversation, out, rotate, failed });
  const tap = new TapClient(url, conversation, token, {
    opened: () => {
      say(`recording ${conversation} to ${out}: everybody in it is told so`);
      recording.opened();
    },
    packets: (packets) => recording.packets(packets),
    event: (event) => {
      if (event.type === 'lost') say(`${event.packets} packets were lost: this program was too slow`);
      recording.event(event);
    },
    told: (event) => recording.told(event),
    lost: (why, fatal) => {
      say(`no tap at ${url}: ${why}${fatal ? '' : '; trying again'}`);
      recording.interrupted(why);
      if (fatal) finish(why);
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => finish(null));
  tap.open();
  const told = new Set<string>();
  const tellUnreadable = (): void => {
    for (const userid of recording.unreadable) {
      if (told.has(userid)) continue;
      told.add(userid);
      say(`${userid} cannot be recorded: what comes is no Opus, perhaps because it is encrypted end to end`);
    }
  };
  const ticks = setInterval(() => {
    recording.tick();
    tellUnreadable();
  }, TICK_MS);
  const manifests = setInterval(() => {
    try {
      recording.writeManifest();
    } catch (error) {
      failed(error as Error);
    }
  }, MANIFEST_MS);
  const error = await finished;
  await tap.close();
  clearInterval(ticks);
  clearInterval(manifests);
  await recording.end(error);
  if (error !== null) say(`the recording ended: ${error}`);
  tellUnreadable();
  let code = error === null && told.size === 0 ? 0 : 1;
  for (const { folder, files } of mixes ? recording.files : []) {
    try {
      await mix(folder, files);
    } catch (problem) {
      say(`no mix of ${folder}: ${(problem as Error).message}`);
      code = 1;
    }
  }
  return code;
}

try {
  process.exit(await record(options()));
} catch (error) {
  say((error as Error).message);
  process.exit(1);
}
