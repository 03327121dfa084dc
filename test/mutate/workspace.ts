/** A copy of the build in which one module at a time is another. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { applyTo, type Mutation } from './mutation.ts';
import { DIST } from './suite.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** What no test looks for beside the build. */
const LEFT_OUT = new Set(['dist', '.git']);

/** A module with a mutation in it. */
export interface CompiledMutant {
  readonly mutation: Mutation;
  /** Where the mutation begins in the source, from 1 on. */
  readonly line: number;
  readonly code: string;
}

/** Makes the mutant of today's source. @throws Error if the mutation does not fit it, or the result is no TypeScript. */
export function mutantOf(mutation: Mutation): CompiledMutant {
  const { text, line } = applyTo(readFileSync(join(ROOT, mutation.file), 'utf8'), mutation);
  return { mutation, line, code: compile(text, mutation.file) };
}

/** The compiled module of a source file, seen from the build. */
export function moduleOf(file: string): string {
  return file.replace(/\.ts$/, '.js');
}

export class Workspace {
  readonly dist: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'mutate-'));

  /** Copies the build, and puts links to everything else beside it. */
  constructor() {
    this.dist = join(this.folder, 'dist');
    cpSync(DIST, this.dist, { recursive: true });
    for (const name of readdirSync(ROOT)) {
      if (!LEFT_OUT.has(name)) symlinkSync(join(ROOT, name), join(this.folder, name));
    }
  }

  /** Puts a mutant in the place of its module until the body has ended. */
  async with<T>({ mutation, code }: CompiledMutant, body: () => Promise<T>): Promise<T> {
    const path = join(this.dist, moduleOf(mutation.file));
    const original = readFileSync(path);
    writeFileSync(path, code);
    try {
      return await body();
    } finally {
      writeFileSync(path, original);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Compiles one module as `tsconfig.json` has it, without looking at types. */
function compile(text: string, sourcefile: string): string {
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } };
  const { code } = transformSync(text, { loader: 'ts', target: 'es2023', format: 'esm', sourcefile, tsconfigRaw });
  return code.replace(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, '$1$2.js$1');
}
