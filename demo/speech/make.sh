#!/usr/bin/env bash
# Makes what the bots say: for each line of sentences.txt an Ogg/Opus file and, in levels.json, the loudness of its frames.
#
#   apt-get install espeak-ng opus-tools && npm run build && demo/speech/make.sh
#
# Needed only when sentences.txt changes; the results are committed. espeak-ng is under the GPL, what it says is not.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.opus

while IFS='|' read -r name voice pitch speed text; do
  case $name in '' | '#'*) continue ;; esac
  # The silence that espeak-ng adds at the end is left out: bots have pauses of their own.
  espeak-ng -v "$voice" -p "$pitch" -s "$speed" -a 60 -z -w "$work/$name.wav" -- "$text"
  # Frames of 20 ms, as in RTP; a fixed serial number, so that the same sentences make the same files.
  opusenc --quiet --bitrate 18 --speech --framesize 20 --serial 1 --padding 0 --discard-comments \
    "$work/$name.wav" "$name.opus"
done <sentences.txt

node ../../dist/demo/speech/levels.js "$work" >levels.json
du -bc ./*.opus levels.json | tail -1
