/** A text channel over the native library's, whose methods throw once the channel is gone. */
import { equal, is } from 'uvu/assert';
import { textChannel } from '../../../src/main/media/text-channel.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('text channel');

test('a message that waits in the buffer of the library counts as sent', () => {
  const sent: string[] = [];
  for (const atOnce of [true, false]) {
    const channel = textChannel({
      sendMessage: (text) => {
        sent.push(text);
        return atOnce;
      },
      bufferedAmount: () => 77,
      close: () => undefined,
    });
    is(channel.send(`at once: ${atOnce}`), true);
    is(channel.bufferedAmount(), 77);
  }
  equal(sent, ['at once: true', 'at once: false']);
});

test('a channel that is gone sends nothing, holds nothing, and may be closed again', () => {
  const gone = (): never => {
    throw new Error('the channel is closed');
  };
  const channel = textChannel({ sendMessage: gone, bufferedAmount: gone, close: gone });
  is(channel.send('text'), false);
  is(channel.bufferedAmount(), 0);
  channel.close();
});

test.run();
