import type { MutationList } from '../mutation.ts';

export const conversations: MutationList = {
  'src/main/conversations/conversations.ts': [
    ['conversation.users < participants', 'conversation.users <= participants'],
    ['const left = current?.users === 1 ? 1 : 0;', 'const left = 0;'],
    ['user.conversation !== null || user.silenced) return;', 'user.conversation !== null) return;'],
    ['    this.waiting.delete(userid);\n    return { user', '    return { user'],
    ['if (user.forgetAt > now) break;', 'if (user.forgetAt >= now) break;'],
    ['    this.waiting.delete(userid);\n    this.waiting.set(userid, user);', '    this.waiting.set(userid, user);'],
    [
      '    this.wait(userid, user, now);\n    if (user.conversation?.id !== id) {',
      '    if (user.conversation?.id !== id) {',
    ],
    ['this.users.size >= this.limits.users', 'this.users.size > this.limits.users'],
    ['this.conversations.size - left < conversations', 'this.conversations.size - left <= conversations'],
    ['if (current?.id === id) return null;', ''],
    ['if (--conversation.users === 0) this', 'if (--conversation.users < 0) this'],
    ['if (conversation.key > after) page', 'if (conversation.key >= after) page'],
    ['if (page.length === limit) break;', ''],
    ['if (current === conversation) members', 'members'],
    ['if (user.connections.size > 0) return;', ''],
    ['user === undefined || !user.connections.delete(connection)', 'user === undefined'],
  ],
};
