import type { MutationList } from '../mutation.ts';

export const memberships: MutationList = {
  'src/main/memberships/memberships.ts': [
    ["if (by === 'operator') return enter(null);\n", ''],
    ['return enter(null);\n    this.takeRate(userid);', 'return enter(null);'],
    [
      'this.drain.join(userid, conversation, () => enter(grant))',
      'this.drain.join(userid, conversation, () => enter(null))',
    ],
    [
      'return this.exit(userid, conversation, by);\n    this.takeRate(userid);',
      'return this.exit(userid, conversation, by);',
    ],
    ['if (by.gone()) return;', ''],
    ['if (this.queue.waiting(userid) === 0) return leave();', 'return leave();'],
    ["if (kind === 'full' || kind === 'conversation-full') telemetry", "if (kind === 'full') telemetry"],
    ["if (kind === 'full' || kind === 'conversation-full') telemetry", "if (kind === 'conversation-full') telemetry"],
    ['if (done !== undefined) return done', 'if (done !== undefined) done'],
    ['void made(), refused)', 'void made())'],
    ["telemetry.joined('joined');", ''],
    ['    telemetry.left();\n', ''],
    ['if (!this.queue.hasRoom(userid)) throw', 'if (false) throw'],
    ['const MAX_WAITING = 16;', 'const MAX_WAITING = 17;'],
  ],
  'src/main/memberships/membership-store.ts': [
    ['if (!registry.isIn(userid, conversation)) throw notThere();', ''],
    ["registry.leave(userid, conversation, 'kicked'), true)", "registry.leave(userid, conversation, 'kicked'))"],
    [
      'if (affected === null) throw notThere();\n    connections.mute',
      'if (affected === null) return;\n    connections.mute',
    ],
    [
      'if (affected === null) throw notThere();\n    connections.letSpeak',
      'if (affected === null) return;\n    connections.letSpeak',
    ],
    ['connections.letSpeak(affected, speak);', ''],
    ['if (left > 0) throw bannedError(left);', ''],
    [
      'if (seconds !== null && registry.isIn(userid, conversation)) this.kick',
      'if (registry.isIn(userid, conversation)) this.kick',
    ],
    ['if (seconds === null && bannedFor(known, conversation, date()) === 0) throw notBanned();', ''],
    ['connections.mute(affected, muted);', ''],
    ['    connections.place(placement);\n', ''],
  ],
  'src/main/memberships/draining.ts': [
    ['if (!this.hasBegun || this.shared) return act();', 'if (!this.hasBegun) return act();'],
    ['!this.hasBegun || this.shared || this.staysHere', '!this.hasBegun || this.staysHere'],
    ['if (this.registry.isIn(userid, conversation)) this.moves(userid);', ''],
    ['if (this.registry.isConnected(userid)) ignoringRefusals(act);', ''],
    ['if (this.registry.isConnected(userid)) ignoringRefusals(act);', 'ignoringRefusals(act);'],
    ['if (this.registry.isConnected(userid)) act();', ''],
    ['if (this.registry.isConnected(userid)) act();', 'act();'],
    ['if (this.registry.isConnected(userid)) this.moving', 'this.moving'],
    ['&& !this.moving.has(userid)', ''],
    ['if (!this.hasBegun) return;', ''],
    ['if (!(error instanceof RequestError)) throw error;', ''],
    ['if (!(error instanceof RequestError)) throw error;', 'throw error;'],
    ['    this.moves(userid);\n    throw', '    throw'],
  ],
  'src/main/memberships/serial-queue.ts': [
    ['this.waiting(key) < this.limit', 'this.waiting(key) <= this.limit'],
    ["if (checked.status === 'rejected') throw checked.reason;", ''],
    ['Promise.allSettled([ready, line.last])', 'Promise.allSettled([ready])'],
    ['if (--line.count === 0) this.lines.delete(key);', '--line.count;'],
    ['    line.last = mine;\n', ''],
    ['return act(checked.value as R);', 'act(checked.value as R);'],
  ],
  'src/main/memberships/refusals.ts': [
    ["'conversation-full', detail", "'full', detail"],
    ['2 * perSecond', 'perSecond'],
  ],
};
