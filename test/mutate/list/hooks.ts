import type { MutationList } from '../mutation.ts';

export const hooks: MutationList = {
  'src/main/hooks/lanes.ts': [
    ['this.lanes.get(lane)!.busy = true', 'this.lanes.get(lane)!.busy = false'],
    ['this.size -= items.length;', ''],
    ['lane.busy = false;', ''],
    ['lane.items.splice(0, count);', 'lane.items.splice(0, 1);'],
    ['for (const one of next.lanes) this.hopeful.add(one)', 'this.hopeful.add(key)'],
    ['!lane.busy && ', ''],
    ['(counts.get(one) ?? 0) + 1', '1'],
    ['taken.length === most', 'taken.length > most'],
  ],
  'src/main/hooks/signature.ts': [
    ['.update(', ".update('x').update("],
    ["createHmac('sha256', secret)", "createHmac('sha256', '')"],
  ],
  'src/main/hooks/recent.ts': [
    ['this.events.slice(-this.limit)', 'this.events.slice(0, this.limit)'],
    ['    this.events = [];\n', ''],
    ['at >= since', 'at > since'],
    ['this.events.filter(({ at }) => at >= now - KEPT_MS)', '[]'],
  ],
  'src/main/cluster/spokesman.ts': [
    ['return this.spoke && this.first()', 'return this.first()'],
    ['died ? silentMs + DEATH_MS : HANDOVER_MS', 'HANDOVER_MS'],
    ['instances.settled && records.available', 'records.available'],
    ['instances.settled && records.available', 'instances.settled'],
    ['before === null ? Number.POSITIVE_INFINITY : backMs', 'backMs'],
    ['const begins = !this.spoke && ', 'const begins = '],
    ['one.incarnation < other.incarnation : other.draining', 'one.incarnation < other.incarnation : false'],
    ['one.incarnation < other.incarnation : other.draining', 'one.incarnation > other.incarnation : other.draining'],
  ],
};
