import type { MutationList } from '../mutation.ts';

export const limits: MutationList = {
  'src/main/limits/throttle.ts': [
    ['const BURST_US = 1_000_000;', 'const BURST_US = 2_000_000;'],
    ['(stamp - this.lastStamp) >>> 0', 'stamp - this.lastStamp'],
    ['this.lastStamp = stamp;', ''],
    ['if (!packets.admits(time)) return Throttled.Packets;', ''],
    ['if (!bits.admits(time)) return Throttled.Bits;', ''],
    ['packets.charge(time, limits.perPacket);', ''],
    ['bytes * limits.perKibibyte', '1024 * limits.perKibibyte'],
    ['kilobits * 1000', 'kilobits * 1024'],
  ],
  'src/main/limits/gcra.ts': [
    ['> this.tolerance', '>= this.tolerance'],
    ['Math.max(this.until, now)', 'this.until'],
    ['Math.max(this.until, now)', 'now'],
    ['if (!this.admits(now)) return false;', 'this.admits(now);'],
  ],
  'src/main/limits/token-bucket.ts': [
    ['(burst - 1) * this.msPerToken', 'burst * this.msPerToken'],
    ['1000 / perSecond', '1024 / perSecond'],
    ['cost * this.msPerToken', 'this.msPerToken'],
  ],
  'src/main/limits/paced-queue.ts': [
    ['if (this.pieces.size >= this.pace.limit) return false;', ''],
    ['if (!this.resting) this.turn();', 'this.turn();'],
    ['if (now - begun >= TURN_MS) break;', ''],
    ['took * pace.idle - (time.idle() - turn.idle)', 'took * pace.idle - rested'],
    ['atMost - rested);', 'atMost);'],
    ['Math.min(took * pace.rest, MAX_REST_MS)', 'took * pace.rest'],
    ['      this.resting = false;\n', ''],
    ['(took + rested) / turn.done', 'took / turn.done'],
    ['this.waited(now - since);', 'this.waited(now - begun);'],
    ['const MAX_REST_MS = 250;', 'const MAX_REST_MS = 350;'],
  ],
  'src/main/limits/user-rates.ts': [
    ['this.makeRoom(now - BURST_S * 1000);', 'this.makeRoom(now - BURST_S * 500);'],
    ['at > before && this', 'this'],
    ['&& this.buckets.size < this.limit', ''],
    ['    this.buckets.delete(userid);\n    this', '    this'],
  ],
  'src/main/limits/clients-per-user.ts': [
    ['clients.size < this.limit || clients.has(clientid)', 'clients.size < this.limit'],
    ['clients.size < this.limit ||', 'clients.size <= this.limit ||'],
    ['if (count > 1) clients.set(clientid, count - 1);\n    else', ''],
    ['if (clients.size === 0) this.users.delete(userid);', ''],
    ['if (this.hasRoom(claim)) return;', 'return;'],
    ['for (const other of this.elsewhere(userid)) clients.add(other);', ''],
  ],
  'src/main/limits/data-budget.ts': [
    ['return this.messages.take(now) && this.bytes.take(now, bytes);', 'return this.messages.take(now);'],
    ['this.messages.take(now) && ', ''],
    ['Buffer.byteLength(message)', 'message.length'],
    ['const BYTES_PER_KILOBIT = 125;', 'const BYTES_PER_KILOBIT = 128;'],
  ],
  'src/main/limits/socket-limit.ts': [
    ['if (this.open > this.max)', 'if (this.open >= this.max)'],
    ['      this.open--;\n', ''],
    ['patience = setTimeout(() => socket.destroy(), PATIENCE_MS);', ''],
    ['if (!this.beyond.has(socket)) return;', 'return;'],
  ],
};
