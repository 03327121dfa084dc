/** What clients hear when their server loses the others of its cluster. */
import { equal, is } from 'uvu/assert';
import { MAX_BUFFERED_BYTES } from '../../../src/main/events/channel.ts';
import { HubFixture } from '../../support/hub-fixture.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('events of a cluster');

const types = (all: readonly { readonly type: string }[]): string[] => all.map(({ type }) => type);

test('clients in a conversation and in none are told once that others are out of reach, and once that they are back', () => {
  const fixture = new HubFixture();
  const clients = [fixture.connect('ann').place(1).openChannel(), fixture.connect('bob').openChannel()];
  fixture.tick();
  for (const whole of [false, true]) {
    for (const { view } of clients) view.all.length = 0;
    fixture.hub.cluster(whole);
    fixture.tick();
    fixture.tick();
    for (const { view } of clients) equal(view.all, [{ v: 1, type: 'cluster', whole }]);
  }
});

test('a newcomer hears it after the snapshot, and nothing if the cluster is whole', () => {
  const fixture = new HubFixture();
  fixture.hub.cluster(false);
  const ann = fixture.connect('ann').place(1).openChannel();
  const bob = fixture.connect('bob').openChannel();
  equal(types(ann.view.all), ['snapshot', 'cluster']);
  equal(types(bob.view.all), ['snapshot', 'cluster']);
  const cid = fixture.connect('cid').place(1).openChannel();
  equal(types(cid.view.all), [], 'it is not in the view yet');
  fixture.tick();
  equal(types(cid.view.all), ['snapshot', 'cluster']);
  fixture.hub.cluster(true);
  const dan = fixture.connect('dan').place(2).openChannel();
  equal(types(dan.view.all), ['snapshot']);
});

test('a client that read too slowly hears what holds once it has read everything', () => {
  const fixture = new HubFixture();
  const [ann, bob] = [fixture.connect('ann').place(1).openChannel(), fixture.connect('bob').place(1).openChannel()];
  fixture.tick();
  ann.buffered = MAX_BUFFERED_BYTES + 1;
  fixture.hub.cluster(false);
  fixture.tick();
  is(ann.view.whole, true);
  is(bob.view.whole, false);
  ann.buffered = 0;
  fixture.tick();
  is(ann.view.whole, false);
  equal(types(ann.view.all.slice(-2)), ['snapshot', 'cluster']);
});

test('who moves meanwhile is not told again', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').place(1).openChannel();
  fixture.hub.cluster(false);
  fixture.tick();
  ann.place(2);
  fixture.tick();
  is(ann.view.of('cluster').length, 1);
});

test.run();
