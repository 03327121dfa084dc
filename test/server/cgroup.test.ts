/** Limits of containers: common layouts of control groups, and a real group where this machine allows to create one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { equal, is, ok } from 'uvu/assert';
import { cpuQuota, usableCores } from '../../src/main/cgroup.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('cgroup');

type Files = Readonly<Record<string, string>>;
const look = (files: Files) => cpuQuota((path) => files[path] ?? null);

const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const V1 = (controllers: string, root: string): string =>
  `33 31 0:30 ${root} /sys/fs/cgroup/${controllers} ro,nosuid master:11 - cgroup cgroup rw,${controllers}`;
const DOCKER = '/docker/8c1f';
const POD = '/kubepods.slice/kubepods-pod1.slice';

const layouts: readonly [name: string, cores: number | null, files: Files][] = [
  ['no control groups at all', null, {}],
  [
    'version 2, no quota',
    null,
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': '0::/user.slice\n',
      '/sys/fs/cgroup/user.slice/cpu.max': 'max 100000\n',
    },
  ],
  [
    'version 2, the container’s own namespace',
    2,
    { '/proc/self/mountinfo': V2, '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '200000 100000\n' },
  ],
  [
    'version 2, a systemd service',
    1.5,
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': '0::/system.slice/sfu.service\n',
      '/sys/fs/cgroup/system.slice/sfu.service/cpu.max': '150000 100000\n',
    },
  ],
  [
    'version 2, a pod tighter than its container',
    0.5,
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': `0::${POD}/c\n`,
      [`/sys/fs/cgroup${POD}/c/cpu.max`]: '400000 100000\n',
      [`/sys/fs/cgroup${POD}/cpu.max`]: '25000 50000\n',
      '/sys/fs/cgroup/kubepods.slice/cpu.max': 'max 100000\n',
    },
  ],
  [
    'version 2, outside of what the namespace shows',
    3,
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': '0::/../../other\n',
      '/sys/fs/cgroup/cpu.max': '300000 100000\n',
      '/sys/fs/cgroup/../cpu.max': '100000 100000\n',
      '/sys/fs/cgroup/other/cpu.max': 'max 100000\n',
    },
  ],
  [
    'version 1, Docker on the host’s paths',
    2,
    {
      '/proc/self/mountinfo': V1('cpu,cpuacct', DOCKER),
      '/proc/self/cgroup': `4:cpu,cpuacct:${DOCKER}\n1:name=systemd:${DOCKER}\n`,
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    },
  ],
  [
    'version 1, nested, no quota',
    null,
    {
      '/proc/self/mountinfo': V1('cpu', '/'),
      '/proc/self/cgroup': '4:cpu:/a/b\n',
      '/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us': '100000\n',
    },
  ],
  [
    'version 1, the group above has one',
    4,
    {
      '/proc/self/mountinfo': V1('cpu', '/'),
      '/proc/self/cgroup': '4:cpu:/a/b\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '400000\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n',
    },
  ],
  [
    'both versions, the controller in the first',
    1,
    {
      '/proc/self/mountinfo': `${V1('cpu', '/')}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`,
      '/proc/self/cgroup': '2:cpu:/x\n0::/x\n',
      '/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us': '100000\n',
      '/sys/fs/cgroup/cpu/x/cpu.cfs_period_us': '100000\n',
    },
  ],
  [
    'a mount point with a space',
    2,
    {
      '/proc/self/mountinfo': '30 23 0:26 / /sys/c\\040g rw - cgroup2 none rw',
      '/proc/self/cgroup': '0::/\n',
      '/sys/c g/cpu.max': '200000 100000\n',
    },
  ],
  [
    'nonsense',
    null,
    { '/proc/self/mountinfo': 'x\n- -\n30 - cgroup2\n', '/proc/self/cgroup': ':::\n0:/\n', '/cpu.max': '1 1' },
  ],
  [
    'a quota of nothing',
    null,
    { '/proc/self/mountinfo': V2, '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '0 100000\n' },
  ],
  [
    'a period of nothing',
    null,
    { '/proc/self/mountinfo': V2, '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '200000 0\n' },
  ],
];

for (const [name, cores, files] of layouts) {
  test(`a quota is found: ${name}`, () => is(look(files)?.cores ?? null, cores));
}

test('cores are whole ones, at least one, and no more than the machine has', () => {
  const all = availableParallelism();
  equal(
    [0.1, 1, 1.9, 10_000].map((cores) => usableCores({ cores })),
    [1, 1, 1, all],
  );
  is(usableCores(null), all);
});

test('usage and throttling are read from the group with the quota', () => {
  const two = look({
    '/proc/self/mountinfo': V2,
    '/proc/self/cgroup': '0::/a/b\n',
    '/sys/fs/cgroup/a/cpu.max': '200000 100000',
    '/sys/fs/cgroup/a/cpu.stat': 'usage_usec 5000\nuser_usec 1\nnr_periods 9\nnr_throttled 3\n',
  })!;
  equal([two.used(), two.throttled()], [5, 3]);
  const one = look({
    '/proc/self/mountinfo': `${V1('cpu', '/')}\n${V1('cpuacct', '/')}`,
    '/proc/self/cgroup': '2:cpuacct:/a\n1:cpu:/a\n',
    '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '200000',
    '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000',
    '/sys/fs/cgroup/cpu/a/cpu.stat': 'nr_periods 9\nnr_throttled 2\nthrottled_time 7\n',
    '/sys/fs/cgroup/cpuacct/a/cpuacct.usage': '7000000\n',
  })!;
  equal([one.used(), one.throttled()], [7, 2]);
  const mute = look({
    '/proc/self/mountinfo': V2,
    '/proc/self/cgroup': '0::/\n',
    '/sys/fs/cgroup/cpu.max': '200000 100000',
  })!;
  equal([mute.used(), mute.throttled()], [null, 0]);
});

/** A group below each controller that limits or counts. */
const GROUPS = ['cpu', 'cpuacct'].map((controller) => `/sys/fs/cgroup/${controller}/sfu-test-${process.pid}`);
const real = 'in a real control group with a tenth of a core the quota, its usage and the default of WORKERS are known';

/** Runs a script in the groups. @returns its output. */
function within(script: string): string {
  const enter = GROUPS.map((group) => `echo $$ > ${group}/cgroup.procs`).join('; ');
  const command = `${enter}; exec "$0" --input-type=module -e "$1"`;
  return spawnSync('bash', ['-c', command, process.execPath, script], { encoding: 'utf8' }).stdout;
}

function make(): boolean {
  try {
    for (const group of GROUPS) mkdirSync(group);
    writeFileSync(`${GROUPS[0]}/cpu.cfs_quota_us`, '10000');
    return true;
  } catch {
    remove();
    return false;
  }
}

function remove(): void {
  for (const group of GROUPS) {
    try {
      rmdirSync(group);
    } catch {
      // The group does not exist.
    }
  }
}

if (!make()) test.skip(real, 'no control group with a quota can be made here');
else
  test(real, () => {
    try {
      const main = new URL('../../src/main/', import.meta.url);
      const workers = within(`import { DEFAULTS } from '${main}config.js'; console.log(DEFAULTS.WORKERS)`);
      is(Number(workers), 1);
      const found = within(`import { cpuQuota } from '${main}cgroup.js';
        const quota = cpuQuota();
        for (const end = Date.now() + 500; Date.now() < end; );
        console.log(JSON.stringify([quota.cores, quota.used(), quota.throttled()]))`);
      const [cores, used, throttled] = JSON.parse(found);
      is(cores, 0.1);
      // So little that even a busy machine uses it up.
      ok(used > 20 && throttled > 0, found);
    } finally {
      remove();
    }
  });

test.run();
