import type { MutationList } from '../mutation.ts';

export const http: MutationList = {
  'src/main/http/ice.ts': [
    ["{ 'Cache-Control': 'no-store' }", '{}'],
    ['if (this.urls.length === 0) return [];', ''],
    ['Math.floor(this.now() / 1000)', 'Math.ceil(this.now() / 1000)'],
    [' + this.seconds;', ';'],
    ['turnName(userid)}', 'userid}'],
    ['.update(username)', '.update(userid)'],
    ["createHmac('sha1', this.secret)", "createHmac('sha1', '')"],
    ["digest('base64')", "digest('hex')"],
    ['PLAIN.test(userid) && ', ''],
    [' && !UNWANTED.test(userid)', ''],
    ['{1,256}$/', '+/'],
  ],
};
