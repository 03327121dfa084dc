// A pion client for the tests of foreign clients: see test/foreign/README.md for what it reads and writes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

var out sync.Mutex

func say(message map[string]any) {
	text, _ := json.Marshal(message)
	out.Lock()
	defer out.Unlock()
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		say(map[string]any{"error": err.Error()})
		os.Exit(1)
	}
}

func main() {
	engine := &webrtc.MediaEngine{}
	must(engine.RegisterDefaultCodecs())
	registry := &interceptor.Registry{}
	must(webrtc.RegisterDefaultInterceptors(engine, registry))
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)

	var voice *webrtc.TrackLocalStaticSample
	for _, word := range strings.Fields(os.Args[1]) {
		kind, direction, _ := strings.Cut(word, ":")
		if kind == "data" {
			_, err = pc.CreateDataChannel("test", nil)
			must(err)
			continue
		}
		way := webrtc.RTPTransceiverInit{Direction: webrtc.NewRTPTransceiverDirection(direction)}
		codec := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
		codecType := webrtc.RTPCodecTypeAudio
		if kind == "video" {
			codec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
			codecType = webrtc.RTPCodecTypeVideo
		}
		if !strings.HasPrefix(direction, "send") {
			_, err = pc.AddTransceiverFromKind(codecType, way)
			must(err)
			continue
		}
		track, err := webrtc.NewTrackLocalStaticSample(codec, kind, "pion")
		must(err)
		transceiver, err := pc.AddTransceiverFromTrack(track, way)
		must(err)
		if kind == "pcmu" {
			must(transceiver.SetCodecPreferences([]webrtc.RTPCodecParameters{{
				RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, PayloadType: 0,
			}}))
		} else if kind == "audio" && voice == nil {
			voice = track
		}
	}

	var received atomic.Int64
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			received.Add(1)
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		say(map[string]any{"state": state.String()})
	})

	offer, err := pc.CreateOffer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	must(pc.SetLocalDescription(offer))
	<-gathered
	say(map[string]any{"offer": pc.LocalDescription().SDP})

	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	text, err := lines.ReadString('\n')
	must(err)
	var message struct{ Answer string }
	must(json.Unmarshal([]byte(text), &message))
	must(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: message.Answer}))

	go func() {
		for range time.Tick(20 * time.Millisecond) {
			if voice != nil {
				_ = voice.WriteSample(media.Sample{Data: []byte("\xf8" + strings.Repeat("pion", 10)), Duration: 20 * time.Millisecond})
			}
		}
	}()
	go func() {
		for range time.Tick(250 * time.Millisecond) {
			say(map[string]any{"received": received.Load()})
		}
	}()
	// The end of the input is the end.
	for err == nil {
		_, err = lines.ReadString('\n')
	}
	_ = pc.Close()
}
