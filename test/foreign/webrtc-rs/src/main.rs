//! A webrtc-rs client for the tests of foreign clients: see test/foreign/README.md for what it reads and writes.
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use webrtc::api::APIBuilder;
use webrtc::api::interceptor_registry::register_default_interceptors;
use webrtc::api::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_PCMU, MIME_TYPE_VP8, MediaEngine};
use webrtc::api::setting_engine::SettingEngine;
use webrtc::ice::network_type::NetworkType;
use webrtc::interceptor::registry::Registry;
use webrtc::media::Sample;
use webrtc::peer_connection::configuration::RTCConfiguration;
use webrtc::peer_connection::sdp::session_description::RTCSessionDescription;
use webrtc::rtp_transceiver::rtp_codec::{RTCRtpCodecCapability, RTCRtpCodecParameters, RTPCodecType};
use webrtc::rtp_transceiver::rtp_transceiver_direction::RTCRtpTransceiverDirection;
use webrtc::rtp_transceiver::{RTCRtpTransceiverInit, RTCPFeedback};
use webrtc::track::track_local::track_local_static_sample::TrackLocalStaticSample;

const PACKET: Duration = Duration::from_millis(20);
const REPORT: Duration = Duration::from_millis(250);

fn say(message: Value) {
    println!("{message}");
}

fn codec(mime_type: &str, clock_rate: u32, channels: u16) -> RTCRtpCodecCapability {
    RTCRtpCodecCapability {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: Vec::<RTCPFeedback>::new(),
    }
}

async fn run(shape: &str) -> Result<(), Box<dyn Error>> {
    let mut engine = MediaEngine::default();
    engine.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut engine)?;
    let mut settings = SettingEngine::default();
    settings.set_include_loopback_candidate(true);
    settings.set_network_types(vec![NetworkType::Udp4]);
    let api = APIBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings)
        .build();
    let pc = api.new_peer_connection(RTCConfiguration::default()).await?;

    let mut voice: Option<Arc<TrackLocalStaticSample>> = None;
    let mut channels = Vec::new();
    for word in shape.split(' ') {
        let (kind, direction) = word.split_once(':').unwrap_or((word, ""));
        if kind == "data" {
            channels.push(pc.create_data_channel("test", None).await?);
            continue;
        }
        let init = Some(RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::from(direction),
            send_encodings: vec![],
        });
        let (codec_type, capability) = match kind {
            "video" => (RTPCodecType::Video, codec(MIME_TYPE_VP8, 90_000, 0)),
            "pcmu" => (RTPCodecType::Audio, codec(MIME_TYPE_PCMU, 8000, 0)),
            _ => (RTPCodecType::Audio, codec(MIME_TYPE_OPUS, 48_000, 2)),
        };
        if !direction.starts_with("send") {
            pc.add_transceiver_from_kind(codec_type, init).await?;
            continue;
        }
        let track = Arc::new(TrackLocalStaticSample::new(capability.clone(), kind.to_owned(), "webrtc-rs".to_owned()));
        let transceiver = pc.add_transceiver_from_track(track.clone(), init).await?;
        if kind == "pcmu" {
            let pcmu = RTCRtpCodecParameters { capability, payload_type: 0, ..Default::default() };
            transceiver.set_codec_preferences(vec![pcmu]).await?;
        } else if kind == "audio" {
            voice.get_or_insert(track);
        }
    }

    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    pc.on_track(Box::new(move |track, _, _| {
        let counter = counter.clone();
        tokio::spawn(async move {
            while track.read_rtp().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Box::pin(async {})
    }));
    pc.on_peer_connection_state_change(Box::new(|state| {
        say(json!({ "state": state.to_string() }));
        Box::pin(async {})
    }));

    let offer = pc.create_offer(None).await?;
    let mut gathered = pc.gathering_complete_promise().await;
    pc.set_local_description(offer).await?;
    let _ = gathered.recv().await;
    let local = pc.local_description().await.ok_or("no local description")?;
    say(json!({ "offer": local.sdp }));

    let mut lines = BufReader::new(stdin()).lines();
    let message: Value = serde_json::from_str(&lines.next_line().await?.ok_or("no answer")?)?;
    let answer = message["answer"].as_str().ok_or("no answer")?.to_owned();
    pc.set_remote_description(RTCSessionDescription::answer(answer)?).await?;

    if let Some(track) = voice {
        tokio::spawn(async move {
            let data = Bytes::from([&[0xf8], &b"webrtc-rs".repeat(5)[..]].concat());
            let mut ticks = tokio::time::interval(PACKET);
            loop {
                ticks.tick().await;
                let sample = Sample { data: data.clone(), duration: PACKET, ..Default::default() };
                let _ = track.write_sample(&sample).await;
            }
        });
    }
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(REPORT);
        loop {
            ticks.tick().await;
            say(json!({ "received": received.load(Ordering::Relaxed) }));
        }
    });
    // The end of the input is the end.
    while lines.next_line().await?.is_some() {}
    pc.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    let shape = std::env::args().nth(1).unwrap_or_default();
    if let Err(error) = run(&shape).await {
        say(json!({ "error": error.to_string() }));
        std::process::exit(1);
    }
}
