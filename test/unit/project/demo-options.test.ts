/** Which address the demo shows to others, and what its command line may say. */
import type { NetworkInterfaceInfo } from 'node:os';
import { equal, is, throws } from 'uvu/assert';
import { chooseAddress, hostOf, type Interfaces } from '../../../demo/lan-address.ts';
import { readOptions } from '../../../demo/options.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('demo options');

/** Makes interfaces as `networkInterfaces` of Node.js tells them. */
function machine(interfaces: Readonly<Record<string, readonly string[]>>): Interfaces {
  const info = (address: string): NetworkInterfaceInfo =>
    ({ address, internal: address === '127.0.0.1' || address === '::1' }) as NetworkInterfaceInfo;
  return Object.fromEntries(Object.entries(interfaces).map(([name, all]) => [name, all.map(info)]));
}
const LO = { lo: ['127.0.0.1', '::1'] };
const LAPTOP = machine({
  ...LO,
  docker0: ['172.17.0.1'],
  wg0: ['10.8.0.2', 'fd08::2'],
  eth0: ['169.254.7.7'],
  wlan0: ['fe80::1', 'fd00::20', '192.168.1.20'],
});

test('it takes a private IPv4 address of a card, and names the others', () => {
  equal(chooseAddress(null, LAPTOP), {
    address: '192.168.1.20',
    others: ['172.17.0.1', '10.8.0.2', '169.254.7.7', 'fd00::20', 'fd08::2'],
  });
  is(chooseAddress(null, machine({ ...LO, eth0: ['203.0.113.5', 'fd00::20'] })).address, 'fd00::20');
});

test('another one of the machine can be named', () => {
  for (const wanted of ['10.8.0.2', 'fd00::20', '[FD00::20]']) {
    is(chooseAddress(wanted, LAPTOP).address, wanted.replace(/[[\]]/g, '').toLowerCase());
  }
  for (const wanted of ['192.168.1.21', '0.0.0.0', '127.0.0.1', 'fe80::1', 'localhost', '']) {
    throws(() => chooseAddress(wanted, LAPTOP), /not an address of this machine: It has 192\.168\.1\.20, /);
  }
  throws(() => chooseAddress('10.0.0.1', machine(LO)), /it has none in a network/);
});

test('a machine without a network hears what to do', () => {
  throws(() => chooseAddress(null, machine(LO)), /connect it to one.*Without --lan/);
  throws(() => chooseAddress(null, machine({ ...LO, eth0: ['fe80::1'] })), /no address in a network/);
});

test('a public address is taken only by name', () => {
  const server = machine({ ...LO, eth0: ['203.0.113.5', '2001:db8::5'] });
  throws(
    () => chooseAddress(null, server),
    /the whole internet.*--lan 203\.0\.113\.5\. It has 203\.0\.113\.5, 2001:db8::5/,
  );
  is(chooseAddress('203.0.113.5', server).address, '203.0.113.5');
});

test('an IPv6 address has brackets in a URL', () => {
  equal(['192.168.1.20', 'fd00::20'].map(hostOf), ['192.168.1.20', '[fd00::20]']);
});

test('options say what they may be', () => {
  const read = (line: string, env: NodeJS.ProcessEnv = {}): unknown =>
    readOptions(line === '' ? [] : line.split(' '), env);
  const plain = { help: false, instances: 1, port: 8088, lan: null };
  const lan = { address: null, files: null, qr: false };
  equal(read(''), plain);
  equal(read('--instances 2', { DEMO_PORT: '0' }), { ...plain, instances: 2, port: 0 });
  equal(read('--lan'), { ...plain, port: 8443, lan });
  for (const line of ['--lan 10.0.0.1', '--lan=10.0.0.1']) {
    equal(read(line), { ...plain, port: 8443, lan: { ...lan, address: '10.0.0.1' } });
  }
  equal(read('--lan --qr --instances 3 --cert a.pem --key b.pem', { DEMO_PORT: '9000' }), {
    ...plain,
    instances: 3,
    port: 9000,
    lan: { ...lan, qr: true, files: { cert: 'a.pem', key: 'b.pem' } },
  });
  throws(() => read('10.0.0.1'), /"10\.0\.0\.1" is no option/);
  throws(() => read('--lan 10.0.0.1 10.0.0.2'), /"10\.0\.0\.2" is no option/);
  throws(() => read('--cert a.pem --key b.pem'), /need --lan/);
  throws(() => read('--lan --cert a.pem'), /need each other/);
  throws(() => read('--instances 9'), /1 to 8/);
  throws(() => read('', { DEMO_PORT: '65536' }), /up to 65535/);
});

test.run();
