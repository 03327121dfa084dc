/** What a page loads with a plain `<script>`: everything, as members of the global `BeepVoice`. */
export * from './index.ts';
export { pushToTalk } from './push-to-talk.ts';
