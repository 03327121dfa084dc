/** The demo's page. It leads from the form into a call and back. */
import { type Devices, type MicrophoneOptions, VoiceClient } from '@beep/webrtc-client';
import { Bots } from './bots.ts';
import { CallView } from './call.ts';
import { byId, setText } from './dom.ts';
import { offerInvitation } from './invite.ts';
import { EventLog } from './log.ts';
import { MicrophoneCheck } from './microphone-check.ts';
import { OutputChoice } from './output-choice.ts';
import { type KeptCall, keepOverReload, takeKept } from './rejoin.ts';
import { recall, remember, roomOfLink, showRoomInLink } from './remembered.ts';
import { offerProcessing } from './settings.ts';
import { SourceChoice } from './source.ts';

const MAX_SLOTS = 8;
const DEFAULT_SLOTS = 3;
const BOT_MARK = '(bot)';
const STATISTICS_MS = 1000;

const joinForm = byId('join', HTMLFormElement);
const callPart = byId('call', HTMLDivElement);
const nameField = byId('name', HTMLInputElement);
const roomField = byId('room', HTMLInputElement);
const slotsField = byId('slots', HTMLSelectElement);
const nextRoom = byId('next-room', HTMLInputElement);
const problemBox = byId('problem', HTMLDivElement);

const log = new EventLog();
const source = new SourceChoice(() => {
  if (client !== null) source.apply(client).catch(problem);
});
const output = new OutputChoice(problem);
const check = new MicrophoneCheck(source, () => {
  source.listenOnly();
  joinForm.requestSubmit();
});
const view = new CallView(log, {
  problem,
  over: () => {
    const ended = client;
    leaveCall();
    ended?.close();
  },
  playsTone: () => source.playsTone,
  listenOnly: () => source.listenOnly(),
  retryMicrophone: () => {
    if (client !== null) source.apply(client).catch(() => undefined);
  },
  entered: (room) => {
    remember('room', room);
    showRoomInLink(room);
  },
});
const bots = new Bots({
  room: () => client?.conversation ?? null,
  located: (places) => view.locate(places),
  said: (text) => log.tell(text),
  failed: problem,
});
let client: VoiceClient | null = null;
/** The call that waits for its sound. A second click would start another one, whose tone would never end. */
let entering: KeptCall | null = null;
/** Counts the lists of devices. */
let lists = 0;

offerInvitation(
  () => client?.conversation ?? null,
  () => bots.origin,
);
offerProcessing(() => client, problem);
nameField.value = recall('name') ?? `Guest ${100 + Math.floor(Math.random() * 900)}`;
roomField.value = roomOfLink() ?? recall('room') ?? roomField.value;
for (let count = 1; count <= MAX_SLOTS; count++) slotsField.add(new Option(String(count), String(count)));
slotsField.value = recall('slots') ?? '';
if (slotsField.value === '') slotsField.value = String(DEFAULT_SLOTS);

joinForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const { submitter } = event;
  void enterCall(formAsCall(), submitter instanceof HTMLButtonElement ? Number(submitter.value) : 0);
});
byId('switch', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  client?.join(nextRoom.value.trim()).then(() => {
    nextRoom.value = '';
    return bots.look();
  }, problem);
});
byId('leave', HTMLButtonElement).addEventListener('click', () => {
  const leaving = client;
  // Leave the room too, so that the others do not see a name without a voice.
  leaving?.leave().then(
    () => leaving.close(),
    () => leaving.close(),
  );
  leaveCall();
  log.tell('You left.');
});
byId('problem-close', HTMLButtonElement).addEventListener('click', () => {
  problemBox.hidden = true;
  // The focus must not fall to the top of the page.
  if (callPart.hidden) nameField.focus();
  else view.focus();
});
nameField.addEventListener('input', () => nameField.setCustomValidity(''));

keepOverReload(presentCall);
const kept = takeKept();
if (kept !== null) {
  nameField.value = kept.name;
  roomField.value = kept.room;
  slotsField.value = kept.slots;
  source.restore(kept.source);
  void enterCall(kept, 0).then(() => {
    if (client?.conversation === kept.room) log.tell(`You are back in ${kept.room}.`);
  });
}

/** Returns the call that the form asks for. */
function formAsCall(): KeptCall {
  return {
    name: nameField.value.trim(),
    room: roomField.value.trim(),
    source: source.chosen,
    slots: slotsField.value,
    muted: false,
    deafened: false,
    volumes: [],
  };
}

/** Returns the call in which the user is, or is on their way to be; null if there is none to return to. */
function presentCall(): KeptCall | null {
  const room = client?.conversation ?? null;
  if (client === null || room === null) return entering;
  return { ...formAsCall(), room, muted: view.choseMute, deafened: client.deafened, volumes: [...client.volumes] };
}

/** Connects, joins the room and adds this many bots. */
async function enterCall(call: KeptCall, count: number): Promise<void> {
  const { name: userid, room, muted, deafened } = call;
  if (userid === '' || userid.endsWith(BOT_MARK)) {
    nameField.setCustomValidity(
      userid === '' ? 'Enter your name.' : 'Names that end in “(bot)” are for bots. Choose another.',
    );
    nameField.reportValidity();
    return;
  }
  if (entering !== null) return;
  check.stop();
  remember('name', userid);
  remember('slots', slotsField.value);
  entering = call;
  problemBox.hidden = true;
  view.expect(room);
  showCall(true);
  let microphone: MicrophoneOptions | false | null;
  try {
    microphone = await source.options();
  } catch (error) {
    leaveCall();
    return problem(error);
  }
  // The user has left before the sound was there.
  if (microphone === null) return;
  entering = null;
  const made = new VoiceClient({
    url: '/webrtc',
    token: `${encodeURIComponent(userid)}.browser`,
    slots: Number(slotsField.value),
    conversation: room,
    microphone,
    muted,
    deafened,
    statisticsInterval: STATISTICS_MS,
  });
  client = made;
  for (const [person, volume] of call.volumes) made.setVolume(person, volume);
  view.watch(made);
  output.watch(made);
  made.on('devices', offerDevices);
  made.on('microphone', () => lookAtDevices(made));
  lookAtDevices(made);
  try {
    await made.connect();
    if (count > 0) await bots.add(count);
  } catch (error) {
    made.close();
    // A user who has left meanwhile does not need the error.
    if (client !== made) return;
    problem(error);
    leaveCall();
  }
}

/** Lists the devices and offers them, unless there is a newer list by then. */
function lookAtDevices(from: VoiceClient): void {
  lists += 1;
  const list = lists;
  from.devices().then((devices) => {
    if (list === lists) offerDevices(devices);
  }, problem);
}

function offerDevices({ inputs, outputs }: Devices): void {
  lists += 1;
  source.fill(inputs);
  output.fill(outputs);
}

/** Returns to the form. */
function leaveCall(): void {
  if (client === null && entering === null) return;
  client = null;
  entering = null;
  source.stop();
  view.forget();
  showCall(false);
}

function showCall(on: boolean): void {
  document.body.classList.toggle('in-call', on);
  joinForm.hidden = on;
  callPart.hidden = !on;
  if (on) view.focus();
  else nameField.focus();
}

/** Shows an error at the top of the page: what is wrong, and what to do about it. */
function problem(error: unknown): void {
  setText(byId('problem-text', HTMLParagraphElement), error instanceof Error ? error.message : String(error));
  problemBox.hidden = false;
}
