#!/usr/bin/env bash
# Makes the bots' sentences. Each line of sentences.txt becomes an Ogg/Opus file, and levels.json holds the levels of
# its frames.
#
#   apt-get install espeak-ng opus-tools && npm run build && demo/speech/make.sh
#
# Run it only when sentences.txt changes; the results are committed. The GPL covers espeak-ng, but not its output.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.opus

while IFS='|' read -r name voice pitch speed text; do
  case $name in '' | '#'*) continue ;; esac
  # -z leaves out the silence at the end, because the bots make their own pauses.
  espeak-ng -v "$voice" -p "$pitch" -s "$speed" -a 60 -z -w "$work/$name.wav" -- "$text"
  # Frames of 20 ms match the RTP packets. With a fixed serial number, the same sentences make the same files.
  opusenc --quiet --bitrate 18 --speech --framesize 20 --serial 1 --padding 0 --discard-comments \
    "$work/$name.wav" "$name.opus"
done <sentences.txt

node ../../dist/demo/speech/levels.js "$work" >levels.json
du -bc ./*.opus levels.json | tail -1
