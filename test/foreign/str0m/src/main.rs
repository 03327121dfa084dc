//! A str0m client for the tests of foreign clients: see test/foreign/README.md for what it reads and writes.
use std::error::Error;
use std::io::{BufRead, ErrorKind, Write};
use std::net::UdpSocket;
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

const PACKET: Duration = Duration::from_millis(20);
const REPORT: Duration = Duration::from_millis(250);

fn say(message: Value) {
    println!("{message}");
    let _ = std::io::stdout().flush();
}

fn direction_of(word: &str) -> Direction {
    match word {
        "sendonly" => Direction::SendOnly,
        "recvonly" => Direction::RecvOnly,
        _ => Direction::SendRecv,
    }
}

fn run(shape: &str) -> Result<(), Box<dyn Error>> {
    str0m::crypto::from_feature_flags().install_process_default();
    let mut rtc = Rtc::new(Instant::now());
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);

    let mut voice: Option<Mid> = None;
    let mut changes = rtc.sdp_api();
    for word in shape.split(' ') {
        let (kind, direction) = word.split_once(':').unwrap_or((word, ""));
        if kind == "data" {
            changes.add_channel("test".into());
            continue;
        }
        let kind = if kind == "video" { MediaKind::Video } else { MediaKind::Audio };
        let mid = changes.add_media(kind, direction_of(direction), None, None, None);
        if kind == MediaKind::Audio && direction.starts_with("send") {
            voice.get_or_insert(mid);
        }
    }
    let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
    say(json!({ "offer": offer.to_sdp_string() }));

    let (lines, input) = channel();
    thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    let message: Value = serde_json::from_str(&input.recv()?)?;
    let answer = SdpAnswer::from_sdp_string(message["answer"].as_str().ok_or("no answer")?)?;
    rtc.sdp_api().accept_answer(pending, answer)?;

    let mut buffer = vec![0; 2000];
    let mut received = 0u64;
    let mut sent = 0u64;
    let mut next_packet = Instant::now();
    let mut next_report = Instant::now();
    // The end of the input is the end.
    while !matches!(input.try_recv(), Err(TryRecvError::Disconnected)) && rtc.is_alive() {
        let now = Instant::now();
        if rtc.is_connected() && now >= next_packet {
            next_packet = now + PACKET;
            if let Some(writer) = voice.and_then(|mid| rtc.writer(mid)) {
                let opus = writer.payload_params().next().map(|params| params.pt()).ok_or("no payload type")?;
                let time = MediaTime::new(sent * 960, Frequency::FORTY_EIGHT_KHZ);
                sent += 1;
                writer.write(opus, now, time, [&[0xf8], &b"str0m".repeat(8)[..]].concat())?;
            }
        }
        if now >= next_report {
            next_report = now + REPORT;
            say(json!({ "received": received }));
        }
        let until = match rtc.poll_output()? {
            Output::Timeout(until) => until.min(next_packet.max(now)).min(next_report),
            Output::Transmit(packet) => {
                socket.send_to(&packet.contents, packet.destination)?;
                continue;
            }
            Output::Event(event) => {
                match event {
                    Event::Connected => say(json!({ "state": "connected" })),
                    Event::MediaData(_) => received += 1,
                    _ => {}
                }
                continue;
            }
        };
        socket.set_read_timeout(Some((until - Instant::now()).max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                let receive = Receive::new(Protocol::Udp, source, socket.local_addr()?, &buffer[..length])?;
                rtc.handle_input(Input::Receive(Instant::now(), receive))?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        rtc.handle_input(Input::Timeout(Instant::now()))?;
    }
    Ok(())
}

fn main() {
    let shape = std::env::args().nth(1).unwrap_or_default();
    if let Err(error) = run(&shape) {
        say(json!({ "error": error.to_string() }));
        std::process::exit(1);
    }
}
