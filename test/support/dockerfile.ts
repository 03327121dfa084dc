/**
 * Carries out the instructions that `deploy/Dockerfile` uses, without an engine: each stage is a folder, and each RUN a
 * shell in it. Every other instruction is an error, so that no part of the file is skipped and stays untested.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';

export interface Instruction {
  readonly name: string;
  /** The options `--name=value`. */
  readonly options: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  /** The image that FROM names, with its arguments filled in. */
  readonly base: string;
  /** The folder that stands for `/`. */
  readonly root: string;
  readonly env: Record<string, string>;
  readonly exposed: string[];
  workdir: string;
  user: string;
  stopSignal: string;
  command: readonly string[];
  health: { readonly command: readonly string[]; readonly options: Readonly<Record<string, string>> } | null;
}

/** Returns the instructions in order. @throws Error for syntax that this reader does not know. */
export function readDockerfile(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  const whole = lines.join('\n').replaceAll(/\\\n/g, ' ').split('\n');
  return whole
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      if (name === '' || rest.includes('<<')) throw new Error(`not understood: ${line}`);
      const options: Record<string, string> = {};
      const options_ = /^--([\w-]+)=(\S+)\s+/;
      let text = rest;
      for (let match = options_.exec(text); match !== null; match = options_.exec(text)) {
        options[match[1]!] = match[2]!;
        text = text.slice(match[0].length);
      }
      return { name, options, text: text.trim() };
    });
}

/** Returns whether `.dockerignore` lets a path of the context in. It may have `*` and names without wildcards only. */
export function readDockerignore(text: string): (path: string) => boolean {
  const rules = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const rule of rules) {
    if (!/^(\*|!?[\w.-]+(\/[\w.-]+)*)$/.test(rule)) throw new Error(`not understood: ${rule}`);
  }
  return (path) => {
    let allowed = true;
    for (const rule of rules) {
      const name = rule.replace(/^!/, '');
      if (rule === '*' || path === name || path.startsWith(`${name}/`)) allowed = rule.startsWith('!');
    }
    return allowed;
  };
}

export interface BuildOptions {
  /** Folder of the context; its `.dockerignore` applies. */
  readonly context: string;
  /** The folder for the stages. */
  readonly folder: string;
  /** Time limit of each RUN, milliseconds. */
  readonly timeout: number;
}

/** Carries out all stages. @returns the stages in order; the last one is the image. */
export function build(instructions: readonly Instruction[], options: BuildOptions): Stage[] {
  const allows = readDockerignore(readFileSync(join(options.context, '.dockerignore'), 'utf8'));
  const args: Record<string, string> = {};
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    const { name, text } = instruction;
    if (name === 'ARG' && stage === undefined) {
      const [key = '', value = ''] = text.split('=');
      args[key] = value;
    } else if (name === 'FROM') stages.push(begin(text, args, options.folder));
    else if (stage === undefined) throw new Error(`${name} before FROM`);
    else carryOut(instruction, stage, stages, options, allows);
  }
  return stages;
}

function begin(text: string, args: Readonly<Record<string, string>>, folder: string): Stage {
  const [image = '', , name = 'image'] = text.split(/\s+/);
  const base = image.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => args[key] ?? '');
  const root = join(folder, name);
  mkdirSync(root);
  const [workdir, user, stopSignal] = ['/', 'root', 'SIGTERM'];
  return { name, base, root, env: {}, exposed: [], workdir, user, stopSignal, command: [], health: null };
}

function carryOut(
  { name, options, text }: Instruction,
  stage: Stage,
  stages: readonly Stage[],
  how: BuildOptions,
  allows: (path: string) => boolean,
): void {
  const known = { COPY: ['from'], HEALTHCHECK: ['interval', 'timeout', 'start-period', 'retries'] }[name] ?? [];
  for (const option of Object.keys(options)) if (!known.includes(option)) throw new Error(`${name} --${option}`);
  switch (name) {
    case 'WORKDIR':
      stage.workdir = resolve(stage.workdir, text);
      mkdirSync(join(stage.root, stage.workdir), { recursive: true });
      return;
    case 'ENV':
      for (const pair of text.split(/\s+/)) stage.env[pair.split('=', 1)[0]!] = pair.slice(pair.indexOf('=') + 1);
      return;
    case 'RUN':
      execFileSync('/bin/sh', ['-ec', text], {
        cwd: join(stage.root, stage.workdir),
        env: { ...process.env, npm_config_prefer_offline: 'true', npm_config_loglevel: 'error', ...stage.env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: how.timeout,
      });
      return;
    case 'COPY': {
      const from = options['from'];
      const source = from === undefined ? null : stages.find((one) => one.name === from);
      if (source === undefined) throw new Error(`COPY --from=${from}: no such stage`);
      const words = text.split(/\s+/);
      for (const path of words.slice(0, -1)) copy(path, words.at(-1)!, stage, source, how.context, allows);
      return;
    }
    case 'USER':
      stage.user = text;
      return;
    case 'EXPOSE':
      stage.exposed.push(...text.split(/\s+/));
      return;
    case 'STOPSIGNAL':
      stage.stopSignal = text;
      return;
    case 'HEALTHCHECK':
      stage.health = { command: execForm(text.replace(/^CMD\s+/, '')), options };
      return;
    case 'CMD':
      stage.command = execForm(text);
      return;
    default:
      throw new Error(`${name} is not understood`);
  }
}

function copy(
  path: string,
  to: string,
  stage: Stage,
  source: Stage | null,
  context: string,
  allows: (path: string) => boolean,
): void {
  const base = source?.root ?? context;
  const from = join(base, path);
  if (!existsSync(from) || (source === null && !allows(path))) throw new Error(`COPY ${path}: not there`);
  const target = join(stage.root, resolve(stage.workdir, to), to.endsWith('/') ? basename(path) : '');
  cpSync(from, target, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (each) => source !== null || allows(relative(context, each)),
  });
}

/** Reads the exec form. @throws Error for the shell form: a shell as process 1 would not pass signals on. */
function execForm(text: string): string[] {
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string'))
    throw new Error(`not exec form: ${text}`);
  return words;
}

/** Returns the paths of all files below a folder, relative to it. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
