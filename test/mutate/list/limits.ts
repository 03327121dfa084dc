import type { MutationList } from '../mutation.ts';

export const limits: MutationList = {
  'src/main/limits/throttle.ts': [
    ['if (packets > BURST_US)', 'if (packets >= BURST_US)'],
    ['if (bits > BURST_US) return Throttled.Bits;', 'if (bits >= BURST_US) return Throttled.Bits;'],
    ['distance < 0 || distance > 2 * BURST_US ? 0 : distance', 'distance < 0 ? 0 : distance'],
    ['distance < 0 || ', ''],
    ['(now + packets + perPacket) | 0', '(now + perPacket) | 0'],
    ['bytes * perKibibyte', '1024 * perKibibyte'],
    ['kilobits * 1000', 'kilobits * 1024'],
  ],
  'src/main/limits/token-bucket.ts': [
    ['if (this.tokens < 1) return false;', 'if (this.tokens < 0) return false;'],
    ['Math.min(this.burst, this', '(this'],
    ['    this.last = now;\n    if', '    if'],
    ['this.tokens -= cost;', 'this.tokens--;'],
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
